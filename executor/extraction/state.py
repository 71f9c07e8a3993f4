"""Address, title, storage and cookies of the page."""

from automation.actions.extraction import StateExtraction
from executor.errors import playwright_errors
from executor.run import Run

# A constant function; a page with an opaque origin has no storage.
_READ = """() => {
  const entries = read => { try { return Object.fromEntries(Object.entries(read())); } catch { return {}; } };
  const cookie = () => { try { return document.cookie; } catch { return ""; } };
  return {local_storage: entries(() => localStorage), session_storage: entries(() => sessionStorage),
          document_cookie: cookie()};
}"""


async def extract(action: StateExtraction, run: Run) -> None:
    """Append the state as an output item. It holds session secrets: the linter warns about it."""
    with playwright_errors("read the page's state"):
        read = await run.page.evaluate(_READ)
        state = {
            "page_url": run.page.url,
            "page_title": await run.page.title(),
            "local_storage": read["local_storage"],
            "session_storage": read["session_storage"],
            "cookies": [dict(cookie) for cookie in await run.page.context.cookies()],
            "document_cookie": read["document_cookie"],
        }
    extraction = run.node.extraction_action
    run.add_output(unique_identifier=extraction.unique_identifier if extraction else None, json_data=state)
