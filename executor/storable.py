"""What no database text can hold, and pages show nevertheless: NUL characters and halves of surrogate pairs."""

import re
from typing import Any

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable_text(text: str) -> str:
    """`text` with a replacement character for each that cannot be stored."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def storable(value: Any) -> Any:
    """A JSON value with the same done to all texts and keys in it."""
    match value:
        case str():
            return storable_text(value)
        case list():
            return [storable(item) for item in value]
        case dict():
            return {storable_text(str(key)): storable(item) for key, item in value.items()}
        case _:
            return value
