"""`manage.py import_automation`"""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from inference.models import AuditEvent, AutomationVersion
from tests.factories import a_document

pytestmark = pytest.mark.django_db


def write(folder: Path, document: Any, name: str = "northwind-intake.json") -> str:
    file = folder / name
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return str(file)


def test_file_is_published_under_its_own_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path, a_document(lint_ignore=["AL102"]))

    call_command("import_automation", file)
    call_command("import_automation", file)
    write(tmp_path, a_document(inputs=["other"], lint_ignore=["AL102"]))
    call_command("import_automation", file, "--note", "renamed the input")

    assert capsys.readouterr().out.splitlines() == [
        "Published northwind-intake version 1 (1 nodes).",
        "northwind-intake version 1 is this document already; nothing changed.",
        "Published northwind-intake version 2 (1 nodes).",
    ]
    assert [each.note for each in AutomationVersion.objects.order_by("number")] == ["", "renamed the input"]
    assert {each.actor for each in AuditEvent.objects.all()} == {"command line"}


def test_answer_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("import_automation", write(tmp_path, a_document()), "--endpoint-name", "büro", "--json")

    answer = json.loads(capsys.readouterr().out)
    findings = answer.pop("findings")
    assert answer == {"endpoint_name": "büro", "version": 1, "is_new": True}
    assert "AL102" in [each["rule"] for each in findings]


def test_what_the_linter_says_is_told_and_keeps_nothing_from_being_published(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("import_automation", write(tmp_path, a_document()))

    assert AutomationVersion.objects.count() == 1
    told = capsys.readouterr().out
    assert "warning AL102 unused-parameter: “patient_id” is used nowhere" in told
    assert "→ Use it, or remove it." in told


def test_each_problem_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = a_document(nodes=[{"type": "action_node"}, {"type": "nonsense"}])

    with pytest.raises(CommandError, match=r"is not usable: nodes\[0\] .* \(and 1 more\)") as refusal:
        call_command("import_automation", write(tmp_path, document))

    assert refusal.value.returncode == 1
    first, second = capsys.readouterr().out.splitlines()[1:]
    assert "nodes[0]: " in first
    assert "nodes[1]: has the unknown type “nonsense”" in second
    assert AutomationVersion.objects.count() == 0


def test_problems_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError):
        call_command("import_automation", write(tmp_path, []), "--json")

    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert set(problem) == {"path", "message"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"is not JSON: .* \(line 1, column 2\)"),
        ('{"url": NaN}', "holds NaN, which JSON does not have"),
        ('{"url": "\\u0000"}', "url contains a NUL character"),
    ],
)
def test_file_that_is_no_json_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("import_automation", write(tmp_path, content))


def test_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"cannot be read: No such file"):
        call_command("import_automation", str(tmp_path / "nothing.json"))


def test_name_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="endpoint_name must be"):
        call_command("import_automation", write(tmp_path, a_document()), "--endpoint-name", " x")
