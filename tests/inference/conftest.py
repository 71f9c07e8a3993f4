"""The API over a real socket: Django's own server in threads, and a client that knows its key."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from inference import throttles
from inference.models import Automation
from inference.services.following import followers
from inference.services.waiting import waiters
from tests.factories import make_automation, make_key


@dataclass
class ApiClient:
    """Sends requests to one server; `key` goes into x-api-key unless it is empty."""

    url: str
    key: str = ""
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.session.trust_env = False

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"x-api-key": self.key} if self.key else {}
        headers |= options.pop("headers", {})
        options.setdefault("timeout", 90)
        return self.session.request(method, self.url + path, headers=headers, allow_redirects=False, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        return self.request("POST", path, **options)

    def submit(self, body: Any, **options: Any) -> requests.Response:
        return self.post("/api/v1/inference", json=body, **options)

    def with_key(self, key: str) -> "ApiClient":
        """Another caller over the same connections, which end with this client."""
        return ApiClient(self.url, key, self.session)


@pytest.fixture(scope="session", autouse=True)
def end_of_listening(django_db_setup: None) -> Iterator[None]:
    """No thread that listens keeps its connection beyond the database."""
    yield
    waiters.close()
    followers.close()


@pytest.fixture
def automation(transactional_db: None) -> Automation:
    """`claims` with the input parameters patient_id and payer."""
    return make_automation(endpoint_name="claims", inputs=("patient_id", "payer"))


@pytest.fixture
def api(live_server: Any, automation: Automation) -> Iterator[ApiClient]:
    """A client with a key for everything that keys may do, except running tasks."""
    throttles.failures.clear()
    throttles.callers.clear()
    _, key = make_key()
    client = ApiClient(live_server.url, key)
    yield client
    client.session.close()
    waiters.close()


def a_body(**fields: Any) -> dict[str, Any]:
    """A submission that is accepted; `fields` replace or add, `...` removes."""
    body = {
        "endpoint_name": "claims",
        "input_parameters": {"patient_id": ["A-1001"], "payer": ["Acme"]},
        **fields,
    }
    return {name: value for name, value in body.items() if value is not ...}


def assert_error(response: requests.Response, status: int, begins: str = "") -> dict[str, Any]:
    """The one shape of every error; returns `errors`."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    assert body["success"] is False
    assert body["message"] == body["error"]
    assert body["message"].startswith(begins), body["message"]
    assert ("errors" in body) == (status == 400)
    assert set(body) <= {"success", "message", "error", "errors"}
    errors: dict[str, Any] = body.get("errors", {})
    return errors
