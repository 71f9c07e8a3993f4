"""The pages of docs/ as they are served: read once, found by name, never by a path."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings


@dataclass(frozen=True)
class Page:
    """One text with its entity tag."""

    body: bytes
    etag: str

    @classmethod
    def of(cls, text: str) -> "Page":
        body = text.encode()
        return cls(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


# The order in which llms.txt names the pages, with what each is about.
SUBJECTS = {
    "getting-started.md": "Install, publish a first automation, make a first key.",
    "api.md": "The HTTP API: keys, submissions, answers, errors, tasks, automations, health.",
    "client.md": "The Python client and the command line.",
    "automation-language.md": "What an automation's document may say: nodes, actions, parameters, locators, loops.",
    "linter.md": "Rules that say what is unwise in a document, each with what to do about it.",
    "scripts.md": "Python scripts in automations: what they may do, and what confines them.",
    "private-nodes.md": "Nodes that call code of the operator's own.",
    "dashboard.md": "The dashboard for people.",
    "troubleshooting.md": "What to look at when a step fails: pictures, logs, traces.",
    "operations.md": "Running the server: commands, workers, limits, fairness, retention, backups.",
    "settings.md": "Every setting with its default.",
    "database.md": "The embedded PostgreSQL, and one of your own.",
    "logins.md": "Dedicated tasks, and the stored sessions of logins.",
    "egress.md": "What the server and its browser may connect to.",
    "architecture.md": "How it works, file by file.",
    "reliability.md": "What is promised, and which test holds it.",
    "glossary.md": "Words.",
    "demo.md": "The demo portal and its automations.",
    "benchmarks.md": "Measured figures, and how to measure them again.",
}


@cache
def pages() -> dict[str, Page]:
    """Every Markdown page of docs/, by its name there: `api.md`, `decisions/0001-….md`."""
    folder: Path = settings.BASE_DIR / "docs"
    found = [*folder.glob("*.md"), *folder.glob("decisions/*.md")]
    return {path.relative_to(folder).as_posix(): Page.of(path.read_text(encoding="utf-8")) for path in sorted(found)}


@cache
def llms_txt() -> Page:
    """The index for language models, in the form of https://llmstxt.org."""
    about = (
        "A self-hosted server for browser automations: clients send tasks over HTTP (`POST /api/v1/inference`), the "
        "server stores them in PostgreSQL, and workers run them in Chromium and keep results, pictures and files."
    )
    first = (
        "An automation is a JSON document with steps; a task runs one with the parameters that the client gives. Every "
        "route but health and these pages needs a key, sent as `x-api-key`. Answers are JSON; every error has the "
        "same shape."
    )
    names = [*(name for name in SUBJECTS if name in pages()), *(name for name in pages() if name not in SUBJECTS)]
    main = [name for name in names if not name.startswith("decisions/")]
    decisions = [name for name in names if name.startswith("decisions/")]
    lines = [
        "# Inference server",
        "",
        f"> {about}",
        "",
        first,
        "",
        "## Manual",
        "",
        *(_line(name) for name in main),
        "",
        "## Descriptions for programs",
        "",
        "- [OpenAPI 3.1](/api/schema): every route, with schemas and examples; [as a page](/api/docs)",
        "- [JSON Schema of automations](/api/automation.schema.json): what a document may hold",
        "",
        "## Optional",
        "",
        *(_line(name) for name in decisions),
    ]
    return Page.of("\n".join(lines) + "\n")


def _line(name: str) -> str:
    title = pages()[name].body.decode().partition("\n")[0].lstrip("# ")
    subject = SUBJECTS.get(name)
    return f"- [{title}](/docs/{name})" + (f": {subject}" if subject else "")
