"""One long automation over the demo portal that uses every family of actions, again and again with one outcome.

`EVERY_FAMILY_RUNS=20 bin/test tests/executor/test_every_family.py` runs it twenty times in a row.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from automation import load, walk
from executor import private_nodes
from executor.browser import BrowserPool
from executor.loop import WorkerLoop
from executor.private_nodes import PrivateNodeContext
from executor.runner import AttemptRunner
from inference.models import CommitPoint, PersonRequest, Step, StepStatus
from inference.services.people import answer_request
from inference.services.trust import trust_automation
from tests import factories
from tests.demo.portal_process import Portal, running_portal
from tests.executor.conftest import Outcome, wait_for

pytestmark = pytest.mark.django_db(transaction=True)

DATA = Path(__file__).resolve().parent.parent / "data"
RUNS = int(os.environ.get("EVERY_FAMILY_RUNS", "1"))
RUN_SECONDS = 180


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    with running_portal() as portal:
        yield portal


@pytest.fixture
def _server(settings: Settings) -> Iterator[None]:
    """What an operator has to allow for it."""
    settings.ALLOW_SCRIPTS = True
    settings.UPLOAD_ROOTS = [Path(django_settings.BASE_DIR) / "demo" / "files"]

    async def join_words(inputs: dict[str, Any], context: PrivateNodeContext) -> str:
        return " ".join(inputs["words"])

    private_nodes.register("join_words", join_words)
    yield
    private_nodes.unregister("join_words")


@pytest.mark.usefixtures("_server")
@pytest.mark.timeout(RUN_SECONDS + 60)
@pytest.mark.parametrize("number", range(RUNS))
def test_every_family_ends_in_the_same_output(
    number: int, portal: Portal, pool: BrowserPool, worker_loop: WorkerLoop
) -> None:
    referral = f"REF-{uuid4().hex[:8]}"
    outcome = run(portal, pool, worker_loop, referral)

    odd = {
        (step.status, step.label)
        for step in outcome.steps
        if step.status not in (StepStatus.SUCCESS, StepStatus.SKIPPED)
    }
    # Its list is longer than `max_iterations`, which is told.
    assert odd == {(StepStatus.WARNING, "Each claim of the record")}
    assert {step.label for step in outcome.steps if step.status == StepStatus.SKIPPED} == {
        "Nothing to type",
        "Skipped here",
    }
    assert told(outcome, portal.url, referral) == json.loads((DATA / "every-family.expected.json").read_text())
    assert CommitPoint.objects.get(task=outcome.task).finished_at is not None


def test_it_uses_every_family() -> None:
    document = load(json.loads((DATA / "every-family.json").read_text()))
    assert sum(1 for _ in walk(document)) >= 60


def run(portal: Portal, pool: BrowserPool, worker_loop: WorkerLoop, referral: str) -> Outcome:
    document = json.loads((DATA / "every-family.json").read_text().replace("http://127.0.0.1:8765", portal.url))
    automation = factories.make_automation(document=document)
    trust_automation(automation=automation, is_trusted=True, actor=factories.make_user(is_superuser=True))
    inputs = {**document["parameters"]["input_parameters"], "referral": [referral]}
    task = factories.make_task(automation=automation, status="running", input_parameters=inputs)
    runner = AttemptRunner(task=task, automation=load(document), attempt_number=1, token=task.lease_token, pool=pool)
    running = worker_loop.submit(runner.execute())
    wait_for(lambda: running.done() or PersonRequest.objects.filter(closed_at=None).exists(), seconds=RUN_SECONDS)
    if (asked := PersonRequest.objects.filter(closed_at=None).first()) is not None:
        answer_request(task_id=task.id, answer="continue", note="", cause={"kind": "user"}, request_id=asked.id)
    error: BaseException | None = None
    try:
        running.result(RUN_SECONDS)
    except Exception as raised:
        error = raised
    failed = Step.objects.filter(task=task, status=StepStatus.FAILED).values_list("path", "label", "error")
    assert error is None, list(failed)
    return Outcome(task, runner, error)


def told(outcome: Outcome, url: str, referral: str) -> dict[str, Any]:
    """Output, statuses of the loops and names of the files, without what differs from run to run."""
    output = json.loads(json.dumps(outcome.output).replace(url, "http://portal").replace(referral, "REFERRAL"))
    for item in output:
        if isinstance(answer := item.get("json_data"), dict):
            answer.pop("headers", None)  # of an HTTP answer: the date
    return {
        "output": output,
        "loops": outcome.runner.for_loop_status,
        "downloads": sorted(outcome.files()),
        "pictures": sorted(outcome.files("screenshot")),
    }
