"""Files: all bytes or none, under a name that is safe, in the place of nothing else."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optexity_server import Artifact, DamagedFileError, OptexityError
from optexity_server.files import MAX_NAME_BYTES, distinct_names, safe_name
from tests.client.wire import ARTIFACT, KEY, TASK, Reply, Wire, do, hung_up, paths, refused

CONTENT = bytes(range(256)) * 1000


def told(**fields: Any) -> dict[str, Any]:
    return {
        "artifact_id": ARTIFACT,
        "kind": "download",
        "filename": "letter.pdf",
        "size_bytes": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "url": "http://127.0.0.1:1/elsewhere",
        "removed": None,
        **fields,
    }


def fetch(wire: Wire, kind: str, act: Any, *replies: Reply, **fields: Any) -> Any:
    wire.says(Reply(200, {"artifacts": [told(**fields)]}))
    wire.says(*replies)
    if kind == "blocking":
        return do(kind, wire.url, lambda client: act(client.handle(TASK).artifacts()[0]))

    async def first(client: Any) -> Any:
        return await act((await client.handle(TASK).artifacts())[0])

    return do(kind, wire.url, first)


def test_a_file_is_saved_into_a_folder_under_its_name(wire: Wire, kind: str, tmp_path: Path) -> None:
    path = fetch(wire, kind, lambda file: file.save(tmp_path), Reply(200, CONTENT))
    assert path == tmp_path / "letter.pdf"
    assert path.read_bytes() == CONTENT
    assert [each.name for each in tmp_path.iterdir()] == ["letter.pdf"]
    # By its id and with the key: not where the answer pointed.
    assert paths(wire.asked)[1] == f"GET /api/v1/artifacts/{ARTIFACT}"
    assert wire.asked[1].headers["authorization"] == f"Bearer {KEY}"


def test_a_download_that_breaks_begins_again(wire: Wire, kind: str, tmp_path: Path) -> None:
    cut = Reply(200, CONTENT[:100_000], cut=True)
    path = fetch(wire, kind, lambda file: file.save(tmp_path / "own.bin"), cut, hung_up(), Reply(200, CONTENT))
    assert path.read_bytes() == CONTENT
    assert [each.name for each in tmp_path.iterdir()] == ["own.bin"]


@pytest.mark.parametrize("reply", [Reply(200, CONTENT[:-1] + b"!"), Reply(200, CONTENT[:-1]), refused(404)])
def test_a_file_that_is_not_whole_leaves_nothing_behind(wire: Wire, kind: str, tmp_path: Path, reply: Reply) -> None:
    with pytest.raises(OptexityError):
        fetch(wire, kind, lambda file: file.save(tmp_path), reply)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_kept_unless_asked(wire: Wire, kind: str, tmp_path: Path) -> None:
    mine = tmp_path / "letter.pdf"
    mine.write_text("mine")
    with pytest.raises(FileExistsError):
        fetch(wire, kind, lambda file: file.save(tmp_path))
    assert mine.read_text() == "mine"
    with pytest.raises(DamagedFileError):
        fetch(wire, kind, lambda file: file.save(mine, overwrite=True), Reply(200, b"other"))
    assert mine.read_text() == "mine"
    fetch(wire, kind, lambda file: file.save(mine, overwrite=True), Reply(200, CONTENT))
    assert mine.read_bytes() == CONTENT


def test_a_link_is_neither_followed_nor_written_through(wire: Wire, kind: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "letter.pdf").symlink_to(victim)
    with pytest.raises(FileExistsError):
        fetch(wire, kind, lambda file: file.save(tmp_path))
    fetch(wire, kind, lambda file: file.save(tmp_path, overwrite=True), Reply(200, CONTENT))
    assert victim.read_text() == "mine"
    assert not (tmp_path / "letter.pdf").is_symlink()


def test_a_name_from_the_server_leads_nowhere_else(wire: Wire, kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "in" / "side"
    folder.mkdir(parents=True)
    path = fetch(wire, kind, lambda file: file.save(folder), Reply(200, CONTENT), filename="../../../etc/passwd")
    assert path == folder / "passwd"


def test_a_file_is_read_up_to_a_limit(wire: Wire, kind: str) -> None:
    assert fetch(wire, kind, lambda file: file.read(), Reply(200, CONTENT)) == CONTENT
    with pytest.raises(OptexityError, match="larger than 1000 bytes"):
        fetch(wire, kind, lambda file: file.read(max_bytes=1000), Reply(200, CONTENT))
    assert len(wire.asked) == 4
    with pytest.raises(DamagedFileError):
        fetch(wire, kind, lambda file: file.read(), Reply(200, b"other"))


def test_a_file_comes_in_parts(wire: Wire) -> None:
    wire.says(Reply(200, {"artifacts": [told()]}), Reply(200, CONTENT))
    assert b"".join(do("blocking", wire.url, lambda client: client.handle(TASK).artifacts()[0].iter_bytes())) == CONTENT
    wire.says(Reply(200, {"artifacts": [told()]}), Reply(200, CONTENT))

    async def gather(client: Any) -> bytes:
        file = (await client.handle(TASK).artifacts())[0]
        return b"".join([part async for part in file.iter_bytes()])

    assert do("asynchronous", wire.url, gather) == CONTENT


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("letter.pdf", "letter.pdf"),
        ("Übersicht 2026.pdf", "Übersicht 2026.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:evil.exe", "C_evil.exe"),
        (".bashrc", "bashrc"),
        ("..", "id"),
        ("", "id"),
        ("folder/", "id"),
        ("a\0b\nc\x1b[2J.txt", "abc[2J.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("nul.txt", "_nul.txt"),
        ("COM1", "_COM1"),
        ("report.pdf. ", "report.pdf"),
        ('a<b>"c|d?e*.csv', "a_b__c_d_e_.csv"),
    ],
)
def test_names_are_made_safe(name: str, safe: str) -> None:
    assert safe_name(name, otherwise="id") == safe


@given(st.text(max_size=400))
def test_no_name_is_a_path_or_too_long(name: str) -> None:
    made = safe_name(name, otherwise="id")
    assert made not in ("", ".", "..")
    assert not set(made) & set("/\\\0")
    assert not made.startswith(".")
    assert len(made.encode()) <= MAX_NAME_BYTES


def test_a_long_name_keeps_its_ending() -> None:
    made = safe_name("ä" * 300 + ".pdf", otherwise="id")
    assert made.endswith("ä.pdf")
    assert len(made.encode()) <= MAX_NAME_BYTES


def test_files_of_one_name_get_numbers() -> None:
    names = ["a.png", "A.png", "a-2.png", "a.png", "b"]
    made = distinct_names([Artifact(artifact_id=ARTIFACT, filename=name) for name in names])
    assert made == ["a.png", "A-2.png", "a-2-2.png", "a-3.png", "b"]
