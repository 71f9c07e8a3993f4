"""The clients and this server: what one says, the other understands."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner

from inference.models import Automation, Task
from inference.services.following import followers
from inference.services.waiting import waiters
from optexity_server import (
    ConflictError,
    ForbiddenError,
    IdempotencyMismatchError,
    NotFoundError,
    Submission,
    UnauthorizedError,
    ValidationError,
    WaitTimeoutError,
)
from optexity_server.cli.main import cli
from optexity_server.connection import KEY_VARIABLE, URL_VARIABLE
from tests.client.wire import do
from tests.factories import a_document, end_task, make_artifact, make_automation, make_key, make_step, make_task

VALUES = {"claim": ["HM-4471"]}


@dataclass
class Served:
    """A server in this process, its key, and one of the clients."""

    url: str
    key: str
    kind: str
    automation: Automation

    def do(self, act: Any, **options: Any) -> Any:
        return do(self.kind, self.url, act, **{"key": self.key, **options})


@pytest.fixture
def served(transactional_db: None, live_server: Any, kind: str) -> Iterator[Served]:
    automation = make_automation(endpoint_name="claims/status", inputs=("claim",))
    _, key = make_key()
    yield Served(live_server.url, key, kind, automation)
    waiters.close()
    followers.close()


def test_a_submission_is_stored_once_however_often_it_is_sent(served: Served) -> None:
    def submit(**options: Any) -> Any:
        return served.do(lambda client: client.submit("claims/status", VALUES, **options))

    first = submit(idempotency_key="ä-1", priority=-3, max_timeout_in_minutes=5)
    again = submit(idempotency_key="ä-1", priority=-3, max_timeout_in_minutes=5)
    assert (first.duplicate, again.duplicate, first.task_id == again.task_id) == (False, True, True)
    with pytest.raises(IdempotencyMismatchError):
        submit(idempotency_key="ä-1", priority=4)
    assert submit().task_id != submit().task_id
    stored = served.do(lambda client: client.task(first.task_id)).task
    assert (stored.priority, stored.max_timeout_in_minutes, stored.status) == (-3, 5, "queued")
    assert stored.input_parameters == VALUES
    assert stored.waiting_for.reason in ("no_worker", "turn", "worker")


def test_refusals_are_the_errors_of_the_client(served: Served) -> None:
    with pytest.raises(ValidationError) as raised:
        served.do(lambda client: client.submit("claims/status", {"claim": [1]}))
    assert list(raised.value.errors) == ["input_parameters.claim[0]"]
    with pytest.raises(NotFoundError):
        served.do(lambda client: client.submit("nothing"))
    with pytest.raises(UnauthorizedError):
        served.do(lambda client: client.automations.list(), key="opx_wrong")
    _, reader = make_key(scopes=["read"])
    with pytest.raises(ForbiddenError):
        served.do(lambda client: client.submit("claims/status", VALUES), key=reader)


def test_a_batch_keeps_the_answer_of_each_item(served: Served) -> None:
    items = [Submission("claims/status", VALUES), Submission("nothing"), Submission("claims/status", VALUES)]
    result = served.do(lambda client: client.submit_many(items))
    assert [each.status for each in result] == [202, 404, 202]
    assert isinstance(result.items[1].error, NotFoundError)
    again = served.do(lambda client: client.submit_many(items))
    assert [each.task_id for each in again.accepted] == [each.task_id for each in result.accepted]
    with pytest.raises(NotFoundError, match=r"items\[1\]"):
        served.do(
            lambda client: client.submit_many([Submission("claims/status", VALUES), items[1]], all_or_nothing=True)
        )
    assert Task.objects.count() == 2


def test_a_task_is_waited_for_until_it_is_cancelled(served: Served) -> None:
    task = make_task(automation=served.automation, input_parameters=VALUES)
    with pytest.raises(WaitTimeoutError):
        served.do(lambda client: client.handle(str(task.id)).wait(timeout=0.1))
    ended: list[Any] = []
    waiting = Thread(
        target=lambda: ended.append(served.do(lambda client: client.handle(str(task.id)).wait(timeout=60)))
    )
    waiting.start()
    assert served.do(lambda client: client.handle(str(task.id)).cancel()) == "cancelled"
    waiting.join(30)
    assert [each.status for each in ended] == ["cancelled"]
    with pytest.raises(ConflictError):
        served.do(lambda client: client.handle(str(task.id)).cancel())
    again = served.do(lambda client: client.handle(str(task.id)).retry())
    assert served.do(lambda client: client.task(again.task_id)).task.previous_task_id == str(task.id)


def test_a_task_that_a_worker_has_is_killed_by_force(served: Served) -> None:
    task = make_task(automation=served.automation, input_parameters=VALUES, status="running")
    assert served.do(lambda client: client.handle(str(task.id)).cancel()) == "running"
    assert served.do(lambda client: client.handle(str(task.id)).cancel(force=True)) == "killed"
    with pytest.raises(ConflictError):
        served.do(lambda client: client.handle(str(task.id)).cancel(force=True))


def test_lists_have_every_task_and_ended_ones_can_be_resumed(served: Served) -> None:
    tasks = [make_task(automation=served.automation, input_parameters=VALUES) for _ in range(5)]
    before = datetime.now(UTC) - timedelta(hours=1)
    listed = served.do(lambda client: client.tasks(page_size=2, endpoint_name="claims/status", created_after=before))
    assert [each.task_id for each in listed] == [str(task.id) for task in reversed(tasks)]
    cursors: list[str | None] = [None]

    def ended(client: Any) -> Any:
        found = client.ended_tasks(after=before, cursor=cursors[-1], page_size=2)
        if served.kind == "blocking":
            ids = [each.task_id for each in found]
            cursors.append(found.resume_cursor)
            return ids

        async def gather() -> Any:
            ids = [each.task_id async for each in found]
            cursors.append(found.resume_cursor)
            return ids

        return gather()

    assert served.do(ended) == []
    for task in tasks[:3]:
        end_task(task)
    assert served.do(ended) == [str(task.id) for task in tasks[:3]]
    assert served.do(ended) == []
    end_task(tasks[3])
    assert served.do(ended) == [str(tasks[3].id)]


def test_steps_and_files_arrive_as_they_are(served: Served, tmp_path: Path) -> None:
    task = make_task(automation=served.automation, input_parameters=VALUES)
    make_step(task, label="Sign in")
    make_artifact(task, content=b"a letter", filename="Übersicht.pdf")
    steps = served.do(lambda client: client.handle(str(task.id)).steps())
    assert [(each.label, each.status) for each in steps] == [("Sign in", "success")]

    def save(client: Any) -> Any:
        if served.kind == "blocking":
            return [file.save(tmp_path) for file in client.handle(str(task.id)).artifacts()]

        async def all_of_them() -> Any:
            return [await file.save(tmp_path) for file in await client.handle(str(task.id)).artifacts()]

        return all_of_them()

    assert served.do(save) == [tmp_path / "Übersicht.pdf"]
    assert (tmp_path / "Übersicht.pdf").read_bytes() == b"a letter"


def test_a_file_is_kept_for_one_task(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "Karte ä.pdf"
    file.write_bytes(b"%PDF-1.4 a card")
    kept = served.do(lambda client: client.upload(file))
    assert (kept.filename, kept.size_bytes) == ("Karte ä.pdf", 15)
    values = {"claim": [kept.reference]}
    taken = served.do(lambda client: client.submit("claims/status", values))
    assert Task.objects.get(id=taken.task_id).input_parameters == values
    with pytest.raises(ValidationError, match="claim"):
        served.do(lambda client: client.submit("claims/status", values))
    with pytest.raises(ValidationError, match="empty"):
        served.do(lambda client: client.upload(io.BytesIO(), filename="nothing.pdf"))


def test_rows_of_a_table_are_submitted_once_and_come_back_as_one(served: Served, tmp_path: Path) -> None:
    table = "claim;claim;_priority\n=HM-1;;\n\nHM-2;second;5\nHM-3;;high\n"

    def submit() -> Any:
        return served.do(
            lambda client: client.submit_csv(table, "claims/status", unique=["claim"], idempotency_key="day")
        )

    first, again = submit(), submit()
    assert [(each.row, each.status) for each in first] == [(2, 202), (4, 202), (5, 400)]
    assert [each.task_id for each in again] == [each.task_id for each in first]
    assert list(first.items[2].errors) == ["priority"]
    stored = {task.priority: task.input_parameters for task in Task.objects.all()}
    assert stored == {None: {"claim": ["=HM-1"]}, 5: {"claim": ["HM-2", "second"]}}
    done = served.do(lambda client: client.export_csv(tmp_path / "tasks.csv", endpoint_name="claims/status"))
    assert done.rows == 2
    with (tmp_path / "tasks.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["input.claim"], row["input.claim[1]"]) for row in rows] == [("HM-2", "second"), ("'=HM-1", "")]


def test_a_task_that_needs_review_is_found_and_decided(served: Served) -> None:
    task = make_task(automation=served.automation, status="running", input_parameters=VALUES)
    end_task(task, "failed", error="worker lost", outcome_unknown=True)
    (found,) = served.do(lambda client: client.tasks(needs_review=True))
    assert (found.task_id, found.needs_review) == (str(task.id), True)

    def decide() -> Any:
        return served.do(lambda client: client.handle(str(task.id)).review(False, note="nothing there", retry=True))

    decided, again = decide(), decide()
    assert (decided.decision, decided.duplicate, again.duplicate) == ("did_not_happen", False, True)
    assert decided.new_task_id == again.new_task_id
    seen = served.do(lambda client: client.task(str(task.id))).task
    assert (seen.needs_review, seen.review.note, seen.retried_as) == (False, "nothing there", decided.new_task_id)
    with pytest.raises(ConflictError):
        served.do(lambda client: client.handle(str(task.id)).review(True))


def test_automations_are_published_read_checked_and_deactivated(served: Served) -> None:
    name = "claims/letters: März"
    document = a_document(inputs=("claim",))
    published = served.do(lambda client: client.automations.put(name, document, note="new"))
    assert (published.endpoint_name, published.version, published.is_new_version) == (name, 1, True)
    assert not served.do(lambda client: client.automations.put(name, document)).is_new_version
    assert served.do(lambda client: client.automations.get(name)).document == document
    assert name in [each.endpoint_name for each in served.do(lambda client: client.automations.list())]
    found = served.do(lambda client: client.automations.validate(name, {"url": 1}))
    assert not found.valid
    assert found.problems[0].message
    with pytest.raises(ValidationError):
        served.do(lambda client: client.automations.put(name, {"url": 1}))
    served.do(lambda client: client.automations.delete(name))
    with pytest.raises(NotFoundError):
        served.do(lambda client: client.automations.get(name))


@pytest.mark.parametrize("scopes", [["submit"], ["read"], ["manage"], ["submit", "read", "manage"], ["worker"]])
def test_scopes_are_what_the_key_has(served: Served, scopes: list[str]) -> None:
    _, key = make_key(scopes=scopes)
    found = served.do(lambda client: client.scopes(), key=key)
    assert [name for name, has in found.items() if has] == [each for each in scopes if each != "worker"]
    assert Task.objects.count() == 0


def test_the_health_is_told(served: Served) -> None:
    assert served.do(lambda client: client.health()).is_healthy


def test_the_command_line_submits_a_file_of_rows_and_exports(served: Served) -> None:
    environment = {KEY_VARIABLE: served.key, URL_VARIABLE: served.url}

    def program(*arguments: str, stdin: str | None = None) -> Any:
        return CliRunner().invoke(cli, list(arguments), input=stdin, env=environment)

    sent = ("submit", "claims/status", "--csv", "-", "--idempotency-key", "day")
    done = program(*sent, stdin="claim\nHM-1\nHM-2\n")
    assert done.exit_code == 0, done.output
    assert program(*sent, stdin="claim\nHM-1\nHM-2\n").stdout == done.stdout
    assert Task.objects.count() == 2
    exported = [json.loads(line) for line in program("export", "--automation", "claims/status").stdout.splitlines()]
    assert [each["input_parameters"] for each in exported] == [{"claim": ["HM-2"]}, {"claim": ["HM-1"]}]
    assert program("wait", done.stdout.split()[0], "--timeout", "0.1").exit_code == 4
    assert json.loads(program("keys", "check", "--json").stdout)["automations"] == ["claims/status"]
