"""Stored sessions of logins, from the browser that signed in to the one that does not have to."""

import concurrent.futures
import logging
import os
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from pytest_django import Settings

from executor import browser, browser_state, worker
from executor.browser import BrowserPool
from executor.claim import claim_task
from executor.errors import AutomationError, ElementNotFoundError, LeaseLostError
from executor.handover import PipeEvent
from executor.lease_owner import this_worker
from executor.loop import WorkerLoop
from executor.worker import Stop, Supervisor, WorkerProcess
from inference.models import Artifact, LoginSession, Step, Task, TaskEvent
from inference.services.login_sessions import forget_session
from tests import factories
from tests.demo.portal_process import Portal, running_portal
from tests.executor.conftest import RUN_SECONDS, Outcome, click, interact, read, wait_for
from tests.executor.logins import COUNTING, Logins, events, scripted, told
from tests.executor.nodes import fail, if_else, sleep
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "cookie-secret"  # what the site's page /cookie sets
# The address of the page has its script in it, so it must not spell the secret out.
KEEP_TOKEN = "localStorage.token = sessionStorage.token = 'terces-eikooc'.split('').reverse().join('')"
FOUND = read("locator('#found')", "found")
SIGN_IN = (
    {
        "type": "assert_locator_node",
        "locator": 'get_by_role("heading", name="Sign in")',
        "assertion": "to_be_visible",
        "output_variable_name": "signed_out",
        "timeout": 2,
    },
    if_else(
        "signed_out[0]",
        interact("input_text", {"command": 'get_by_label("User name")', "input_text": "demo"}),
        interact("input_text", {"command": 'get_by_label("Password")', "input_text": "northwind"}),
        click('get_by_role("button", name="Sign in")'),
    ),
    read("locator('h1')", "heading"),
)


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    with running_portal() as portal:
        yield portal


@pytest.fixture(scope="module")
def other_pool(worker_loop: WorkerLoop) -> Iterator[BrowserPool]:
    """The browser of another host."""
    pool = BrowserPool()
    worker_loop.submit(pool.start()).result(60)
    yield pool
    worker_loop.submit(pool.close()).result(30)


@pytest.fixture
def logins(worker_loop: WorkerLoop, pool: BrowserPool) -> Any:
    def make(*nodes: Any, **fields: Any) -> Logins:
        return Logins(nodes, loop=worker_loop, pool=pool, **fields)

    return make


@pytest.fixture
def counting(logins: Any, site: Site) -> Logins:
    return logins(FOUND, url=scripted(site.url, COUNTING))


def had_to_sign_in(outcome: Outcome) -> bool:
    assert outcome.error is None
    return outcome.runner._memory.variables["signed_out"] == [True]


def found(outcome: Any) -> list[int]:
    """What the page found in each storage, and its `history.length`."""
    assert outcome.error is None
    return [int(number) for number in outcome.values()["found"].split(",")]


def test_who_signed_in_once_is_signed_in_on_another_host(logins: Any, portal: Portal, other_pool: BrowserPool) -> None:
    patients = logins(*SIGN_IN, url=f"{portal.url}/patients")
    first = patients.run(host="host-a")
    assert (first.values()["heading"], had_to_sign_in(first)) == ("Patients", True)
    assert told(first) == ["kept"]

    second = patients.run(host="host-b", pool=other_pool)
    assert (second.values()["heading"], had_to_sign_in(second)) == ("Patients", False)
    assert told(second) == ["used", "kept"]
    assert events(second)[0]["text"] == "began with the login's stored session, saved 0 min ago on host-a"
    assert patients.stored().host == "host-b"
    assert patients.stored().task_id == second.task.id


def test_logins_share_nothing(logins: Any, portal: Portal) -> None:
    patients = logins(*SIGN_IN, url=f"{portal.url}/patients")
    patients.run("maya")
    other = patients.run("omar")
    assert had_to_sign_in(other)
    assert patients.stored("maya").login != patients.stored("omar").login

    same_values = logins(*SIGN_IN, url=f"{portal.url}/patients").run("maya")
    assert had_to_sign_in(same_values)


def test_all_storages_come_along_and_there_is_nothing_to_go_back_to(counting: Logins, other_pool: BrowserPool) -> None:
    assert found(counting.run()) == [0, 0, 0, 2]
    assert found(counting.run(pool=other_pool)) == [1, 1, 1, 2]
    assert found(counting.run()) == [2, 2, 2, 2]


def test_ordinary_tasks_and_those_without_a_login_keep_nothing(counting: Logins) -> None:
    ordinary = counting.run(is_dedicated=False)
    assert told(ordinary) == []
    alone = counting.run(unique_parameter_names=[])
    assert told(alone) == ["none"]
    assert found(counting.run()) == [0, 0, 0, 2]
    assert LoginSession.objects.count() == 1


def test_a_session_that_lay_idle_too_long_is_not_used(counting: Logins, settings: Settings) -> None:
    settings.LOGIN_SESSION_HOURS = 3
    counting.run()
    stored = counting.stored()
    assert stored.expires_at - stored.saved_at == timedelta(hours=3)
    LoginSession.objects.update(expires_at=F("saved_at"))

    later = counting.run()
    assert found(later) == [0, 0, 0, 2]
    assert told(later) == ["not used", "kept"]
    assert events(later)[0]["text"].startswith("the stored session of the login is not used: it expired at ")
    assert found(counting.run()) == [1, 1, 1, 2]


def test_keys_are_changed_without_losing_a_session_and_a_host_without_the_key_begins_anew(
    counting: Logins, settings: Settings
) -> None:
    old, new = "an old key that is long enough 0123456789", "a new key that is long enough 9876543210"
    settings.ENCRYPTION_KEYS = [old]
    counting.run()
    settings.ENCRYPTION_KEYS = [new]
    lost = counting.run()
    assert found(lost) == [0, 0, 0, 2]
    assert events(lost)[0]["text"] == (
        "the stored session of the login is not used: it cannot be decrypted: its key is not among the "
        "ENCRYPTION_KEYS of this host"
    )
    settings.ENCRYPTION_KEYS = ["a third key that is long enough 1122334455", new]
    assert found(counting.run()) == [1, 1, 1, 2]


def test_a_session_opens_for_no_other_login(counting: Logins) -> None:
    counting.run("maya")
    counting.run("omar")
    LoginSession.objects.filter(login=counting.stored("omar").login).update(
        sealed=bytes(counting.stored("maya").sealed)
    )
    stolen = counting.run("omar")
    assert found(stolen) == [0, 0, 0, 2]
    assert "it was changed, or is another row's" in events(stolen)[0]["text"]


WRONG = b'{"form":1,"storage":{},"origin":"","session_storage":7}'


@pytest.mark.parametrize("text", [b"", b"{}", b'{"form":1}', WRONG])
def test_a_state_that_cannot_be_read_is_not_used(counting: Logins, text: bytes) -> None:
    counting.run()
    stored = counting.stored()
    about = f"inference_loginsession:{stored.automation_id}:{stored.login}:{stored.state_id}"
    from inference.encryption import seal

    LoginSession.objects.update(sealed=seal(browser_state.compress(text) if text else b"x", about=about))
    unreadable = counting.run()
    assert found(unreadable) == [0, 0, 0, 2]
    assert told(unreadable) == ["not used", "kept"]


def test_a_state_that_the_browser_refuses_costs_no_attempt(counting: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    counting.run()
    monkeypatch.setattr(browser_state, "RESTORE_SECONDS", 0.0)
    refused = counting.run()
    assert found(refused) == [0, 0, 0, 2]
    assert told(refused) == ["not used", "kept"]
    assert events(refused)[0]["text"].endswith("could not be put into the browser: it took too long")


def test_a_worker_that_lost_its_lease_stores_nothing(logins: Any, worker_loop: WorkerLoop, site: Site) -> None:
    slow = logins(FOUND, sleep(1), url=scripted(site.url, COUNTING))
    task = slow.claim()
    running = slow.start(slow.runner(task))
    wait_for(lambda: Step.objects.filter(status="running", index=2).exists())
    with connection.cursor() as cursor:
        cursor.execute("UPDATE inference_task SET lease_token = lease_token + 1")
    with pytest.raises(LeaseLostError):
        running.result(RUN_SECONDS)
    assert slow.stored() is None
    assert told(task) == []


def test_of_two_that_run_at_once_the_one_that_ends_last_is_kept_whole(
    logins: Any, other_pool: BrowserPool, site: Site
) -> None:
    counting = logins(FOUND, sleep(3), url=scripted(site.url, COUNTING))
    slow = counting.claim(per_login_parallelism=2)
    running = counting.start(counting.runner(slow))
    wait_for(lambda: Step.objects.filter(task=slow, status="running", index=1).exists())
    counting.publish([FOUND])
    quick = counting.run(pool=other_pool, host="host-b", per_login_parallelism=2)
    assert counting.stored().task_id == quick.task.id
    running.result(RUN_SECONDS)
    assert counting.stored().task_id == slow.id
    assert told(slow) == told(quick) == ["kept"]


def test_a_failure_takes_along_the_session_that_it_began_with_and_no_newer_one(
    counting: Logins, other_pool: BrowserPool
) -> None:
    counting.run()
    failing = counting.claim(per_login_parallelism=2)
    runner = counting.runner(failing)
    runner._automation = runner._automation.model_copy(
        update={"nodes": _loaded(click("locator('#nobody')", max_tries=1, max_timeout_seconds_per_try=3))}
    )
    running = counting.start(runner)
    wait_for(lambda: "used" in told(failing))
    newer = counting.run(pool=other_pool, per_login_parallelism=2)
    with pytest.raises(ElementNotFoundError):
        running.result(RUN_SECONDS)
    assert counting.stored().task_id == newer.task.id


def _loaded(*nodes: Any) -> Any:
    from automation import load

    return load(factories.a_document(inputs=[], nodes=nodes)).nodes


def test_a_broken_session_costs_one_attempt_and_never_a_second_one(logins: Any, portal: Portal) -> None:
    patients = logins(*SIGN_IN, url=f"{portal.url}/patients")
    assert patients.run().error is None
    patients.publish([click("locator('#nobody')", max_tries=1, max_timeout_seconds_per_try=0.2)])
    broken = patients.run()
    assert isinstance(broken.error, ElementNotFoundError)
    assert told(broken) == ["used", "dropped"]
    assert patients.stored() is None

    patients.publish(SIGN_IN)
    again = patients.run()
    assert had_to_sign_in(again)
    assert told(again) == ["kept"]


def test_a_failure_without_a_stored_session_leaves_no_trace(counting: Logins) -> None:
    counting.publish([fail("no")])
    assert told(counting.run()) == []
    assert counting.stored() is None


def test_a_failure_that_no_session_could_have_prevented_keeps_it(counting: Logins) -> None:
    counting.run()
    counting.publish([if_else("nobody[0]", sleep(0))])
    wrong = counting.run()
    assert isinstance(wrong.error, AutomationError)
    assert told(wrong) == ["used"]
    assert counting.stored() is not None


def test_a_stop_keeps_the_session_and_the_time_limit_drops_it(counting: Logins) -> None:
    counting.run()
    counting.publish([sleep(60)])
    task = counting.claim()
    runner = counting.runner(task)
    running = counting.start(runner)
    wait_for(lambda: "step 1" in runner.now_doing())
    running.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        running.result(20)
    assert told(task) == ["used"]
    assert counting.stored() is not None

    runner.timed_out()
    assert counting.stored() is None
    assert told(task) == ["used", "dropped"]


def test_a_worker_whose_task_runs_out_of_time_drops_the_session(
    counting: Logins, worker_loop: WorkerLoop, pool: BrowserPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting.run()
    counting.publish([sleep(60)])
    me = WorkerProcess(worker_loop, pool, told_to_end=PipeEvent(), browser_start=worker_loop.submit(pool.start()))
    monkeypatch.setattr(worker, "_process", me)
    monkeypatch.setattr(worker, "_process_pid", os.getpid())
    monkeypatch.setattr(Supervisor, "_reason_to_stop", _out_of_time)
    task = counting.queue()
    _, token, *_ = claim_task(owner=this_worker(), host="host-a", lease_seconds=60)

    with ThreadPoolExecutor(1) as thread:  # with a connection of its own, which listens
        ended = thread.submit(worker.run, task.id, token).result(RUN_SECONDS)
        thread.submit(lambda: connection.close()).result()
    assert ended == "failed"
    assert told(task) == ["used", "dropped"]
    assert events(task)[-1]["text"].endswith("and timed out, so that is dropped")
    assert counting.stored() is None


def _out_of_time(supervisor: Supervisor) -> Stop | None:
    return Stop.TIMED_OUT if "step 1" in supervisor._runner.now_doing() else None


def test_what_is_too_large_is_not_kept_and_neither_is_what_it_replaces(
    counting: Logins, settings: Settings, site: Site
) -> None:
    settings.LOGIN_SESSION_MAX_MB = 1
    counting.run()
    counting.publish([sleep(0)], url=scripted(site.url, "localStorage.large = 'x'.repeat(1_500_000)"))
    large = counting.run()
    assert told(large) == ["used", "dropped"]
    assert events(large)[-1]["text"] == (
        "the session is too large to be kept: 1.4 MiB, more than LOGIN_SESSION_MAX_MB=1"
    )
    assert counting.stored() is None
    assert told(counting.run()) == ["not kept"]


def test_a_session_that_cannot_be_read_is_not_kept(counting: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    counting.run()
    monkeypatch.setattr(browser_state, "READ_SECONDS", 0.0)
    unread = counting.run()
    assert unread.error is None
    assert told(unread) == ["used", "dropped"]
    assert counting.stored() is None


def test_databases_that_cannot_be_read_are_left_out(logins: Any, site: Site) -> None:
    script = "localStorage.visits = 1; indexedDB.open('', 1)"
    odd = logins(sleep(0.2), url=scripted(site.url, script))
    first = odd.run()
    assert told(first) == ["kept"]
    assert events(first)[0]["text"].endswith(", without its IndexedDB, which cannot be read")
    assert told(odd.run()) == ["used", "kept"]


def test_cookies_that_have_expired_end_the_session(logins: Any, site: Site) -> None:
    script = "document.cookie = 'short=1; max-age=3600'; document.cookie = 'long=1; max-age=7200'"
    cookies = logins(sleep(0), url=scripted(site.url, script))
    cookies.run()
    stored = cookies.stored()
    lives = stored.expires_at - stored.saved_at
    assert timedelta(seconds=7100) < lives < timedelta(seconds=7210)


def test_the_cookies_are_kept_when_the_last_page_has_been_closed(logins: Any, portal: Portal) -> None:
    patients = logins(*SIGN_IN, interact("close_current_tab"), url=f"{portal.url}/patients")
    assert patients.run().error is None
    patients.publish(SIGN_IN)
    assert not had_to_sign_in(patients.run())


def test_what_a_person_has_had_forgotten_does_not_come_back(counting: Logins, other_pool: BrowserPool) -> None:
    counting.run()
    began_before = counting.claim(per_login_parallelism=2)
    assert forget_session(session=counting.stored(), actor=factories.make_user())
    counting.start(counting.runner(began_before)).result(RUN_SECONDS)
    assert told(began_before) == ["not used", "not kept"]
    assert events(began_before)[0]["text"].endswith("a person has had it forgotten")
    assert counting.stored().sealed is None

    began_after = counting.run(per_login_parallelism=2, pool=other_pool)
    assert found(began_after) == [0, 0, 0, 2]
    assert told(began_after) == ["not used", "kept"]
    assert counting.stored().forgotten_at is None
    assert found(counting.run(per_login_parallelism=2)) == [1, 1, 1, 2]


def test_it_stands_nowhere_else(logins: Any, site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secretive = logins(
        interact("go_to_url", {"url": f"{site.url}/cookie"}),
        read("locator('h1')", "heading"),
        url=scripted(site.url, KEEP_TOKEN),
        trace="always",
    )
    secretive.run()
    assert told(secretive.run()) == ["used", "kept"]

    sealed = bytes(secretive.stored().sealed)
    texts = [sealed, caplog.text.encode()]
    texts += [str(row).encode() for row in TaskEvent.objects.values()]
    texts += [str(row).encode() for row in Step.objects.values()]
    texts += [str(row).encode() for row in Task.objects.values("output_data", "error")]
    outcome_files = [_bytes(row) for row in Artifact.objects.all()]
    traces = [each for each in outcome_files if each.startswith(b"PK")]
    assert len(traces) == 2
    for each in traces:
        with zipfile.ZipFile(BytesIO(each)) as archive:
            texts += [archive.read(name) for name in archive.namelist()]
    texts += outcome_files
    assert not [text[:80] for text in texts if SECRET.encode() in text]


def _bytes(row: Artifact) -> bytes:
    from django.core.files.storage import default_storage

    with default_storage.open(row.storage_name) as file:
        return file.read()


# --- pages that stay open -----------------------------------------------------------------------------------------


@pytest.fixture
def reusing(logins: Any, site: Site) -> Logins:
    return logins(FOUND, url=scripted(site.url, COUNTING), reuse_page_if_already_on_url=True)


def opened(site: Site) -> int:
    return sum(path.startswith("/echo") for path in site.requests)


def test_the_page_is_used_as_it_is_while_the_same_worker_has_it_open(reusing: Logins, site: Site) -> None:
    first = reusing.run()
    second = reusing.run()
    third = reusing.run()
    assert opened(site) == 1
    assert found(first) == found(second) == found(third) == [0, 0, 0, 2]
    assert told(second) == told(third) == ["reused", "kept"]
    assert [step.status for step in second.steps] == ["success"]
    assert second.steps[0].picture is not None


def test_a_document_that_does_not_ask_for_it_gets_a_page_of_its_own(reusing: Logins, site: Site) -> None:
    reusing.run()
    reusing.publish([FOUND], reuse_page_if_already_on_url=False)
    assert told(reusing.run()) == ["used", "kept"]
    assert opened(site) == 2


def test_another_host_opens_the_page_and_what_the_first_has_open_is_out_of_date_then(
    reusing: Logins, other_pool: BrowserPool, site: Site
) -> None:
    reusing.run()
    assert told(reusing.run(pool=other_pool)) == ["used", "kept"]
    assert told(reusing.run()) == ["used", "kept"]
    assert opened(site) == 3


def test_another_login_closes_the_page(reusing: Logins, pool: BrowserPool, site: Site) -> None:
    reusing.run("maya")
    assert pool._kept is not None
    left_open = pool._kept.page
    assert told(reusing.run("omar")) == ["kept"]
    assert left_open.is_closed()
    assert told(reusing.run("maya")) == ["used", "kept"]
    assert opened(site) == 3


def test_a_page_that_is_elsewhere_is_opened_anew(reusing: Logins, site: Site) -> None:
    reusing.publish([FOUND, interact("go_to_url", {"url": f"{site.url}/second"})])
    reusing.run()
    assert told(reusing.run()) == ["used", "kept"]
    assert opened(site) == 2


def test_a_page_that_does_not_answer_is_opened_anew(logins: Any, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_state, "_ANSWER_SECONDS", 0.5)
    script = "if (!localStorage.was_here) setTimeout(() => { while (true); }, 1000); localStorage.was_here = 1"
    hanging = logins(sleep(0), url=scripted(site.url, script), reuse_page_if_already_on_url=True)
    assert told(hanging.run()) == ["kept"]
    hanging.publish([sleep(0)], max_retries=0)
    wait_for(lambda: hanging._pool._kept is not None)
    from threading import Event

    Event().wait(1.2)
    assert told(hanging.run()) == ["used", "kept"]
    assert opened(site) == 2


def test_only_the_current_tab_stays_and_what_it_does_meanwhile_is_nobodys(
    logins: Any, site: Site, pool: BrowserPool
) -> None:
    script = "setInterval(() => console.error('beep'), 100); document.title = 'x'"
    two_tabs = logins(
        interact("go_to_url", {"url": f"{site.url}/second", "new_tab": True}),
        interact("close_current_tab"),
        interact("go_to_url", {"url": f"{site.url}/form", "new_tab": True}),
        interact("switch_tab", {"tab_index": 0}),
        url=scripted(site.url, script),
        reuse_page_if_already_on_url=True,
    )
    first = two_tabs.run()
    assert first.error is None
    assert pool._kept is not None
    assert len(pool._kept.page.context.pages) == 1
    told_then = TaskEvent.objects.filter(task=first.task).count()
    two_tabs.publish([sleep(0.5)])
    second = two_tabs.run()
    assert told(second) == ["reused", "kept"]
    assert TaskEvent.objects.filter(task=first.task).count() == told_then
    assert TaskEvent.objects.filter(task=second.task, kind="console").exists()
    assert not TaskEvent.objects.filter(task=second.task, kind="page_error").exists()


def test_a_page_that_nobody_comes_back_to_is_closed(
    reusing: Logins, pool: BrowserPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "KEPT_PAGE_SECONDS", 0.3)
    reusing.run()
    wait_for(lambda: pool._kept is None)
    assert told(reusing.run()) == ["used", "kept"]


def test_a_forgotten_session_does_not_live_on_in_a_page(reusing: Logins, site: Site) -> None:
    reusing.run()
    forget_session(session=reusing.stored(), actor=factories.make_user())
    after = reusing.run()
    assert found(after) == [0, 0, 0, 2]
    assert told(after) == ["not used", "kept"]
    assert opened(site) == 2


def test_secrets_of_the_task_before_stay_hidden(reusing: Logins) -> None:
    task = reusing.claim()
    runner = reusing.runner(task)
    runner._masking.hide("the-password")
    reusing.start(runner).result(RUN_SECONDS)
    reusing.finish(task)
    second = reusing.run()
    assert told(second) == ["reused", "kept"]
    assert second.runner._masking.mask("my the-password") == "my •••"


def test_the_next_action_in_a_reused_page_is_watched_from_its_beginning(logins: Any, site: Site) -> None:
    """Settling, pictures and network of the second attempt come from its own listeners."""
    form = logins(sleep(0), url=f"{site.url}/", reuse_page_if_already_on_url=True)
    form.run()
    form.publish([click('get_by_role("link", name="Second page")'), read("locator('h1')", "heading")])
    second = form.run()
    assert second.error is None
    assert told(second) == ["reused", "kept"]
    assert second.values() == {"heading": "Second"}
    assert all(step.picture for step in second.steps)
