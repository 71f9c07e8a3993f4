"""Dedicated tasks of logins, each claimed, run and ended as a worker does it, on a host of the test's choice."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any
from urllib.parse import quote

from automation import load
from executor.browser import BrowserPool
from executor.claim import claim_task
from executor.loop import WorkerLoop
from executor.runner import AttemptRunner
from inference.models import LoginSession, Task, TaskEvent, TaskStatus
from inference.services import transitions
from inference.services.transitions import AttemptEnd
from tests import factories
from tests.executor.conftest import RUN_SECONDS, Outcome

# Counts visits in each storage; what it found is in `#found`: local, session, IndexedDB, pages to go back to.
COUNTING = """
addEventListener("DOMContentLoaded", async () => {
  const opening = indexedDB.open("visits", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("counts");
  const store = await new Promise(done => opening.onsuccess = () =>
    done(opening.result.transaction("counts", "readwrite").objectStore("counts")));
  const asked = store.get("visits");
  const kept = await new Promise(done => asked.onsuccess = () => done(asked.result || 0));
  store.put(kept * 1 + 1, "visits");
  const found = [localStorage.visits || 0, sessionStorage.visits || 0, kept, history.length];
  localStorage.visits = found[0] * 1 + 1;
  sessionStorage.visits = found[1] * 1 + 1;
  document.body.innerHTML = `<p id="found">${found}</p>`;
});
"""


def scripted(site_url: str, script: str) -> str:
    """An address of the site whose page runs `script`."""
    return f"{site_url}/echo?script={quote(script)}"


class Logins:
    """Of one automation, whose document may be replaced by `publish`."""

    def __init__(self, nodes: Sequence[Mapping[str, Any]], *, loop: WorkerLoop, pool: BrowserPool, **fields: Any):
        self._loop = loop
        self._pool = pool
        self._fields = fields
        self.automation = factories.make_automation(document=self._document(nodes))

    def _document(self, nodes: Sequence[Mapping[str, Any]], **fields: Any) -> dict[str, Any]:
        return factories.a_document(
            inputs=["who"], nodes=nodes, **{"take_final_screenshot": False, **self._fields, **fields}
        )

    def publish(self, nodes: Sequence[Mapping[str, Any]], **fields: Any) -> None:
        factories.make_version(self.automation, document=self._document(nodes, **fields))

    def queue(self, who: str = "maya", **fields: Any) -> Task:
        """A task that waits."""
        fields = {"is_dedicated": True, "unique_parameter_names": ["who"], **fields}
        return factories.make_task(automation=self.automation, input_parameters={"who": [who]}, **fields)

    def claim(self, who: str = "maya", *, host: str = "host-a", **fields: Any) -> Task:
        """A running task of the login `who`."""
        task = self.queue(who, **fields)
        claimed = claim_task(owner=f"{host}/1/1", host=host, lease_seconds=60)
        assert claimed[0] == task.id
        assert transitions.start_attempt(task.id, claimed[1])
        task.refresh_from_db()
        return task

    def runner(self, task: Task, *, pool: BrowserPool | None = None) -> AttemptRunner:
        return AttemptRunner(
            task=task,
            automation=load(task.version.document),
            attempt_number=1,
            token=task.lease_token,
            pool=pool or self._pool,
        )

    def start(self, runner: AttemptRunner) -> "Future[None]":
        return self._loop.submit(runner.execute())

    def run(self, who: str = "maya", *, pool: BrowserPool | None = None, **fields: Any) -> Outcome:
        task = self.claim(who, **fields)
        runner = self.runner(task, pool=pool)
        error: BaseException | None = None
        try:
            self.start(runner).result(RUN_SECONDS)
        except Exception as raised:
            error = raised
        self.finish(task, error)
        return Outcome(task, runner, error)

    def finish(self, task: Task, error: BaseException | None = None) -> None:
        """End a task that was claimed, so that the next one of its login may start."""
        status = TaskStatus.SUCCESS if error is None else TaskStatus.FAILED
        end = AttemptEnd(status=status, cause={"kind": "worker"}, error=None if error is None else str(error))
        transitions.finish_attempt(task.id, task.lease_token, end)

    def stored(self, who: str = "maya") -> LoginSession | None:
        """What is stored for a login."""
        rows = {row.login: row for row in LoginSession.objects.filter(automation=self.automation)}
        task = Task.objects.filter(automation=self.automation, input_parameters__who=[who]).first()
        return None if task is None else rows.get(task.dedup_hash)


def told(outcome: Outcome | Task) -> list[str]:
    """What the timeline tells about the stored session: `used`, `kept`, ..."""
    return [data["state"] for data in events(outcome)]


def events(outcome: Outcome | Task) -> list[dict[str, Any]]:
    task = outcome.task if isinstance(outcome, Outcome) else outcome
    return list(TaskEvent.objects.filter(task=task, kind="session").order_by("id").values_list("data", flat=True))
