"""Why an attempt ended early, and the border to Playwright's errors.

RunError                        the message becomes Task.error
├── ActionError                 one action could not be done; another attempt may help
│   ├── ElementNotFoundError    nothing usable matched the locator in time
│   ├── ActionTimeoutError      matched, but the page never let us finish
│   ├── NavigationError         an address that could not be opened
│   └── DownloadMissingError    expect_download, and no usable file came
├── RunTimeoutError             the attempt used up its wall clock; another attempt may help
├── BrowserCrashedError         the page or the whole browser went away; another attempt may help
├── DiskFullError               no room for pictures or files; another attempt may help
├── BrowserNotFoundError        there is no Chromium to start; final
├── PageNotRespondingError      the page answered nothing, also in a second browser
├── AssertionFailedError        the page is not as the author promised; final
├── FailStateError              a fail_state action was reached; final
├── NeedsModelError             only a language model could do it, and none is configured; final
├── PeopleUnavailableError      only a person could do it, and nobody can be asked; final
├── NobodyAnsweredError         a person was asked, and did not answer in time
├── PersonGaveUpError           a person decided that the task cannot go on; final
├── ScriptsDisabledError        the document has a script, and it may not run here; final
└── AutomationError             the document is wrong, seen only at run time; final
LeaseLostError                  the task is somebody else's now: stop, and write nothing
"""

import errno
import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import ClassVar

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

# How people are told that a language model is missing, wherever that is the reason.
NEEDS_MODEL = "needs a language model: set LLM_MODEL"


class RunError(Exception):
    """An attempt cannot go on. `may_retry`: another attempt of the same task could end better. `ends_attempt`: no
    loop may go on after it, for there is nothing left to go on with."""

    may_retry: ClassVar[bool] = True
    ends_attempt: ClassVar[bool] = False


class ActionError(RunError):
    pass


class ElementNotFoundError(ActionError):
    pass


class ActionTimeoutError(ActionError):
    pass


class NavigationError(ActionError):
    pass


class DownloadMissingError(ActionError):
    pass


class RunTimeoutError(RunError):
    ends_attempt = True


class BrowserCrashedError(RunError):
    ends_attempt = True

    def __init__(self, message: str = "browser crashed") -> None:
        super().__init__(message)


class DiskFullError(RunError):
    ends_attempt = True

    def __init__(self, message: str = "the disk is full: no picture or file could be kept; free some space") -> None:
        super().__init__(message)


class BrowserNotFoundError(RunError):
    may_retry = False
    ends_attempt = True


class PageNotRespondingError(RunError):
    ends_attempt = True


class AssertionFailedError(RunError):
    may_retry = False


class FailStateError(RunError):
    may_retry = False


class NeedsModelError(RunError):
    """`what` names the step, or the part of it, that only a language model could do."""

    may_retry = False

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: {NEEDS_MODEL}")


class PeopleUnavailableError(RunError):
    may_retry = False


class NobodyAnsweredError(RunError):
    pass


class PersonGaveUpError(RunError):
    may_retry = False


class ScriptsDisabledError(RunError):
    """`why` says what somebody has to do so that scripts run."""

    may_retry = False

    def __init__(self, why: str) -> None:
        super().__init__(f"scripts are disabled on this server: {why}")


class AutomationError(RunError):
    may_retry = False


class LeaseLostError(Exception):
    """Another worker has the task, or it has ended: whatever this one would still write is refused."""


# What Playwright says when the thing that a call talks to is gone.
_GONE = re.compile(
    r"Target (page, context or browser has been closed|crashed)|Browser has been closed|Connection closed"
)
# Lines of its call log that say why an element could not be acted on, the last one being the newest.
_REASONS = re.compile(
    r"^\s*-\s+(?:\d+ × )?(.*(?:intercepts pointer events|element is not (?:visible|enabled|stable|editable)"
    r"|outside of the viewport|did not find some options|option being selected is not enabled"
    r"|resolved to hidden|Clicking the checkbox did not change its state).*)$",
    re.MULTILINE,
)
_ACT_BEGAN = re.compile(r"^\s*-\s+(?:\d+ × )?performing \w+ action", re.MULTILINE)


def first_line(error: BaseException) -> str:
    """What an error says in one line, without Playwright's `Locator.click:` and its call log."""
    text = str(getattr(error, "message", "") or error).strip()
    line = text.splitlines()[0] if text else type(error).__name__
    return re.sub(r"^\w+\.\w+: ", "", line)[:500]


def reason_in(error: BaseException) -> str:
    """Why the page did not let us act (`<div …> intercepts pointer events`), else the first line."""
    found = _REASONS.findall(str(error))
    return found[-1].strip()[:300] if found else first_line(error)


def act_began(error: BaseException) -> bool:
    """Whether Playwright had already sent the click or tap when it gave up."""
    return _ACT_BEGAN.search(str(error)) is not None


def is_disk_full(error: BaseException) -> bool:
    """Whether the system had no room left to write, or the user's quota no more."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def is_gone(error: BaseException) -> bool:
    """Whether the page, context or browser that was called does not exist anymore."""
    return _GONE.search(str(error)) is not None


@contextmanager
def playwright_errors(doing: str) -> Generator[None]:
    """Turn Playwright's errors into ours; `doing` names the act for people: `press Enter`."""
    try:
        yield
    except PlaywrightTimeoutError as error:
        raise ActionTimeoutError(f"{doing}: {reason_in(error)}") from error
    except PlaywrightError as error:
        if is_gone(error):
            raise BrowserCrashedError(f"{doing}: the page is gone ({first_line(error)})") from error
        raise ActionError(f"{doing}: {first_line(error)}") from error
