"""One attempt from claim to end, as django-q2 calls it: `run(task_id, token)` in a worker process.

The coroutine that drives the browser runs on the process's event loop, in a thread of its own. The main thread
supervises it: it renews the lease, listens for cancellation and answers, keeps the wall clock and sees the cluster
stop. So a busy page never delays a heartbeat.
"""

import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from multiprocessing.util import Finalize
from types import FrameType
from typing import Any, NoReturn, ParamSpec, TypeVar
from uuid import UUID

import psutil
import psycopg
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, connection
from django_q.exceptions import TimeoutException
from structlog.contextvars import bound_contextvars

import automation
from executor import presence
from executor.browser import BrowserPool
from executor.drain import drain
from executor.errors import LeaseLostError, RunError
from executor.handover import PipeEvent
from executor.lease_owner import this_worker
from executor.leftovers import kill_leftovers
from executor.loop import WorkerLoop
from executor.recorder import StepRecord
from executor.runner import AttemptRunner
from executor.storable import storable, storable_text
from inference.models import Attempt, AutomationVersion, StepStatus, Task, TaskStatus
from inference.services import transitions
from inference.services.transitions import AttemptEnd
from inference.telemetry import spans
from inference.telemetry.counters import counters
from inference.telemetry.families import PICKUP
from optexity_site.log import place_of

logger = logging.getLogger(__name__)

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
# What the database raises while it is away, restarts, has no disk left, or has chosen us in a deadlock.
AWAY = (OperationalError, InterfaceError)

# How often the supervisor looks at what cannot wake it (parent, deadline).
TICK_SECONDS = 0.5
# What closing a context may take; after that the loop counts as stuck and the process ends.
CLOSE_SECONDS = 5.0
# Between two tries to start a browser that did not start.
BROWSER_RETRY_SECONDS = 5.0
# Between two tries to write an attempt's end while the database is away.
DATABASE_RETRY_SECONDS = 1.0


# Channels that the database announces on (migrations 0002, 0005 and 0015); the payload is the task's id. The first one
# tells also of a task that was stopped by force: then the look that follows finds no lease.
CANCELLED = "task_cancelled"
ANSWERED = "task_answered"


class Stop(Enum):
    """Why a running attempt is told to stop."""

    CANCELLED = "cancelled"
    TIMED_OUT = "timed out"
    STOPPING = "worker stopped"
    LEASE_LOST = "lease lost"


@dataclass
class WorkerProcess:
    """What a worker keeps for its life: the loop, the browser, and whether it was told to end."""

    loop: WorkerLoop
    pool: BrowserPool
    told_to_end: PipeEvent
    browser_start: "Future[None]"
    browser_start_again_at: float | None = None
    is_running_task: bool = False


_process: WorkerProcess | None = None
_process_pid: int | None = None


def start_up(**_: Any) -> None:
    """Receiver of django-q2's `post_spawn`: the browser is warm before the first task comes."""
    process()


def process() -> WorkerProcess:
    """This process's loop and browser; made at the first call after the fork."""
    global _process, _process_pid
    if _process is None or _process_pid != os.getpid():
        kill_leftovers()
        loop = WorkerLoop()
        loop.start()
        pool = BrowserPool()
        _process = WorkerProcess(loop, pool, told_to_end=PipeEvent(), browser_start=loop.submit(pool.start()))
        _process_pid = os.getpid()
        _process.browser_start.add_done_callback(_say_which_browser)
        signal.signal(signal.SIGTERM, _on_terminate)
        # multiprocessing's children skip atexit; this is what they run.
        Finalize(None, shut_down, exitpriority=100)
        Finalize(None, _write_counts, exitpriority=90)
    return _process


def has_browser() -> bool:
    """Whether this worker may claim: its browser runs, or is on its way for the first time.

    One that crashed between two tasks is replaced first. One that could not be started makes the worker unhealthy;
    it is tried again every few seconds.
    """
    me = process()
    start = me.browser_start
    if not start.done():
        return me.browser_start_again_at is None
    error = start.exception()
    if error is None:
        me.browser_start_again_at = None
        if me.pool.is_healthy():
            return True
        me.browser_start_again_at = time.monotonic() + BROWSER_RETRY_SECONDS
        _start_browser(me)
        return False
    if me.browser_start_again_at is None:
        presence.report_unhealthy(str(error))
        me.browser_start_again_at = time.monotonic() + BROWSER_RETRY_SECONDS
    elif time.monotonic() >= me.browser_start_again_at:
        presence.report_still_here("unhealthy", detail=str(error))
        me.browser_start_again_at = time.monotonic() + BROWSER_RETRY_SECONDS
        _start_browser(me)
    return False


def _start_browser(me: WorkerProcess) -> None:
    me.browser_start = me.loop.submit(me.pool.make_ready())
    me.browser_start.add_done_callback(_say_which_browser)


def shut_down() -> None:
    """Close browser and loop; called when the worker ends in order or is recycled."""
    if _process is None or _process_pid != os.getpid():
        return
    # The process ends either way; what is left of the browser is killed by the next one.
    try:
        _process.loop.submit(_process.pool.close()).result(timeout=CLOSE_SECONDS)
    except Exception as error:
        logger.warning("the browser did not close in order: %s", type(error).__name__)
    try:
        _process.loop.stop()
    except TimeoutError:
        logger.warning("the event loop did not end in time")


def _write_counts() -> None:
    if _process is not None and _process_pid == os.getpid():
        counters.flush()


def run(task_id: UUID, token: int) -> str:
    """Run the task that this worker has claimed; the new status, for django-q2's log.

    Never raises for a task that failed: what happened is in its row.
    """
    me = begin_task()
    try:
        # In every log line from here on; the loop's thread gets it with the work.
        with bound_contextvars(task_id=str(task_id)):
            return _run_claimed(me, task_id, token)
    finally:
        end_task(me)


def _run_claimed(me: WorkerProcess, task_id: UUID, token: int) -> str:
    if me.told_to_end.is_set() or not _start(task_id, token):
        given_back = patiently(transitions.give_back, task_id, token, cause=_cause())
        return str(given_back or Stop.LEASE_LOST.value)
    presence.report_busy(task_id)
    return _run_attempt(me, task_id, token)


def _start(task_id: UUID, token: int) -> bool:
    """Begin the attempt; an outage delays it. A start whose answer was lost with the connection has happened or not:
    asked for again, the database tells."""
    is_unsure = False
    while True:
        try:
            if transitions.start_attempt(task_id, token):
                return True
            return is_unsure and transitions.has_started(task_id, token, owner=this_worker())
        except AWAY as error:
            is_unsure = True
            _wait_for_database(error)


def patiently(ask: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
    """What `ask` returns; asked again for as long as the database is away. Only for what may be asked twice."""
    while True:
        try:
            return ask(*args, **kwargs)
        except AWAY as error:
            if _is_refusal(error):
                raise
            _wait_for_database(error)


def _is_refusal(error: Exception) -> bool:
    """Whether the database would say the same again: what it was given is over a limit of its own (class 54 of
    https://www.postgresql.org/docs/current/errcodes-appendix.html)."""
    sqlstate: str | None = getattr(error.__cause__, "sqlstate", None)
    return sqlstate is not None and sqlstate.startswith("54")


def _wait_for_database(error: Exception) -> None:
    logger.warning("the database is away: %s", type(error).__name__)
    connection.close()
    time.sleep(DATABASE_RETRY_SECONDS)


def begin_task() -> WorkerProcess:
    """A signal to end waits from now on. Called before the claim, so that no worker goes and leaves its task behind."""
    me = process()
    me.is_running_task = True
    return me


def end_task(me: WorkerProcess) -> None:
    """There is no task (anymore): end if a signal came meanwhile."""
    me.is_running_task = False
    if me.told_to_end.is_set():
        counters.flush()
        spans.finish()
        _end_by_signal()


def _run_attempt(me: WorkerProcess, task_id: UUID, token: int) -> str:
    task, number = patiently(_task_and_number, task_id, token)
    assert task.started_at is not None  # noqa: S101 - this attempt is it
    waited_seconds = max(0.0, (task.started_at - task.available_at).total_seconds())
    counters.observe(PICKUP, waited_seconds)
    with spans.attempt(
        task.traceparent,
        task_id=str(task_id),
        automation=task.endpoint_name,
        number=number,
        waited_seconds=waited_seconds,
    ) as traced:
        status = _run_document(me, task, number=number, token=token, traced=traced)
        traced.ended(status, failed=status not in (TaskStatus.SUCCESS, TaskStatus.CANCELLED))
    return status


def _run_document(me: WorkerProcess, task: Task, *, number: int, token: int, traced: spans.Traced) -> str:
    task_id = task.id
    logger.info("attempt began", extra={"attempt": number})
    runner: AttemptRunner | None = None
    supervisor: Supervisor | None = None
    is_backstopped = False
    try:
        runner = AttemptRunner(
            task=task,
            automation=patiently(_document, task.version.id),
            attempt_number=number,
            token=token,
            pool=me.pool,
            on_step=lambda step: _trace_step(traced, step),
            is_last_attempt=lambda error: transitions.is_last_attempt(task_id, token, may_retry=error.may_retry),
        )
        supervisor = Supervisor(me, task, token, runner)
        supervisor.watch(me.loop.submit(runner.execute()))
        end = AttemptEnd(status=TaskStatus.SUCCESS, cause=_cause())
    except StoppedError as stopped:
        if stopped.reason is Stop.LEASE_LOST:
            return _leave_to_others(supervisor)
        if stopped.reason is Stop.TIMED_OUT and runner is not None:
            _tell_timed_out(runner)
        end = stopped.end
    except LeaseLostError:
        return _leave_to_others(supervisor)
    except RunError as error:
        end = AttemptEnd(status=TaskStatus.FAILED, cause=_cause(), error=str(error), may_retry=error.may_retry)
    except TimeoutException:
        # django-q2's own limit, above ours: this thread was stuck, and with it all that watches the attempt.
        is_backstopped = True
        doing = "an unknown step" if runner is None else runner.now_doing()
        end = timed_out(task, doing)
    except Exception as error:  # a mistake of ours must end the task, not the worker
        # Without its text, which may quote what a page or a person entered.
        logger.error("attempt failed unexpectedly: %s at %s", type(error).__name__, place_of(error))
        end = AttemptEnd(
            status=TaskStatus.FAILED,
            cause=_cause(),
            error=f"internal error: {type(error).__name__}",
            may_retry=True,
        )
    if is_backstopped or (supervisor is not None and supervisor.is_stuck):
        # Before the end is written, after which another attempt may begin: this one does nothing more in a page.
        _kill_browser()
        _finish(task_id, token, _with_results(end, runner))
        _leave_stuck_process()
    status = _finish(task_id, token, _with_results(end, runner))
    if status is None:
        return _leave_to_others(supervisor)
    logger.info("attempt ended", extra={"attempt": number, "status": status})
    return str(status)


def _task_and_number(task_id: UUID, token: int) -> tuple[Task, int]:
    task = Task.objects.select_related("version", "automation").get(id=task_id)
    return task, Attempt.objects.values_list("number", flat=True).get(task_id=task_id, token=token)


def _leave_to_others(supervisor: "Supervisor | None") -> str:
    """The lease is gone, to another worker or because the task was stopped by force: nothing is ours to say."""
    logger.warning("lease lost, nothing written")
    if supervisor is not None and supervisor.is_stuck:
        _kill_browser()
        _leave_stuck_process()
    # Said at once, or the rescuer takes this worker for one that does not let go.
    presence.report_idle()
    return Stop.LEASE_LOST.value


def timed_out(task: Task, doing: str) -> AttemptEnd:
    """The end of an attempt that took longer than its task allows."""
    minutes = task.max_timeout_in_minutes
    error = f"timed out after {minutes} minute{'s' if minutes > 1 else ''} at {doing}"
    return AttemptEnd(status=TaskStatus.FAILED, cause={"kind": "limit"}, error=error, may_retry=True)


class StoppedError(Exception):
    """The attempt was told to stop; `end` is what its task becomes."""

    def __init__(self, reason: Stop, end: AttemptEnd) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.end = end


class Supervisor:
    """Watches one attempt from the main thread: heartbeat, cancellation, wall clock, shutdown.

    The clock stands while the attempt waits for a person, and the news of an answer comes in here, too.
    """

    def __init__(self, me: WorkerProcess, task: Task, token: int, runner: AttemptRunner) -> None:
        self._me = me
        self._task = task
        self._token = token
        self._runner = runner
        self._parent_pid = os.getppid()
        self._deadline = time.monotonic() + task.max_timeout_in_minutes * 60
        self._next_heartbeat = time.monotonic() + settings.WORKER_HEARTBEAT_SECONDS
        self._stopping_since: float | None = None
        self._cancel_cause: Mapping[str, Any] = {"kind": "unknown"}
        self._done_reader, self._done_writer = socket.socketpair()
        self.is_stuck = False

    def watch(self, future: "Future[None]") -> None:
        """Wait for the attempt. Raises what it raised, or StoppedError when it had to be stopped."""
        future.add_done_callback(lambda _: self._done_writer.send(b"1"))
        try:
            self._listen()
            # Asked between the claim and the LISTEN: the first renewal sees it.
            reason = self._renew()
            while reason is None and not future.done():
                self._wait_for_something()
                reason = self._reason_to_stop()
            if future.done():
                future.result()
                return
            assert reason is not None  # noqa: S101 - the loop ended without the future
            self._stop(future, reason)
        finally:
            self._done_reader.close()
            self._done_writer.close()

    def _reason_to_stop(self) -> Stop | None:
        now = time.monotonic()
        notified = self._notifications()
        if ANSWERED in notified:
            self._runner.person_clock.tell()
        if CANCELLED in notified or now >= self._next_heartbeat:
            self._next_heartbeat = now + settings.WORKER_HEARTBEAT_SECONDS
            if (reason := self._renew()) is not None:
                return reason
        if now >= self._deadline + self._runner.person_clock.uncounted_seconds():
            return Stop.TIMED_OUT
        if self._must_end() and self._stopping_since is None:
            self._stopping_since = now
            self._mark_stopping()
        if self._stopping_since is not None and now - self._stopping_since >= settings.SHUTDOWN_GRACE_SECONDS:
            return Stop.STOPPING
        return None

    def _mark_stopping(self) -> None:
        """So that no retry is used up even if the grace is not enough and this process is killed."""
        try:
            transitions.mark_stopping(self._task.id, self._token)
        except DatabaseError as error:
            logger.warning("cannot note the stop: %s", type(error).__name__, extra={"task_id": self._task.id})
            connection.close()

    def _must_end(self) -> bool:
        return drain.has_begun() or self._me.told_to_end.is_set() or os.getppid() != self._parent_pid

    def _wait_for_something(self) -> None:
        watched: list[Any] = [self._done_reader]
        if self._stopping_since is None:
            watched += [self._me.told_to_end]
            watched += [drain] if drain.fileno() is not None else []
        if (listening := _raw_connection()) is not None:
            watched.append(listening)
        select.select(watched, [], [], TICK_SECONDS)

    def _listen(self) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {CANCELLED}; LISTEN {ANSWERED}")
        except DatabaseError as error:
            logger.warning("cannot listen for cancellation and answers: %s", type(error).__name__)
            connection.close()

    def _notifications(self) -> set[str]:
        """The channels on which something was told about this task."""
        listening = _raw_connection()
        if listening is None:
            return set()
        try:
            told = list(listening.notifies(timeout=0))
        except psycopg.Error:
            connection.close()
            return set()
        return {each.channel for each in told if each.payload == str(self._task.id)}

    def _renew(self) -> Stop | None:
        try:
            if _raw_connection() is None:
                self._listen()
            lease = transitions.renew_lease(self._task.id, self._token, lease_seconds=settings.WORKER_LEASE_SECONDS)
        except DatabaseError as error:
            # The rescuer grants a whole lease period after an outage: go on, and try again.
            logger.warning("cannot renew the lease: %s", type(error).__name__)
            connection.close()
            return None
        if lease is None:
            return Stop.LEASE_LOST
        if lease.cancel_cause is not None:
            self._cancel_cause = lease.cancel_cause
            return Stop.CANCELLED
        presence.report_still_here("busy", self._task.id)
        counters.flush_if_due()
        return None

    def _stop(self, future: "Future[None]", reason: Stop) -> None:
        doing = self._runner.now_doing()
        if reason in (Stop.CANCELLED, Stop.LEASE_LOST):
            self._runner.hurry()
        future.cancel()
        _, unfinished = wait([future], timeout=CLOSE_SECONDS)
        self.is_stuck = bool(unfinished)
        raise StoppedError(reason, self._end_for(reason, doing))

    def _end_for(self, reason: Stop, doing: str) -> AttemptEnd:
        if reason is Stop.CANCELLED:
            return AttemptEnd(status=TaskStatus.CANCELLED, cause=self._cancel_cause)
        if reason is Stop.TIMED_OUT:
            return timed_out(self._task, doing)
        return AttemptEnd(
            status=TaskStatus.FAILED,
            cause={"kind": transitions.STOPPING, "id": this_worker()},
            error=transitions.WORKER_STOPPED,
            may_retry=True,
            counts=False,
        )


def _finish(task_id: UUID, token: int, end: AttemptEnd) -> TaskStatus | None:
    """Write the end. An outage of the database, a full disk there, or another's lock delay it, and lose nothing; of
    results that it refuses the task gets none, and says so."""
    try:
        return patiently(transitions.finish_attempt, task_id, token, end)
    except DatabaseError as error:
        logger.error("cannot store an attempt's results: %s", type(error).__name__)
        told = "" if end.error is None else f"; before that: {end.error}"
        bare = AttemptEnd(
            status=TaskStatus.FAILED if end.status == TaskStatus.SUCCESS else end.status,
            cause=end.cause,
            error=f"the database refused the results of this attempt ({type(error).__name__}){told}",
            may_retry=False,
            counts=end.counts,
        )
        return patiently(transitions.finish_attempt, task_id, token, bare)


def _tell_timed_out(runner: AttemptRunner) -> None:
    """Let the stored session go that the attempt began with. How the attempt ends does not depend on it."""
    try:
        runner.timed_out()
    except DatabaseError as error:
        logger.warning("cannot drop a login's session: %s", type(error).__name__)
        connection.close()


def _with_results(end: AttemptEnd, runner: AttemptRunner | None) -> AttemptEnd:
    if runner is None:
        return end
    return AttemptEnd(
        status=end.status,
        cause=end.cause,
        error=None if end.error is None else storable_text(end.error),
        may_retry=end.may_retry,
        counts=end.counts,
        output_data=storable(runner.output_data),
        for_loop_status=storable(runner.for_loop_status),
        final_screenshot_id=runner.final_screenshot_id,
    )


@lru_cache(maxsize=64)
def _document(version_id: int) -> automation.Automation:
    """The parsed document of a version; versions never change, so a worker parses each once."""
    return automation.load(AutomationVersion.objects.values_list("document", flat=True).get(id=version_id))


def _raw_connection() -> "psycopg.Connection[Any] | None":
    raw = connection.connection
    return raw if raw is not None and not raw.closed else None


def _cause() -> dict[str, Any]:
    return {"kind": "worker", "id": this_worker()}


def _say_which_browser(started: "Future[None]") -> None:
    if (error := started.exception()) is not None:
        logger.error("the browser did not start: %s", error)
    elif _process is not None:
        presence.report_browser(_process.pool.version)


def _on_terminate(_signal: int, _frame: FrameType | None) -> None:
    """SIGTERM: from the sentinel, or from the kernel when the sentinel is gone. A running task gets its grace."""
    if _process is not None and _process.is_running_task:
        _process.told_to_end.set()
    else:
        _end_by_signal()


def _end_by_signal() -> None:
    shut_down()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


def _trace_step(traced: spans.Traced, step: StepRecord) -> None:
    attributes: dict[str, str | int | None] = {
        "optexity.step.kind": step.kind,
        "optexity.step.status": step.status.value,
        "optexity.step.index": step.index,
        "optexity.step.path": step.path,
    }
    seconds = (step.duration_ms or 0) / 1000
    traced.add(step.kind, seconds=seconds, failed=step.status == StepStatus.FAILED, attributes=attributes)


def _kill_browser() -> None:
    """SIGKILL the driver, the browser and the scripts of this process: all that it has started."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _leave_stuck_process() -> NoReturn:
    """The event loop does not answer: end the process; the sentinel starts another."""
    logger.error("the event loop is stuck, the worker ends")
    counters.flush()
    os._exit(70)
