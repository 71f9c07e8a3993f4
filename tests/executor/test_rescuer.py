"""The third limit: what neither a worker's clock nor django-q2's has ended."""

import subprocess
import sys

import psutil
import pytest

from executor.lease_owner import kill_worker, this_host
from executor.rescuer import end_overrun
from inference.models import TaskStatus
from tests.factories import make_task
from tests.inference.services.test_transitions import start_earlier

pytestmark = pytest.mark.django_db
SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


def owner_of(pid: int) -> str:
    return f"{this_host()}/{pid}/{int(psutil.Process(pid).create_time() * 1000)}"


def test_a_worker_that_ignores_both_limits_is_killed_and_its_task_ends() -> None:
    with subprocess.Popen(SLEEPER, stdout=subprocess.PIPE) as worker:
        try:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"up\n"
            task = make_task(status=TaskStatus.RUNNING, worker=owner_of(worker.pid), max_timeout_in_minutes=1)
            other = make_task(status=TaskStatus.RUNNING, worker="other-host/1/1", max_timeout_in_minutes=1)
            start_earlier(task, minutes=33)
            start_earlier(other, minutes=33)

            assert end_overrun() == 2

            assert worker.wait(10) == -9
            for each in (task, other):
                each.refresh_from_db()
                assert (each.status, each.error) == (
                    TaskStatus.FAILED,
                    "timed out after 1 minute; its worker did not stop it",
                )
        finally:
            worker.kill()


def test_only_the_process_of_that_name_is_killed() -> None:
    with subprocess.Popen(SLEEPER, stdout=subprocess.PIPE) as process:
        try:
            host, pid, start = owner_of(process.pid).split("/")

            assert not kill_worker(f"{host}/{pid}/{int(start) + 1000}")  # the number is another one's by now
            assert not kill_worker(f"elsewhere/{pid}/{start}")
            assert not kill_worker(f"{host}/999999999/{start}")
            assert not kill_worker("")
            assert process.poll() is None
        finally:
            process.kill()
