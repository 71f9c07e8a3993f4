"""What kind of browser and of context a document asks for, within what the operator has set."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from automation import Automation
from executor.errors import AutomationError
from executor.upstream_proxy import UpstreamProxy, read_upstream

# These are the installed browser unless they are mapped; the others are services of third parties.
_INSTALLED = frozenset({"chromium", "chrome"})
# The part of a user agent that a document's `os_emulation` replaces.
_PLATFORMS = {"windows": "Windows NT 10.0; Win64; x64", "linux": "X11; Linux x86_64"}


@dataclass(frozen=True, slots=True)
class BrowserTarget:
    """Which browser: a program of this machine, or a running one by the address of its DevTools; else the one that is
    found."""

    program: Path | None = None
    address: str = ""


def target_of_channel(channel: str) -> BrowserTarget:
    """The browser that stands behind a document's `browser_channel`. Raises AutomationError when nothing does."""
    target: str | None = settings.BROWSER_CHANNELS.get(channel)
    if target is None:
        if channel in _INSTALLED:
            return BrowserTarget()
        raise AutomationError(
            f"browser_channel “{channel}” is no browser that this server has: set BROWSER_CHANNELS={channel}=TARGET, "
            "TARGET being the path of a Chromium-based browser or the ws:// or http:// address of a running one, "
            "or use chromium in the document"
        )
    is_program = target.startswith("/") or "://" not in target
    return BrowserTarget(program=Path(target)) if is_program else BrowserTarget(address=target)


def proxy_of_task(*, use_proxy: bool) -> UpstreamProxy | None:
    """The proxy of a task that wants one. Raises AutomationError when none is set."""
    if not use_proxy:
        return None
    if not settings.BROWSER_PROXY:
        raise AutomationError("the task wants a proxy (use_proxy), and none is set: set BROWSER_PROXY=http://host:port")
    return read_upstream(settings.BROWSER_PROXY)


@dataclass(frozen=True, slots=True)
class ContextOptions:
    """What makes one context different from another. Equal ones can stand in for each other."""

    os_emulation: str | None = None
    hides_banners: bool = False
    viewport: tuple[int, int] = (1280, 800)
    locale: str = ""
    time_zone: str = ""

    @classmethod
    def of(cls, automation: Automation | None) -> "ContextOptions":
        """For a document; None: one that states nothing."""
        allows_cookies = automation is not None and automation.allow_cookies
        return cls(
            os_emulation=None if automation is None else automation.os_emulation,
            hides_banners=settings.HIDE_COOKIE_BANNERS and not allows_cookies,
            viewport=settings.BROWSER_VIEWPORT,
            locale=settings.BROWSER_LOCALE,
            time_zone=settings.BROWSER_TIMEZONE,
        )

    def arguments(self, *, version: str) -> dict[str, Any]:
        """Arguments of Playwright's `new_context`, for a browser of that version."""
        width, height = self.viewport
        return {
            "viewport": {"width": width, "height": height},
            "accept_downloads": True,
            "user_agent": _user_agent(self.os_emulation, version),
            "locale": self.locale or None,
            "timezone_id": self.time_zone or None,
        }


def _user_agent(os_emulation: str | None, version: str) -> str | None:
    """A Chrome on that system; None: the browser's own."""
    if os_emulation is None:
        return None
    major = version.partition(".")[0]
    return (
        f"Mozilla/5.0 ({_PLATFORMS[os_emulation]}) AppleWebKit/537.36 (KHTML, like Gecko) "
        f"Chrome/{major}.0.0.0 Safari/537.36"
    )
