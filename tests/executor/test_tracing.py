import base64
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from playwright.async_api import Error as PlaywrightError

from automation import load
from executor.browser import BrowserPool
from executor.loop import WorkerLoop
from executor.masking import Masking
from executor.runner import RUNNABLE_KINDS, AttemptRunner
from executor.tracing import redact_trace, wants_trace
from inference.models import Artifact, Task, TaskStatus
from tests import factories
from tests.executor.conftest import Outcome, click, interact, read
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = 'open "sesame" & <more>/42+é'
MISSING = click('get_by_role("button", name="Nowhere")', max_tries=1, max_timeout_seconds_per_try=0.3)
HEADING = read('get_by_role("heading")')
VAULT = {"password": [{"onepassword": {"vault_name": "v", "item_name": "i", "field_name": "f"}}]}

Run = Callable[..., Outcome]


@pytest.fixture
def run(pool: BrowserPool, worker_loop: WorkerLoop, site: Site) -> Run:
    """Run nodes on a page of the site as the attempt `attempt`; `hidden` is a secret that the attempt knows."""

    def run_it(
        nodes: Sequence[Mapping[str, Any]],
        *,
        path: str = "/tangled",
        attempt: int = 1,
        hidden: str = "",
        automation: Any = None,
        secure: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Outcome:
        document = factories.a_document(
            inputs=[], nodes=nodes, url=site.url + path, take_final_screenshot=False, **fields
        )
        document["parameters"]["secure_parameters"] = dict(secure or {})
        automation = automation or factories.make_automation(document=document)
        task = factories.make_task(automation=automation, status="running", input_parameters={})
        runner = AttemptRunner(
            task=task, automation=load(document), attempt_number=attempt, token=task.lease_token, pool=pool
        )
        runner._masking.hide(hidden)
        error: BaseException | None = None
        try:
            worker_loop.submit(runner.execute()).result(90)
        except Exception as raised:
            error = raised
        return Outcome(Task.objects.get(id=task.id), runner, error)

    return run_it


def traces(outcome: Outcome) -> dict[str, bytes]:
    return outcome.files(Artifact.Kind.TRACE)


def test_a_first_attempt_is_not_traced_and_a_second_is(run: Run) -> None:
    assert traces(run([HEADING])) == {}

    outcome = run([HEADING], attempt=2)
    assert outcome.error is None
    [(name, data)] = traces(outcome).items()
    assert name == "trace-of-try-2.zip"
    names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert "trace.trace" in names
    assert "trace.network" in names
    assert Artifact.objects.get(task=outcome.task, kind=Artifact.Kind.TRACE).content_type == "application/zip"


def test_the_document_decides_before_anything_else(run: Run) -> None:
    assert len(traces(run([HEADING], trace="always"))) == 1
    assert traces(run([HEADING], trace="never", attempt=2)) == {}


def test_a_trace_of_a_failed_attempt_is_kept_with_its_pages(run: Run) -> None:
    outcome = run([MISSING], trace="always")

    assert "nothing usable matched" in str(outcome.error)
    [data] = traces(outcome).values()
    events = _events(data)
    assert "frame-snapshot" in {event["type"] for event in events}
    assert "screencast-frame" not in {event["type"] for event in events}
    # Step pictures are as large as without a trace.
    assert outcome.step.picture is not None


def test_the_run_after_a_failed_one_is_traced(run: Run) -> None:
    automation = factories.make_automation()
    failed = factories.make_task(automation=automation, status=TaskStatus.FAILED)
    task = factories.make_task(automation=automation, status="running")
    document = load(factories.a_document(inputs=[], nodes=[]))

    assert wants_trace(document, task, attempt_number=1)
    factories.make_task(automation=automation, status=TaskStatus.CANCELLED)
    assert wants_trace(document, factories.make_task(automation=automation), attempt_number=1)
    factories.make_task(automation=automation, status=TaskStatus.SUCCESS)
    assert not wants_trace(document, factories.make_task(automation=automation), attempt_number=1)
    # Another automation's failure says nothing, and neither does one that came later.
    assert not wants_trace(document, factories.make_task(), attempt_number=1)
    assert not wants_trace(document, failed, attempt_number=1)


def test_passwords_cookies_and_paths_are_in_no_trace(run: Run, site: Site) -> None:
    outcome = run([interact("go_to_url", {"url": f"{site.url}/tangled"}), HEADING], path="/cookie", trace="always")

    [data] = traces(outcome).values()
    whole = _whole(data)
    assert "Tangled" in whole
    assert "never shown at all" not in whole.replace(_resources(data), "")
    assert "hidden-token" not in whole.replace(_resources(data), "")
    assert "cookie-secret" not in whole
    assert "trace.stacks" not in zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert not re.search(r"executor/(actions|run|walk)", whole)


@pytest.mark.parametrize("declares", [True, False])
def test_a_secret_is_nowhere_in_a_trace(run: Run, monkeypatch: pytest.MonkeyPatch, declares: bool) -> None:
    monkeypatch.setattr("executor.runner.RUNNABLE_KINDS", RUNNABLE_KINDS | {"secure_parameters.onepassword"})
    nodes = [
        interact("input_text", {"command": 'get_by_label("Member")', "input_text": SECRET}),
        click('get_by_role("button", name="Send form")'),
        interact("input_text", {"command": 'get_by_label("Notes")', "input_text": SECRET, "fill_or_type": "type"}),
        interact("input_text", {"command": 'get_by_label("Notes")', "input_text": SECRET, "fill_or_type": "key_press"}),
        MISSING,
    ]
    outcome = run(nodes, hidden=SECRET, trace="always", secure=VAULT if declares else None)

    [data] = traces(outcome).values()
    whole = _whole(data)
    assert "Send form" in whole
    assert "•••" in whole
    for form in _forms(SECRET):
        assert form not in whole, form
    # Not even key by key, or as it grew in a field.
    keys = [event["params"]["key"] for event in _events(data) if "key" in event.get("params", {})]
    assert keys
    assert {key for key in keys if len(key) == 1} <= {"•"}
    assert "frame-snapshot" not in {event["type"] for event in _events(data)}


def test_all_encodings_are_taken_out_of_any_trace(tmp_path: Path) -> None:
    masking = Masking()
    masking.hide(SECRET)
    source, target = tmp_path / "a.zip", tmp_path / "b.zip"
    forms = _forms(SECRET)
    with zipfile.ZipFile(source, "w") as made:
        lines = [json.dumps({"type": "console", "text": form, form: [form, {"deep": form}]}) for form in forms]
        made.writestr("trace.trace", "\n".join([*lines, "no json", "[1]", json.dumps({"type": "screencast-frame"})]))
        made.writestr("trace.network", json.dumps({"type": "resource-snapshot", "snapshot": {"request": None}}))
        for number, form in enumerate(forms):
            made.writestr(f"resources/{number}.html", f"<p>{form}</p>")
        made.writestr("resources/picture.jpeg", b"\xff\xd8\xff" + SECRET.encode())
        made.writestr("resources/nul.txt", b"\0" + SECRET.encode("utf-16-le"))
        made.writestr("trace.stacks", SECRET)
        made.writestr("elsewhere", SECRET)

    redact_trace(source, target, masking)

    whole = _whole(target.read_bytes())
    assert [form for form in forms if form in whole] == []
    assert base64.b64encode(b"user:" + SECRET.encode()).decode()[8:-4] not in whole
    names = zipfile.ZipFile(target).namelist()
    assert names == ["trace.trace", "trace.network", *(f"resources/{number}.html" for number in range(len(forms)))]


def test_headers_and_options_that_hold_logins_are_taken_out(tmp_path: Path) -> None:
    source, target = tmp_path / "a.zip", tmp_path / "b.zip"
    header = [{"name": "Cookie", "value": "sid=kept-out"}, {"name": "Accept", "value": "text/html"}]
    answer = {
        "headers": [{"name": "Set-Cookie", "value": "sid=kept-out"}],
        "cookies": [{"name": "sid", "value": "kept-out"}],
    }
    events: list[dict[str, Any]] = [
        {"type": "context-options", "options": {"httpCredentials": {"password": "kept-out"}, "locale": "de"}},
        {"type": "resource-snapshot", "snapshot": {"request": {"headers": header, "cookies": []}, "response": answer}},
        {"type": "log", "message": 'locator resolved to <input type="password" value="kept-out"/>'},
        {"type": "log", "message": "the password was filled"},
        {
            "type": "frame-snapshot",
            "snapshot": {"html": ["DIV", {}, ["INPUT", {"TYPE": "password", "VALUE": "kept-out"}]]},
        },
        {"type": "frame-snapshot", "snapshot": {"html": [[1, 2]]}},
    ]
    with zipfile.ZipFile(source, "w") as made:
        made.writestr("trace.trace", "\n".join(map(json.dumps, events)))
        made.writestr("resources/a.jpeg", b"\xff\xd8")

    redact_trace(source, target, Masking())

    whole = _whole(target.read_bytes())
    assert "kept-out" not in whole
    for stays in ("text/html", '"locale": "de"', "the password was filled", "sid"):
        assert stays in whole
    assert zipfile.ZipFile(target).read("resources/a.jpeg") == b"\xff\xd8"


def test_a_trace_that_cannot_be_taken_or_kept_fails_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise PlaywrightError("no room for it")

    monkeypatch.setattr("executor.evidence.start_trace", refuse)
    outcome = run([HEADING], trace="always")
    assert outcome.error is None
    assert outcome.events("note") == [{"text": "no trace is taken: no room for it"}]

    monkeypatch.undo()
    monkeypatch.setattr("executor.evidence.stop_trace", refuse)
    outcome = run([HEADING], trace="always")
    assert outcome.error is None
    assert outcome.events("note") == [{"text": "the trace could not be kept"}]

    monkeypatch.undo()
    monkeypatch.setattr("executor.evidence.artifacts.max_bytes", lambda: 10)
    outcome = run([HEADING], trace="always")
    assert outcome.error is None
    assert "more than ARTIFACT_MAX_MB" in outcome.events("note")[0]["text"]
    assert traces(outcome) == {}


def _events(data: bytes) -> list[dict[str, Any]]:
    archive = zipfile.ZipFile(io.BytesIO(data))
    return [json.loads(line) for name in ("trace.trace", "trace.network") for line in archive.read(name).splitlines()]


def _whole(data: bytes) -> str:
    archive = zipfile.ZipFile(io.BytesIO(data))
    return "\n".join(f"{name}\n{archive.read(name).decode(errors='replace')}" for name in archive.namelist())


def _resources(data: bytes) -> str:
    """What the server sent, which stays as it was: it is what anybody may get from there."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    pages = [archive.read(name).decode(errors="replace") for name in archive.namelist() if name.endswith(".html")]
    return next((page for page in pages if "Tangled" in page), "")


def _forms(secret: str) -> list[str]:
    raw = secret.encode()
    return [
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        quote(secret, safe="!'()*"),
        json.dumps(secret)[1:-1],
        json.dumps(json.dumps(secret)[1:-1])[1:-1],
        secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;"),
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        base64.b64encode(b"user:" + raw).decode(),
    ]
