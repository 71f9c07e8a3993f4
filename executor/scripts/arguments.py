"""Whether what a script sent can be an argument of the method that it names."""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from executor.scripts.vocabulary import ArgumentKind, Method

_LONGEST_TEXT = 4 * 1024 * 1024
_LARGEST_COUNT = 10_000
_BUTTONS = ("left", "middle", "right")
_MODIFIERS = ("Alt", "Control", "ControlOrMeta", "Meta", "Shift")
_LOAD_STATES = ("commit", "domcontentloaded", "load", "networkidle")
_ELEMENT_STATES = ("attached", "detached", "hidden", "visible")


class CallRefusedError(Exception):
    """The script asked for what it is not offered; it gets the text as an exception."""


def checked_arguments(name: str, method: Method, arguments: object) -> dict[str, Any]:
    """`arguments` by name, all of them known and of their kinds. Raises CallRefusedError."""
    if not isinstance(arguments, dict):
        raise CallRefusedError(f"{name}: its arguments are no object")
    kinds: dict[str, ArgumentKind] = {**method.positional, **method.options}
    for key, value in arguments.items():
        kind = kinds.get(key)
        if kind is None:
            raise CallRefusedError(f"{name}: there is no argument {str(key)[:40]} on this server")
        if not _CHECKS[kind](value):
            raise CallRefusedError(f"{name}: {key} is not usable ({kind})")
    for key in list(method.positional)[: method.required]:
        if key not in arguments:
            raise CallRefusedError(f"{name}: {key} is missing")
    return arguments


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < 1e9


def _is_timeout(value: object) -> bool:
    return _is_number(value) and value >= 0


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_COUNT


def _is_point(value: object) -> bool:
    return isinstance(value, dict) and set(value) == {"x", "y"} and all(map(_is_number, value.values()))


def _is_texts(value: object) -> bool:
    return _is_text(value) or (isinstance(value, list) and all(map(_is_text, value)))


def _is_modifiers(value: object) -> bool:
    return isinstance(value, list) and all(each in _MODIFIERS for each in value)


def _is_one_of(*choices: str) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and value in choices


_CHECKS: Mapping[ArgumentKind, Callable[[object], bool]] = {
    "text": _is_text,
    "texts": _is_texts,
    "number": _is_number,
    "timeout": _is_timeout,
    "count": _is_count,
    "bool": lambda value: isinstance(value, bool),
    "json": lambda _: True,
    "button": _is_one_of(*_BUTTONS),
    "modifiers": _is_modifiers,
    "point": _is_point,
    "locator": _is_text,
    "load state": _is_one_of(*_LOAD_STATES),
    "element state": _is_one_of(*_ELEMENT_STATES),
    "polling": lambda value: value == "raf" or _is_number(value),
    "metadata": lambda value: isinstance(value, dict),
}
