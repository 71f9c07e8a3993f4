"""A picture of the page as a file of the task."""

from playwright.async_api import Error as PlaywrightError

from automation.actions.extraction import ScreenshotExtraction
from executor.errors import first_line
from executor.run import Run

_TIMEOUT_MS = 10_000


async def extract(action: ScreenshotExtraction, run: Run) -> None:
    """Keep a PNG under the given name; one that cannot be taken is a warning."""
    try:
        png = await run.page.screenshot(full_page=action.full_page, type="png", timeout=_TIMEOUT_MS)
    except PlaywrightError as error:
        run.step.warn(f"the screenshot could not be taken: {first_line(error)}")
        return
    await run.keep_picture(png, filename=action.filename)
    extraction = run.node.extraction_action
    run.add_output(unique_identifier=extraction.unique_identifier if extraction else None)
