"""What a script sees as its page: objects whose methods are messages to the worker, made from the vocabulary."""

import asyncio
import fnmatch
import re
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from executor.scripts.child.channel import Channel, TimedOutError
from executor.scripts.vocabulary import KEYBOARD, LOCATOR, MOUSE, PAGE, Method

# Playwright's own.
_DEFAULT_TIMEOUT_MS = 30_000.0
_LOOK_AGAIN_SECONDS = 0.05
_FLAGS = {re.IGNORECASE: "re.I", re.MULTILINE: "re.M", re.DOTALL: "re.S"}
# Shortcuts of a page that are the same as `page.locator(selector).first`.
_OF_FIRST_MATCH = (
    "check",
    "click",
    "dblclick",
    "dispatch_event",
    "fill",
    "focus",
    "get_attribute",
    "hover",
    "inner_html",
    "inner_text",
    "input_value",
    "is_checked",
    "is_disabled",
    "is_editable",
    "is_enabled",
    "is_hidden",
    "is_visible",
    "press",
    "select_option",
    "set_checked",
    "text_content",
    "type",
    "uncheck",
)
Call = Callable[..., Coroutine[Any, Any, Any]]


def bind(method: Method, name: str, values: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call by their names. Raises TypeError as a function with that signature would."""
    if len(values) > len(method.positional):
        raise TypeError(f"{name}() takes {len(method.positional)} positional arguments, not {len(values)}")
    bound = dict(zip(method.positional, values, strict=False))
    for key, value in named.items():
        if key in bound:
            raise TypeError(f"{name}() got {key} twice")
        if key not in method.positional and key not in method.options:
            raise TypeError(f"{name}() has no argument {key} on this server")
        bound[key] = value
    for key in list(method.positional)[: method.required]:
        if key not in bound:
            raise TypeError(f"{name}() needs {key}")
    return bound


class _Remote:
    """Methods that only pass on what they were called with."""

    def __init__(self, channel: Channel, target: Mapping[str, Any], methods: Mapping[str, Method]) -> None:
        self._channel, self._target, self._methods = channel, target, methods

    def __getattr__(self, name: str) -> Call:
        method = self._methods.get(name)
        if method is None:
            raise AttributeError(f"a script has no {self._target['on']}.{name} on this server")

        async def call(*values: Any, **named: Any) -> Any:
            return await self._channel.call(self._target, name, _sent(bind(method, name, values, named)))

        return call


def _sent(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.command if isinstance(value, Locator) else value for name, value in arguments.items()}


class Finders:
    """The start of a locator: in a page, a frame or another locator."""

    def __init__(self, channel: Channel, page: int, prefix: str) -> None:
        self._channel, self._page, self._prefix = channel, page, prefix

    def _then(self, step: str) -> str:
        return f"{self._prefix}.{step}" if self._prefix else step

    def _found(self, method: str, first: Any, options: Mapping[str, Any]) -> "Locator":
        return Locator(self._channel, self._page, self._then(_written(method, first, options)))

    def locator(self, selector: "str | Locator", **options: Any) -> "Locator":
        return self._found("locator", selector, options)

    def get_by_role(self, role: str, **options: Any) -> "Locator":
        return self._found("get_by_role", role, options)

    def get_by_text(self, text: "str | re.Pattern[str]", **options: Any) -> "Locator":
        return self._found("get_by_text", text, options)

    def get_by_label(self, text: "str | re.Pattern[str]", **options: Any) -> "Locator":
        return self._found("get_by_label", text, options)

    def get_by_placeholder(self, text: "str | re.Pattern[str]", **options: Any) -> "Locator":
        return self._found("get_by_placeholder", text, options)

    def get_by_alt_text(self, text: "str | re.Pattern[str]", **options: Any) -> "Locator":
        return self._found("get_by_alt_text", text, options)

    def get_by_title(self, text: "str | re.Pattern[str]", **options: Any) -> "Locator":
        return self._found("get_by_title", text, options)

    def get_by_test_id(self, test_id: "str | re.Pattern[str]") -> "Locator":
        return self._found("get_by_test_id", test_id, {})

    def frame_locator(self, selector: str) -> "FrameLocator":
        return FrameLocator(self._channel, self._page, self._then(_written("frame_locator", selector, {})))


class FrameLocator(Finders):
    """A frame of the page, for what is looked up in it."""

    @property
    def first(self) -> "FrameLocator":
        return FrameLocator(self._channel, self._page, self._then("first"))

    @property
    def last(self) -> "FrameLocator":
        return FrameLocator(self._channel, self._page, self._then("last"))

    @property
    def owner(self) -> "Locator":
        return Locator(self._channel, self._page, self._then("owner"))

    def nth(self, index: int) -> "FrameLocator":
        return FrameLocator(self._channel, self._page, self._then(f"nth({int(index)})"))


class Locator(Finders):
    """Elements of the page. It travels as a locator command, the same that documents use."""

    @property
    def command(self) -> str:
        return self._prefix

    def __getattr__(self, name: str) -> Call:
        target = {"on": "locator", "page": self._page, "locator": self._prefix}
        return getattr(_Remote(self._channel, target, LOCATOR), name)  # type: ignore[no-any-return]

    def _narrowed(self, step: str) -> "Locator":
        return Locator(self._channel, self._page, self._then(step))

    @property
    def first(self) -> "Locator":
        return self._narrowed("first")

    @property
    def last(self) -> "Locator":
        return self._narrowed("last")

    @property
    def content_frame(self) -> FrameLocator:
        return FrameLocator(self._channel, self._page, self._then("content_frame"))

    def nth(self, index: int) -> "Locator":
        return self._narrowed(f"nth({int(index)})")

    def filter(self, **options: Any) -> "Locator":
        return self._narrowed(_written("filter", None, options))

    def and_(self, locator: "Locator") -> "Locator":
        return self._narrowed(_written("and_", locator, {}))

    def or_(self, locator: "Locator") -> "Locator":
        return self._narrowed(_written("or_", locator, {}))

    async def all(self) -> list["Locator"]:
        return [self.nth(number) for number in range(await self.count())]


def _written(method: str, first: Any, options: Mapping[str, Any]) -> str:
    """One step of a locator command."""
    arguments = [] if first is None else [_literal(first)]
    arguments += [f"{name}={_literal(value)}" for name, value in options.items() if value is not None]
    return f"{method}({', '.join(arguments)})"


def _literal(value: Any) -> str:
    if isinstance(value, Locator):
        return f"page.{value.command}"
    if isinstance(value, re.Pattern):
        flags = [word for flag, word in _FLAGS.items() if value.flags & flag]
        return f"re.compile({', '.join([repr(value.pattern), ' | '.join(flags)] if flags else [repr(value.pattern)])})"
    return repr(value)


class Page(Finders):
    """A tab of the browser."""

    def __init__(self, channel: Channel, number: int) -> None:
        super().__init__(channel, number, "")
        self._target = {"on": "page", "page": number}
        self.keyboard = _Remote(channel, {"on": "keyboard", "page": number}, KEYBOARD)
        self.mouse = _Remote(channel, {"on": "mouse", "page": number}, MOUSE)

    def __getattr__(self, name: str) -> Call:
        if name in _OF_FIRST_MATCH:

            async def act(selector: str, *values: Any, **named: Any) -> Any:
                return await getattr(self.locator(selector).first, name)(*values, **named)

            return act
        return getattr(_Remote(self._channel, self._target, PAGE), name)  # type: ignore[no-any-return]

    @property
    def url(self) -> str:
        return str(self._channel.call_and_block(self._target, "url", {}))

    @property
    def main_frame(self) -> Finders:
        return Finders(self._channel, self._page, "main_frame")

    async def wait_for_timeout(self, timeout: float) -> None:  # noqa: ASYNC109 - Playwright's names
        await asyncio.sleep(timeout / 1000)

    async def wait_for_selector(self, selector: str, **options: Any) -> Locator | None:
        """The first match, or None when it was waited for until it had gone."""
        found = self.locator(selector).first
        await found.wait_for(**options)
        return None if options.get("state") in ("hidden", "detached") else found

    async def wait_for_url(
        self,
        url: "str | re.Pattern[str] | Callable[[str], bool]",
        *,
        timeout: float | None = None,  # noqa: ASYNC109
        wait_until: str | None = None,
    ) -> None:
        """Matched here, so a costly pattern costs only the script's own time."""
        most = _DEFAULT_TIMEOUT_MS if timeout is None else timeout
        ends_at = time.monotonic() + most / 1000 if most else float("inf")
        while not _matches(url, self.url):
            if time.monotonic() >= ends_at:
                raise TimedOutError(f"Timeout {most:g}ms exceeded.")
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        if wait_until != "commit":
            left = max(1.0, (ends_at - time.monotonic()) * 1000)
            await self.wait_for_load_state(wait_until or "load", timeout=min(left, _DEFAULT_TIMEOUT_MS))


def _matches(wanted: "str | re.Pattern[str] | Callable[[str], bool]", url: str) -> bool:
    if isinstance(wanted, str):
        return wanted == url or fnmatch.fnmatchcase(url, wanted)
    if isinstance(wanted, re.Pattern):
        return wanted.search(url) is not None
    return bool(wanted(url))


class Browser:
    """The browser of the task, as far as a script gets it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def get_current_page(self) -> Page:
        return Page(self._channel, await self._channel.call({"on": "browser"}, "get_current_page", {}))
