"""Keeps secret values out of everything that is recorded, also where a page or a protocol has encoded them."""

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

HIDDEN = "•••"
# A shorter value stands everywhere by chance; hiding it would only show where it is.
_SHORTEST = 3
# Four characters of base64 are three bytes.
_SHORTEST_BASE64 = 4
# What `encodeURIComponent` and `encodeURI` leave as it is, beside letters, digits and `-_.~`.
_SAFE_IN_COMPONENTS = "!'()*"
_SAFE_IN_ADDRESSES = "!'()*;,/?:@&=+$#"


class Masking:
    """Knows the secret values of one attempt; `mask` is applied to every text that leaves it."""

    def __init__(self) -> None:
        self._hidden: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    @property
    def hides_something(self) -> bool:
        return bool(self._hidden)

    def hide(self, value: str) -> None:
        """From now on `value` is shown as dots, in each of its encodings."""
        if len(value) < _SHORTEST or value in self._hidden:
            return
        self._hidden.add(value)
        # Longer ones first: one may contain another.
        forms = sorted({form for each in self._hidden for form in _forms(each)}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, forms)))

    @property
    def hidden(self) -> frozenset[str]:
        return frozenset(self._hidden)

    def hide_what(self, other: "Masking") -> None:
        """From now on everything that `other` hides is hidden here, too."""
        for value in other.hidden:
            self.hide(value)

    def mask(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)

    def mask_field(self, value: str) -> str:
        """What stands in a form field: also a part of a secret, whose typing was not finished, is hidden."""
        if value and any(value in each for each in self._hidden):
            return HIDDEN
        return self.mask(value)


def _forms(value: str) -> Iterator[str]:
    """`value` as it is, and as HTML, addresses, JSON and base64 write it."""
    yield value
    yield html.escape(value)
    yield html.escape(value, quote=False)
    yield html.escape(value).replace("&#x27;", "&#39;")
    for encoded in (
        quote(value, safe="", errors="replace"),
        quote(value, errors="replace"),
        quote_plus(value, errors="replace"),
        quote(value, safe=_SAFE_IN_COMPONENTS, errors="replace"),
        quote(value, safe=_SAFE_IN_ADDRESSES, errors="replace"),
    ):
        yield encoded
        yield re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), encoded)
    for once in (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]):
        yield once
        yield once.replace("/", "\\/")
        # JSON in JSON: a request's body in a record of it.
        yield json.dumps(once, ensure_ascii=False)[1:-1]
    yield from _base64_forms(value.encode(errors="replace"))


def _base64_forms(value: bytes) -> Iterator[str]:
    """The characters that `value` gives wherever it begins in what was encoded (`user:password` of basic auth)."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + value).decode()
        # The characters at both ends depend on what stands beside it.
        own = encoded[(before * 8 + 5) // 6 : (before + len(value)) * 8 // 6]
        if len(own) >= _SHORTEST_BASE64:
            yield own
            yield own.translate(str.maketrans("+/", "-_"))
