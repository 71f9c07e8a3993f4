"""What an element shows, read by a locator command."""

import logging
import time
from typing import Any

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Locator

from automation import LocatorError
from automation.actions.extraction import LocatorExtraction
from executor.errors import ElementNotFoundError, first_line, is_gone, playwright_errors
from executor.extraction.results import refuse_nulls
from executor.locators import Box, build_locator, candidates_in_words, find_candidates
from executor.run import Run

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5.0

# Constant functions on one element. Their argument, if any, is data.
_READ_TEXT = "element => (element.innerText ?? element.textContent ?? '').trim()"
_READ_VALUE = "element => 'value' in element ? String(element.value) : null"
_READ_CHECKED = """element => 'checked' in element ? element.checked
  : element.hasAttribute('aria-checked') ? element.getAttribute('aria-checked') === 'true' : null"""
_READ_HTML = "element => element.outerHTML"
_READ_ATTRIBUTE = "(element, name) => element.getAttribute(name)"
# A table or grid: its header row gives the keys. Blank headings are numbered, equal ones, too.
_READ_TABLE = """element => {
  const text = cell => (cell.innerText ?? cell.textContent ?? '').replace(/\\s+/g, ' ').trim();
  const table = element.closest('table, [role=table], [role=grid], [role=treegrid]')
      || element.querySelector('table, [role=table], [role=grid]') || element;
  const rows = [...table.querySelectorAll('tr, [role=row]')]
      .filter(row => row.parentElement.closest('table, [role=table], [role=grid], [role=treegrid]') === table);
  const aCell = 'td, th, [role=cell], [role=gridcell], [role=columnheader], [role=rowheader]';
  const cells = row => [...row.querySelectorAll(aCell)]
      .filter(cell => cell.closest('tr, [role=row]') === row);
  const isHeading = cell => cell.matches('[role=columnheader]') || (cell.tagName === 'TH' && cell.scope !== 'row');
  let head = rows.findLastIndex(row => row.closest('thead'));
  if (head < 0) head = rows.findIndex(row => cells(row).length && cells(row).every(isHeading));
  if (head < 0) head = 0;
  if (!rows.length) return null;
  const keys = [];
  for (const cell of cells(rows[head])) {
    const name = text(cell) || `column_${keys.length + 1}`;
    let key = name, number = 1;
    while (keys.includes(key)) key = `${name}_${++number}`;
    keys.push(key);
    for (let extra = 1; extra < (cell.colSpan || 1); extra++) keys.push(`${key}_${extra + 1}`);
  }
  const record = all => Object.fromEntries(keys.map((key, at) => [key, all[at] ? text(all[at]) : null]));
  return rows.slice(head + 1).filter(row => !row.closest('tfoot')).map(cells).filter(all => all.length).map(record);
}"""
_READERS = {
    "text": _READ_TEXT,
    "value": _READ_VALUE,
    "checked": _READ_CHECKED,
    "html": _READ_HTML,
    "table": _READ_TABLE,
}


async def extract(action: LocatorExtraction, run: Run) -> None:
    """Read the first match (or, with `all`, every match) into a variable and an output item.

    A missing element reads as null, which fails the task unless `allow_none` is set (ActionError).
    """
    name = action.output_variable_name or next(iter(action.extraction_format))
    value = await _read(action, run)
    is_list = isinstance(value, list)
    run.set_variable(name, value if is_list else [value])
    extraction = run.node.extraction_action
    run.add_output(unique_identifier=extraction.unique_identifier if extraction else None, json_data={name: value})
    if value is None:
        await _tell_what_is_there(action, run)
    refuse_nulls(run)


async def _read(action: LocatorExtraction, run: Run) -> Any:
    """A text, boolean, list or null."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    try:
        command = run.parse(action.command)
        if command is None:
            run.step.warn("the locator command is blank")
            return None
        locator = build_locator(command, run.page)
        first = locator.first
        await first.wait_for(state="attached", timeout=TIMEOUT_SECONDS * 1000)
        await _note_box(first, run)
        timeout_ms = max(1.0, (deadline - time.monotonic()) * 1000)
        if not action.all:
            return await _read_one(first, action.read, timeout_ms)
        values = [await _read_one(each, action.read, timeout_ms) for each in await locator.all()]
        return [row for table in values for row in table or ()] if action.read == "table" else values
    except LocatorError as error:
        run.step.warn(f"the locator command {error}")
    except ElementNotFoundError as error:
        run.step.note(str(error))
    except PlaywrightError as error:
        if is_gone(error):
            with playwright_errors("read the page"):
                raise
        run.step.note(f"nothing to read: {first_line(error)}")
    return None


async def _read_one(locator: Locator, read: str, timeout_ms: float) -> Any:
    if read.startswith("attribute:"):
        return await locator.evaluate(_READ_ATTRIBUTE, read.removeprefix("attribute:"), timeout=timeout_ms)
    return await locator.evaluate(_READERS[read], timeout=timeout_ms)


async def _note_box(locator: Locator, run: Run) -> None:
    box = await locator.bounding_box()
    size = run.page.viewport_size
    if box is not None and size is not None:
        run.step.details["box"] = Box(x=box["x"], y=box["y"], width=box["width"], height=box["height"])
        run.step.details["viewport"] = {"width": size["width"], "height": size["height"]}


async def _tell_what_is_there(action: LocatorExtraction, run: Run) -> None:
    try:
        candidates = await find_candidates(run.parse(action.command), run.page)
    except (LocatorError, PlaywrightError):
        return
    if candidates:
        run.step.details["candidates"] = candidates
        run.step.note(f"nearest: {candidates_in_words(candidates)}")
