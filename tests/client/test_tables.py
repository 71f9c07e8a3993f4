"""Tables in both directions: rows to submit, and tasks that come in several answers."""

import io
from pathlib import Path
from typing import Any

import pytest

from optexity_server import BatchInterruptedError, CsvTable, UnauthorizedError, tables
from tests.client.wire import TASK, Reply, Wire, do, hung_up, refused

TAKEN = {"status": 202, "success": True, "task_id": TASK}


def submit(wire: Wire, kind: str, table: Any, **options: Any) -> Any:
    return do(kind, wire.url, lambda client: client.submit_csv(table, "claims-status", **options))


def test_a_table_says_what_was_given_and_is_sent_again_with_the_same_keys(wire: Wire, kind: str) -> None:
    wire.says(hung_up(), refused(503, Retry_After="0"), Reply(202, {"results": [TAKEN, TAKEN]}))
    answers = submit(
        wire,
        kind,
        "claim\tclaim\nHM-1\tHM-2\n\nHM-3\t\n",
        values={"_kind": "dental", "empty": [], "two": ["a", "b"]},
        unique=["claim"],
        use_proxy=True,
        priority=None,
        all_or_nothing=True,
    )
    assert len({asked.body for asked in wire.asked}) == 1
    asked = wire.asked[0]
    assert asked.query == {
        "endpoint_name": "claims-status",
        "unique_parameter_names": "claim",
        "use_proxy": "true",
        "delimiter": "comma",
        "all_or_nothing": "true",
    }
    assert asked.headers["content-type"] == "text/csv; charset=utf-8"
    assert int(asked.headers["content-length"]) == len(asked.body)
    first, second = answers.items
    assert asked.body.decode().split("\r\n") == [
        "claim,claim,__kind,empty,two,two,_idempotency_key",
        f"HM-1,HM-2,dental,,a,b,{first.idempotency_key}",
        "",
        f"HM-3,,dental,,a,b,{second.idempotency_key}",
        "",
    ]
    assert (first.row, second.row) == (2, 4)
    assert len({first.idempotency_key, second.idempotency_key}) == 2


def test_a_file_is_read_from_its_path(wire: Wire, kind: str, tmp_path: Path) -> None:
    file = tmp_path / "claims.csv"
    file.write_bytes("\ufeffclaim;_idempotency_key\r\nÄ;own\r\nB;\r\n".encode())
    wire.says(Reply(202, {"results": [TAKEN, TAKEN]}))
    submit(wire, kind, file, idempotency_key="day")
    assert wire.asked[0].body.decode() == "claim,_idempotency_key\r\nÄ,own\r\nB,day-2\r\n"


def test_more_rows_than_a_request_takes_are_several(wire: Wire, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_ROWS", 2)
    wire.says(Reply(202, {"results": [TAKEN, TAKEN]}), refused(401, "Invalid or missing API key."))
    with pytest.raises(BatchInterruptedError) as raised:
        submit(wire, kind, "claim\n1\n2\n3\n4\n5\n", idempotency_key="day")
    assert isinstance(raised.value.__cause__, UnauthorizedError)
    assert [each.idempotency_key for each in raised.value.answered] == ["day-1", "day-2"]
    assert wire.asked[1].body.decode() == "claim,_idempotency_key\r\n\r\n\r\n3,day-3\r\n4,day-4\r\n"
    with pytest.raises(ValueError, match="one request"):
        submit(wire, kind, "claim\n1\n2\n3\n", all_or_nothing=True)


@pytest.mark.parametrize(
    ("text", "values", "wrong"),
    [
        ("", {}, "heading in each column"),
        ("claim,\n1,2\n", {}, "heading in each column"),
        ("claims.csv", {}, "give a Path"),
        ("a,b\n1,2\n\n3\n", {}, "row 4 has 1 cells, not 2"),
        ('a,b\n1,"2\n', {}, "row 2 is no row of a CSV file"),
        ("a\n1\n", {"a": "2"}, "given for all rows, too"),
        ("a\n1\n", {"b": [2]}, "no text"),
        ("a\n1\n", {"b": ["x", ""]}, "ends with an empty text"),
    ],
)
def test_what_is_no_table_is_refused_before_anything_is_sent(
    wire: Wire, kind: str, text: str, values: Any, wrong: str
) -> None:
    with pytest.raises(ValueError, match=wrong):
        submit(wire, kind, text, values=values)
    assert wire.asked == []


def test_options_are_checked_and_no_cell_shows_in_a_repr(wire: Wire, kind: str) -> None:
    with pytest.raises(TypeError, match="secure_parameters"):
        submit(wire, kind, "a\n1\n", secure_parameters={})
    with pytest.raises(TypeError, match="list of names"):
        submit(wire, kind, "a\n1\n", unique="a")
    with pytest.raises(ValueError, match="delimiter"):
        submit(wire, kind, "a\n1\n", delimiter=";")
    assert wire.asked == []
    assert "HM-4471" not in repr(CsvTable.read("a\nHM-4471\n"))


def export(wire: Wire, kind: str, to: Any, **options: Any) -> Any:
    return do(kind, wire.url, lambda client: client.export_csv(to, **options))


def test_tables_of_several_answers_become_one(wire: Wire, kind: str, tmp_path: Path) -> None:
    first = "\ufefftask_id,input.a,output.x,further_columns\r\n1,'=A,x1,{}\r\n".encode()
    second = '\ufefftask_id,input.a,input.b,output.y\r\n2,"a\r\n2",b2,y2\r\n3,,,\r\n'.encode()
    wire.says(Reply(200, first, {"X-Next-Cursor": "c1"}), Reply(200, second, cut=True), Reply(200, second))
    file = tmp_path / "tasks.csv"
    done = export(wire, kind, file, status="failed", needs_review=False, created_after="2026-01-01T00:00:00Z")
    assert (done.rows, done.resume_cursor) == (3, None)
    assert file.read_bytes().decode("utf-8-sig") == (
        "task_id,input.a,input.b,output.y,output.x,further_columns\r\n"
        "1,'=A,,,x1,{}\r\n"
        '2,"a\r\n2",b2,y2,,\r\n'
        "3,,,,,\r\n"
    )
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    assert [each.query.get("cursor") for each in wire.asked] == [None, "c1", "c1"]
    assert wire.asked[0].query == {
        "status": "failed",
        "needs_review": "false",
        "created_after": "2026-01-01T00:00:00Z",
        "delimiter": "comma",
        "limit": "10000",
    }


def test_a_limit_goes_over_answers_and_the_last_cursor_is_told(wire: Wire, kind: str) -> None:
    to = io.BytesIO()
    wire.says(
        Reply(200, b"task_id;a\r\n1;x\r\n2;y\r\n", {"X-Next-Cursor": "c1", "X-Resume-Cursor": "c1"}),
        Reply(200, b"task_id;a\r\n3;z\r\n", {"X-Next-Cursor": "c2", "X-Resume-Cursor": "c2"}),
    )
    done = export(wire, kind, to, limit=3, cursor="c0", raw=True, delimiter="semicolon")
    assert (done.rows, done.resume_cursor) == (3, "c2")
    assert to.getvalue() == b"task_id;a\r\n1;x\r\n2;y\r\n3;z\r\n"
    assert [each.query["limit"] for each in wire.asked] == ["3", "1"]
    with pytest.raises(ValueError, match="limit"):
        export(wire, kind, to, limit=0)


def test_a_table_that_did_not_come_is_not_there_and_nothing_is_overwritten(
    wire: Wire, kind: str, tmp_path: Path
) -> None:
    file = tmp_path / "tasks.csv"
    wire.says(refused(401))
    with pytest.raises(UnauthorizedError):
        export(wire, kind, file)
    assert list(tmp_path.iterdir()) == []
    file.write_text("mine")
    with pytest.raises(FileExistsError):
        export(wire, kind, file)
    wire.says(Reply(200, b"task_id\r\n"))
    assert export(wire, kind, file, overwrite=True).rows == 0
    assert file.read_bytes() == b"task_id\r\n"
