"""Scripts that misuse their channel to the worker: they are ended, and the task's browser goes on as if nothing was."""

import threading
import time

import psutil
import pytest
from pytest_django import Settings

from executor.errors import ActionError
from executor.loop import WorkerLoop
from executor.masking import HIDDEN
from inference.models import Step, Task
from inference.services.trust import trust_automation
from tests.executor.conftest import Prepare, RunNodes, read, runner_task_id, wait_for
from tests.executor.scripts.conftest import EACH, errors_of, extraction, gives, in_a_loop
from tests.executor.site.server import Site
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)

WRITER = (
    "import os; os.set_blocking(ctx._channel._writer, True); write = lambda data: os.write(ctx._channel._writer, data)"
)
BROKEN = {
    "a length beyond all": "write(b'\\xff\\xff\\xff\\xff')\nwhile True: pass",
    "a length that is too large": "write((9 * 2**20).to_bytes(4, 'big'))\nwhile True: pass",
    "no JSON": "write((3).to_bytes(4, 'big') + b'{]}')\nwhile True: pass",
    "no object": "write((2).to_bytes(4, 'big') + b'[]')\nwhile True: pass",
    "no UTF-8": "write((2).to_bytes(4, 'big') + b'\\xff\\xfe')\nwhile True: pass",
    "NaN": "write((9).to_bytes(4, 'big') + b'{\"a\":NaN}')\nwhile True: pass",
    "a deep list": "body = b'{\"log\":' + b'[' * 200_000 + b']' * 200_000 + b'}'\n"
    "write(len(body).to_bytes(4, 'big') + body)\nwhile True: pass",
    "an endless number": "body = b'{\"log\":' + b'9' * 100_000 + b'}'\nwrite(len(body).to_bytes(4, 'big') + body)\n"
    "while True: pass",
    "a call without a number": "ctx._channel.send({'call': 'one'})\nwhile True: pass",
    "a call with half a character": "ctx._channel.send({'call': 1, 'method': '\\ud800'})\nwhile True: pass",
    "a closed channel": "os.close(ctx._channel._writer)\nwhile True: pass",
    "half a message": "write(b'\\0\\0\\0\\x09{')\nos._exit(0)",
}


def test_what_is_no_message_ends_the_script(run_scripts: RunNodes, site: Site) -> None:
    began = time.monotonic()
    bodies = [f"{WRITER}\n{body}".replace("\n", "\n    ") for body in BROKEN.values()]
    scripts = [f"async def code_fn(axtree, browser, ctx):\n    {body}" for body in bodies]
    outcome = run_scripts(
        [in_a_loop(extraction(EACH)), read('locator("form button")', "after")],
        url=f"{site.url}/form",
        inputs={"scripts": scripts},
    )
    for name, error in zip(BROKEN, errors_of(outcome), strict=True):
        assert str(error).startswith("the script was ended: "), name
        assert "took more than" not in str(error), name
    assert outcome.values() == {"after": "Save draft"}
    assert time.monotonic() - began < 60


def test_an_answer_of_its_own_making_is_only_its_answer(run_scripts: RunNodes) -> None:
    body = """
        ctx._channel.send({"failure": "scripts are allowed", "message": {"a": ["b"]}})
        while True: pass
    """
    outcome = run_scripts([gives(body)])
    assert str(outcome.error) == "the script was ended: {'a': ['b']}"


def test_a_state_that_is_none_changes_nothing(run_scripts: RunNodes) -> None:
    outcome = run_scripts(
        [
            gives("ctx.state['kept'] = 1\nreturn None"),
            gives("ctx._channel.send({'result': {}, 'state': [1]})\nwhile True: pass"),
            gives("return ctx.state"),
        ]
    )
    assert outcome.values() == {"kept": 1}


def test_a_flood_of_words_is_cut(run_scripts: RunNodes) -> None:
    outcome = run_scripts([gives("for n in range(2000): ctx.log(f'{n} ' + 'x' * 5000)\nreturn {'done': True}")])
    assert outcome.values() == {"done": True}
    words = outcome.events("script")
    assert len(words) == 200
    assert len(words[0]["text"]) == 2000
    assert words[-1]["text"] == "more than 200 lines; the rest is left out"


def test_a_flood_of_messages_ends_the_script(run_scripts: RunNodes) -> None:
    outcome = run_scripts([gives("while True: ctx._channel.send({'log': '', 'level': 7})", timeout_seconds=60)])
    assert "it sent more than 50,000 messages" in str(outcome.error)


def test_calls_that_are_never_answered_do_not_pile_up(run_scripts: RunNodes, site: Site) -> None:
    """A thousand calls at once, none of which comes to an end, and nobody takes the answers."""
    body = """
        page = await browser.get_current_page()
        for number in range(1000, 2000):
            frame = {"call": number, "on": "page", "page": 0, "method": "evaluate"}
            ctx._channel.send(frame | {"arguments": {"expression": "new Promise(() => {})"}})
        await page.title()
    """
    outcome = run_scripts([gives(body, timeout_seconds=1)], url=f"{site.url}/form")
    assert "it took more than 1 s" in str(outcome.error)


def test_answers_that_nobody_takes_end_with_the_scripts_time(run_scripts: RunNodes, site: Site) -> None:
    body = """
        import time
        page = await browser.get_current_page()
        for number in range(1000, 1040):
            frame = {"call": number, "on": "page", "page": 0, "method": "evaluate"}
            ctx._channel.send(frame | {"arguments": {"expression": "'x'.repeat(4_000_000)"}})
        time.sleep(60)
    """
    outcome = run_scripts([gives(body, timeout_seconds=2)], url=f"{site.url}/form")
    assert "it took more than 2 s" in str(outcome.error)


def test_too_many_files_are_refused(run_scripts: RunNodes) -> None:
    body = """
        for number in range(101):
            last = await ctx._channel.call({"on": "context"}, "begin_file", {})
    """
    assert "a script may save at most 100 files" in str(run_scripts([gives(body)]).error)


def test_a_file_beyond_the_limit_is_refused(run_scripts: RunNodes, settings: Settings) -> None:
    settings.ARTIFACT_MAX_MB = 1
    outcome = run_scripts([gives("await ctx.save_download('large.bin', b'x' * 1_100_000)")])
    assert "the file is larger than ARTIFACT_MAX_MB" in str(outcome.error)
    assert outcome.files() == {}


def test_what_is_too_large_for_a_script_is_told(run_scripts: RunNodes) -> None:
    outcome = run_scripts([gives("return {}")], inputs={"who": ["x" * 9_000_000]})
    assert "what it would be given is no message: it has 9,0" in str(outcome.error)


def test_a_secret_in_an_exception_is_masked(prepare: Prepare, worker_loop: WorkerLoop, settings: Settings) -> None:
    settings.ALLOW_SCRIPTS = True
    node = gives("print('hunter2-secret')\nraise ValueError('no hunter2-secret here')")
    runner = prepare([node])
    automation = Task.objects.get(id=runner_task_id(runner)).automation
    trust_automation(automation=automation, is_trusted=True, actor=make_user(is_superuser=True))
    runner._masking.hide("hunter2-secret")
    with pytest.raises(ActionError) as raised:
        worker_loop.submit(runner.execute()).result(60)
    assert str(raised.value) == f"the script raised ValueError: no {HIDDEN} here (line 3)"
    task = Task.objects.get(id=runner_task_id(runner))
    assert HIDDEN in (Step.objects.get(task=task).error or "")
    assert task.events.get(kind="script").data["text"] == HIDDEN


def scripts_running() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if any("executor.scripts.child.main" in each for each in child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


def test_a_task_that_is_stopped_ends_its_script_at_once(
    prepare: Prepare, worker_loop: WorkerLoop, settings: Settings
) -> None:
    settings.ALLOW_SCRIPTS = True
    runner = prepare([gives("ctx.log('here')\nwhile True: pass")])
    task = Task.objects.get(id=runner_task_id(runner))
    trust_automation(automation=task.automation, is_trusted=True, actor=make_user(is_superuser=True))
    future = worker_loop.submit(runner.execute())
    wait_for(lambda: task.events.filter(kind="script").exists() or future.done(), seconds=60)
    running = scripts_running()
    assert running
    began = time.monotonic()
    future.cancel()
    ended = threading.Event()
    future.add_done_callback(lambda _: ended.set())
    assert ended.wait(20)
    assert time.monotonic() - began < 2
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in running)


def test_nothing_is_left_of_scripts(run_scripts: RunNodes, site: Site) -> None:
    outcome = run_scripts(
        [extraction("async def code_fn(a, b): return {'x': 1}"), gives("while True: pass", timeout_seconds=0.5)]
    )
    assert "took more than" in str(outcome.error)
    assert scripts_running() == []
    assert not list(outcome.runner._pool.folder.glob("**/script-*"))
