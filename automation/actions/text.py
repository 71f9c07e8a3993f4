"""Typing: texts into fields, keys to the page."""

import string
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator
from pydantic_core import InitErrorDetails

from automation.actions.targeted import TargetedAction
from automation.placeholders import QUOTED, TEXT, has_placeholder
from automation.problems import error_at, json_kind, refuse, shortened

_NAMED_KEYS = """
accept add alt altleft altright apps backspace browserback browserfavorites browserforward browserhome
browserrefresh browsersearch browserstop capslock clear convert ctrl ctrlleft ctrlright decimal del
delete divide down end enter esc escape execute final fn hanguel hangul hanja help home insert junja kana
kanji launchapp1 launchapp2 launchmail launchmediaselect left modechange multiply nexttrack nonconvert
numlock pagedown pageup pause pgdn pgup playpause prevtrack print printscreen prntscrn prtsc prtscr
return right scrolllock select separator shift shiftleft shiftright sleep space stop subtract tab up
volumedown volumemute volumeup win winleft winright yen command option optionleft optionright
"""
KEY_NAMES = frozenset(
    [
        *"\t\n\r ",
        *(character for character in map(chr, range(0x21, 0x7F)) if character not in string.ascii_uppercase),
        *(f"f{number}" for number in range(1, 25)),
        *(f"num{number}" for number in range(10)),
        *_NAMED_KEYS.split(),
    ]
)


def is_key_name(name: str) -> bool:
    """Whether `key_press` knows `name`: a character or one of the lower-case names, `enter`, `pgdn`, `f5`."""
    return name in KEY_NAMES


class InputTextAction(TargetedAction):
    """Type a text into a field. `input_text` null: a model writes it; `""` clears the field."""

    input_text: Annotated[str | None, QUOTED] = None
    fill_or_type: Literal["fill", "type", "key_press"] = "fill"
    press_enter: bool = False
    is_slider: bool = False
    click_before_input: bool = True

    def problems(self) -> Iterator[InitErrorDetails]:
        if self.press_enter and not (self.command or "").strip():
            yield error_at(("press_enter",), "needs a command: Enter is pressed on the element that it finds")
        yield from super().problems()


def _check_keys_shape(value: Any) -> Any:
    if not isinstance(value, str | list):
        raise refuse(f"must be a key name or a list of key names, not {json_kind(value)}")
    for name in value if isinstance(value, list) else ():
        if not isinstance(name, str):
            raise refuse(f"must hold key names only, not {json_kind(name)}")
    return value


class KeyPressAction(TargetedAction):
    """Press one key, or the keys of a list together, on the page (not on an element)."""

    # A name with a placeholder is checked when the placeholder is filled in: see `key_problem`.
    type: Annotated[str | list[str], BeforeValidator(_check_keys_shape), TEXT]

    @property
    def keys(self) -> list[str]:
        return [self.type] if isinstance(self.type, str) else self.type

    def key_problem(self) -> str | None:
        """What is wrong with the first name that is no key, for a node whose placeholders are filled in."""
        wrong = next((name for name in self.keys if not is_key_name(name)), None)
        return None if wrong is None else _not_a_key(wrong)

    def problems(self) -> Iterator[InitErrorDetails]:
        for position, name in enumerate(self.keys):
            if not is_key_name(name) and not has_placeholder(name):
                location = ("type",) if isinstance(self.type, str) else ("type", position)
                yield error_at(location, _not_a_key(name), word=name, choices=sorted(KEY_NAMES))
        yield from super().problems()


def _not_a_key(name: str) -> str:
    # A value may have come from a placeholder: only what looks like a key name is repeated.
    shown = f"“{shortened(name, 20)}”" if len(name) <= 20 and name.isalnum() else "this text"
    return f"{shown} is not a key name; they are lower case, such as enter, tab, pagedown, f5, a"
