"""`python -m automation`: exit codes, formats, and files that are none."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from automation import json_schema
from tests.automation.documents import EXAMPLES, document, interaction, sleep

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "demo" / "automations"
GOOD = str(DEMO / "northwind-record-effect.json")
BAD = str(EXAMPLES / "invalid_07_key_name.json")
OLD = str(EXAMPLES / "valid_08_nodes_without_type.json")


def run(*arguments: str, stdin: bytes = b"", **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "automation", *arguments],
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        timeout=120,
        check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "utf-8", **environment},
    )
    assert b"Traceback" not in done.stderr
    return done.returncode, done.stdout.decode()


def written(folder: Path, raw: Any, name: str = "document.json") -> str:
    file = folder / name
    file.write_text(raw if isinstance(raw, str) else json.dumps(raw, indent=1), encoding="utf-8")
    return str(file)


def test_validate_tells_each_file_as_an_object() -> None:
    code, output = run("validate", "--format", "json", GOOD, BAD, OLD, "nothing.json")
    good, bad, old, missing = map(json.loads, output.splitlines())
    assert code == 1
    assert good == {"file": GOOD, "valid": True, "problems": [], "warnings": []}
    assert (bad["valid"], [problem["path"] for problem in bad["problems"]]) == (
        False,
        ["nodes[0].interaction_action.key_press.type"],
    )
    assert old["valid"] is True
    assert {"path": "nodes[0]", "message": "is read as action_node, by its keys"} in old["warnings"]
    assert old["warnings"][0]["path"] == "an_unknown_key"
    assert missing["problems"] == [{"path": "", "message": "cannot be read: No such file or directory"}]


def test_validate_in_words_has_lines_and_no_colors_in_a_pipe() -> None:
    code, output = run("validate", BAD)
    assert code == 1
    assert output.splitlines()[0] == f"{BAD}: not valid"
    assert output.splitlines()[1].startswith("  error line 12: nodes[0].interaction_action.key_press.type: ")
    assert "\x1b" not in output
    assert run("validate", GOOD) == (0, f"{GOOD}: valid\n")


def test_github_annotations_point_at_the_line(tmp_path: Path) -> None:
    code, output = run("validate", "--format", "github", BAD)
    assert code == 1
    assert output.startswith(f"::error file={BAD},line=12,title=invalid-document::nodes[0]")
    strange = written(tmp_path, document(sleep(), **{"a:b,c%": 1}), name="a,b.json")
    code, output = run("lint", "--format", "github", strange)
    assert code == 0
    assert "a%2Cb.json,line=" in output
    assert "title=AL002 unknown-key::" in output
    assert "c%25" in output


@pytest.mark.parametrize(
    ("content", "message", "line"),
    [
        (b"", "is not JSON", 1),
        (b'{\n"url": }', "is not JSON: Expecting value (line 2, column 8)", 2),
        (b"{\n\n\xff}", "is not UTF-8", 3),
        (b'{"url": NaN}', "NaN", 1),
        (b'{"url": 1e999}', "too large", 1),
        (b"[" * 100_000, "nested too deeply", 1),
        (b"9" * 10_000, "absurd length", 1),
        (b"[]", "must be an object", 1),
    ],
)
def test_what_is_no_document_is_a_problem(content: bytes, message: str, line: int) -> None:
    code, output = run("validate", "--format", "github", "-", stdin=content)
    assert code == 1
    assert message in output
    assert f"file=-,line={line}," in output


def test_standard_input_is_read_for_a_dash() -> None:
    code, output = run("validate", "--format", "json", "-", stdin=b"\xef\xbb\xbf" + Path(GOOD).read_bytes())
    assert (code, json.loads(output)["file"], json.loads(output)["valid"]) == (0, "-", True)


def test_lint_fails_for_errors_and_when_strict_for_warnings(tmp_path: Path) -> None:
    error = written(tmp_path, document(interaction("click_element")), "error.json")
    warning = written(tmp_path, document({"type": "action_node", "sleep_action": {"sleep_time": 9}}), "warning.json")
    assert run("lint", GOOD)[0] == 0
    assert run("lint", warning)[0] == 0
    assert run("lint", "--strict", warning)[0] == 1
    assert run("lint", error)[0] == 1
    assert run("lint", BAD)[0] == 1


def test_lint_as_json_has_all_of_a_finding(tmp_path: Path) -> None:
    file = written(tmp_path, document({"type": "action_node", "sleep_action": {"sleep_time": 9}}))
    told = json.loads(run("lint", "--format", "json", file)[1])
    assert told["file"] == file
    assert told["valid"] is True
    (finding,) = told["findings"]
    assert set(finding) == {"rule", "name", "severity", "path", "message", "fix", "portable", "line"}
    assert (finding["rule"], finding["name"], finding["line"]) == ("AL601", "fixed-sleep", 11)


def test_a_key_that_stands_twice_is_told(tmp_path: Path) -> None:
    file = written(
        tmp_path, '{"url": "", "url": "", "parameters": {"input_parameters": {}, "generated_parameters": {}}}'
    )
    told = json.loads(run("validate", "--format", "json", file)[1])
    assert told["warnings"] == [{"path": "url", "message": "stands twice in its object, and only the last one counts"}]


def test_explain_in_all_forms() -> None:
    code, output = run("explain", GOOD)
    assert code == 0
    assert output.startswith("Opens ")
    told = json.loads(run("explain", "--format", "json", GOOD)[1])
    assert told["steps"][0]["path"] == "nodes[0]"
    assert run("explain", "--format", "github", GOOD)[1].startswith(f"::group::{GOOD}\nOpens ")
    code, output = run("explain", GOOD, BAD)
    assert code == 1
    assert f"== {GOOD}" in output
    assert "not valid" in output


def test_diff_ends_like_diff(tmp_path: Path) -> None:
    file = written(tmp_path, document(sleep()))
    other = written(tmp_path, document(sleep(), sleep(label="more")), "other.json")
    assert run("diff", file, file) == (0, "")
    assert run("diff", file, other) == (1, "+ nodes[1]: more\n")
    code, output = run("diff", "--format", "json", file, other)
    assert code == 1
    assert json.loads(output) == {
        "old": file,
        "new": other,
        "equal": False,
        "changes": [{"kind": "added", "path": "nodes[1]", "old_path": "", "what": "more"}],
    }
    assert run("diff", "--format", "github", file, other)[1].startswith(f"::notice file={other},line=")
    assert run("diff", file, "nothing.json")[0] == 2
    assert run("diff", BAD, file)[0] == 2


def test_schema_writes_the_schema() -> None:
    code, output = run("schema")
    assert code == 0
    assert json.loads(output) == json_schema()


@pytest.mark.parametrize(
    "arguments", [(), ("nonsense",), ("validate",), ("lint", "--format", "xml", GOOD), ("diff", GOOD)]
)
def test_wrong_use_is_two(arguments: tuple[str, ...]) -> None:
    assert run(*arguments)[0] == 2


def test_a_terminal_is_not_steered_by_a_document(tmp_path: Path) -> None:
    file = written(tmp_path, document(sleep(label="\x1b[2J\u202egone")))
    assert "\x1b" not in run("explain", file)[1]
    assert "\\x1b[2J" in run("explain", file)[1]


def test_an_output_without_unicode_is_no_error() -> None:
    code, output = run("lint", OLD, PYTHONIOENCODING="ascii")
    assert code == 0
    assert "\\u201c" in output


def test_django_is_not_needed() -> None:
    code = "import sys, automation.__main__ as m; m.main(['validate', sys.argv[1]]); print('django' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, GOOD], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "False"


def test_importing_the_language_leaves_its_tools_alone() -> None:
    code = "import sys, automation; print([name for name in sys.modules if 'linter' in name or 'schema_texts' in name])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"
