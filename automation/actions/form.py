"""Forms whose fields a service of the author maps to values."""

import ipaddress
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field
from pydantic_core import InitErrorDetails

from automation.actions.extraction import ModelChoice, PageSource
from automation.element import Element, RawObject
from automation.output_format import raw_format_problems
from automation.placeholders import PROMPT, TEXT
from automation.problems import error_at

_INTERNAL_HOSTS = frozenset({"localhost", "metadata.google.internal"})


def callback_url_problem(url: str) -> str | None:
    """Why a form's answers cannot be asked for at `url`, or None.

    Judges the address as it is written; what a name resolves to is for the egress guard to judge at run time.
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".").lower()
        _ = parts.port
    except ValueError:
        return "is not an address"
    if parts.scheme not in ("http", "https"):
        return "must begin with http:// or https://"
    if not host:
        return "has no host"
    if host in _INTERNAL_HOSTS:
        return "must not point to this machine or to a metadata service"
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    is_internal = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_reserved
        or address.is_unspecified
        or address.is_multicast
    )
    return "must not be a private, loopback, link-local or reserved address" if is_internal else None


class FormMappingCallbackUrl(Element):
    """Where the fields are sent to, with an API key or basic authentication."""

    url: Annotated[str, TEXT]
    api_key: Annotated[str | None, TEXT] = Field(default=None, repr=False)
    username: Annotated[str | None, TEXT] = None
    password: Annotated[str | None, TEXT] = Field(default=None, repr=False)

    def problems(self) -> Iterator[InitErrorDetails]:
        if (self.username is None) != (self.password is None):
            yield error_at((), "needs username and password together, or neither")
        elif self.api_key is not None and self.username is not None:
            yield error_at((), "holds both an api_key and a username; keep one way to authenticate")
        # With a placeholder in it, the address is judged when it is known.
        problem = None if "{" in self.url else callback_url_problem(self.url)
        if problem is not None:
            yield error_at(("url",), problem)


class DynamicFormMappingAction(ModelChoice):
    """A model lists a form's fields, a service answers with values. `max_wait_time` in seconds."""

    extraction_instructions: Annotated[str, PROMPT]
    extraction_format: dict[str, Any]
    source: list[PageSource] = Field(default=["axtree"], min_length=1)
    callback_url: FormMappingCallbackUrl
    include_screenshot: bool = True
    full_page_screenshot: bool = False
    include_axtree: bool = False
    include_live_stream_url: bool = False
    max_wait_time: float = Field(default=60.0, gt=0, le=120)
    output_variable_name: str = "form_values"

    @classmethod
    def raw_problems(cls, raw: RawObject) -> Iterator[InitErrorDetails]:
        yield from raw_format_problems(raw, "extraction_format")

    def problems(self) -> Iterator[InitErrorDetails]:
        if not self.output_variable_name.isidentifier():
            yield error_at(("output_variable_name",), "must be a name: letters, digits and “_”, no digit first")
