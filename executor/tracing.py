"""Playwright traces: when one is taken, how it is taken, and what must not be in it.

Taken without pictures, whose screencast would get in the way of our own: every step has a picture anyway. What is
stored has been rewritten: no passwords, cookies and credentials, no paths of this machine, and, where the attempt
knows secrets, nothing in which one could stand unseen.
"""

import asyncio
import json
import logging
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import BrowserContext

from automation import Automation
from executor.masking import HIDDEN, Masking
from inference.models import Task, TaskStatus

logger = logging.getLogger(__name__)

KEEP_SECONDS = 30.0
# Headers whose values are as good as a password.
_SECRET_HEADERS = frozenset(
    {"authorization", "cookie", "set-cookie", "proxy-authorization", "x-api-key", "x-auth-token", "x-csrf-token"}
)
# Options of a context that hold logins.
_SECRET_OPTIONS = ("proxy", "httpCredentials", "storageState", "extraHTTPHeaders", "clientCertificates")
# Calls whose arguments may be a piece of a secret that is typed key by key.
_TYPING = frozenset(
    {"press", "type", "fill", "keyboardPress", "keyboardDown", "keyboardUp", "keyboardType", "keyboardInsertText"}
)
# Pictures and page snapshots, which may show a secret in a form that no search would find.
_SHOWING = frozenset({"frame-snapshot", "screencast-frame"})
_JSON_LINES = (".trace", ".network")


def wants_trace(automation: Automation, task: Task, *, attempt_number: int) -> bool:
    """Whether this attempt is traced: what the document says; else retries, and runs after one that failed.

    Asks the database, at most once.
    """
    mode: Literal["auto", "always", "never"] = automation.trace
    if mode != "auto":
        return mode == "always"
    return attempt_number > 1 or _last_run_failed(task)


def _last_run_failed(task: Task) -> bool:
    # Older than this one, so that a long queue behind it is not walked through; index task_newest_by_automation.
    ended = Task.objects.filter(
        automation=task.automation,
        created_at__lt=task.created_at,
        status__in=(TaskStatus.SUCCESS, TaskStatus.FAILED, TaskStatus.KILLED),
    )
    newest = ended.order_by("-created_at", "-id").values_list("status", flat=True).first()
    return newest in (TaskStatus.FAILED, TaskStatus.KILLED)


async def start_trace(context: BrowserContext, *, has_secrets: bool) -> None:
    """Begin; the screencasts of open pages must have begun before. With secrets, calls, console and network only."""
    await context.tracing.start(snapshots=not has_secrets, screenshots=False, sources=False)


async def stop_trace(context: BrowserContext, folder: Path, *, masking: Masking) -> Path:
    """End the trace; the redacted ZIP file in `folder`. Raises PlaywrightError, or OSError."""
    raw, redacted = folder / "trace-raw.zip", folder / "trace.zip"
    await context.tracing.stop(path=raw)
    await asyncio.to_thread(redact_trace, raw, redacted, masking)
    await asyncio.to_thread(raw.unlink)
    return redacted


def redact_trace(source: Path, target: Path, masking: Masking) -> None:
    """Write a copy of the trace `source` to `target` without what nobody should see in it."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            name = entry.filename
            if name.endswith(_JSON_LINES):
                with old.open(name) as lines, new.open(masking.mask(name), "w", force_zip64=True) as out:
                    for line in _redacted_lines(lines, masking):
                        out.write(line)
            elif name.startswith("resources/") and (body := _redacted_resource(old.read(name), masking)) is not None:
                new.writestr(masking.mask(name), body)


def _redacted_lines(lines: Any, masking: Masking) -> Iterator[bytes]:
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and not (masking.hides_something and event.get("type") in _SHOWING):
            _redact_event(event, masking)
            yield json.dumps(_masked(event, masking.mask), ensure_ascii=False).encode(errors="replace") + b"\n"


def _redacted_resource(body: bytes, masking: Masking) -> bytes | None:
    """A response's or request's body; None when a secret could stand in it unseen."""
    if not masking.hides_something:
        return body
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else masking.mask(text).encode(errors="replace")


def _redact_event(event: dict[str, Any], masking: Masking) -> None:
    match event:
        case {"type": "context-options", "options": dict(options)}:
            for name in _SECRET_OPTIONS:
                options.pop(name, None)
        case {"type": "resource-snapshot", "snapshot": dict(snapshot)}:
            for side in ("request", "response"):
                _redact_exchange(snapshot.get(side))
        case {"type": "frame-snapshot", "snapshot": dict(snapshot)}:
            _hide_passwords(snapshot.get("html"))
        case {"type": "before", "method": method, "params": dict(params)} if method in _TYPING:
            for name in ("key", "text", "value"):
                if isinstance(params.get(name), str):
                    params[name] = _typed(params[name], masking)
        case {"type": "log", "message": str(message)} if "password" in message:
            # `locator resolved to <input type="password" value="…"/>`
            event["message"] = message.partition("<input")[0] + "<input …/>" if "<input" in message else message
        case _:
            pass


def _typed(text: str, masking: Masking) -> str:
    """A key or a text; of a secret that is typed key by key, each key is a part."""
    return "•" if len(text) == 1 and masking.hides_something else masking.mask_field(text)


def _redact_exchange(side: Any) -> None:
    if not isinstance(side, dict):
        return
    for header in side.get("headers") or ():
        if isinstance(header, dict) and str(header.get("name", "")).lower() in _SECRET_HEADERS:
            header["value"] = HIDDEN
    for cookie in side.get("cookies") or ():
        if isinstance(cookie, dict):
            cookie["value"] = HIDDEN


def _hide_passwords(node: Any) -> None:
    """In a page snapshot: `["INPUT", {attributes}, …children]`, nested; other lists refer to earlier snapshots."""
    if not isinstance(node, list):
        return
    if len(node) > 1 and node[0] == "INPUT" and isinstance(node[1], dict):
        attributes = node[1]
        if str(_attribute(attributes, "type")).lower() in ("password", "hidden"):
            for name in list(attributes):
                if name.lower() in ("value", "__playwright_value_"):
                    attributes[name] = HIDDEN
    for child in node:
        _hide_passwords(child)


def _attribute(attributes: dict[str, Any], wanted: str) -> Any:
    return next((value for name, value in attributes.items() if name.lower() == wanted), "")


def _masked(value: Any, mask: Callable[[str], str]) -> Any:
    match value:
        case str():
            return mask(value)
        case list():
            return [_masked(item, mask) for item in value]
        case dict():
            return {mask(str(key)): _masked(item, mask) for key, item in value.items()}
        case _:
            return value
