"""pytest plugin of `bench.mutation`: instead of running the tests once, it runs the judges of each mutant.

The tests are collected and the databases are made once; then workers are forked that try one mutant after the other.
What tests share (event loop, browser, sites) is made once in each worker. First all tests run without a mutant, to
learn which functions they call and how long they take; then each mutant meets the tests that call its function.

A mutant is killed by a test that fails with it, passes directly afterwards without it and, if it needs a browser,
fails with it once more; or by one that hangs, or ends the process. A test that fails without the mutant says that the
worker is spoiled: the mutant is tried again in a new one.
"""

import json
import multiprocessing
import os
import signal
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import psutil
import pytest
from mutmut.mutation import trampoline

# A test that takes so much longer than without a mutant hangs. Other work may slow the machine down.
_TIMES, _AND_SECONDS = 5.0, 20.0
_LEAVE_SECONDS = 15.0
# Mutants may leave something behind in a worker.
_JOBS_OF_WORKER = 50
_PROGRESS_SECONDS = 20.0
# A test that fails without a mutant, because the machine is slow, is no judge. When so many do, something is wrong.
_MANY = 0.1
# The name under which mutmut's functions tell that they are called.
_LEARN = "stats"


@dataclass
class Job:
    """A mutant (or none) and the tests that it meets, and what became of it. `by` is the last test that it met."""

    mutant: str
    tests: list[int]
    outcome: str = "survived"
    by: str = ""
    spoiled: Counter[int] = field(default_factory=Counter[int])


class Worker:
    """A fork with a database of its own."""

    def __init__(self, session: pytest.Session, slot: int, others: Iterable["Worker"]) -> None:
        self.slot = slot
        self.connection, theirs = multiprocessing.Pipe()
        inherited = [self.connection, *(other.connection for other in others)]
        fork = multiprocessing.get_context("fork")
        self._process = fork.Process(target=_work, args=(session, slot, theirs, inherited))
        self._process.start()
        theirs.close()
        self.job: Job | None = None
        self.jobs = 0
        self.test: int | None = None
        self.has_mutant = False
        self.since = time.monotonic()

    def give(self, job: Job) -> None:
        self.job, self.test, self.since = job, None, time.monotonic()
        self.jobs += 1
        with suppress(OSError):
            self.connection.send((job.mutant, job.tests))

    def leave(self) -> None:
        """End in order."""
        with suppress(OSError):
            self.connection.send(None)
        self._process.join(_LEAVE_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End it with its browser."""
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self._process.pid)
            for each in [parent, *parent.children(recursive=True)] if self._process.is_alive() else []:
                with suppress(psutil.NoSuchProcess):
                    each.kill()
        self._process.join()
        self.connection.close()


class Judge:
    """Has the workers try all mutants, and writes down the verdicts."""

    def __init__(self, session: pytest.Session, plan: dict[str, Any]) -> None:
        self._session = session
        self._plan = plan
        self._items = session.items
        self._files = [item.nodeid.split("::")[0] for item in session.items]
        self._workers: list[Worker] = []
        self._again: deque[Job] = deque()
        self._seconds: dict[int, float] = {}
        self._calls: dict[int, set[str]] = {}
        self._kills: Counter[tuple[str, int]] = Counter()
        self._failed: list[str] = []

    def run(self) -> None:
        try:
            self._learn()
            if self._failed:
                print("\n\n".join(["These fail without a mutant, and judge none:", *self._failed]), flush=True)
            if len(self._failed) <= _MANY * len(self._items):
                self._try_all()
        finally:
            for worker in self._workers:
                worker.kill()

    def _learn(self) -> None:
        by_file: dict[str, list[int]] = defaultdict(list)
        for number, file in enumerate(self._files):
            if self._plan["browser"] or not needs_browser(self._items[number]):
                by_file[file].append(number)
        for job in self._work_off(Job(_LEARN, tests) for tests in by_file.values()):
            if job.outcome != "survived":
                self._failed.append(f"{job.by} ({job.outcome})")
        reached = {function for calls in self._calls.values() for function in calls}
        print(f"{len(self._calls)} tests call {len(reached)} of the mutated functions", flush=True)

    def _try_all(self) -> None:
        mutants, verdicts = self._plan["mutants"], []
        survived, began = 0, time.monotonic()
        told = began
        for job in self._work_off(Job(each["name"], self._tests_of(each)) for each in mutants):
            verdicts.append({"name": job.mutant, "outcome": job.outcome, "by": job.by})
            survived += job.outcome == "survived"
            if time.monotonic() - told > _PROGRESS_SECONDS or len(verdicts) == len(mutants):
                told = time.monotonic()
                Path(self._plan["verdicts"]).write_text(json.dumps(verdicts))
                print(f"{len(verdicts)} of {len(mutants)}, {survived} survived, {told - began:.0f} s", flush=True)
        Path(self._plan["verdicts"]).write_text(json.dumps(verdicts))

    def _tests_of(self, mutant: dict[str, str]) -> list[int]:
        """Those without a browser first; then what has killed other mutants of the function, and what costs little."""
        function, files = mutant["function"], self._plan["judges"][mutant["file"]]
        tests = [number for number, calls in self._calls.items() if function in calls and self._files[number] in files]
        return sorted(
            tests,
            key=lambda test: (needs_browser(self._items[test]), -self._kills[function, test], self._seconds[test]),
        )

    # --- workers ---------------------------------------------------------------------------------------------

    def _work_off(self, jobs: Iterator[Job]) -> Iterator[Job]:
        """Each job once it is done."""
        while True:
            for slot in range(1, self._plan["jobs"] + 1):
                worker = next((each for each in self._workers if each.slot == slot), None)
                if worker is not None and worker.job is not None:
                    continue
                job = self._again.popleft() if self._again else next(jobs, None)
                if job is None:
                    continue
                if not job.tests:
                    yield job
                    continue
                if worker is not None and worker.jobs >= _JOBS_OF_WORKER:
                    self._workers.remove(worker)
                    worker.leave()
                    worker = None
                if worker is None:
                    worker = Worker(self._session, slot, self._workers)
                    self._workers.append(worker)
                worker.give(job)
            busy = [worker for worker in self._workers if worker.job is not None]
            if not busy:
                return
            yield from self._listen(busy)

    def _listen(self, busy: list[Worker]) -> Iterator[Job]:
        by_connection: dict[Any, Worker] = {worker.connection: worker for worker in busy}
        for ready in wait(list(by_connection), timeout=1.0):
            worker = by_connection[ready]
            try:
                yield from self._note(worker, worker.connection.recv())
            except (EOFError, OSError):
                yield from self._end(worker, "killed")  # the mutant has ended its process
        for worker in busy:
            if worker.job is not None and time.monotonic() - worker.since > self._patience(worker):
                yield from self._end(worker, "timed out")

    def _patience(self, worker: Worker) -> float:
        expected = self._seconds.get(worker.test, _AND_SECONDS) if worker.test is not None else 0.0
        return _TIMES * expected + _AND_SECONDS

    def _note(self, worker: Worker, event: tuple[Any, ...]) -> Iterator[Job]:
        worker.since = time.monotonic()
        job = worker.job
        assert job is not None
        match event:
            case ("begins", int(test), bool(has_mutant)):
                worker.test, worker.has_mutant = test, has_mutant
                job.by = self._items[test].nodeid
            case ("passed", int(test), float(seconds), list(calls)):
                if job.mutant == _LEARN:
                    self._seconds[test], self._calls[test] = seconds, set(calls)
            case ("failed", int(test), str(why)) if job.mutant == _LEARN:
                self._failed.append(f"{self._items[test].nodeid}\n{why}")
            case ("failed", int(test), str()):
                job.outcome = "killed"
                self._kills[job.mutant.partition("__mutmut_")[0], test] += 1
            case ("spoiled",):
                yield from self._end(worker, "survived")
            case _:
                worker.job = None
                yield job

    def _end(self, worker: Worker, outcome: str) -> Iterator[Job]:
        """A worker that went away, hangs or is spoiled. If it was so without its mutant, that is tried again."""
        job, test = worker.job, worker.test
        assert job is not None
        self._workers.remove(worker)
        worker.kill()
        worker.job = None
        if job.outcome == "survived" and (test is None or not worker.has_mutant or outcome == "survived"):
            job.spoiled[-1 if test is None else test] += 1
            # What spoils a new worker as well is no judge of this mutant.
            job.tests = [each for each in job.tests if job.spoiled[each] < 2]
            if job.spoiled[-1] < 3:
                self._again.append(job)
                return
        elif job.outcome == "survived":
            job.outcome = outcome
        yield job


def needs_browser(item: pytest.Item) -> bool:
    return "pool" in getattr(item, "fixturenames", ())


# --- in a worker ---------------------------------------------------------------------------------------------


def _work(session: pytest.Session, slot: int, connection: Connection, inherited: list[Connection]) -> None:
    from django.db import connection as database

    for each in inherited:
        each.close()  # else nobody sees that the parent has gone
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    database.settings_dict["NAME"] = database.creation.get_test_db_clone_settings(str(slot))["NAME"]
    with suppress(EOFError, OSError):
        while (job := connection.recv()) is not None:
            _try(session, *job, connection)
    trampoline.set_mutant_under_test("")
    with suppress(BaseException):
        _tear_down(session, None)
    os._exit(0)


def _try(session: pytest.Session, mutant: str, tests: list[int], connection: Connection) -> None:
    calls: set[str] = set()
    trampoline.record_trampoline_hit = lambda name, caller=None: calls.add(name)

    def failure(test: int, active: str) -> str:
        trampoline.set_mutant_under_test(active)
        connection.send(("begins", test, bool(active)))
        try:
            return _failure_of(session.items[test])
        finally:
            trampoline.set_mutant_under_test("")

    for test in tests:
        item = session.items[test]
        _tear_down(session, item)
        calls.clear()
        began = time.monotonic()
        why = failure(test, mutant)
        if why and mutant == _LEARN:
            connection.send(("failed", test, why))
            continue
        if why:
            if failure(test, ""):
                connection.send(("spoiled",))
                return
            if not needs_browser(item) or failure(test, mutant):
                connection.send(("failed", test, why))
                break
        connection.send(("passed", test, time.monotonic() - began, sorted(calls)))
    connection.send(("done",))


def _failure_of(item: pytest.Item) -> str:
    """Run a test; empty when it passes."""
    listener = _Reports()
    item.config.pluginmanager.register(listener)
    try:
        # With its parent as the next one, what only this test needs is torn down, and nothing else.
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=item.parent)
    finally:
        item.config.pluginmanager.unregister(listener)
    return "\n".join(report.longreprtext[-2000:] for report in listener.reports if report.failed)


def _tear_down(session: pytest.Session, next_item: pytest.Item | None) -> None:
    """What `next_item` does not share, or everything."""
    parent: Any = None if next_item is None else next_item.parent
    session._setupstate.teardown_exact(parent)  # noqa: SLF001 - pytest has no other way


class _Reports:
    def __init__(self) -> None:
        self.reports: list[pytest.TestReport] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.reports.append(report)


# --- in pytest -----------------------------------------------------------------------------------------------


class _Databases:
    """Registered after pytest-django, so that its fixture is the one that is used."""

    @pytest.fixture(scope="session")
    @classmethod
    def django_db_setup(cls, django_test_environment: None) -> None:
        """The worker has a database."""


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.pluginmanager.register(_Databases())


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    from django.db import connection, connections
    from django.test.utils import setup_databases
    from pytest_django.plugin import blocking_manager_key

    if session.testsfailed:
        raise session.Interrupted(f"{session.testsfailed} errors while the tests were collected")
    plan = json.loads(Path(os.environ["MUTATION_PLAN"]).read_text())
    with session.config.stash[blocking_manager_key].unblock():
        setup_databases(verbosity=0, interactive=False)
        for slot in range(1, plan["jobs"] + 1):
            connection.creation.clone_test_db(str(slot), verbosity=0)
        connections.close_all()
    Judge(session, plan).run()
    return True
