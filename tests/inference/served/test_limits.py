"""What the web server itself bounds, and files that are larger than what it may hold in memory."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from inference.models import Automation, UploadedFile
from tests.factories import make_key
from tests.inference.conftest import ApiClient, assert_error
from tests.inference.served.conftest import Granian
from tests.inference.served.test_bodies import chunks, talk

MIB = 1024 * 1024
LARGEST = 50 * MIB


@pytest.fixture
def client(granian: Granian, automation: Automation, settings: Any) -> Iterator[ApiClient]:
    client = ApiClient(granian.url, make_key()[1])
    yield client
    client.session.close()
    shutil.rmtree(settings.ARTIFACT_DIR, ignore_errors=True)


def peak_kib(granian: Granian) -> int:
    """The most memory that the server's processes have had since they began, in all."""
    parent = granian.process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    assert children
    return sum(_peak_of(int(pid)) for pid in (parent, *children))


def _peak_of(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def get(path: str, headers: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode()


def status_of(answer: bytes) -> int:
    return int(answer.split()[1])


def test_an_address_that_is_too_long_is_refused(granian: Granian, client: ApiClient) -> None:
    assert status_of(talk(granian, get("/is_task_running?x=" + "x" * 60_000))) == 200
    assert status_of(talk(granian, get("/is_task_running?x=" + "x" * 70_000))) == 414


def test_headers_that_are_too_many_or_too_large_are_refused(granian: Granian, client: ApiClient) -> None:
    many = "".join(f"X-Header-{number}: x\r\n" for number in range(90))
    assert status_of(talk(granian, get("/is_task_running", many))) == 200
    assert status_of(talk(granian, get("/is_task_running", many * 2))) == 431
    # Closed by the server before all of it was sent, an answer may get lost on its way.
    with suppress(ConnectionError):
        assert status_of(talk(granian, get("/is_task_running", f"X-Large: {'x' * 1_000_000}\r\n"))) == 431


@pytest.mark.parametrize("way", ["body", "form", "chunks"])
def test_the_largest_file_is_taken_without_being_held_in_memory(granian: Granian, client: ApiClient, way: str) -> None:
    content = bytes(range(256)) * (LARGEST // 256)
    assert send(client, b"small", way).status_code == 201
    before = peak_kib(granian)

    response = send(client, content, way)

    assert response.status_code == 201, response.text
    assert response.json()["sha256"] == hashlib.sha256(content).hexdigest()
    assert response.json()["size_bytes"] == LARGEST
    assert peak_kib(granian) - before < 25 * 1024
    assert_error(send(client, content + b"x", way), 413, "The file is too large")
    assert UploadedFile.objects.count() == 2


def send(client: ApiClient, content: bytes, way: str) -> requests.Response:
    route = "/api/v1/files"
    match way:
        case "form":
            return client.post(route, files={"file": ("a.bin", content)})
        case "chunks":
            return client.post(f"{route}?filename=a.bin", data=chunks(content, 65536))
        case _:
            return client.post(f"{route}?filename=a.bin", data=content)
