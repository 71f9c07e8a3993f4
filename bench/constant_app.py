"""The least that a WSGI application can do: read the body, answer the same."""

from collections.abc import Callable, Iterable
from typing import Any

_BODY = b'{"success": true, "message": "Task has been allocated", "task_id": "01a20ca7-a37e-7b71-8a42-80e70c30098e"}'


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(_BODY)))]
    start_response("202 Accepted", headers)
    return [_BODY]
