"""The clipboard belongs to the whole browser, so a task must not find in it what another one has copied."""

from playwright.async_api import Page

# A constant function. An empty copy of a page's own replaces whatever was there, of every format.
_EMPTY = """() => {
  const empty = event => { event.clipboardData.setData("text/plain", ""); event.preventDefault(); };
  document.addEventListener("copy", empty, {once: true});
  document.execCommand("copy");
}"""


async def empty_clipboard(page: Page) -> None:
    """Leave nothing to paste. `page` must be an empty page of ours: a site would hear of it."""
    await page.evaluate(_EMPTY)
