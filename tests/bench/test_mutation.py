"""What the bench of mutants says about verdicts; the mutants themselves need mutmut, which is not installed here."""

import importlib.util
from pathlib import Path

import pytest

from bench import mutation
from bench.mutation import Mutant, Verdict

ROOT = Path(__file__).resolve().parent.parent.parent


def mutant(name: str, file: str = "executor/place.py") -> Mutant:
    return Mutant(name=name, file=file, function=name.partition("__mutmut_")[0], change="-    a\n+    b")


def test_a_missing_tool_is_told_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("sys.argv", ["bench.mutation"])

    assert mutation.main() == 2
    assert "pip install -r requirements-mutation.txt" in capsys.readouterr().err


def test_the_pinned_version_is_the_one_that_the_bench_was_written_for() -> None:
    assert f"mutmut=={mutation.MUTMUT}\n" in (ROOT / "requirements-mutation.txt").read_text()


def test_files_and_their_judges_exist() -> None:
    assert [file for file in mutation.JUDGES if not (ROOT / file).is_file()] == []
    judges = {name for names in mutation.JUDGES.values() for name in names}
    assert [name for name in judges if not (ROOT / "tests/executor" / name).is_file()] == []


def test_a_change_is_told_by_its_lines_alone() -> None:
    original = ["async def x_f__mutmut_orig(a):", "    b = 1", "    return b"]
    mutated = ["async def x_f__mutmut_12(a):", "    b = 2", "    return b"]

    assert mutation.difference(original, mutated) == "-    b = 1\n+    b = 2"


@pytest.mark.parametrize(
    ("after", "is_left_out"),
    [
        ('work = create_task(act(), name="XXact of workXX")', True),
        ("work = create_task(act(), name=None)", True),
        ("work = create_task(act(), )", True),
        ('work = create_task(None, name="act of work")', False),
        ('work = create_task(name="act of work")', False),
    ],
)
def test_names_of_tasks_are_nobodys_business(after: str, is_left_out: bool) -> None:
    before = 'work = create_task(act(), name="act of work")'

    assert mutation.is_left_out(f"-    {before}\n+    {after}") is is_left_out


def test_a_sample_takes_each_nth_of_those_that_are_asked_for() -> None:
    mutants = [mutant(f"{module}.x_f__mutmut_{number}") for module in ("loops", "walk") for number in range(5)]

    assert [each.name for each in mutation.choose(mutants, only="walk", every=2)] == [
        "walk.x_f__mutmut_0",
        "walk.x_f__mutmut_2",
        "walk.x_f__mutmut_4",
    ]


@pytest.mark.parametrize(("survivors", "code"), [(2, 0), (3, 1)])
def test_it_fails_below_its_reach_and_lists_who_survived(
    survivors: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = ["survived"] * survivors + ["timed out"] + ["killed"] * (9 - survivors)
    verdicts = [Verdict(mutant(f"m.x_f__mutmut_{number}"), outcome) for number, outcome in enumerate(outcomes)]

    assert mutation.report(verdicts) == code
    told = capsys.readouterr().out
    assert [line.split()[0] for line in told.splitlines() if "__mutmut_" in line] == [
        f"x_f__mutmut_{number}" for number in range(survivors)
    ]
    assert "+    b" in told
    row = next(line.split() for line in told.splitlines() if line.startswith("executor/place.py"))
    assert row[1:] == ["10", str(9 - survivors), str(survivors), "1", f"{100 - 10 * survivors}.0"]
