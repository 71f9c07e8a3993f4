import json

from hypothesis import given
from hypothesis import strategies as st

from executor.storable import storable, storable_text


def test_each_character_that_cannot_be_stored_is_replaced() -> None:
    value = {"a\0": ["x\ud800y", {"b": None}, 1, True, 2.5], "ok": "Zoë 😀"}
    assert storable(value) == {"a\ufffd": ["x\ufffdy", {"b": None}, 1, True, 2.5], "ok": "Zoë 😀"}


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_every_text_becomes_one_that_utf_8_can_write(text: str) -> None:
    kept = storable_text(text)
    assert len(kept) == len(text)
    assert json.dumps(kept, ensure_ascii=False).encode()
    assert "\0" not in kept
