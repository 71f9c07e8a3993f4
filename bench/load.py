"""Many requests over connections that stay open, and how long each took."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Load:
    """What came of it. `milliseconds`: of each answered request, in any order."""

    seconds: float
    milliseconds: list[float] = field(default_factory=list[float])
    statuses: Counter[int] = field(default_factory=Counter[int])

    @property
    def per_second(self) -> float:
        return len(self.milliseconds) / self.seconds

    def percentile(self, percent: float) -> float:
        return sorted(self.milliseconds)[min(int(len(self.milliseconds) * percent / 100), len(self.milliseconds) - 1)]

    @property
    def median(self) -> float:
        return statistics.median(self.milliseconds)


def send(port: int, make: Callable[[], bytes], *, connections: int, seconds: float) -> Load:
    """Requests of `make` on so many connections, each the next one as soon as it is answered."""
    return asyncio.run(_send(port, make, connections, seconds))


def request(method: str, path: str, *, key: str = "", body: bytes = b"") -> bytes:
    """One HTTP/1.1 request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    if body:
        lines.append("Content-Type: application/json")
    if key:
        lines.append(f"x-api-key: {key}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def _send(port: int, make: Callable[[], bytes], connections: int, seconds: float) -> Load:
    load = Load(seconds)
    ends_at = time.perf_counter() + seconds

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while (began := time.perf_counter()) < ends_at:
                writer.write(make())
                status = await _answer(reader)
                ended = time.perf_counter()
                if ended <= ends_at:
                    load.milliseconds.append((ended - began) * 1000)
                    load.statuses[status] += 1
        finally:
            writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    return load


async def _answer(reader: asyncio.StreamReader) -> int:
    """The status of the next answer, whose body has a length."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
    await reader.readexactly(length)
    return int(lines[0].split()[1])
