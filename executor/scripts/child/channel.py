"""The script's end of the two pipes to the worker: calls that wait for an answer, and words that do not."""

import asyncio
import os
import select
from collections.abc import Mapping
from typing import Any

from executor.scripts.frames import HEADER_BYTES, FrameError, Message, decode, encode, length_of

_READ_BYTES = 256 * 1024


class Error(Exception):
    """What Playwright calls `playwright.async_api.Error`: a call that the page or the server refused."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class TimedOutError(Error):
    """`playwright.async_api.TimeoutError`."""


TimedOutError.__name__ = "TimeoutError"


class Channel:
    """Any number of calls may be waiting; one may also be made without a loop, and blocks everything else."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader, self._writer = reader, writer
        os.set_blocking(writer, False)
        self._buffer = bytearray()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._answers: dict[int, Message] = {}
        self._calls = 0

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let `loop` deliver the answers from now on."""
        loop.add_reader(self._reader, self._read)

    async def call(self, target: Mapping[str, Any], method: str, arguments: Mapping[str, Any]) -> Any:
        """Have the worker do it, and wait. Raises Error or TimedOutError with what went wrong there."""
        number = self._send_call(target, method, arguments)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        return await future

    def call_and_block(self, target: Mapping[str, Any], method: str, arguments: Mapping[str, Any]) -> Any:
        """The same for properties, which cannot be awaited."""
        number = self._send_call(target, method, arguments)
        while number not in self._answers:
            select.select([self._reader], [], [])
            self._read()
        return _value_of(self._answers.pop(number))

    def send(self, message: Message) -> None:
        """Raises FrameError when `message` is no JSON, or too large."""
        frame = memoryview(encode(message))
        while frame:
            try:
                frame = frame[os.write(self._writer, frame) :]
            except BlockingIOError:
                # The worker may be waiting for us to take its answers.
                readable, _, _ = select.select([self._reader], [self._writer], [])
                if readable:
                    self._read()

    def receive(self) -> Message:
        """Wait for one message that is no answer."""
        while len(self._buffer) < HEADER_BYTES or len(self._buffer) < HEADER_BYTES + self._next_length():
            self._fill()
        return self._take()

    def _send_call(self, target: Mapping[str, Any], method: str, arguments: Mapping[str, Any]) -> int:
        self._calls += 1
        given = {name: value for name, value in arguments.items() if value is not None}
        try:
            self.send({"call": self._calls, **target, "method": method, "arguments": given})
        except FrameError as error:
            raise Error(f"{method}: {error}") from None
        return self._calls

    def _fill(self) -> None:
        piece = os.read(self._reader, _READ_BYTES)
        if not piece:
            os._exit(0)  # the worker is gone
        self._buffer += piece

    def _next_length(self) -> int:
        return length_of(bytes(self._buffer[:HEADER_BYTES]))

    def _take(self) -> Message:
        end = HEADER_BYTES + self._next_length()
        body = bytes(self._buffer[HEADER_BYTES:end])
        del self._buffer[:end]
        return decode(body)

    def _read(self) -> None:
        self._fill()
        while len(self._buffer) >= HEADER_BYTES and len(self._buffer) >= HEADER_BYTES + self._next_length():
            answer = self._take()
            future = self._waiting.pop(answer["answer"], None)
            if future is None:
                self._answers[answer["answer"]] = answer
            elif not future.done():
                _deliver(answer, future)


def _deliver(answer: Message, future: "asyncio.Future[Any]") -> None:
    try:
        future.set_result(_value_of(answer))
    except Error as error:
        future.set_exception(error)


def _value_of(answer: Message) -> Any:
    if "error" in answer:
        kind = TimedOutError if answer.get("timed_out") else Error
        raise kind(answer["error"])
    return answer.get("value")
