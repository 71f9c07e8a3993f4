import pytest

from tests.executor.conftest import RunNodes, click, interact, read
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)


def typed(text: str | None, command: str = 'locator("#q")', **fields: object) -> dict[str, object]:
    return interact("input_text", {"command": command, "input_text": text, **fields})


VALUE = read('locator("#q")', "value", read="value")


@pytest.mark.parametrize(
    ("text", "fields", "value"),
    [
        ("new", {}, "new"),
        ("", {}, ""),
        ("er", {"fill_or_type": "type"}, "erold"),
        ("er", {"fill_or_type": "key_press"}, "olerd"),
        ("er", {"fill_or_type": "key_press", "click_before_input": False}, "erold"),
        ('"quoted"', {}, "quoted"),
    ],
)
def test_texts_reach_the_field(
    run_nodes: RunNodes, site: Site, text: str, fields: dict[str, object], value: str
) -> None:
    outcome = run_nodes([typed(text, **fields), VALUE], url=f"{site.url}/form")

    assert outcome.error is None
    if fields.get("fill_or_type") == "key_press" and fields.get("click_before_input", True):
        assert sorted(outcome.values()["value"]) == sorted(value)  # where a click puts the caret is the browser's
    else:
        assert outcome.values() == {"value": value}


def test_enter_is_pressed_on_the_element(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([typed("sent by enter", press_enter=True), read('locator("#out")')], url=f"{site.url}/form")

    assert outcome.values() == {"value": "sent sent by enter"}


@pytest.mark.parametrize("text", ["{missing[0]}", "{empty[0]}", "Dr. {empty[0]}", None])
def test_a_text_without_a_value_skips_the_step(run_nodes: RunNodes, site: Site, text: str | None) -> None:
    outcome = run_nodes([typed(text), VALUE], url=f"{site.url}/form", inputs={"empty": []})

    assert outcome.error is None
    assert outcome.steps[0].status == "skipped"
    assert outcome.values() == {"value": "old"}


def test_a_text_with_another_unknown_placeholder_is_typed_literally(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([typed("n: {who[1]}"), VALUE], url=f"{site.url}/form", inputs={"who": ["Ada"]})

    assert outcome.values() == {"value": "n: {who[1]}"}


def test_a_value_that_looks_like_a_placeholder_is_typed(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [typed("v {who[0]}"), VALUE], url=f"{site.url}/form", inputs={"who": ["{empty[0]}"], "empty": []}
    )

    assert outcome.values() == {"value": "v {empty[0]}"}


@pytest.mark.parametrize(
    ("keys", "seen"),
    [
        ("esc", "Escape"),
        ("pgdn", "PageDown"),
        ("f5", "F5"),
        (["ctrl", "b"], "Control b"),
        (["ctrl", "shift", "up"], "Control Shift ArrowUp"),
    ],
)
def test_keys_and_chords_are_pressed(run_nodes: RunNodes, site: Site, keys: object, seen: str) -> None:
    outcome = run_nodes(
        [click('locator("#field")'), interact("key_press", {"type": keys}), read('locator("#out")')],
        url=f"{site.url}/keys",
    )

    assert outcome.error is None
    assert outcome.values() == {"value": seen}


def test_the_number_pad_types_digits(run_nodes: RunNodes, site: Site) -> None:
    keys = [interact("key_press", {"type": name}, end_sleep_time=0) for name in ("end", "num5", "decimal", "7")]
    field = read('locator("#field")', read="value")
    outcome = run_nodes([click('locator("#field")'), *keys, field], url=f"{site.url}/keys")

    assert outcome.values() == {"value": "some text5.7"}


def test_keys_that_no_browser_has_are_a_warning(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [interact("key_press", {"type": "volumeup"}), interact("key_press", {"type": []})], url=f"{site.url}/keys"
    )

    assert outcome.error is None
    assert [step.status for step in outcome.steps] == ["warning", "success"]
    assert "volumeup" in outcome.steps[0].details["notes"][0]
