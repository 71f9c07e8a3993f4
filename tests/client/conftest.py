"""A scripted server for each test, and both clients."""

from collections.abc import Iterator

import pytest

from optexity_server import connection
from tests.client.wire import Wire


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()
    assert wire.unexpected == []


@pytest.fixture(params=["blocking", "asynchronous"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which client; see `wire.do`."""
    return str(request.param)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of whoever runs the tests; and warnings that are given once are given again."""
    monkeypatch.delenv(connection.URL_VARIABLE, raising=False)
    monkeypatch.delenv(connection.KEY_VARIABLE, raising=False)
    monkeypatch.setattr(connection, "_warned", set())
