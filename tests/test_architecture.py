"""What must agree across files: settings and their page, migrations and models, commands and the manual."""

import re
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command, get_commands
from django.urls import URLPattern, URLResolver, get_resolver

from executor.actions import HANDLERS
from executor.runner import RUNNABLE_KINDS
from inference.services.publish import SUPPORTED_KINDS

ROOT = Path(__file__).resolve().parent.parent
OUR_COMMANDS = sorted(name for name, app in get_commands().items() if app in ("inference", "executor"))


def test_the_settings_page_is_what_the_code_declares() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "optexity_site.env"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert (ROOT / "docs" / "settings.md").read_text() == made, "run: python -m optexity_site.env > docs/settings.md"


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", "--check", "--dry-run", stdout=StringIO())


@pytest.mark.parametrize("name", OUR_COMMANDS)
def test_every_command_has_help_and_a_place_in_the_manual(name: str) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command(name, "--help")
    assert ended.value.code == 0
    manual = "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    assert f"manage.py {name}" in manual or f"bin/{name}" in manual


def test_every_promise_of_the_manual_names_tests_that_there_are() -> None:
    rows = [
        line
        for line in (ROOT / "docs" / "reliability.md").read_text().splitlines()
        if line.startswith("| ") and not line.startswith("| promise |")
    ]
    assert len(rows) > 40
    for row in rows:
        named = re.findall(r"`((?:tests|bench)/[^`]+)`", row)
        assert named, row
        for name in named:
            file, _, test = name.partition("::")
            assert (ROOT / file).is_file(), name
            assert not test or f"def {test}(" in (ROOT / file).read_text(), name


def test_what_is_published_is_exactly_what_the_runner_can_run() -> None:
    assert SUPPORTED_KINDS == RUNNABLE_KINDS
    assert set(HANDLERS) <= RUNNABLE_KINDS


def test_every_api_route_is_documented() -> None:
    manual = (ROOT / "docs" / "api.md").read_text()
    undocumented = [route for route, _ in api_routes() if _as_written(route) not in manual]
    assert undocumented == []


def api_routes() -> list[tuple[str, Any]]:
    """Every route of the API, with its view."""
    found: list[tuple[str, Any]] = []

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> None:
        for each in patterns:
            route = prefix + str(each.pattern)
            if isinstance(each, URLResolver):
                if not route.startswith("admin"):
                    walk(each.url_patterns, route)
            else:
                found.append((route, each.callback))

    walk(get_resolver().url_patterns, "")
    ours = ("api/", "inference", "health", "is_task_running", "metrics")
    return [each for each in found if each[0].startswith(ours)]


def _as_written(route: str) -> str:
    """`api/v1/tasks/<uuid:task_id>` as the manual writes it: `/api/v1/tasks/{`."""
    return "/" + re.sub(r"<[^>]*>.*", "{", route).rstrip("$")


def test_no_path_of_a_machine_and_no_stand_in_is_in_the_code() -> None:
    suspicious = re.compile(r"/root/|/home/\w+/|\bTODO\b|\bFIXME\b|NotImplementedError")
    sources = [
        path
        for folder in (
            "automation",
            "inference",
            "executor",
            "optexity_site",
            "demo",
            "bin",
            "templates",
            "docs",
            "client",
        )
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in ("", ".py", ".html", ".md", ".sh") and "__pycache__" not in path.parts
    ]
    assert [str(path) for path in sources if suspicious.search(path.read_text(errors="ignore"))] == []


def test_nothing_is_evaluated_as_code() -> None:
    calls = re.compile(r"(?<![\w.])(eval|exec|compile)\(")
    offenders = [
        f"{path}:{number}"
        for folder in ("automation", "inference", "executor", "optexity_site")
        for path in (ROOT / folder).rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if calls.search(line)
    ]
    assert offenders == []
