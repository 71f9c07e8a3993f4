"""Bodies as they come over the wire, through the real server."""

import json
import socket
from collections.abc import Iterator

import pytest
import requests

from inference.models import Automation, Task
from tests.inference.conftest import ApiClient, a_body, assert_error
from tests.inference.served.conftest import Granian

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def client(granian: Granian, automation: Automation) -> Iterator[ApiClient]:
    client = ApiClient(granian.url)
    yield client
    client.session.close()


def chunks(body: bytes, size: int = 1000) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def talk(granian: Granian, request: bytes) -> bytes:
    """Send bytes as they are; everything that comes back before the server closes or falls silent."""
    with socket.create_connection(("127.0.0.1", granian.port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while data := connection.recv(65536):
            answer += data
            head, separator, body = answer.partition(b"\r\n\r\n")
            if separator and len(body) >= content_length(head):
                break
        return answer


def content_length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0)


def post(length: str, body: bytes = b"", extra: str = "") -> bytes:
    head = f"POST /inference HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{length}{extra}\r\n"
    return head.encode() + body


def test_body_in_chunks_is_taken(client: ApiClient) -> None:
    response = client.post("/inference", data=chunks(json.dumps(a_body()).encode(), size=7), headers=JSON)

    assert response.status_code == 202, response.text
    assert Task.objects.get().input_parameters["payer"] == ["Acme"]


def test_body_in_chunks_that_is_no_json_is_refused(client: ApiClient) -> None:
    assert_error(client.post("/inference", data=chunks(b"{"), headers=JSON), 400, "The body is not valid JSON")


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 3 * 1024 * 1024, 20 * 1024 * 1024])
def test_body_in_chunks_above_the_limit_is_refused(client: ApiClient, size: int) -> None:
    response = client.post("/inference", data=chunks(b" " * size, 65536), headers=JSON)

    assert_error(response, 413, "The body is too large")


def test_large_body_is_refused_by_its_declared_length(granian: Granian, client: ApiClient) -> None:
    answer = talk(granian, post("Content-Length: 1048577\r\n"))

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["success"] is False


def test_large_body_that_is_sent_whole_gets_its_answer(client: ApiClient) -> None:
    for _ in range(3):
        assert_error(client.post("/inference", data=b" " * 5_000_000, headers=JSON), 413)
    assert client.post("/inference", json=a_body()).status_code == 202


@pytest.mark.parametrize(
    "length",
    [
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: nonsense\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 99999999999999999999999\r\n",
    ],
)
def test_nonsense_lengths_are_refused(granian: Granian, client: ApiClient, length: str) -> None:
    assert talk(granian, post(length, b"{}"))[:13] in (b"HTTP/1.1 400 ", b"HTTP/1.1 413 ")
    assert Task.objects.count() == 0


def test_chunks_win_over_a_length_and_nothing_is_smuggled(granian: Granian, client: ApiClient) -> None:
    body = json.dumps(a_body()).encode()
    chunked = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"

    answer = talk(granian, post("Content-Length: 4\r\n", chunked, extra="Transfer-Encoding: chunked\r\n"))

    assert answer.startswith((b"HTTP/1.1 202 ", b"HTTP/1.1 400 "))
    assert answer.count(b"HTTP/1.1") == 1
    assert b"connection: close" in answer.lower()


def test_body_that_ends_early_stores_nothing(granian: Granian, client: ApiClient) -> None:
    with socket.create_connection(("127.0.0.1", granian.port), timeout=10) as connection:
        connection.sendall(post("Content-Length: 500\r\n", b'{"endpoint_name": "claims"'))

    assert client.get("/is_task_running").status_code == 200
    assert Task.objects.count() == 0
    assert "Traceback" not in granian.log()


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X_Forwarded_For", "Forwarded"])
def test_forwarded_request_needs_a_key(client: ApiClient, header: str) -> None:
    assert client.post("/inference", json=a_body()).status_code == 202
    assert_error(client.post("/inference", json=a_body(), headers={header: "127.0.0.1"}), 401)


def test_many_connections_are_answered(granian: Granian, client: ApiClient) -> None:
    sessions = [requests.Session() for _ in range(100)]
    answers = [session.get(f"{granian.url}/is_task_running", timeout=30).text for session in sessions]
    for session in sessions:
        session.close()

    assert set(answers) == {"false"}
