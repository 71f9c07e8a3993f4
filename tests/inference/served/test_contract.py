"""The real server against its own description: a short run of `bench.contract`, the same each time."""

import pytest

from bench.contract import hold, publish_an_automation
from tests.factories import make_key
from tests.inference.served.conftest import Granian

EXAMPLES = 6


@pytest.mark.timeout(600)
def test_server_keeps_its_own_description(granian: Granian, transactional_db: None) -> None:
    _, key = make_key()
    publish_an_automation(granian.url, key)

    run = hold(granian.url, key, examples=EXAMPLES, seed=1, capture=True)

    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    assert "Stateful" in run.stdout
    assert "Traceback" not in granian.log()
