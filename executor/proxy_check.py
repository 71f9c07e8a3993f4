"""What a page outside says about where requests come from, for tasks that go through a proxy."""

import asyncio
import json
from typing import Any

from playwright.async_api import Page

from executor.actions.navigation import open_address

_SECONDS = 20.0
_LONGEST_TEXT = 4000
# A constant function: what the page shows, JSON included.
_READ = "() => (document.body ? document.body.innerText : '').trim()"


async def read_check_page(page: Page, url: str) -> dict[str, Any]:
    """Open the check page: `{"json_data": {...}}` for an object of JSON, else `{"text": "..."}`.

    Raises ActionError, PlaywrightError or TimeoutError.
    """
    async with asyncio.timeout(_SECONDS):
        await open_address(page, url)
        text = str(await page.evaluate(_READ))[:_LONGEST_TEXT]
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    return {"json_data": said} if isinstance(said, dict) else {"text": text}
