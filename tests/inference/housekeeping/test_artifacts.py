"""Files of tasks that stay: which go, and what their rows, the API and the dashboard then say."""

import os
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse

from inference.housekeeping.limits import Limit
from inference.models import Artifact, TaskStatus
from tests.factories import end_task, make_artifact, make_key, make_step, make_task, make_user
from tests.inference.housekeeping.aging import counts, days, ended_task, make_file_older, path_of, swept

KINDS = {
    "pictures": (Artifact.Kind.PICTURE, Artifact.Kind.SCREENSHOT),
    "traces": (Artifact.Kind.TRACE, Artifact.Kind.HAR, Artifact.Kind.VIDEO),
    "logs": (Artifact.Kind.LOG,),
    "downloads": (Artifact.Kind.DOWNLOAD,),
}


def removal_of(artifact: Artifact) -> str:
    artifact.refresh_from_db()
    assert path_of(artifact).exists() is artifact.is_there
    return artifact.removal


@pytest.mark.parametrize("kind", KINDS)
def test_old_files_of_a_kind_go_and_their_rows_say_why(kind: str) -> None:
    task = ended_task(days_ago=1)
    files = {each: [make_artifact(task, kind=each, content=b"abc") for _ in range(2)] for each in Artifact.Kind}
    for old, _ in files.values():
        make_file_older(old, 10)

    pruned = swept({kind: days(7)})

    expected = len(KINDS[kind])
    assert counts(pruned) == {(kind, "age"): (expected, expected, 3 * expected)}
    for each, (old, young) in files.items():
        assert removal_of(old) == ("age" if each in KINDS[kind] else "")
        assert removal_of(young) == ""
    assert counts(swept({kind: days(7)})) == {}


def test_by_size_the_oldest_go_whosever_they_are() -> None:
    one, other = ended_task(days_ago=9), ended_task(days_ago=9)
    files = [make_artifact(task, kind=Artifact.Kind.PICTURE, content=b"x" * 100) for task in (one, other, one, other)]
    for artifact, age in zip(files, (4, 3, 2, 1), strict=True):
        make_file_older(artifact, age)
    make_artifact(one, kind=Artifact.Kind.TRACE, content=b"x" * 1000)

    pruned = swept({"pictures": Limit(total_bytes=250)})

    assert counts(pruned) == {("pictures", "size"): (2, 2, 200)}
    assert [removal_of(artifact) for artifact in files] == ["size", "size", "", ""]


def test_exactly_as_much_as_allowed_stays() -> None:
    make_artifact(ended_task(days_ago=1), kind=Artifact.Kind.PICTURE, content=b"x" * 100)
    assert counts(swept({"pictures": Limit(total_bytes=100)})) == {}


def test_files_of_a_running_task_count_and_stay() -> None:
    running = make_task(status=TaskStatus.RUNNING)
    current = make_artifact(running, kind=Artifact.Kind.PICTURE, content=b"x" * 100)
    make_file_older(current, 50)
    ended = make_artifact(ended_task(days_ago=1), kind=Artifact.Kind.PICTURE, content=b"x" * 100)

    swept({"pictures": Limit(days(7).age, 100)})

    assert removal_of(current) == ""
    assert removal_of(ended) == "size"


def test_a_file_that_is_gone_already_is_no_file_that_went() -> None:
    artifact = make_artifact(ended_task(days_ago=1), kind=Artifact.Kind.PICTURE)
    path_of(artifact).unlink()
    make_file_older(artifact, 10)

    assert counts(swept({"pictures": days(7)})) == {("pictures", "age"): (1, 0, 0)}
    assert removal_of(artifact) == "age"


def test_a_file_that_cannot_be_removed_keeps_its_row_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's refusal, where root is not asked for permissions."""
    stuck = make_artifact(ended_task(days_ago=1), kind=Artifact.Kind.PICTURE)
    make_file_older(stuck, 10)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        pruned = swept({"pictures": days(7)})

    assert pruned.failures == (f"the file {stuck.storage_name} could not be removed: Permission denied",)
    assert removal_of(stuck) == ""
    assert counts(swept({"pictures": days(7)}))[("pictures", "age")][:2] == (1, 1)


def test_a_task_without_its_pictures_still_shows_and_says_why() -> None:
    task = make_task(status=TaskStatus.RUNNING)
    picture = make_artifact(task, kind=Artifact.Kind.PICTURE, content_type="image/jpeg")
    make_step(task, label="Open the form", picture=picture)
    make_artifact(task, filename="claim.pdf")
    end_task(task)
    swept({"pictures": days(0), "downloads": Limit(total_bytes=1)})
    client = Client()
    client.force_login(make_user(username="maya", is_staff=True, is_superuser=True))

    page = client.get(reverse("admin:inference_task_change", args=(task.id,)))

    html = page.content.decode()
    assert page.status_code == 200
    assert "Open the form" in html
    assert "It was removed: files of its kind are kept for a limited time." in html
    assert "claim.pdf" in html
    assert "It was removed to make room: the oldest files of its kind go first." in html
    for artifact in Artifact.objects.all():
        assert reverse("admin:inference_task_artifact", args=(artifact.pk,)) not in html


def test_the_api_links_no_file_that_is_gone_and_says_why() -> None:
    task = make_task(status=TaskStatus.RUNNING)
    picture = make_artifact(task, kind=Artifact.Kind.PICTURE)
    make_step(task, picture=picture)
    gone, kept = make_artifact(task, filename="gone.pdf"), make_artifact(task, filename="kept.pdf")
    make_file_older(gone, 10)
    end_task(task, final_screenshot=picture)
    swept({"pictures": days(0), "downloads": days(7)})
    _, key = make_key()
    headers = {"x-api-key": key}

    def get(path: str) -> dict[str, object]:
        answer: dict[str, object] = Client().get(path, headers=headers).json()
        return answer

    of_task = get(f"/api/v1/tasks/{task.id}")
    assert of_task["final_screenshot"] is None
    assert [each["filename"] for each in of_task["downloads"]] == ["kept.pdf"]  # type: ignore[attr-defined]
    assert get(f"/api/v1/tasks/{task.id}/steps")["steps"][0]["screenshot"] is None  # type: ignore[index]
    listed = {each["artifact_id"]: each for each in get(f"/api/v1/tasks/{task.id}/artifacts")["artifacts"]}  # type: ignore[attr-defined]
    assert (listed[str(gone.id)]["url"], listed[str(gone.id)]["removed"]) == (None, "age")
    assert listed[str(kept.id)]["removed"] is None
    assert listed[str(kept.id)]["url"] is not None
    assert [each["filename"] for each in get(f"/api/v1/get_downloads?task_id={task.id}")["downloads"]] == ["kept.pdf"]  # type: ignore[attr-defined]
    assert "kept for a limited time" in str(get(f"/api/v1/artifacts/{gone.id}")["message"])


def test_files_in_a_storage_elsewhere_go_through_it_and_orphans_are_not_looked_for(settings: LazySettings) -> None:
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}
    task = ended_task(days_ago=1)
    old, young = (make_artifact(task, kind=Artifact.Kind.PICTURE, content=b"abc") for _ in range(2))
    make_file_older(old, 10)
    default_storage.save("orphan", ContentFile(b"x"))

    pruned = swept({"pictures": days(7), "orphans": Limit(timedelta(seconds=-60))})

    assert counts(pruned) == {("pictures", "age"): (1, 1, 3)}
    assert not default_storage.exists(old.storage_name)
    assert default_storage.exists(young.storage_name)
    assert default_storage.exists("orphan")
