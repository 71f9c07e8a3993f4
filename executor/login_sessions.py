"""The stored session of a dedicated task's login during one attempt: begin with it, keep what it has become, drop it.

Kept when the attempt has ended well. Dropped when an attempt that began with it failed for a reason that the session
may have had: the next attempt signs in anew, so a broken session costs one attempt and never a second one.
"""

import asyncio
import uuid
from functools import partial
from typing import Final

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from playwright.async_api import BrowserContext, Page
from playwright.async_api import Error as PlaywrightError

from executor.browser_state import BrowserState, compress, decompress, read_state, restore_state
from executor.database import in_database
from executor.errors import (
    AutomationError,
    BrowserNotFoundError,
    DiskFullError,
    LeaseLostError,
    NeedsModelError,
    PeopleUnavailableError,
    ScriptsDisabledError,
    first_line,
)
from executor.recorder import Recorder
from inference.models import Task
from inference.services.login_sessions import (
    SessionUnusableError,
    StoredSession,
    drop_session,
    load_session,
    save_session,
)
from inference.services.transitions import record_event

EVENT = "session"

_MIB = 1024 * 1024
# What the setting LOGIN_SESSION_MAX_MB may be at most.
_LARGEST_BYTES = 64 * _MIB
_DATABASE_RETRY_SECONDS = 1.0
# Whoever fails with these would have failed with any session.
_NOT_OF_THE_SESSION: Final = (
    AutomationError,
    BrowserNotFoundError,
    DiskFullError,
    LeaseLostError,
    NeedsModelError,
    OSError,
    PeopleUnavailableError,
    ScriptsDisabledError,
)


class AttemptSession:
    """What one attempt of a dedicated task has to do with the stored session of its login."""

    def __init__(self, task: Task, *, token: int, recorder: Recorder) -> None:
        self._task = task
        self._token = token
        self._recorder = recorder
        self._stored: StoredSession | None = None
        self._state: BrowserState | None = None
        # The state that is stored now, as far as this attempt knows: the one it began with, later its own.
        self.state_id: uuid.UUID | None = None

    async def load(self) -> None:
        """Look for a stored session. What cannot be used is told in the timeline, and the attempt begins without."""
        if not self._has_login:
            self._tell("none", "no session is kept: without unique parameters, no other task has this one's login")
            return
        try:
            self._stored = await self._read()
            if self._stored is not None:
                self._state = await asyncio.to_thread(_parsed, self._stored.state)
                self.state_id = self._stored.state_id
        except SessionUnusableError as unusable:
            self._tell("not used", f"the stored session of the login is not used: {unusable}")
        except (ValueError, KeyError, TypeError):
            self._tell("not used", "the stored session of the login is not used: it cannot be read")

    async def _read(self) -> StoredSession | None:
        while True:
            try:
                return await in_database(load_session, task=self._task)
            except (OperationalError, InterfaceError):
                # The database is away. The lease, or the task's time limit, ends this if it stays away.
                await asyncio.sleep(_DATABASE_RETRY_SECONDS)

    async def restore(self, context: BrowserContext) -> bool:
        """Put it into a fresh context. False when that could not be done: the attempt begins without it then, in
        another context."""
        if self._state is None:
            return True
        try:
            await restore_state(context, self._state)
        except (PlaywrightError, TimeoutError) as error:
            self._tell("not used", f"the login's stored session could not be put into the browser: {_reason(error)}")
            self._state = None
            return False
        self._tell("used", f"began with the login's stored session{self._saved()}")
        return True

    def tell_reused(self) -> None:
        """The page of the task before was still open, and is used as it is."""
        self._tell("reused", f"went on with the page that was left open{self._saved()}")

    async def keep(self, context: BrowserContext, page: Page | None) -> bool:
        """Store the state of the context, and the session storage of `page`, for the next task of the login; False
        when that was not possible.

        Then nothing that this attempt began with stays stored: it is out of date. Raises LeaseLostError.
        """
        if not self._has_login:
            return False
        try:
            state, has_databases = await read_state(context, page)
        except (PlaywrightError, TimeoutError) as error:
            await self._drop(f"the session could not be read, so none is kept: {_reason(error)}")
            return False
        text = state.to_json()
        if len(text) > settings.LOGIN_SESSION_MAX_MB * _MIB:
            size = f"{len(text) / _MIB:.1f} MiB, more than LOGIN_SESSION_MAX_MB={settings.LOGIN_SESSION_MAX_MB}"
            await self._drop(f"the session is too large to be kept: {size}")
            return False
        packed = await asyncio.to_thread(compress, text)
        await self._recorder.write(lambda: self._save(state, packed, len(text)))
        if self.state_id is None:
            self._tell("not kept", "the session is not kept: a person had it forgotten while this attempt ran")
            return False
        left_out = "" if has_databases else ", without its IndexedDB, which cannot be read"
        self._tell("kept", f"the session is kept for the login, {_size(len(text))}{left_out}")
        return True

    def _save(self, state: BrowserState, packed: bytes, size_bytes: int) -> None:
        """In the recorder's transaction, so with the lease."""
        self.state_id = save_session(
            task=self._task,
            token=self._token,
            state=packed,
            size_bytes=size_bytes,
            ends_at=state.ends_at(),
        )

    async def failed(self, error: BaseException) -> None:
        """The attempt failed with `error`: drop the session that it began with, if that may have been the reason."""
        if self._state is not None and not isinstance(error, _NOT_OF_THE_SESSION):
            await self._drop("the attempt began with the login's stored session and failed, so that is dropped")

    def timed_out(self) -> None:
        """The same for the time limit. It is called by the thread that supervises the attempt, after its end."""
        if self._state is None or self.state_id is None:
            return
        text = "the attempt began with the login's stored session and timed out, so that is dropped"
        with transaction.atomic():
            if drop_session(task=self._task, token=self._token, state_id=self.state_id):
                record_event(self._task.id, EVENT, cause={"kind": "limit"}, data={"state": "dropped", "text": text})

    async def _drop(self, text: str) -> None:
        if (state_id := self.state_id) is not None:
            # Another task of the login may have stored a newer one, which stays.
            await self._recorder.write(partial(drop_session, task=self._task, token=self._token, state_id=state_id))
            self.state_id = None
        self._tell("dropped" if state_id is not None else "not kept", text)

    @property
    def _has_login(self) -> bool:
        return bool(self._task.unique_parameter_names)

    def _tell(self, state: str, text: str) -> None:
        self._recorder.event(EVENT, {"state": state, "text": text})

    def _saved(self) -> str:
        if self._stored is None:
            return ""
        minutes = round(self._stored.age_seconds / 60)
        age = f"{minutes} min" if minutes < 120 else f"{round(minutes / 60)} h"
        return f", saved {age} ago on {self._stored.host}"


def _parsed(packed: bytes) -> BrowserState:
    return BrowserState.from_json(decompress(packed, max_bytes=_LARGEST_BYTES))


def _reason(error: PlaywrightError | TimeoutError) -> str:
    return "it took too long" if isinstance(error, TimeoutError) else first_line(error)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / _MIB:.1f} MiB" if size_bytes >= _MIB else f"{max(1, size_bytes // 1024)} KiB"
