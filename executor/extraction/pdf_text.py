"""The text of a PDF, read in a process of its own: a hostile file costs that process its seconds and its memory.

Run as a program (`python -m executor.extraction.pdf_text MAX_PAGES MAX_CHARACTERS`), it takes the PDF from its
standard input and writes one JSON object: {"pages": [...], "page_count": n, "is_cut": bool} or {"error": "..."}.
"""

import asyncio
import contextlib
import json
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

# Enough for the thickest handbook; what follows is left out, and the step says so.
MAX_PAGES = 500
MAX_CHARACTERS = 4_000_000
LIMIT_SECONDS = 30.0
_CPU_SECONDS = 30
_MEMORY_BYTES = 1024**3
_MODULE = "executor.extraction.pdf_text"
_ROOT = Path(__file__).resolve().parents[2]


class PDFError(Exception):
    """Why a PDF has no text for us; for people, without the file's name."""


@dataclass(frozen=True, slots=True)
class PDFText:
    """The pages' texts in order, as many as were read of `page_count`. `is_cut`: some text was left out."""

    pages: list[str]
    page_count: int
    is_cut: bool


async def read_pdf(path: Path, *, seconds: float = LIMIT_SECONDS) -> PDFText:
    """The text of a PDF file. Raises PDFError: no PDF, broken, encrypted, or too much work."""
    with path.open("rb") as pdf:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", _MODULE, str(MAX_PAGES), str(MAX_CHARACTERS)),
            stdin=pdf,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=_ROOT,
            env={"LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},  # nothing of this server's settings
        )
    try:
        async with asyncio.timeout(seconds):
            answer, _ = await child.communicate()
    except TimeoutError as error:
        raise PDFError(f"reading it took more than {seconds:g} s") from error
    finally:
        await _end(child)
    return _understood(answer)


async def _end(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    # Not `wait`: a process counts as ended once all that it has said was read.
    await asyncio.shield(child.communicate())


def _understood(answer: bytes) -> PDFText:
    try:
        said: dict[str, Any] = json.loads(answer)
    except ValueError as error:  # it was killed in the middle
        raise PDFError("it is broken, or takes too much memory or time to read") from error
    if "error" in said:
        raise PDFError(str(said["error"]))
    return PDFText(said["pages"], said["page_count"], said["is_cut"])


# --- in the process ------------------------------------------------------------------------------------------


def limit_this_process() -> None:
    """CPU seconds, memory, and no file written. Not every system knows every limit."""
    wanted = ((resource.RLIMIT_CPU, _CPU_SECONDS), (resource.RLIMIT_AS, _MEMORY_BYTES), (resource.RLIMIT_FSIZE, 0))
    for limit, value in wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(limit, (value, value))


def text_of(pdf: BinaryIO, *, max_pages: int, max_characters: int) -> PDFText:
    """The text of a PDF as pypdf reads it. Raises PDFError."""
    # Loaded here: only this process ever needs it.
    from pypdf import PdfReader
    from pypdf.errors import DependencyError

    if b"%PDF-" not in pdf.read(1024):
        raise PDFError("it is no PDF")
    pdf.seek(0)
    try:
        reader = PdfReader(pdf)
        if reader.is_encrypted and not reader.decrypt(""):
            raise PDFError("it is encrypted, and needs a password")
        page_count = len(reader.pages)
        pages: list[str] = []
        left = max_characters
        for number in range(min(page_count, max_pages)):
            text = _clean(reader.pages[number].extract_text())
            pages.append(text[:left])
            if len(text) > left:
                return PDFText(pages, page_count, is_cut=True)
            left -= len(text)
    except PDFError:
        raise
    except DependencyError as error:
        raise PDFError("it is encrypted in a way that is not supported") from error
    except MemoryError as error:
        raise PDFError("it takes too much memory to read") from error
    except Exception as error:  # pypdf meets broken files with whatever its code runs into
        raise PDFError(f"it is broken ({type(error).__name__})") from error
    return PDFText(pages, page_count, is_cut=page_count > max_pages)


def _clean(text: str) -> str:
    """Without what no database text can hold."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def answer_for(pdf: BinaryIO, *, max_pages: int, max_characters: int) -> dict[str, Any]:
    """What this program writes."""
    try:
        read = text_of(pdf, max_pages=max_pages, max_characters=max_characters)
    except PDFError as error:
        return {"error": str(error)}
    return {"pages": read.pages, "page_count": read.page_count, "is_cut": read.is_cut}


if __name__ == "__main__":
    limit_this_process()
    answer = answer_for(sys.stdin.buffer, max_pages=int(sys.argv[1]), max_characters=int(sys.argv[2]))
    sys.stdout.write(json.dumps(answer))
