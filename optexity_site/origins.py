"""Origins of pages, as browsers send them and an operator writes them."""

import re

# A browser leaves out the port that the scheme implies, and writes all in lower case.
_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::(?P<port>[1-9]\d{0,4}))?"
)
_IMPLIED = {"http": "80", "https": "443"}


def read_origin(text: str) -> str:
    """`text`, if a browser could send it as `Origin`. Raises ValueError: for `*` and `null`, too."""
    found = _ORIGIN.fullmatch(text)
    if found is None or found["port"] == _IMPLIED[found["scheme"]]:
        raise ValueError(
            "an origin is exactly what a browser sends, such as https://app.example.com or http://localhost:5173: no "
            "path, no wildcard, lower case, no port that the scheme implies"
        )
    return text
