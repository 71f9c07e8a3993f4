"""Files on their way to the server."""

import io
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from optexity_server import ConflictError, ConnectionFailedError, DamagedFileError
from tests.client.wire import ARTIFACT, OTHER_TASK, TASK, Reply, Wire, do, hung_up, paths, refused, task

CONTENT = os.urandom(200_000)
KEPT = {
    "success": True,
    "file_id": ARTIFACT,
    "filename": "card.pdf",
    "size_bytes": len(CONTENT),
    "sha256": sha256(CONTENT).hexdigest(),
    "expires_at": "2026-11-25T11:24:15+00:00",
}


def upload(wire: Wire, kind: str, file: Any, **options: Any) -> Any:
    return do(kind, wire.url, lambda client: client.upload(file, **options))


def test_a_file_is_sent_as_it_is(wire: Wire, kind: str, tmp_path: Path) -> None:
    file = tmp_path / "Karte ä&b.pdf"
    file.write_bytes(CONTENT)
    wire.says(Reply(201, KEPT))
    kept = upload(wire, kind, file)
    asked = wire.asked[0]
    assert (paths(wire.asked), asked.query) == (["POST /api/v1/files"], {"filename": "Karte ä&b.pdf"})
    assert (asked.body, asked.headers["content-type"]) == (CONTENT, "application/pdf")
    assert asked.headers["content-length"] == str(len(CONTENT))
    assert "transfer-encoding" not in asked.headers
    assert (kept.file_id, kept.reference, kept.size_bytes) == (ARTIFACT, f"upload://{ARTIFACT}", len(CONTENT))
    assert kept.expires_at.year == 2026


@pytest.mark.parametrize("fault", [hung_up(), refused(503, Retry_After="0"), Reply(201, KEPT, cut=True)])
def test_it_is_sent_again_from_its_start(wire: Wire, kind: str, fault: Reply) -> None:
    file = io.BytesIO(b"what is before" + CONTENT)
    file.seek(len(b"what is before"))
    wire.says(fault, Reply(201, KEPT))
    upload(wire, kind, file, filename="card.tar.gz")
    assert [each.body for each in wire.asked] == [CONTENT] * 2
    assert wire.asked[0].headers["content-type"] == "application/octet-stream"
    assert not file.closed


def test_other_bytes_on_the_server_are_told(wire: Wire, kind: str) -> None:
    wire.says(Reply(201, KEPT))
    with pytest.raises(DamagedFileError):
        upload(wire, kind, io.BytesIO(b"other"), filename="card.pdf", content_type="application/pdf")


def test_what_cannot_be_sent_twice_is_refused_at_once(wire: Wire, kind: str, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe, pytest.raises(ValueError, match="read again"):
        upload(wire, kind, pipe, filename="card.pdf")
    with pytest.raises(ValueError, match="reading bytes"):
        upload(wire, kind, io.StringIO("text"), filename="card.pdf")
    with pytest.raises(ValueError, match="filename="):
        upload(wire, kind, io.BytesIO(b"x"))
    with pytest.raises(FileNotFoundError):
        upload(wire, kind, tmp_path / "nothing.pdf")
    assert wire.asked == []


# --- review


def test_a_decision_is_sent_again_when_its_answer_is_lost(wire: Wire, kind: str) -> None:
    told = {"success": True, "decision": "did_not_happen", "duplicate": True, "new_task_id": OTHER_TASK}
    wire.says(hung_up(), Reply(200, told))
    decided = do(kind, wire.url, lambda client: client.handle(TASK).review(False, note="nothing there", retry=True))
    assert (decided.decision, decided.duplicate, decided.new_task_id) == ("did_not_happen", True, OTHER_TASK)
    assert [each.body for each in wire.asked] == [
        {"decision": "did_not_happen", "note": "nothing there", "retry": True}
    ] * 2
    wire.says(refused(409, "was decided before"))
    with pytest.raises(ConflictError):
        do(kind, wire.url, lambda client: client.handle(TASK).review(True))
    assert wire.asked[-1].body == {"decision": "happened"}


def test_a_task_tells_of_its_review_and_a_retry_may_be_confirmed(wire: Wire, kind: str) -> None:
    review = {"decision": "happened", "by": {"kind": "user", "id": "1"}, "at": "2026-11-24T11:24:15+00:00", "note": "x"}
    wire.says(Reply(200, task("failed", needs_review=True, outcome_unknown=True, review=None)))
    assert do(kind, wire.url, lambda client: client.task(TASK)).task.needs_review
    wire.says(Reply(200, task("failed", needs_review=False, review=review, retried_as=OTHER_TASK)))
    seen = do(kind, wire.url, lambda client: client.task(TASK)).task
    assert (seen.review.decision, seen.review.by["kind"], seen.retried_as) == ("happened", "user", OTHER_TASK)
    wire.says(hung_up())
    with pytest.raises(ConnectionFailedError):
        do(kind, wire.url, lambda client: client.handle(TASK).retry(confirm=True))
    assert (len(wire.asked), wire.asked[-1].body) == (3, {"confirm": True})
