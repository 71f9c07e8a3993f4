"""What the settings of traces look like, and whether their packages are there."""

import importlib.util
import re
from urllib.parse import unquote, urlsplit

REQUIREMENTS = "requirements-otel.txt"
_PACKAGE = "opentelemetry.exporter.otlp.proto.http"


def is_installed() -> bool:
    """Whether the packages of requirements-otel.txt are there; they are looked for, not loaded."""
    try:
        return importlib.util.find_spec(_PACKAGE) is not None
    except (ModuleNotFoundError, ValueError):
        return False


def read_collector(text: str) -> str:
    """The address of a collector, without a slash at its end. Raises ValueError, without the text."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("it is no http:// or https:// address")
    return text.rstrip("/")


def read_headers(text: str) -> dict[str, str]:
    """`name=value,name=value`, values percent-encoded as OpenTelemetry has it. Raises ValueError, without the text."""
    headers = {}
    for each in filter(None, (part.strip() for part in text.split(","))):
        name, has_value, value = each.partition("=")
        if not has_value or not re.fullmatch(r"[A-Za-z0-9_-]+", name.strip()):
            raise ValueError("it is no list of name=value")
        headers[name.strip()] = unquote(value.strip())
    return headers
