"""Files that are sent ahead of their task, and who may use them."""

import hashlib
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests
from django.core.files.storage import default_storage
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inference import receiving
from inference.models import IdempotencyKey, Task, UploadedFile
from inference.services import uploads
from inference.services.cancel import cancel_tasks
from inference.services.retry import retry_task
from inference.services.submit import submit_task
from tests.factories import make_key
from tests.inference.conftest import ApiClient, a_body, assert_error

ROUTE = "/api/v1/files"
CONTENT = b"%PDF-1.7 a card\x00\xff"


@pytest.fixture(autouse=True)
def artifact_folder(settings: Any) -> Iterator[Path]:
    """The storage's folder, empty before and after."""
    folder = Path(settings.ARTIFACT_DIR)
    shutil.rmtree(folder, ignore_errors=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def send(api: ApiClient, content: Any = CONTENT, *, filename: str = "card.pdf", **options: Any) -> requests.Response:
    return api.post(ROUTE, data=content, params={"filename": filename}, **options)


def uploaded(api: ApiClient) -> str:
    """The value that names a file."""
    response = send(api)
    assert response.status_code == 201, response.text
    return f"upload://{response.json()['file_id']}"


def with_file(named: str, **fields: Any) -> dict[str, Any]:
    return a_body(input_parameters={"patient_id": ["A-1", named], "payer": ["Acme"]}, **fields)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


PATH = "input_parameters.patient_id[1]"


@pytest.mark.parametrize("is_form", [True, False])
def test_a_file_is_kept_and_described(api: ApiClient, artifact_folder: Path, is_form: bool) -> None:
    if is_form:
        response = api.post(ROUTE, files={"file": ("Kärtchen 1.pdf", CONTENT, "application/pdf")})
    else:
        response = send(api, filename="Kärtchen 1.pdf", headers={"Content-Type": "application/pdf"})

    body = response.json()
    row = UploadedFile.objects.get()
    assert response.status_code == 201
    assert set(body) == {"success", "message", "file_id", "filename", "size_bytes", "sha256", "expires_at"}
    assert (body["success"], body["file_id"], body["filename"]) == (True, str(row.id), "Kärtchen 1.pdf")
    assert (body["size_bytes"], body["sha256"]) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert datetime.fromisoformat(body["expires_at"]) - row.created_at == timedelta(hours=24)
    (path,) = files_below(artifact_folder)
    assert path.read_bytes() == CONTENT
    assert path == Path(default_storage.path(row.storage_name))
    assert path.stat().st_mode & 0o077 == 0
    assert "pdf" not in str(path.relative_to(artifact_folder))


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\cards\\passwd", "/passwd"])
@pytest.mark.parametrize("is_form", [True, False])
def test_a_name_is_the_last_part_of_a_path_and_leads_nowhere(api: ApiClient, name: str, is_form: bool) -> None:
    response = api.post(ROUTE, files={"file": (name, CONTENT)}) if is_form else send(api, filename=name)
    assert response.json()["filename"] == "passwd"


@pytest.mark.parametrize("name", ["", " ", "..", "a/", "a\x07b", "x" * 256])
def test_what_is_no_name_is_refused(api: ApiClient, artifact_folder: Path, name: str) -> None:
    assert set(assert_error(send(api, filename=name), 400)) == {"filename"}
    assert files_below(artifact_folder) == []


def test_what_is_no_file_is_refused_and_leaves_nothing(api: ApiClient, artifact_folder: Path) -> None:
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc'
    for response, path in (
        (api.post(ROUTE, data=CONTENT), "filename"),
        (send(api, b""), "file"),
        (api.post(ROUTE, files={"other": ("a", CONTENT)}), "file"),
        (api.post(ROUTE, files=[("file", ("a", CONTENT)), ("file", ("b", CONTENT))]), "file"),
        (api.post(ROUTE, files={"file": ("a", b"")}), "file"),
        (api.post(ROUTE, data=b"--x--\r\n", headers=form), "file"),
        (api.post(ROUTE, data=part, headers=form), "file"),
        (api.post(ROUTE, data=b"x", headers={"Content-Type": "multipart/form-data"}), "body"),
    ):
        assert set(assert_error(response, 400)) == {path}, response.text
    assert UploadedFile.objects.count() == 0
    assert files_below(artifact_folder) == []


@pytest.mark.parametrize("is_form", [True, False])
def test_a_file_that_is_too_large_is_refused_and_leaves_nothing(
    api: ApiClient, artifact_folder: Path, settings: Any, is_form: bool
) -> None:
    settings.UPLOAD_MAX_BYTES = 1_000_000

    def answer(size: int) -> requests.Response:
        content = b"x" * size
        return api.post(ROUTE, files={"file": ("a", content)}) if is_form else send(api, content)

    assert answer(1_000_000).status_code == 201
    for size in (1_000_001, 5_000_000):
        assert_error(answer(size), 413, "The file is too large: this route takes at most 1,000,000 bytes")
    assert len(files_below(artifact_folder)) == UploadedFile.objects.count() == 1


def test_a_disk_that_is_short_refuses_and_says_when_to_ask_again(
    api: ApiClient, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.WORKER_MIN_FREE_DISK_MB = 256
    free = 256 * 1024 * 1024 + len(CONTENT)
    monkeypatch.setattr(receiving.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert send(api).status_code == 201

    refused = send(api, CONTENT + b"x")
    assert_error(refused, 503, "Service unavailable: the disk")
    assert refused.headers["Retry-After"] == "60"
    settings.WORKER_MIN_FREE_DISK_MB = 0
    assert send(api, CONTENT + b"x").status_code == 201


def test_a_disk_that_fills_up_meanwhile_refuses_and_leaves_nothing(
    api: ApiClient, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        """A temporary file on a disk that is full. /dev/full is one."""

        def __init__(self, **_: Any) -> None:
            self.file = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 - closed below
            self.name = "/dev/full"

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    monkeypatch.setattr(receiving.tempfile, "NamedTemporaryFile", Full)
    assert_error(send(api), 503, "Service unavailable: the disk")
    assert UploadedFile.objects.count() == 0


def test_a_key_needs_the_scope(api: ApiClient, artifact_folder: Path) -> None:
    _, reader = make_key(scopes=["read"])
    assert_error(send(api.with_key(reader)), 403, "API key lacks the 'submit' scope")
    assert_error(send(api.with_key("")), 401)
    assert files_below(artifact_folder) == []


def test_a_task_takes_its_file(api: ApiClient) -> None:
    named = uploaded(api)
    task_id = api.submit(with_file(named)).json()["task_id"]

    upload = UploadedFile.objects.get()
    assert str(upload.task_id) == task_id
    assert uploads.find_upload(named, task_id=UUID(task_id)) == upload
    assert uploads.find_upload(named.upper().replace("UPLOAD", "upload"), task_id=UUID(task_id)) == upload
    assert uploads.find_upload(named, task_id=uuid4()) is None


@pytest.mark.parametrize("why", ["unknown", "malformed", "expired", "foreign", "taken"])
def test_a_file_that_may_not_be_used_is_a_wrong_field(api: ApiClient, why: str) -> None:
    named = uploaded(api)
    if why == "unknown":
        named = f"upload://{uuid4()}"
    elif why == "malformed":
        named = "upload://card.pdf"
    elif why == "expired":
        UploadedFile.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif why == "foreign":
        api = api.with_key(make_key()[1])
    else:
        assert api.submit(with_file(named)).status_code == 202
    before = Task.objects.count()

    errors = assert_error(api.submit(with_file(named, idempotency_key="k")), 400, f"{PATH} names no file that this key")
    assert set(errors) == {PATH}
    assert named.removeprefix("upload://") not in str(errors)
    assert (Task.objects.count(), IdempotencyKey.objects.count()) == (before, 0)


def test_anonymous_callers_use_no_file_of_a_key(api: ApiClient, settings: Any) -> None:
    settings.ALLOW_ANONYMOUS_LOCAL = True
    anonymous = api.with_key("")
    assert_error(anonymous.post("/inference", json=with_file(uploaded(api))), 400, PATH)


def test_a_repeated_submission_is_answered_as_usual(api: ApiClient) -> None:
    body = with_file(uploaded(api), idempotency_key="k", unique_parameter_names=["payer"])
    first = api.submit(body).json()
    again = api.submit(body).json()
    merged = api.submit({**body, "idempotency_key": None}).json()

    assert [each["duplicate"] for each in (first, again, merged)] == [False, True, True]
    assert len({each["task_id"] for each in (first, again, merged)}) == 1


def test_of_racing_submissions_one_takes_the_file(api: ApiClient) -> None:
    named, other = uploaded(api), uploaded(api)
    key = UploadedFile.objects.filter(id=other.removeprefix("upload://")).get().api_key
    barrier = threading.Barrier(8)

    def submit(number: int) -> UUID | str:
        values = [named, other] if number % 2 else [other, named]
        barrier.wait()
        try:
            return submit_task(
                endpoint_name="claims", input_parameters={"patient_id": values, "payer": []}, api_key=key
            ).task_id
        except Exception as error:
            return type(error).__name__
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(submit, range(8)))
    (winner,) = [each for each in outcomes if isinstance(each, UUID)]
    assert outcomes.count("ValidationFailedError") == 7
    assert set(UploadedFile.objects.values_list("task_id", flat=True)) == {winner}
    assert Task.objects.count() == 1


def test_retries_by_hand_use_the_file_again(api: ApiClient) -> None:
    named = uploaded(api)
    tasks = [Task.objects.get(id=api.submit(with_file(named)).json()["task_id"])]
    for number in (0, 1, 0):  # of the first one, of the retry, and of the first one once more
        previous = tasks[number]
        cancel_tasks(Task.objects.filter(id=previous.id), cause={"kind": "test"})
        previous.refresh_from_db()
        tasks.append(Task.objects.get(id=retry_task(task=previous).task_id))

    upload = UploadedFile.objects.get()
    assert upload.task_id == tasks[-1].id
    assert all(uploads.find_upload(named, task_id=task.id) == upload for task in tasks)
    # The family of these tasks, and nobody else.
    assert_error(api.submit(with_file(named)), 400, PATH)


def test_a_submission_without_files_asks_the_database_nothing_more(api: ApiClient) -> None:
    key = make_key()[0]
    values = {"patient_id": ["x"], "payer": []}
    with CaptureQueriesContext(connection) as captured:
        submit_task(endpoint_name="claims", input_parameters=values, api_key=key)
    assert not [each["sql"] for each in captured if "uploadedfile" in each["sql"]]


def test_rows_of_csv_and_items_of_a_batch_take_files(api: ApiClient) -> None:
    one, two = uploaded(api), uploaded(api)
    rows = f"patient_id,payer\n{one},x\n{one},y\n"
    response = api.post(
        "/api/v1/inference/csv?endpoint_name=claims", data=rows.encode(), headers={"Content-Type": "text/csv"}
    )
    assert [each["status"] for each in response.json()["results"]] == [202, 400]

    items = [with_file(two), with_file(two)]
    refused = api.post("/api/v1/inference/batch", json={"items": items, "all_or_nothing": True})
    assert set(assert_error(refused, 400, "Nothing was stored: items[1]")) == {f"items[1].{PATH}"}
    assert UploadedFile.objects.get(id=two.removeprefix("upload://")).task_id is None
