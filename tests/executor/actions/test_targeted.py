"""How an element is found and acted on, on pages that change under the hand."""

from urllib.parse import quote

import pytest

from executor.errors import ActionError, ActionTimeoutError, ElementNotFoundError
from tests.executor.conftest import RunNodes, click, interact, read
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)

OUT = read('locator("#out")', "out")
GO = 'get_by_role("button", name="Go")'


def page(site: Site, body: str, script: str = "") -> str:
    """The address of a page with this body and script."""
    return f"{site.url}/echo?script=" + quote(f"document.write({body!r}); {script}")


def open_popup(url: str) -> str:
    """A button that opens this address in a tab that may close itself."""
    return f'<button onclick="window.open(`{url}`)">Open</button>'


OPEN = click('get_by_role("button", name="Open")', expect_new_tab=True, end_sleep_time=0)


def test_a_click_that_closes_its_own_tab_is_done(run_nodes: RunNodes, site: Site) -> None:
    popup = page(site, "<button>Go</button>", "document.querySelector('button').onmousedown = () => window.close()")
    opener = page(site, f"{open_popup(popup)}<p id=out>back</p>")
    outcome = run_nodes([OPEN, click(GO, max_tries=3), OUT], url=opener)

    assert outcome.error is None
    assert outcome.values() == {"out": "back"}
    assert outcome.steps[1].status == "success"


def test_a_tab_that_closes_itself_while_an_element_is_looked_for_leaves_the_search_to_the_one_before(
    run_nodes: RunNodes, site: Site
) -> None:
    popup = page(site, "<p>soon gone</p>", "setTimeout(() => window.close(), 1500)")
    button = "<button onclick=\"out.textContent='went'\">Go</button><p id=out></p>"
    opener = page(site, open_popup(popup) + button)
    outcome = run_nodes([OPEN, click(GO), OUT], url=opener)

    assert outcome.error is None
    assert outcome.values() == {"out": "went"}


@pytest.mark.parametrize("fields", [{"commit_point": True}, {"expect_download": True, "download_timeout_seconds": 1}])
def test_an_act_that_must_happen_once_is_not_repeated_when_its_end_was_not_seen(
    run_nodes: RunNodes, site: Site, fields: dict[str, object]
) -> None:
    url = page(
        site,
        "<button>Go</button>",
        "document.querySelector('button').onmousedown = () => {"
        " const ends = Date.now() + 2500; while (Date.now() < ends); }",
    )
    outcome = run_nodes([click(GO, max_tries=2, max_timeout_seconds_per_try=0.8, **fields)], url=url)

    assert type(outcome.error) is ActionError
    assert "the act was begun and not seen to finish" in str(outcome.error)


def test_an_element_that_shows_a_moment_later_is_waited_for(run_nodes: RunNodes, site: Site) -> None:
    url = page(
        site,
        "<button style=display:none onclick=\"out.textContent='went'\">Go</button><p id=out></p>",
        "setTimeout(() => { document.querySelector('button').style.display = '' }, 900)",
    )
    outcome = run_nodes([click('locator("button")', max_timeout_seconds_per_try=3), OUT], url=url)

    assert outcome.error is None
    assert outcome.values() == {"out": "went"}


@pytest.mark.parametrize(("comes_back", "expected"), [(True, None), (False, ActionTimeoutError)])
def test_an_element_that_hides_when_it_is_scrolled_to_is_tried_again(
    run_nodes: RunNodes, site: Site, comes_back: bool, expected: type[Exception] | None
) -> None:
    back = "setTimeout(() => { b.style.visibility = ''; }, 300);" if comes_back else ""
    url = page(
        site,
        '<p id=out></p><div style=height:3000px></div><button id=b onclick="out.textContent=1">Go</button>',
        "let hidden = false; addEventListener('scroll', () => { if (hidden) return; hidden = true;"
        f" b.hidden = true; {back.replace('b.style.visibility = ', 'b.hidden = ')} }});",
    )
    node = click('locator("#b")', max_tries=3, max_timeout_seconds_per_try=0.7)
    outcome = run_nodes([node, OUT] if comes_back else [node], url=url)

    assert (None if outcome.error is None else type(outcome.error)) is expected
    assert outcome.values() == ({"out": "1"} if comes_back else {})


def drag(**fields: object) -> dict[str, object]:
    wrapper = {"max_tries": 2, "max_timeout_seconds_per_try": 0.8}
    return interact("drag_to", {"command": 'locator("#card")', "target": 'locator("#bin")', **fields}, **wrapper)


def test_a_target_that_goes_when_the_drag_begins_is_told(run_nodes: RunNodes, site: Site) -> None:
    url = page(site, "<p id=card>card</p><p id=bin>bin</p>", "card.onmousedown = () => { bin.hidden = true }")
    outcome = run_nodes([drag()], url=url)

    assert isinstance(outcome.error, ActionTimeoutError)
    assert "the target to drop on" in str(outcome.error)


@pytest.mark.parametrize("target", ["{what[0]}", 'locator("p").evaluate("1")'])
def test_a_target_that_cannot_be_looked_for_is_told_before_anything_is_touched(
    run_nodes: RunNodes, site: Site, target: str
) -> None:
    url = page(site, "<p id=card>card</p><p id=bin>bin</p>")
    outcome = run_nodes([drag(target=target)], url=url, inputs={"what": [""]})

    assert isinstance(outcome.error, ElementNotFoundError)
    assert "target" in str(outcome.error)
