import asyncio
import hashlib
import io
import resource
import subprocess
import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pypdf
import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.errors import DependencyError

from demo.portal.pdf import Page
from executor.errors import ActionError, NeedsModelError
from executor.extraction import pdf_text
from executor.extraction.pdf_text import PDFError, answer_for, read_pdf, text_of
from executor.loop import WorkerLoop
from tests.executor.conftest import RunNodes, click, interact
from tests.executor.site.calls import CallSite

BLACK = (0.0, 0.0, 0.0)


def a_page(*lines: str) -> bytes:
    page = Page()
    for number, line in enumerate(lines):
        page.text(72, 720 - 20 * number, line, size=12, color=BLACK)
    return page.write(title="Test")


def a_pdf(*pages: Sequence[str], password: str | None = None, owner: str | None = None) -> bytes:
    writer = PdfWriter()
    for lines in pages:
        writer.append(PdfReader(io.BytesIO(a_page(*lines))))
    if password is not None:
        writer.encrypt(password, owner, algorithm="RC4-128")
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def a_file(*objects: bytes, trailer: bytes = b"") -> bytes:
    """A PDF of these objects, the first of which is its catalog."""
    data = b"%PDF-1.7\n"
    offsets: list[int] = []
    for number, each in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    return data + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n"
        % (size, table, size, trailer, len(data))
    )


PAGES = (b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>")
EMPTY = a_file(*PAGES, b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]>>")
AES = a_file(
    *PAGES,
    b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]>>",
    # Its user password is empty: the check of it is a plain hash, its key is not.
    b"<</Filter/Standard/V 5/R 5/Length 256/P -4/O<%(owner)s>/U<%(user)s>/OE<%(key)s>/UE<%(key)s>"
    b"/Perms<%(rights)s>/CF<</StdCF<</AuthEvent/DocOpen/CFM/AESV3/Length 32>>>>/StmF/StdCF/StrF/StdCF>>"
    % {
        b"owner": b"ab" * 48,
        b"user": hashlib.sha256(b"salt...1").hexdigest().encode() + b"salt...1salt...2".hex().encode(),
        b"key": b"cd" * 32,
        b"rights": b"ef" * 16,
    },
    trailer=b"/Encrypt 4 0 R/ID[<00><00>]",
)


def drawn(*content: bytes) -> bytes:
    """One page whose drawing operators are the pieces of `content`, compressed."""
    compress = zlib.compressobj(1)
    data = b"".join(map(compress.compress, content)) + compress.flush()
    return a_file(
        *PAGES,
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
        b"<</Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (len(data), data),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )


def said_by(program: str, *arguments: str) -> str:
    """What a Python program prints that runs in this project's folder."""
    command = [sys.executable, "-c", program, *arguments]
    ran = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True, timeout=60)
    return ran.stdout.strip()


def text(data: bytes, *, max_pages: int = 500, max_characters: int = 10_000) -> pdf_text.PDFText:
    return text_of(io.BytesIO(data), max_pages=max_pages, max_characters=max_characters)


# --- the program ---------------------------------------------------------------------------------------------


def test_every_page_has_its_text() -> None:
    letter = a_pdf(["Dear Ada,", "all is well."], ["Page two"])
    read = text(letter)

    assert [page.split() for page in read.pages] == [["Dear", "Ada,", "all", "is", "well."], ["Page", "two"]]
    assert (read.page_count, read.is_cut) == (2, False)
    answer = {"pages": read.pages, "page_count": 2, "is_cut": False}
    assert answer_for(io.BytesIO(letter), max_pages=2, max_characters=100) == answer


def test_pages_and_characters_are_bounded() -> None:
    long = a_pdf(["one"], ["two"], ["three"])

    assert text(long, max_pages=2).is_cut
    assert len(text(long, max_pages=2).pages) == 2
    assert text(long, max_characters=4).pages == ["one", "t"]
    assert text(long, max_characters=4).is_cut
    assert text(long, max_characters=4).page_count == 3


def test_a_pdf_that_opens_without_a_password_is_read() -> None:
    assert "open" in text(a_pdf(["open to all"], password="", owner="owner")).pages[0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (a_pdf(["hidden"], password="secret"), "it is encrypted, and needs a password"),
        (b"", "it is no PDF"),
        (b"<html>Please sign in</html>", "it is no PDF"),
        (b"%PDF-1.7\nnothing more", "it is broken"),
        (a_page("cut")[:200], "it is broken"),
    ],
)
def test_what_cannot_be_read_is_told_in_words(data: bytes, reason: str) -> None:
    with pytest.raises(PDFError, match=reason):
        text(data)
    assert reason in answer_for(io.BytesIO(data), max_pages=1, max_characters=1)["error"]


def test_encryption_that_no_installed_library_knows_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(AES)
    program = (
        "import sys\nsys.modules['cryptography'] = sys.modules['Crypto'] = None\n"
        "from executor.extraction.pdf_text import answer_for\n"
        "print(answer_for(open(sys.argv[1], 'rb'), max_pages=1, max_characters=9)['error'])"
    )

    assert said_by(program, str(tmp_path / "a.pdf")) == "it is encrypted in a way that is not supported"


def test_characters_that_no_database_holds_are_left_out() -> None:
    read = text(drawn(rb"BT /F 12 Tf (a\000b) Tj ET"))

    assert "\0" not in "".join(read.pages)


# --- its process ---------------------------------------------------------------------------------------------


def read_in_process(worker_loop: WorkerLoop, path: Path, data: bytes, **arguments: Any) -> pdf_text.PDFText:
    path.write_bytes(data)
    return worker_loop.submit(read_pdf(path, **arguments)).result(60)


def test_a_process_of_its_own_reads_it(worker_loop: WorkerLoop, tmp_path: Path) -> None:
    read = read_in_process(worker_loop, tmp_path / "a.pdf", a_pdf(["Grüße, Ada"]))

    assert read.pages[0].strip() == "Grüße, Ada"


def test_its_errors_are_told(worker_loop: WorkerLoop, tmp_path: Path) -> None:
    with pytest.raises(PDFError, match="it is no PDF"):
        read_in_process(worker_loop, tmp_path / "a.pdf", b"<html>")


def test_a_pdf_that_takes_too_long_is_given_up(worker_loop: WorkerLoop, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(PDFError, match=r"took more than 0\.05 s"):
        read_in_process(worker_loop, tmp_path / "a.pdf", a_pdf(["slow"]), seconds=0.05)
    assert time.monotonic() - began < 10


def test_a_process_that_the_system_has_ended_is_told() -> None:
    with pytest.raises(PDFError, match="takes too much memory or time"):
        pdf_text._understood(b'{"pages": ["cut o')


def test_a_pdf_that_takes_too_much_memory_costs_its_process_only(worker_loop: WorkerLoop, tmp_path: Path) -> None:
    blanks = drawn(*(b" " * 1_000_000 for _ in range(200)))

    assert len(blanks) < 2_000_000
    with pytest.raises(PDFError, match=r"memory|broken|took more than"):
        read_in_process(worker_loop, tmp_path / "a.pdf", blanks, seconds=20)


def test_its_limits_are_those_of_the_system() -> None:
    program = (
        "import resource\nfrom executor.extraction.pdf_text import limit_this_process\nlimit_this_process()\n"
        "print(resource.getrlimit(resource.RLIMIT_CPU)[0], resource.getrlimit(resource.RLIMIT_FSIZE)[0])"
    )

    assert said_by(program) == "30 0"


def test_a_cancelled_reading_leaves_no_process(worker_loop: WorkerLoop, tmp_path: Path) -> None:
    async def cancel() -> float:
        began = time.monotonic()
        (tmp_path / "a.pdf").write_bytes(a_pdf(["text"]))
        reading = asyncio.create_task(read_pdf(tmp_path / "a.pdf"))
        await asyncio.sleep(0)
        await asyncio.wait({reading}, timeout=0.02)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        return time.monotonic() - began

    assert worker_loop.submit(cancel()).result(20) < 5


# --- the extraction ------------------------------------------------------------------------------------------


def extract(filename: str, **fields: Any) -> dict[str, Any]:
    action = {
        "filename": filename,
        "extraction_instructions": "Read it",
        "extraction_format": {"text": "str"},
        **fields,
    }
    return {"type": "action_node", "extraction_action": {"pdf": action, "unique_identifier": "ignored"}}


def fetch(calls: CallSite, name: str, data: bytes) -> dict[str, Any]:
    """A download of the task with this name and content."""
    calls.files[f"/files/{name}"] = data
    action = {"url": f"{calls.url}/files/{name}", "download_filename": name}
    return interact("download_url_as_pdf", action)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["str", "str | None", "Optional[str]", "str or None"])
def test_the_one_key_of_the_format_gets_the_whole_text(run_nodes: RunNodes, calls: CallSite, kind: str) -> None:
    nodes = [
        fetch(calls, "other.pdf", a_pdf(["no"])),
        fetch(calls, "letter-Ada.pdf", a_pdf(["one"], ["two"])),
        extract("letter-{who[0]}", extraction_format={"all": kind, "dropped": None}),
    ]
    outcome = run_nodes(nodes, inputs={"who": ["Ada"]})
    (item,) = outcome.output

    assert outcome.error is None
    assert item["unique_identifier"] == "letter-Ada.pdf"
    assert [page.strip() for page in item["json_data"]["all"].split("\f")] == ["one", "two"]
    assert outcome.step.picture is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "output_format",
    [{"a": "str", "b": "str"}, {"a": "int"}, {"a": ["str"]}, {"a": {"b": "str"}}, {}, {"a": "str | int"}],
)
def test_any_other_format_needs_a_model(run_nodes: RunNodes, output_format: dict[str, Any]) -> None:
    outcome = run_nodes([extract("a.pdf", extraction_format=output_format)])

    assert isinstance(outcome.error, NeedsModelError)
    assert "one key of type str" in str(outcome.error)
    assert str(outcome.error).endswith("needs a language model: set LLM_MODEL")


@pytest.mark.django_db(transaction=True)
def test_the_only_download_is_taken_whatever_its_name(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([fetch(calls, "letter.pdf", EMPTY), extract("summary")])

    assert outcome.error is None
    assert outcome.output == [{"unique_identifier": "letter.pdf", "json_data": {"text": ""}}]
    assert "has no text" in outcome.step.details["notes"][0]


@pytest.mark.django_db(transaction=True)
def test_a_file_that_nobody_can_mean_is_a_warning(run_nodes: RunNodes, calls: CallSite) -> None:
    none = run_nodes([extract("a.pdf")])
    two = run_nodes([fetch(calls, "b.pdf", a_page("b")), fetch(calls, "c.pdf", a_page("c")), extract("a.pdf")])

    assert none.error is None
    assert none.output == two.output == []
    assert none.step.status == two.step.status == "warning"
    assert two.step.details["notes"] == ["no download is called “a.pdf”; there are: “b.pdf”, “c.pdf”"]


@pytest.mark.django_db(transaction=True)
def test_a_file_that_is_still_on_its_way_is_waited_for(run_nodes: RunNodes, calls: CallSite) -> None:
    calls.files["/files/slow.pdf"] = a_page("slowly")
    link = click('get_by_role("link", name="Slow file")')
    outcome = run_nodes([link, extract("slow")], url=f"{calls.url}/app")

    assert outcome.error is None
    assert outcome.values()["text"].strip() == "slowly"


@pytest.mark.django_db(transaction=True)
def test_a_file_that_cannot_be_read_fails_the_node(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([fetch(calls, "a.pdf", b"<html>sorry</html>"), extract("a.pdf")])

    assert isinstance(outcome.error, ActionError)
    assert str(outcome.error) == "the text of “a.pdf” could not be read: it is no PDF"


@pytest.mark.django_db(transaction=True)
def test_a_pdf_with_too_many_pages_is_cut_with_a_warning(
    run_nodes: RunNodes, calls: CallSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_text, "MAX_PAGES", 1)
    outcome = run_nodes([fetch(calls, "a.pdf", a_pdf(["one"], ["two"])), extract("a.pdf")])

    assert outcome.values()["text"].strip() == "one"
    assert outcome.step.status == "warning"
    assert "1 of 2 pages" in outcome.step.details["notes"][0]


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (DependencyError("cryptography is required for AES"), "it is encrypted in a way that is not supported"),
        (MemoryError(), "it takes too much memory to read"),
        (KeyError("/Pages"), "it is broken (KeyError)"),
    ],
)
def test_what_the_reader_runs_into_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, told: str
) -> None:
    def read(pdf: object) -> None:
        raise failure

    monkeypatch.setattr(pypdf, "PdfReader", read)
    assert pdf_text.answer_for(io.BytesIO(b"%PDF-1.4"), max_pages=1, max_characters=1) == {"error": told}


def test_the_reading_process_limits_itself_as_far_as_the_system_can(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: dict[int, tuple[int, int]] = {}

    def set_limit(limit: int, value: tuple[int, int]) -> None:
        if limit == resource.RLIMIT_CPU:
            raise ValueError("not here")
        limits[limit] = value

    monkeypatch.setattr(resource, "setrlimit", set_limit)
    pdf_text.limit_this_process()
    assert limits == {resource.RLIMIT_AS: (1024**3, 1024**3), resource.RLIMIT_FSIZE: (0, 0)}
