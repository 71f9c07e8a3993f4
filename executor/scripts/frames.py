"""The messages between a worker and a script: JSON objects, each behind its length.

A frame is four bytes (big-endian) with the length of what follows, and as many bytes of UTF-8 JSON.
"""

import json
from typing import Any, NoReturn

HEADER_BYTES = 4
# The largest message of either side, its header left out. Files go in pieces.
MAX_FRAME_BYTES = 8 * 1024 * 1024
# Bytes of a file in one message; base64 makes them a third longer.
PIECE_BYTES = 1024 * 1024

Message = dict[str, Any]


class FrameError(Exception):
    """What came is no message, or is too large to be one."""


def encode(message: Message) -> bytes:
    """`message` as a frame. Raises FrameError when it is too large, or holds what JSON does not have."""
    try:
        body = json.dumps(message, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise FrameError(f"it is not JSON ({_reason(error)})") from None
    if len(body) > MAX_FRAME_BYTES:
        raise FrameError(f"it has {len(body):,} bytes, more than {MAX_FRAME_BYTES:,}")
    return len(body).to_bytes(HEADER_BYTES, "big") + body


def length_of(header: bytes) -> int:
    """The length of the body behind `header`. Raises FrameError when that is too large."""
    length = int.from_bytes(header, "big")
    if length > MAX_FRAME_BYTES:
        raise FrameError(f"it has {length:,} bytes, more than {MAX_FRAME_BYTES:,}")
    return length


def decode(body: bytes) -> Message:
    """The message in a frame's body. Raises FrameError when it is no JSON object."""
    try:
        message = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"it is not JSON ({_reason(error)})") from None
    if not isinstance(message, dict):
        raise FrameError("it is not an object")
    return message


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _reason(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
