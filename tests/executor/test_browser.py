import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import playwright
import psutil
import pytest
from playwright.async_api import Browser
from pytest_django import Settings

from automation import load
from executor import browser, leftovers
from executor.browser import BrowserPool, find_browser
from executor.errors import AutomationError, BrowserCrashedError, BrowserNotFoundError
from executor.loop import WorkerLoop
from tests.executor.browser_processes import kill_chromium
from tests.executor.conftest import Prepare, RunNodes, read, wait_for
from tests.executor.site.server import Site

DOCUMENT = {"url": "", "parameters": {"input_parameters": {}, "generated_parameters": {}}}


def test_the_operators_browser_comes_first_and_must_be_a_program(settings: Settings, tmp_path: Path) -> None:
    program = tmp_path / "my-browser"
    program.write_text("#!/bin/sh\n")
    settings.BROWSER_EXECUTABLE = str(program)
    with pytest.raises(BrowserNotFoundError, match="BROWSER_EXECUTABLE"):
        find_browser()
    program.chmod(0o755)

    assert find_browser() == program


def test_one_on_the_path_is_found_and_without_any_the_answer_says_what_to_do(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BROWSER_EXECUTABLE = ""
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrowserNotFoundError, match="playwright install chromium"):
        find_browser()
    program = tmp_path / "google-chrome"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)

    assert find_browser() == program


def test_playwrights_own_browser_is_preferred_to_one_on_the_path(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BROWSER_EXECUTABLE = ""
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    listing = Path(playwright.__file__).parent / "driver/package/browsers.json"
    browsers = json.loads(listing.read_text())["browsers"]
    revision = next(each["revision"] for each in browsers if each["name"] == "chromium")
    program = tmp_path / f"chromium-{revision}" / "chrome-linux" / "chrome"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)

    assert find_browser() == program


@pytest.fixture
def own_pool(worker_loop: WorkerLoop) -> Iterator[BrowserPool]:
    pool = BrowserPool()
    yield pool
    worker_loop.submit(pool.close()).result(30)


def test_playwrights_list_of_switched_off_features_is_kept(own_pool: BrowserPool, worker_loop: WorkerLoop) -> None:
    before = set(psutil.Process().children(recursive=True))
    worker_loop.submit(own_pool.start()).result(60)
    lists = [
        [part.partition("=")[2].split(",") for part in process.cmdline() if part.startswith("--disable-features=")]
        for process in set(psutil.Process().children(recursive=True)) - before
        if "--type=" not in " ".join(process.cmdline())
    ]
    (theirs, ours) = next(found for found in lists if len(found) == 2)

    assert set(theirs) <= set(ours)


def test_contexts_share_nothing(own_pool: BrowserPool, worker_loop: WorkerLoop, site: Site) -> None:
    async def visit(value: str) -> str:
        context = await own_pool.new_context(load(DOCUMENT))
        page = context.pages[0]
        await page.goto(f"{site.url}/second")
        seen: str = await page.evaluate(
            "value => { const seen = document.cookie; document.cookie = value; return seen }", value
        )
        await own_pool.close_context(context)
        return seen

    assert [worker_loop.submit(visit(f"a={number}")).result(60) for number in range(3)] == ["", "", ""]
    assert own_pool.tasks_run == 3


@pytest.mark.parametrize(("setting", "value"), [("BROWSER_MAX_TASKS", 1), ("BROWSER_MAX_MEMORY_MB", 1)])
def test_a_worn_out_browser_is_replaced_between_two_tasks(
    own_pool: BrowserPool, worker_loop: WorkerLoop, settings: Settings, setting: str, value: int
) -> None:
    setattr(settings, setting, value)

    async def use() -> int:
        context = await own_pool.new_context(load(DOCUMENT))
        browser = context.browser
        await own_pool.close_context(context)
        return id(browser)

    worker_loop.submit(use()).result(60)
    own_pool._tasks_of_browser = 9  # memory is looked at before every tenth task
    first, driver = own_pool._browser, own_pool._driver
    worker_loop.submit(use()).result(60)

    assert own_pool._browser is not first
    assert driver is not None
    assert not driver.is_running()
    assert own_pool.is_healthy()


def test_a_killed_browser_is_noticed_and_replaced(own_pool: BrowserPool, worker_loop: WorkerLoop) -> None:
    before = set(psutil.Process().children(recursive=True))
    worker_loop.submit(own_pool.start()).result(60)
    assert own_pool.is_healthy()
    kill_chromium(but=before)
    wait_for(lambda: not own_pool.is_healthy())

    async def use() -> None:
        await own_pool.close_context(await own_pool.new_context(load(DOCUMENT)))

    worker_loop.submit(use()).result(60)
    assert own_pool.is_healthy()


def test_a_driver_that_goes_while_there_is_no_browser_is_replaced(
    own_pool: BrowserPool, worker_loop: WorkerLoop, settings: Settings
) -> None:
    worker_loop.submit(own_pool.start()).result(60)
    program, settings.BROWSER_EXECUTABLE = settings.BROWSER_EXECUTABLE, "/nowhere/chromium"
    with pytest.raises(BrowserNotFoundError):
        worker_loop.submit(own_pool.restart(reason="crashed")).result(60)
    settings.BROWSER_EXECUTABLE = program
    assert own_pool._driver is not None
    own_pool._driver.kill()
    own_pool._driver.wait(10)

    async def use() -> None:
        await own_pool.close_context(await own_pool.new_context(load(DOCUMENT)))

    worker_loop.submit(use()).result(60)
    assert own_pool.is_healthy()


def test_a_browser_that_crashes_as_a_task_begins_is_replaced_and_the_task_goes_on(
    own_pool: BrowserPool, worker_loop: WorkerLoop
) -> None:
    """Between the look at the browser and its new context nobody can see that it is gone."""
    worker_loop.submit(own_pool.start()).result(60)
    begin_task = own_pool._begin_task

    def crash(*arguments: object) -> None:
        begin_task(*arguments)  # type: ignore[arg-type]
        for process in own_pool._family()[1:]:
            process.kill()

    own_pool._begin_task = crash  # type: ignore[method-assign]
    worker_loop.submit(own_pool._drop_spare()).result(10)
    context = worker_loop.submit(own_pool.new_context(load(DOCUMENT))).result(60)

    assert len(context.pages) == 1
    worker_loop.submit(own_pool.close_context(context)).result(10)


def test_a_browser_that_gives_no_context_is_replaced_before_the_next_task(
    own_pool: BrowserPool, worker_loop: WorkerLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Playwright has no limit for that call, and one may never return."""
    monkeypatch.setattr(browser, "_CONTEXT_SECONDS", 0.5)
    worker_loop.submit(own_pool.start()).result(60)

    async def never(*arguments: object, **options: object) -> None:
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        patched.setattr(Browser, "new_context", never)
        worker_loop.submit(own_pool._drop_spare()).result(10)
        with pytest.raises(BrowserCrashedError, match="the browser gave no new context"):
            worker_loop.submit(own_pool.new_context(load(DOCUMENT))).result(20)
    monkeypatch.setattr(browser, "_CONTEXT_SECONDS", 30)

    context = worker_loop.submit(own_pool.new_context(load(DOCUMENT))).result(60)
    worker_loop.submit(own_pool.close_context(context)).result(10)


def test_channels_of_third_parties_are_refused(own_pool: BrowserPool, worker_loop: WorkerLoop) -> None:
    document = load({**DOCUMENT, "browser_channel": "cloakbrowser"})

    with pytest.raises(AutomationError, match="cloakbrowser"):
        worker_loop.submit(own_pool.new_context(document)).result(60)


@pytest.mark.django_db(transaction=True)
def test_a_crash_in_the_middle_of_a_task_is_told_and_may_be_retried(
    prepare: Prepare, run_nodes: RunNodes, worker_loop: WorkerLoop, site: Site
) -> None:
    sleep = {"type": "action_node", "sleep_action": {"sleep_time": 3}}
    runner = prepare([sleep, read('get_by_role("heading")')], url=f"{site.url}/second")
    future = worker_loop.submit(runner.execute())
    wait_for(lambda: "Sleep" in runner.now_doing())
    kill_chromium(kind="renderer")
    with pytest.raises(BrowserCrashedError) as raised:
        future.result(60)

    assert raised.value.may_retry
    assert "crashed" in str(raised.value)
    assert run_nodes([read('get_by_role("heading")')], url=f"{site.url}/second").error is None


@pytest.fixture
def worker() -> Iterator["subprocess.Popen[str]"]:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "optexity_site.settings"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.executor.one_worker"], stdout=subprocess.PIPE, text=True, env=environment
    )
    with process:
        yield process
        process.kill()


@pytest.mark.parametrize("driver_too", [False, True])
def test_a_killed_worker_leaves_nothing_behind(worker: "subprocess.Popen[str]", driver_too: bool) -> None:
    assert worker.stdout is not None
    folder = Path(worker.stdout.readline().removeprefix("ready ").strip())
    family = psutil.Process(worker.pid).children(recursive=True)
    assert any(process.name().startswith("chrom") for process in family)
    os.kill(worker.pid, signal.SIGKILL)
    if driver_too:
        family[0].kill()
    worker.wait()

    def nobody_is_left() -> bool:
        leftovers.kill_leftovers()
        return not folder.exists() and not any(map(_is_alive, family))

    wait_for(nobody_is_left, seconds=10)


def _is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
