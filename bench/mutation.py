"""Whether the tests notice when the runner or the control flow is wrong: mutants, and how many of them are killed.

mutmut writes the mutants: small mistakes in one function at a time (a condition turned round, an argument left out or
replaced by None, another number, another text). All of them stand in one copy of the tree, in a temporary folder; the
work tree is only read. One pytest process (`bench.mutation_judge`) collects the tests of the copy, and its forks run
those that call the mutated function, the cheapest first, until one of them kills the mutant.

Not mutated, by mutmut's own rules: functions with a decorator (`Walk._row`, `Place.details`, three properties), what
stands outside functions, type annotations, docstrings, and calls of `len` and `isinstance`. LEFT_OUT below is the only
rule of our own, with its reason. Exit status: 0, 1 below the reach, 2 when there is no figure.

    .venv/bin/pip install -r requirements-mutation.txt
    .venv/bin/python -m bench.mutation [--every 5] [--only walk] [--jobs 2] [--browser] [--json FILE]
"""

import argparse
import contextlib
import difflib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent
REACH = 80.0
MUTMUT = "3.8.1"
# Which tests judge a file. Of these, a mutant meets those that call its function; without --browser, only those that
# need none: a hundred tests of a mutant that survives take seconds then, and not minutes.
_LOOPS = ("test_loops.py", "test_counting.py", "test_locator_loops.py")
_RUNNER = ("test_attempts.py", "test_runner_faults.py", "test_post_processing.py", "test_runner.py")
JUDGES: Mapping[str, tuple[str, ...]] = {
    "executor/walk.py": ("test_steps.py", "test_walk.py", "test_branches.py", "test_counting.py", "test_runner.py"),
    "executor/loops.py": _LOOPS,
    "executor/place.py": ("test_place.py", "test_loops.py", "test_branches.py"),
    "executor/counting.py": ("test_counting.py", "test_locator_loops.py"),
    "executor/actions/control.py": ("actions/test_control.py", "test_counting.py", "test_steps.py"),
    "executor/runner.py": _RUNNER,
}
# Mutants that change nothing which anybody was promised: what is left of the lines without a match of the pattern is
# the same with the mutant, and the reason.
LEFT_OUT: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r",\s*(name=(f?\"[^\"]*\"|None))?(?=\s*\)$)"), "names of asyncio's tasks, for those who debug"),
)
# Not part of the program, or too large to copy.
_NOT_COPIED = (".git", ".venv", "var", "node_modules", "__pycache__", ".*_cache", ".hypothesis", ".coverage*", "docs")


@dataclass(frozen=True)
class Mutant:
    """`name` as mutmut knows it, the function's (without its number), and what it changes as a diff."""

    name: str
    file: str
    function: str
    change: str


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: `killed`, `timed out` (killed as well) or `survived`; `by` names the test."""

    mutant: Mutant
    outcome: str
    by: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="only each n-th mutant: a sample")
    parser.add_argument("--only", default="", help="only mutants whose name contains this text")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at the same time")
    parser.add_argument("--browser", action="store_true", help="let tests judge as well that need a browser: slow")
    parser.add_argument("--json", type=Path, help="also write the verdicts to this file")
    options = parser.parse_args()
    if (missing := what_is_missing()) is not None:
        print(missing, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="mutation-", ignore_cleanup_errors=True)
        folder = Path(stack.enter_context(temporary))
        tree = copy_tree(folder)
        mutants = [each for file in JUDGES for each in write_mutants(tree, file)]
        chosen = choose(mutants, only=options.only, every=options.every)
        print(f"{len(mutants)} mutants in {len(JUDGES)} files; {len(chosen)} of them are tried", flush=True)
        database = stack.enter_context(fast_database(folder))
        verdicts = judge(chosen, tree=tree, folder=folder, database=database, options=options)
    if verdicts is None:
        return 2
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in verdicts], indent=2) + "\n")
    return report(verdicts)


def what_is_missing() -> str | None:
    """Why this bench cannot run here, for people; None when it can."""
    if importlib.util.find_spec("mutmut") is None:
        return "mutmut is not installed: .venv/bin/pip install -r requirements-mutation.txt"
    if (version := importlib.metadata.version("mutmut")) != MUTMUT:
        return f"mutmut {version} is installed, and this bench was written for {MUTMUT} (requirements-mutation.txt)"
    return None


# --- mutants -------------------------------------------------------------------------------------------------


def copy_tree(folder: Path) -> Path:
    tree = folder / "tree"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*_NOT_COPIED))
    (tree / "setup.cfg").write_text("[mutmut]\nsource_paths=executor\n")  # it asks for it, and guesses otherwise
    return tree


def write_mutants(tree: Path, file: str) -> list[Mutant]:
    """Replace a file of the copy by one that holds all mutants of its functions, and say what they are."""
    from mutmut.mutation.file_mutation import mutate_file_contents

    with contextlib.chdir(tree):
        made = mutate_file_contents(file, (tree / file).read_text())
    (tree / file).write_text(made.code)
    lines = made.code.splitlines()
    code = {name: lines[span.start - 1 : span.end] for name, span in made.line_span_by_function_name.items()}
    module = file.removesuffix(".py").replace("/", ".")
    mutants = []
    for name in made.mutant_names:
        function = name.partition("__mutmut_")[0]
        change = difference(code[f"{function}__mutmut_orig"], code[name])
        if not is_left_out(change):
            mutants.append(Mutant(f"{module}.{name}", file, f"{module}.{function}", change))
    return mutants


def difference(original: Sequence[str], mutated: Sequence[str]) -> str:
    """The lines that differ, with - and +, without the functions' own first lines."""
    names = re.compile(r"__mutmut_(orig|\d+)\b")
    before, after = ([names.sub("", line) for line in lines] for lines in (original, mutated))
    lines = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]
    return "\n".join(line for line in lines if not line.startswith("@@"))


def is_left_out(change: str) -> bool:
    """Whether only what LEFT_OUT names tells the lines before from those after."""
    lines = change.splitlines()
    before = [line[1:] for line in lines if line.startswith("-")]
    after = [line[1:] for line in lines if line.startswith("+")]
    return any(
        [rule.sub("", line) for line in before] == [rule.sub("", line) for line in after] for rule, _ in LEFT_OUT
    )


def choose(mutants: Sequence[Mutant], *, only: str, every: int) -> list[Mutant]:
    return [each for each in mutants if only in each.name][::every]


# --- the run -------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def fast_database(folder: Path) -> Iterator[str]:
    """The address of an embedded PostgreSQL whose commits do not wait for the disk."""
    import psycopg

    from optexity_site import embedded_db

    data = folder / "data"
    data.mkdir()
    embedded_db.acquire(data)
    try:
        at = embedded_db.connection_parameters(data)
        address = f"postgresql://{at['USER']}:{quote(at['PASSWORD'])}@{quote(at['HOST'], safe='')}:{at['PORT']}/"
        with psycopg.connect(address + at["NAME"], autocommit=True) as connection:
            connection.execute("ALTER ROLE CURRENT_USER SET synchronous_commit = off")
        yield address + at["NAME"]
    finally:
        embedded_db.release(data)
        embedded_db.delete(data)


def judge(
    mutants: Sequence[Mutant], *, tree: Path, folder: Path, database: str, options: argparse.Namespace
) -> list[Verdict] | None:
    """Run the tests of the copy on each mutant. None when there is no verdict on all of them."""
    plan, verdicts, scratch = folder / "plan.json", folder / "verdicts.json", folder / "tmp"
    scratch.mkdir()
    judges = {file: [f"tests/executor/{name}" for name in names] for file, names in JUDGES.items()}
    asked = {file: names for file, names in judges.items() if any(each.file == file for each in mutants)}
    tasks = {
        "mutants": [asdict(each) for each in mutants],
        "judges": asked,
        "jobs": options.jobs,
        "browser": options.browser,
        "verdicts": str(verdicts),
    }
    plan.write_text(json.dumps(tasks))
    tests = dict.fromkeys(name for names in asked.values() for name in names)
    switches = ("-p", "bench.mutation_judge", "-p", "no:randomly", "-p", "no:cacheprovider", "-q", "--capture=no")
    # Killed forks leave their browsers' folders in the folder for temporary files, which goes with the rest.
    surroundings = {"DATABASE_URL": database, "MUTATION_PLAN": str(plan), "TMPDIR": str(scratch), "LOG_LEVEL": "ERROR"}
    command = [sys.executable, "-m", "pytest", *switches, *tests]
    subprocess.run(command, cwd=tree, env=os.environ | surroundings, check=False)
    if not verdicts.exists():
        return None
    by_name = {each.name: each for each in mutants}
    found = json.loads(verdicts.read_text())
    if len(found) < len(mutants):
        print(f"the run ended early: {len(found)} of {len(mutants)} mutants were tried", file=sys.stderr)
        return None
    return [Verdict(by_name[each["name"]], each["outcome"], each["by"]) for each in found]


# --- what came of it -----------------------------------------------------------------------------------------


def report(verdicts: Sequence[Verdict]) -> int:
    survivors: dict[str, list[Verdict]] = defaultdict(list)
    for each in verdicts:
        if each.outcome == "survived":
            survivors[each.mutant.function].append(each)
    for function, those in survivors.items():
        print(f"\n{function}")
        for each in those:
            print(f"  {each.mutant.name.rpartition('.')[2]}{'' if each.by else ' (no test calls it)'}")
            print("\n".join(f"    {line}" for line in each.mutant.change.splitlines()))
    print(f"\n{'file':32} {'mutants':>8} {'killed':>8} {'survived':>9} {'timed out':>10} {'per cent':>9}")
    files = list(dict.fromkeys(each.mutant.file for each in verdicts))
    for file in files:
        print(_row(file, [each for each in verdicts if each.mutant.file == file]))
    if len(files) != 1:
        print(_row("all", verdicts))
    print(f"(reach: {REACH:.0f} per cent; a mutant that times out is killed)")
    return 0 if score(verdicts) >= REACH else 1


def score(verdicts: Sequence[Verdict]) -> float:
    """Killed mutants, those that timed out among them, in per cent."""
    return 100 * sum(each.outcome != "survived" for each in verdicts) / max(1, len(verdicts))


def _row(name: str, verdicts: Sequence[Verdict]) -> str:
    count: Counter[Any] = Counter(each.outcome for each in verdicts)
    killed, survived, timed_out = count["killed"], count["survived"], count["timed out"]
    return f"{name:32} {len(verdicts):8} {killed:8} {survived:9} {timed_out:10} {score(verdicts):9.1f}"


if __name__ == "__main__":
    sys.exit(main())
