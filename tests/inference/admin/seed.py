"""A day at an insurance desk: automations, keys, workers, and tasks in every state, with pictures.

For looking at the dashboard (docs/make_screenshots.py) and for the tests of its pages. Rows are written as they
would be after the fact, with instants relative to now; no worker is needed.
"""

import gzip
import hashlib
import io
import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.utils import timezone
from PIL import Image, ImageDraw, ImageFont

from inference.models import (
    ApiKey,
    Artifact,
    Attempt,
    AuditEvent,
    Automation,
    AutomationVersion,
    CommitPoint,
    ConcurrencySlot,
    LoginSession,
    PersonRequest,
    Scope,
    Step,
    StepStatus,
    Task,
    TaskEvent,
    TaskStatus,
    WorkerHost,
)
from inference.services.publish import publish_automation
from inference.services.submit import make_dedup_key
from tests.factories import make_login_session

PASSWORD = "a long pass phrase"
VIEWPORT = {"width": 1280, "height": 720}


def click(name: str, *, commit: bool = False) -> dict[str, Any]:
    node: dict[str, Any] = {
        "type": "action_node",
        "interaction_action": {"click_element": {"command": f'get_by_role("button", name="{name}")'}},
        "end_sleep_time": 1.0,
    }
    return node | {"commit_point": True} if commit else node


def fill(label: str, value: str) -> dict[str, Any]:
    return {
        "type": "action_node",
        "interaction_action": {"input_text": {"command": f'get_by_label("{label}")', "input_text": value}},
        "end_sleep_time": 0.5,
    }


def read(locator: str, name: str) -> dict[str, Any]:
    return {
        "type": "action_node",
        "extraction_action": {"locator": {"command": locator, "extraction_format": {name: "str"}}},
    }


CLAIMS: dict[str, Any] = {
    "url": "https://claims.northbridge.example/login",
    "parameters": {
        "input_parameters": {
            "policy": ["HM-4471-0928"],
            "date_of_loss": ["2026-11-19"],
            "cause": ["Water damage"],
            "estimate": ["3480.00"],
            "documents": ["invoice_plumber.pdf", "photos.zip"],
        },
        "generated_parameters": {"claim_number": []},
    },
    "nodes": [
        fill("User name", "claims.backoffice"),
        click("Sign in"),
        fill("Claim or policy number", "{policy[0]}"),
        click("Search"),
        click("New claim"),
        fill("Date of loss", "{date_of_loss[0]}"),
        fill("Cause", "{cause[0]}"),
        fill("Estimate (EUR)", "{estimate[0]}"),
        click("Submit claim", commit=True),
        read('get_by_role("status")', "claim_number"),
    ],
    "max_retries": 1,
}
INTAKE: dict[str, Any] = {
    "url": "https://app.meadowclinic.example/",
    "parameters": {
        "input_parameters": {"first_name": ["Elena"], "last_name": ["Marchetti"], "member": ["HM-880-4417"]},
        "generated_parameters": {"record": []},
    },
    "nodes": [
        click("Patients"),
        click("New patient"),
        fill("First name", "{first_name[0]}"),
        fill("Last name", "{last_name[0]}"),
        fill("Member number", "{member[0]}"),
        click("Save", commit=True),
        read('get_by_role("status")', "record"),
    ],
}
ELIGIBILITY: dict[str, Any] = {
    "url": "https://portal.payer.example/eligibility",
    "parameters": {"input_parameters": {"member": ["HM-102-6645"]}, "generated_parameters": {"plan": []}},
    "nodes": [fill("Member", "{member[0]}"), click("Check"), read('get_by_role("status")', "plan")],
}


@dataclass
class Seeded:
    """What tests ask for by name."""

    admin: User
    claims: Automation
    intake: Automation
    eligibility: Automation
    failed: Task
    running: Task
    queued: Task
    success: Task
    review: Task
    cancelled: Task
    killed: Task
    allocated: Task
    key: ApiKey
    session: LoginSession


def seed(*, more_tasks: int = 60, password: str = PASSWORD) -> Seeded:
    """Everything; `more_tasks` ordinary runs of the last hours fill the lists."""
    now = timezone.now()
    admin = User.objects.create_superuser(
        "maya", "maya@harbor.example", password, first_name="Maya", last_name="Okafor"
    )
    jonas = User.objects.create_user("jonas", password=password, first_name="Jonas", last_name="Lind", is_staff=True)
    claims, intake, eligibility = _automations(admin, jonas)
    backoffice, frontdesk, nightly = _keys(now, admin, jonas, claims, intake)
    _workers(now)
    chance = random.Random(7)
    for number in range(more_tasks):
        _ordinary(chance, number, now, (claims, intake, eligibility), (backoffice, frontdesk, nightly))
    queued, success, allocated = (
        _queued(now, intake, frontdesk),
        _success(now, eligibility, nightly),
        _allocated(now, eligibility, nightly),
    )
    seeded = Seeded(
        admin=admin,
        claims=claims,
        intake=intake,
        eligibility=eligibility,
        failed=_failed(now, claims, backoffice),
        running=_running(now, claims, backoffice),
        queued=queued,
        success=success,
        review=_review(now, claims, backoffice),
        cancelled=_cancelled(now, intake, frontdesk),
        killed=_killed(now, eligibility, nightly),
        allocated=allocated,
        key=backoffice,
        session=_sessions(now, queued, success),
    )
    WorkerHost.objects.filter(host="browser-02").update(task_id=seeded.running.id, state="busy")
    AuditEvent.objects.create(user=jonas, actor="jonas", act="task.cancel", target=f"task {seeded.cancelled.id}")
    return seeded


def _sessions(now: datetime, queued: Task, success: Task) -> LoginSession:
    """Stored for two logins; the second one's time is over."""
    session = make_login_session(
        queued, saved_at=now - timedelta(minutes=9), host="browser-02", size_bytes=14_320, expires_in_seconds=85_860
    )
    make_login_session(
        success, saved_at=now - timedelta(hours=26), host="browser-01", size_bytes=2_210, expires_in_seconds=-7_200
    )
    return session


def _automations(admin: User, jonas: User) -> tuple[Automation, Automation, Automation]:
    early = {**CLAIMS, "nodes": CLAIMS["nodes"][:6]}
    publish_automation(document=early, endpoint_name="claims-submit", author=jonas, note="First steps")
    publish_automation(document=CLAIMS, endpoint_name="claims-submit", author=jonas, note="Form on one page")
    publish_automation(document=INTAKE, endpoint_name="patient-intake", author=admin, note="As recorded")
    publish_automation(document=ELIGIBILITY, endpoint_name="eligibility-verify", author=admin)
    publish_automation(document=ELIGIBILITY, endpoint_name="prior-auth-status", author=admin)
    Automation.objects.filter(endpoint_name="patient-intake").update(per_login_parallelism=1)
    Automation.objects.filter(endpoint_name="claims-submit").update(description="Files a claim at Northbridge.")
    Automation.objects.filter(endpoint_name="prior-auth-status").update(is_active=False)
    names = ("claims-submit", "patient-intake", "eligibility-verify")
    first, second, third = (Automation.objects.get(endpoint_name=name) for name in names)
    return first, second, third


def _keys(
    now: datetime, admin: User, jonas: User, claims: Automation, intake: Automation
) -> tuple[ApiKey, ApiKey, ApiKey]:
    def make(name: str, owner: User, scopes: Sequence[str], **fields: Any) -> ApiKey:
        public_id = hashlib.sha256(name.encode()).hexdigest()[:8]
        digest = hashlib.sha256(f"{name} is no usable key".encode()).hexdigest()
        return ApiKey.objects.create(
            name=name, public_id=public_id, digest=digest, owner=owner, scopes=list(scopes), **fields
        )

    used = now - timedelta(seconds=9)
    month = timedelta(days=30)
    backoffice = make("claims-backoffice", admin, (Scope.SUBMIT, Scope.READ, Scope.MANAGE), last_used_at=used)
    backoffice.automations.set([claims, intake])
    frontdesk = make(
        "intake-frontdesk",
        admin,
        (Scope.SUBMIT,),
        last_used_at=now - timedelta(minutes=1),
        expires_at=now + 4 * month,
    )
    frontdesk.automations.set([intake])
    nightly = make("billing-nightly", jonas, (Scope.SUBMIT, Scope.READ), last_used_at=now - timedelta(hours=9))
    make(
        "worker-lisbon",
        jonas,
        (Scope.WORKER,),
        last_used_at=now - timedelta(seconds=3),
        expires_at=now + timedelta(days=17),
    )
    make("spring-pilot", jonas, (Scope.READ,), created_at=now - 3 * month)
    make("pilot-2025", jonas, (Scope.SUBMIT,), revoked_at=now - 2 * month, last_used_at=now - 2 * month)
    return backoffice, frontdesk, nightly


def _workers(now: datetime) -> None:
    for number, state, seconds in ((1, "idle", 2), (2, "idle", 1), (3, "unhealthy", 4)):
        WorkerHost.objects.create(
            owner=f"browser-0{number}/41{number}/1",
            host=f"browser-0{number}",
            pid=410 + number,
            browser="Chromium 156.0",
            state=state,
            detail="relaunched 3 times in an hour" if state == "unhealthy" else "",
            started_at=now - timedelta(hours=5 + number),
            seen_at=now - timedelta(seconds=seconds),
        )


# --- tasks


def _task(
    automation: Automation,
    key: ApiKey | None,
    values: Mapping[str, Sequence[str]],
    *,
    created: datetime,
    status: str,
    unique: Sequence[str] = (),
    waited: float = 0.009,
    seconds: float | None = None,
    host: str = "browser-02",
    attempts: int = 1,
    **fields: Any,
) -> Task:
    """A task as it would be: started `waited` seconds after it was created, ended after `seconds` more."""
    version = automation.versions.all()[0]
    dedup_key = make_dedup_key(unique, values)
    allocated = created + timedelta(seconds=waited)
    is_queued = status == TaskStatus.QUEUED
    is_leased = status in (TaskStatus.ALLOCATED, TaskStatus.RUNNING)
    began = None if is_queued or status == TaskStatus.ALLOCATED else allocated + timedelta(milliseconds=6)
    ended = None if seconds is None else allocated + timedelta(seconds=seconds)
    task = Task(
        automation=automation,
        version=version,
        endpoint_name=automation.endpoint_name,
        api_key=key,
        input_parameters=dict(values),
        unique_parameter_names=list(unique),
        dedup_key=dedup_key,
        dedup_hash=hashlib.sha256(dedup_key.encode()).hexdigest(),
        max_retries=version.max_retries,
        status=status,
        created_at=created,
        available_at=created,
        allocated_at=None if is_queued else allocated,
        started_at=began if ended is None or began is None or began <= ended else ended,
        completed_at=ended,
        lease_owner=f"{host}/412/1" if is_leased else None,
        lease_token=attempts,
        lease_expires_at=timezone.now() + timedelta(minutes=5) if is_leased else None,
        **fields,
    )
    with transaction.atomic(), connection.cursor() as cursor:
        # Its life is over, and was at other instants than now: it is loaded as history.
        cursor.execute("SET LOCAL inference.load_history = 'on'")
        task.save(force_insert=True)
        cursor.execute("SET LOCAL inference.load_history = 'off'")
    cause = {"kind": "key", "id": key.public_id} if key else {"kind": "user", "id": "maya"}
    _event(task, created, "status", status="queued", cause=cause)
    if not is_queued:
        worker = {"kind": "worker", "id": host}
        Attempt.objects.create(
            task=task,
            number=attempts,
            token=attempts,
            host=host,
            worker=f"{host}/412/1",
            allocated_at=allocated,
            started_at=task.started_at,
            ended_at=ended,
            cause="" if ended is None else str(status),
            error=fields.get("error"),
        )
        _event(task, allocated, "status", status="allocated", cause=worker)
        if began is not None:
            _event(task, began, "status", status="running", cause=worker)
        if ended is not None:
            error = fields.get("error")
            _event(task, ended, "status", status=status, cause=worker, data={"error": error} if error else {})
    return task


def _event(task: Task, at: datetime, kind: str, **fields: Any) -> None:
    TaskEvent.objects.create(task=task, at=at, kind=kind, **fields)


def _step(
    task: Task,
    position: int,
    label: str,
    *,
    begin: float,
    length: float | None,
    attempt: int = 1,
    status: str = StepStatus.SUCCESS,
    locator: str = "",
    page: str = "",
    box: tuple[int, int, int, int] | None = None,
    details: Mapping[str, Any] | None = None,
    is_container: bool = False,
    **fields: Any,
) -> Step:
    start = task.started_at or task.created_at
    started = start + timedelta(seconds=begin)
    picture = _picture(task, page, f"step-{position}.png", attempt) if page else None
    shown = {"viewport": VIEWPORT, **(details or {})}
    if box is not None:
        shown["box"] = dict(zip(("x", "y", "width", "height"), box, strict=True))
    step = Step.objects.create(
        task=task,
        attempt=attempt,
        position=position,
        index=None if is_container else fields.pop("index", position + 1),
        path=f"nodes[{min(position, 8)}]",
        kind=fields.pop("kind", "click_element"),
        label=label,
        status=status,
        started_at=started,
        duration_ms=None if length is None else int(length * 1000),
        url="https://claims.northbridge.example/claims/new/review",
        locator=locator,
        picture=picture,
        details=shown,
        **fields,
    )
    told = {"position": position, "index": step.index, "path": step.path, "kind": step.kind, "label": label}
    _event(task, started, "step", data={**told, "status": "running", "attempt": attempt, "error": None})
    if length is not None:
        ended = started + timedelta(seconds=length)
        _event(task, ended, "step", data={**told, "status": status, "attempt": attempt, "error": fields.get("error")})
    return step


def _ordinary(
    chance: random.Random,
    number: int,
    now: datetime,
    automations: Sequence[Automation],
    keys: Sequence[ApiKey],
) -> None:
    which = chance.randrange(3)
    automation, key = automations[which], keys[which]
    member = f"HM-{chance.randrange(100, 999)}-{chance.randrange(1000, 9999)}"
    seconds = chance.uniform(22, 44) if which == 0 else chance.uniform(12, 30)
    name = "policy" if which == 0 else "member"
    values = {each: ["x"] for each in automation.versions.all()[0].input_names} | {name: [member]}
    out = ("claim_number", f"NB-{20000 + number}") if which == 0 else ("plan", "active until 31 Mar 2027, copay EUR 20")
    _task(
        automation,
        key,
        values,
        created=now - timedelta(minutes=14 + 7 * number, seconds=chance.randrange(60)),
        status=TaskStatus.SUCCESS,
        unique=(name,),
        seconds=seconds,
        host=f"browser-0{1 + number % 2}",
        output_data=[{"json_data": dict([out])}],
    )


CLAIM = {
    "policy": ["HM-4471-0928"],
    "date_of_loss": ["2026-11-19"],
    "cause": ["Water damage"],
    "estimate": ["3480.00"],
    "documents": ["invoice_plumber.pdf", "photos.zip"],
}
CANDIDATES = [
    {
        "role": "button",
        "name": "Send claim",
        "score": 0.86,
        "reason": "Same role, form, place and class as in 212 good runs. Only the name changed.",
        "box": {"x": 120, "y": 550, "width": 190, "height": 50},
    },
    {
        "role": "button",
        "name": "Save draft",
        "score": 0.41,
        "reason": "Same role and form, 210 px to the right.",
        "box": {"x": 330, "y": 550, "width": 170, "height": 50},
    },
    {
        "role": "link",
        "name": "Submit a complaint",
        "score": 0.22,
        "reason": "Shares a word. Another role.",
        "box": {"x": 530, "y": 562, "width": 160, "height": 26},
    },
]
NO_BUTTON = (
    'nothing usable matched get_by_role("button", name="Submit claim") on '
    "https://claims.northbridge.example/claims/new/review within 10 s; "
    "nearest: button “Send claim”, button “Save draft”, link “Submit a complaint”; no model is configured"
)


SITE = "https://claims.northbridge.example"
CONSOLE = [
    {"at_ms": -310, "type": "warning", "text": "legacy id #submit removed", "url": f"{SITE}/static/review.js"},
    {
        "at_ms": 640,
        "type": "error",
        "text": "Failed to load resource: the server responded with a status of 404 ()",
        "url": f"{SITE}/static/submit-claim.js",
    },
]
REQUESTS: list[dict[str, Any]] = [
    {
        "at_ms": at,
        "method": method,
        "url": f"{SITE}{path}",
        "type": kind,
        "status": status,
        "duration_ms": took,
        "failure": failure,
    }
    for at, method, path, kind, status, took, failure in (
        (-920, "GET", "/claims/new/review", "document", 200, 412, None),
        (-480, "GET", "/static/review.js?v=8", "script", 200, 61, None),
        (600, "GET", "/static/submit-claim.js", "script", 404, 38, None),
        (2100, "POST", "/api/drafts/HM-4471-0928/autosave?fields=policy,date_of_loss,cause", "fetch", 200, 95, None),
        (8400, "GET", "/api/notifications", "fetch", None, 1200, "net::ERR_CONNECTION_RESET"),
    )
]


def _kept_file(task: Task, kind: str, filename: str, content: bytes, content_type: str, **fields: Any) -> Artifact:
    name = default_storage.save(f"{task.id}/{uuid.uuid4()}", ContentFile(content))
    return Artifact.objects.create(
        task=task,
        attempt=2,
        kind=kind,
        filename=filename,
        content_type=content_type,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        storage_name=name,
        **fields,
    )


def _snapshot(task: Task) -> dict[str, Any]:
    """The page of the failed step, compressed as large ones are."""
    page = gzip.compress(b"<!doctype html><title>Review</title><h1>Review your claim</h1>")
    metadata = {"of": "snapshot", "step": 8, "is_cut": False}
    kept = _kept_file(task, Artifact.Kind.LOG, "page-at-step-8.html.gz", page, "application/gzip", metadata=metadata)
    return {"id": str(kept.id), "bytes": 34_812, "is_cut": False}


def _trace(task: Task) -> None:
    _kept_file(task, Artifact.Kind.TRACE, "trace-of-try-2.zip", b"PK a trace", "application/zip")


def _claim_steps(task: Task, *, attempt: int, until: int, offset: float = 0.0) -> float:
    """The usual way through the claims portal; the second at which the next step begins."""
    steps: list[tuple[str, float, str, str, tuple[int, int, int, int] | None, dict[str, Any]]] = [
        ("Open the portal", 1.9, "", "login", None, {"kind": "go_to_url"}),
        ("Type “User name”", 1.1, 'get_by_label("User name")', "login", (430, 235, 420, 48), {"kind": "input_text"}),
        ("Click “Sign in”", 2.3, 'get_by_role("button", name="Sign in")', "login", (430, 510, 420, 50), {}),
        (
            "If no draft exists",
            0.1,
            "{draft_count[0]} == 0: yes",
            "",
            None,
            {"kind": "if_else_node", "is_container": True},
        ),
        (
            "Click “New claim”",
            1.6,
            'get_by_role("link", name="New claim")',
            "list",
            (520, 180, 140, 50),
            {"depth": 1, "index": 4},
        ),
        (
            "Type “Policy number”",
            4.8,
            'get_by_label("Policy number")',
            "policy",
            (120, 270, 480, 48),
            {"kind": "input_text", "index": 5},
        ),
        (
            "Type “Date of loss”",
            6.3,
            'get_by_label("Date of loss")',
            "incident",
            (120, 270, 320, 48),
            {"kind": "input_text", "healed": True, "index": 6},
        ),
        (
            "Upload 2 documents",
            9.6,
            'get_by_label("Documents")',
            "documents",
            (120, 250, 1040, 130),
            {"kind": "upload_file", "index": 7},
        ),
    ]
    at = offset + 0.3
    for position, (label, length, locator, page, box, more) in enumerate(steps[:until]):
        _step(
            task, position, label, begin=at, length=length, attempt=attempt, locator=locator, page=page, box=box, **more
        )
        at += length
    return at


def _failed(now: datetime, claims: Automation, key: ApiKey) -> Task:
    task = _task(
        claims,
        key,
        CLAIM,
        created=now - timedelta(minutes=3),
        status=TaskStatus.FAILED,
        unique=("policy",),
        seconds=81.3,
        attempts=2,
        retry_count=1,
        error=NO_BUTTON,
    )
    allocated, started = task.allocated_at, task.started_at
    assert allocated is not None
    assert started is not None
    Attempt.objects.filter(task=task, number=2).update(started_at=started + timedelta(seconds=41))
    Attempt.objects.create(
        task=task,
        number=1,
        token=1,
        host="browser-01",
        worker="browser-01/411/1",
        allocated_at=allocated,
        started_at=started,
        ended_at=started + timedelta(seconds=31),
        cause="failed",
        error=NO_BUTTON,
    )
    first = _claim_steps(task, attempt=1, until=3)
    _step(
        task,
        3,
        "Click “New claim”",
        begin=first,
        length=10.1,
        attempt=1,
        status=StepStatus.FAILED,
        locator='get_by_role("link", name="New claim")',
        page="list",
        error="the page did not settle within 10 s",
    )
    second = _claim_steps(task, attempt=2, until=8, offset=41)
    _step(
        task,
        8,
        "Click button “Submit claim”",
        begin=second,
        length=10.4,
        attempt=2,
        index=8,
        status=StepStatus.FAILED,
        locator='get_by_role("button", name="Submit claim")',
        page="review",
        error=NO_BUTTON,
        details={"candidates": CANDIDATES, "console": CONSOLE, "network": REQUESTS, "snapshot": _snapshot(task)},
        is_commit_point=True,
    )
    _trace(task)
    at = started + timedelta(seconds=second + 3)
    _event(task, at, "network", data={"message": "404 GET /static/submit-claim.js"})
    _event(task, at, "console", data={"message": "warning: legacy id #submit removed"})
    return task


def _running(now: datetime, claims: Automation, key: ApiKey) -> Task:
    values = CLAIM | {"policy": ["HM-4471-1130"]}
    task = _task(
        claims, key, values, created=now - timedelta(seconds=14), status=TaskStatus.RUNNING, unique=("policy",)
    )
    at = _claim_steps(task, attempt=1, until=5)
    _step(
        task,
        5,
        "Type “Policy number”",
        begin=at,
        length=None,
        index=5,
        status=StepStatus.RUNNING,
        kind="input_text",
        locator='get_by_label("Policy number")',
    )
    return task


def _queued(now: datetime, intake: Automation, key: ApiKey) -> Task:
    values = {"first_name": ["Ngozi"], "last_name": ["Okoye"], "member": ["HM-771-2093"]}
    task = _task(
        intake,
        key,
        values,
        created=now - timedelta(minutes=6),
        status=TaskStatus.QUEUED,
        unique=("member",),
        is_dedicated=True,
    )
    ConcurrencySlot.objects.update_or_create(key=f"login:{intake.pk}:{task.dedup_hash[:40]}", defaults={"running": 1})
    return task


def _success(now: datetime, eligibility: Automation, key: ApiKey) -> Task:
    task = _task(
        eligibility,
        key,
        {"member": ["HM-102-6645"]},
        created=now - timedelta(minutes=7),
        status=TaskStatus.SUCCESS,
        unique=("member",),
        seconds=22.4,
        output_data=[
            {"json_data": {"plan": "Home Plus", "active_until": "31 Mar 2027", "copay": "EUR 20"}},
            {"unique_identifier": "letter", "text": "Coverage confirmed.\nNo open balance."},
        ],
    )
    _step(task, 0, "Open the portal", begin=0.3, length=1.9, page="login", kind="go_to_url")
    _step(
        task,
        1,
        "Type “Member”",
        begin=2.3,
        length=3.1,
        page="policy",
        box=(120, 270, 480, 48),
        locator='get_by_label("Member")',
        kind="input_text",
    )
    _step(
        task,
        2,
        "Click “Check”",
        begin=5.5,
        length=15.2,
        page="received",
        box=(120, 500, 160, 50),
        locator='get_by_role("button", name="Check")',
    )
    _file(task, b"%PDF-1.4 coverage", "coverage_HM-102-6645.pdf", Artifact.Kind.DOWNLOAD, "application/pdf")
    return task


def _review(now: datetime, claims: Automation, key: ApiKey) -> Task:
    values = CLAIM | {"policy": ["HM-4471-0871"]}
    task = _task(
        claims,
        key,
        values,
        created=now - timedelta(minutes=26),
        status=TaskStatus.FAILED,
        unique=("policy",),
        seconds=44.0,
        error="worker lost",
        outcome_unknown=True,
    )
    at = _claim_steps(task, attempt=1, until=8)
    _step(
        task,
        8,
        "Click button “Send claim”",
        begin=at,
        length=2.0,
        index=8,
        status=StepStatus.FAILED,
        page="review",
        box=(120, 550, 190, 50),
        locator='get_by_role("button", name="Send claim")',
        error="worker lost",
        is_commit_point=True,
    )
    CommitPoint.objects.create(task=task, attempt=1, path="nodes[8]", label="Click button “Send claim”")
    return task


def _cancelled(now: datetime, intake: Automation, key: ApiKey) -> Task:
    values = {"first_name": ["Paul"], "last_name": ["Osei"], "member": ["HM-230-1187"]}
    return _task(
        intake,
        key,
        values,
        created=now - timedelta(minutes=18),
        status=TaskStatus.CANCELLED,
        seconds=9.0,
        unique=("member",),
        cancel_requested_at=now - timedelta(minutes=17, seconds=52),
        cancel_cause={"kind": "user", "id": "jonas"},
    )


def _killed(now: datetime, eligibility: Automation, key: ApiKey) -> Task:
    return _task(
        eligibility,
        key,
        {"member": ["HM-230-1187"]},
        created=now - timedelta(minutes=38),
        status=TaskStatus.KILLED,
        seconds=630.0,
        unique=("member",),
        error="stopped by force: ignored its limit of 10 min",
    )


def _allocated(now: datetime, eligibility: Automation, key: ApiKey) -> Task:
    return _task(
        eligibility,
        key,
        {"member": ["HM-880-4417"]},
        created=now - timedelta(seconds=1),
        status=TaskStatus.ALLOCATED,
        unique=("member",),
    )


def add_waiting(seeded: Seeded) -> Task:
    """A task more, that waits for a person."""
    now = timezone.now()
    values = {"first_name": ["Elena"], "last_name": ["Marchetti"], "member": ["HM-880-4417"]}
    created = now - timedelta(minutes=2, seconds=51)
    task = _task(
        seeded.intake,
        seeded.key,
        values,
        created=created,
        status=TaskStatus.RUNNING,
        unique=("member",),
        host="browser-01",
    )
    _step(task, 0, "Click “Patients”", begin=0.4, length=2.2, page="list", kind="click_element")
    _step(task, 1, "Click “New patient”", begin=2.7, length=3.1, page="login", kind="click_element")
    _step(
        task,
        2,
        "Type the code that was sent to the phone ending in 48",
        begin=14.2,
        length=None,
        status=StepStatus.RUNNING,
        kind="human_in_loop_action",
    )
    asked_at = created + timedelta(seconds=15)
    question = "Type the code that was sent to the phone ending in 48"
    PersonRequest.objects.create(
        task=task,
        attempt=1,
        step_position=2,
        question=question,
        picture=_picture(task, "code", "question-2.png", 1),
        asked_at=asked_at,
        deadline=asked_at + timedelta(minutes=10),
    )
    _event(task, asked_at, "person", data={"state": "asked", "text": question, "seconds": 600.0})
    WorkerHost.objects.filter(host="browser-01").update(task_id=task.id, state="busy")
    return task


# --- pictures and files

_pictures: dict[str, bytes] = {}


def _picture(task: Task, page: str, filename: str, attempt: int) -> Artifact:
    if page not in _pictures:
        _pictures[page] = draw_page(page)
    return _file(task, _pictures[page], filename, Artifact.Kind.PICTURE, "image/png", attempt=attempt)


def _file(task: Task, content: bytes, filename: str, kind: str, content_type: str, *, attempt: int = 1) -> Artifact:
    artifact_id = uuid.uuid4()
    storage_name = default_storage.save(f"seed/{task.id}/{artifact_id}", ContentFile(content))
    return Artifact.objects.create(
        id=artifact_id,
        task=task,
        attempt=attempt,
        kind=kind,
        filename=filename,
        content_type=content_type,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        storage_name=storage_name,
    )


def draw_page(page: str) -> bytes:
    """A page of the claims portal as PNG, 1280 by 720."""
    image = Image.new("RGB", (1280, 720), "#f3f5f8")
    pen = ImageDraw.Draw(image)

    def write(x: int, y: int, text: str, size: int = 19, color: str = "#2b3340") -> None:
        pen.text((x, y), text, font=ImageFont.load_default(size), fill=color)

    def field(x: int, y: int, width: int, name: str, value: str) -> None:
        write(x, y - 28, name, 16, "#5b6675")
        pen.rounded_rectangle((x, y, x + width, y + 48), 6, fill="#ffffff", outline="#c3cbd6")
        write(x + 14, y + 12, value)

    def button(x: int, y: int, width: int, name: str, *, main: bool = True) -> None:
        pen.rounded_rectangle((x, y, x + width, y + 50), 6, fill="#12557f" if main else "#ffffff", outline="#12557f")
        write(x + 24, y + 12, name, 19, "#ffffff" if main else "#12557f")

    pen.rectangle((0, 0, 1280, 68), fill="#0f3d5c")
    write(80, 20, "Northbridge Claims Portal", 22, "#ffffff")
    write(1000, 24, "Claims     Payments     Help", 17, "#a9c4d6")
    pen.rounded_rectangle((80, 210, 1200, 650), 10, fill="#ffffff", outline="#d9dfe7")
    match page:
        case "login":
            write(80, 100, "Sign in", 28, "#15202e")
            field(430, 235, 420, "User name", "claims.backoffice")
            field(430, 330, 420, "Password", "••••••••••••")
            button(430, 510, 420, "Sign in")
        case "code":
            write(80, 100, "One-time code", 28, "#15202e")
            write(430, 255, "We sent a code to the phone ending in 48.", 19)
            field(430, 340, 420, "Code", "")
            button(430, 430, 420, "Verify")
        case "list":
            write(80, 100, "Claims", 28, "#15202e")
            button(520, 180, 140, "New claim")
            for row, text in enumerate(("NB-20488   HM-4471-0928   Draft", "NB-20312   HM-4471-0928   Paid")):
                write(110, 310 + 80 * row, text, 19, "#12557f")
        case "policy":
            write(80, 100, "New claim, 1 of 4: policy", 28, "#15202e")
            field(120, 270, 480, "Policy number", "HM-4471-0928")
            field(640, 270, 480, "Policy holder", "A. Lindqvist")
            button(120, 500, 160, "Next")
        case "incident":
            write(80, 100, "New claim, 2 of 4: incident", 28, "#15202e")
            field(120, 270, 320, "Date of loss", "19 Nov 2026")
            field(480, 270, 320, "Cause", "Water damage")
            button(120, 580, 160, "Next")
        case "documents":
            write(80, 100, "New claim, 3 of 4: documents", 28, "#15202e")
            pen.rounded_rectangle((120, 250, 1160, 380), 8, fill="#f7f9fb", outline="#b9c4d1")
            write(500, 302, "Drop files here or choose", 19, "#5b6675")
            write(120, 420, "invoice_plumber.pdf", 19, "#12557f")
            button(120, 520, 160, "Next")
        case "received":
            write(80, 100, "Coverage", 28, "#15202e")
            write(120, 260, "Active until 31 Mar 2027", 24, "#1d7a46")
            button(120, 500, 160, "Check")
        case _:
            write(80, 100, "New claim, 4 of 4: review", 28, "#15202e")
            facts = ("Policy   HM-4471-0928, Home Plus", "Cause   Water damage", "Estimate   EUR 3,480.00")
            for row, text in enumerate(facts):
                write(120, 250 + 46 * row, text)
            button(120, 550, 190, "Send claim")
            button(330, 550, 170, "Save draft", main=False)
            write(530, 562, "Submit a complaint", 18, "#12557f")
    packed = io.BytesIO()
    image.save(packed, "PNG", optimize=True)
    return packed.getvalue()


def extra_version(automation: Automation) -> AutomationVersion:
    """One more version, for tests that need an old one."""
    document = {**automation.versions.all()[0].document, "max_retries": 3}
    return publish_automation(document=document, endpoint_name=automation.endpoint_name, note="More tries")
