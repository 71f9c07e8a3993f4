"""Looking for covers on a page that is on its way elsewhere, or gone."""

import asyncio
from typing import Any

import pytest
from playwright.async_api import ElementHandle, Page
from playwright.async_api import Error as PlaywrightError

from executor.overlays.freeing import Freeing, _look
from executor.settling import PageActivity
from tests.executor.conftest import OnPage
from tests.executor.site.server import Site
from tests.executor.test_overlays import control, cover

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_frame_that_went_away_covers_nothing(on_page: OnPage, site: Site) -> None:
    async def look(page: Page) -> Any:
        await page.goto(f"{site.url}/frames")
        frame = next(each for each in page.frames if each != page.main_frame)
        await page.evaluate("document.querySelector('iframe').remove()")
        return await _look(frame)

    seen = on_page(look)
    assert (list(seen.covers), seen.elements, seen.in_the_way) == ([], {}, [])


def test_a_page_that_was_closed_is_told(on_page: OnPage, site: Site) -> None:
    async def look(page: Page) -> list[BaseException]:
        await page.goto(f"{site.url}/second")
        button: ElementHandle | None = await page.query_selector("button")
        assert button is not None
        freeing = Freeing(page, PageActivity(page))
        await page.close()
        notice = cover("OK")
        looking = freeing.look()
        clicking = freeing._click(notice, control("OK"), button)
        results = await asyncio.gather(looking, clicking, return_exceptions=True)
        assert freeing.done == []
        return [each for each in results if isinstance(each, BaseException)]

    errors = on_page(look)
    assert len(errors) == 2
    assert all(isinstance(each, PlaywrightError) for each in errors)
