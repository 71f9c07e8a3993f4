"""What the body of a call is as a value: JSON, else text, else nothing."""

import codecs
import json
import re
from typing import Any, NoReturn

from automation.json_values import json_problems

_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
# Python knows more: transformations that are no charset, and slow ones (punycode takes the square of the length).
_OF_THE_WEB = re.compile(
    r"ascii|utf-8(-sig)?|utf-16(-[bl]e)?|iso8859-\d+|cp(125\d|866|874|932|936|949|950)|koi8-[ru]|mac-(roman|cyrillic)"
    r"|shift_jis|euc_(jp|kr)|iso2022_jp|gb(2312|k|18030)|big5"
)


def body_value(data: bytes, content_type: str) -> Any:
    """JSON as its value, other text as a string, and None for bytes that are no text.

    JSON that could not be stored (NaN, NUL characters, a thousand levels) comes as its text.
    """
    text = body_text(data, content_type)
    if text is None:
        return None
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
    problems, _ = json_problems(value)
    return text if problems else value


def body_text(data: bytes, content_type: str) -> str | None:
    """The text of a body by its declared charset, else UTF-8; None for bytes that are no text."""
    try:
        text = data.decode(_encoding(content_type))
    except UnicodeError:
        return None
    # No database text can hold NUL.
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _encoding(content_type: str) -> str:
    declared = _CHARSET.search(content_type)
    if declared is None:
        return "utf-8"
    try:
        name = codecs.lookup(declared[1]).name
    except LookupError:
        return "utf-8"
    return name if _OF_THE_WEB.fullmatch(name) else "utf-8"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
