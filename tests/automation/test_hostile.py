"""Commands and expressions of strangers: a tree, a value, or an error of ours, within counted bounds; nothing runs.

What would run is noticed from outside: the interpreter's own audit events (opening, importing, executing,
starting processes), a file that many of the strings try to write, and a value that notes what is taken from it or
called. Work is counted from outside, too: the calls that Python makes, and the memory that it asks for.
"""

import collections
import json
import random
import sys
import threading
import tracemalloc
import unicodedata  # noqa: F401 - "\N{BULLET}" imports it, which is not the string's doing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import automation
from automation import ExpressionError, LocatorError
from automation.conditions import check_expression
from automation.evaluator import MAX_NODES, MAX_OPERATIONS, MAX_SIZE, Evaluation
from automation.locators import MAX_NESTING, MAX_REGEX_CHARACTERS, MAX_STEPS, Call, LocatorCommand, Regex
from automation.python_source import MAX_CHARACTERS, parse

HOSTILE: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "data" / "hostile_strings.json").read_text(encoding="utf-8")
)
RANDOM_STRINGS = 100_000
BATCHES = 10
# What a hostile string may cost: some calls for each counted operation (which stands for up to eight items that are
# only looked at), and what a few dozen results of 64 KiB take.
MAX_CALLS = 40 * MAX_OPERATIONS
MAX_MEMORY_BYTES = 16 * 1024 * 1024

_watched: set[str] | None = None
_watching_thread = 0
_RUNNING = (
    "exec",
    "import",
    "open",
    "os.",
    "subprocess.",
    "socket.",
    "shutil.",
    "ctypes.",
    "pty.",
    "marshal.",
    "code.",
)


def _note(event: str, _: tuple[object, ...]) -> None:
    # "compile" is no sign: reading a text into a tree is called that as well. Whatever is run afterwards is "exec".
    # Other tests of this process may have left threads that do ordinary work.
    if _watched is None or threading.get_ident() != _watching_thread:
        return
    if event.startswith((*_RUNNING, "pickle.", "builtins.input", "object.__", "sys._")):
        _watched.add(event)


sys.addaudithook(_note)  # for good: an audit hook cannot be taken away


@contextmanager
def watched() -> Iterator[set[str]]:
    """The names of all events by which something would be run or opened."""
    global _watched, _watching_thread
    events: set[str] = set()
    _watching_thread = threading.get_ident()
    _watched = events
    try:
        yield events
    finally:
        _watched = None


class Spy:
    """A value that notes each attribute that is taken from it and each call."""

    # `__class__` is what `isinstance` asks every value for.
    touched: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name != "__class__":
            Spy.touched.append(name)
        return object.__getattribute__(self, name)

    def __call__(self, *_: object) -> None:
        Spy.touched.append("()")

    def secret(self) -> str:
        return "secret"


RESULT = {"status_code": 200, "headers": {"X": "y"}, "body": {"items": [{"ref": "A"}]}, "error": None, "message": ""}
INPUT: dict[str, Any] = {"a": ["x", 'it\'s "q" \\ {a[0]}'], "big": ["y" * 30_000, "z"], "spy": [Spy()]}
GENERATED: dict[str, Any] = {"r": RESULT, "n": [1, 2.5, None, True]}
REFUSED = object()


def as_command(text: str) -> object:
    try:
        return automation.parse_locator(text, input=INPUT, generated=GENERATED)
    except LocatorError:
        return REFUSED


def as_condition(text: str) -> object:
    try:
        return automation.evaluate_condition(text, input=INPUT, generated=GENERATED)
    except ExpressionError:
        return REFUSED


def as_expression(text: str) -> object:
    try:
        return automation.evaluate_expression(text, input=INPUT, generated=GENERATED)
    except ExpressionError:
        return REFUSED


def as_poll_condition(text: str) -> object:
    """An error means "not yet", which is False as well."""
    return automation.evaluate_poll_condition(text, {**RESULT, "message": Spy()}) or REFUSED


Reader = Callable[[str], object]
EVALUATORS: tuple[Reader, ...] = (as_condition, as_expression, as_poll_condition)


def check_command(tree: object) -> None:
    assert tree is REFUSED or tree is None or isinstance(tree, LocatorCommand)


def check_value(read: Reader, value: object) -> None:
    if value is REFUSED:
        return
    if read is as_expression:
        assert stored_size(value) <= MAX_SIZE
        assert json.loads(json.dumps(value)) == value
    else:
        assert isinstance(value, bool)


def stored_size(value: Any) -> int:
    """Bytes of all texts and digits in a JSON value."""
    if isinstance(value, dict):
        return sum(stored_size(key) + stored_size(item) for key, item in value.items())
    if isinstance(value, list):
        return sum(map(stored_size, value))
    return len(str(value).encode()) if isinstance(value, str | int) else 0


@contextmanager
def nothing_runs() -> Iterator[None]:
    Spy.touched.clear()
    with watched() as events:
        yield
    assert events == set()
    assert Spy.touched == []


# The strings


def written(group: str) -> list[str]:
    return [text for texts in HOSTILE[group].values() for text in texts]


def long_strings() -> Iterator[str]:
    """Strings that are hostile by their length; a file of them would be no pleasure to read."""
    half = MAX_CHARACTERS // 2
    for opening, closing in ("()", "[]", "{}"):
        yield opening * 99 + closing * 99
        yield opening * half + closing * half
        yield opening * MAX_CHARACTERS
        yield closing * MAX_CHARACTERS
    yield from ("-" * 3_999 + "1", "not " * 900 + "1", "a." * 1_999 + "a", "a" + "[0]" * 1_300, "a" + "()" * 1_900)
    yield from ("+".join("1" * 1_999), "1<" * 1_999 + "1", "a if a else " * 300 + "a", "lambda:" * 500 + "1")
    yield from ("x" * 1_000_000, "'" + "x" * 1_000_000 + "'", "{a[0]}" * 100_000, "\\" * 1_000_000, "\n" * 1_000_000)
    yield from ("f'{" * 99 + "1" + "}'" * 99, "'" * 3_998, '"' * 3_999, "'''" * 1_333, "#" * 4_000, "{" * 1_000_000)
    yield "locator('a')" + ".first" * 600
    yield "locator('a')" + ".locator('a')" * 300
    yield "locator('a', has=page." * 150 + "locator('b')" + ")" * 150
    yield "get_by_text(" * 300 + "'x'" + ")" * 300
    yield "get_by_text(re.compile('" + "(" * 1_900 + ")" * 1_900 + "'))"
    yield "get_by_text(re.compile('" + "(" * 240 + ")" * 240 + "'))"
    yield "get_by_text(re.compile('" + "[\x01-\U0010ffff]" * 9 + "', re.I))"
    yield "get_by_text(re.compile('" + "|a" * 249 + "', re.I" + " | re.I" * 400 + "))"
    yield "[x" + " for x in a" * 300 + "]"
    yield "[" * 30 + "x" + " for x in range(99)]" * 30
    yield "sum(" * 90 + "a" + ")" * 90
    yield "'{big[0]}'" + " + '{big[0]}'" * 60
    yield "'" + "{big[0]}" * 400 + "'"
    yield "get_by_text('" + "{big[0]}" * 400 + "')"


WRITTEN = written("refused") + written("bounded") + list(long_strings())


# The tests


def test_the_watches_notice_what_they_watch_for(tmp_path: Path) -> None:
    with watched() as events:
        collections.namedtuple("Pair", "left right")  # noqa: PYI024 - it runs a text that it has put together
        (tmp_path / "file").write_text("x", encoding="utf-8")
    assert {"exec", "open"} <= events
    Spy.touched.clear()
    spy = Spy()
    spy.secret()
    spy()
    assert Spy.touched == ["secret", "()"]
    assert work_of(lambda: [abs(number) for number in range(5_000)])[0] > 5_000
    assert work_of(lambda: ["x" * 1_000_000])[1] > 1_000_000


def work_of(act: Callable[[], object]) -> tuple[int, int]:
    """The calls that Python makes for `act`, its own functions and those of C, and the bytes it asks for at most."""
    calls = 0

    def count(_: object, event: str, __: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")
        assert calls <= 2 * MAX_CALLS, "it would not end"

    tracemalloc.start()
    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(None)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return calls, peak


def test_there_are_hundreds_of_different_hostile_strings() -> None:
    assert len(set(WRITTEN)) == len(WRITTEN) >= 500


@pytest.mark.parametrize("read", [as_command, *EVALUATORS])
def test_hostile_strings_run_nothing_and_stay_within_bounds(read: Reader, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for text in WRITTEN:
        aimed = text.replace("@CANARY@", str(canary))
        given: list[object] = []
        with nothing_runs():
            calls, peak = work_of(lambda aimed=aimed, given=given: given.append(read(aimed)))  # type: ignore[misc]
        if read is as_command:
            check_command(given[0])
        else:
            check_value(read, given[0])
        assert calls <= MAX_CALLS, text[:200]
        assert peak <= MAX_MEMORY_BYTES, text[:200]
    assert not canary.exists()


@pytest.mark.parametrize("text", written("refused"), ids=repr)
def test_what_is_outside_the_languages_is_refused_by_all_of_them(text: str) -> None:
    assert [read(text) for read in (as_command, *EVALUATORS)] == [REFUSED] * 4


FRAGMENTS: list[str] = HOSTILE["fragments"]
WHOLE: list[str] = HOSTILE["whole"]


def random_strings(seed: int, count: int) -> Iterator[str]:
    """Pieces of the grammars in any order, whole commands and expressions with damage, and plain noise."""
    chance = random.Random(seed)
    for _ in range(count):
        kind = chance.random()
        if kind < 0.5:
            pieces = chance.choices(FRAGMENTS, k=chance.randint(1, 10))
            text = ("" if chance.random() < 0.7 else " ").join(pieces)
        elif kind < 0.9:
            text = chance.choice(WHOLE)
            for _ in range(chance.randint(0, 3)):
                text = damaged(text, chance)
        else:
            text = chance.randbytes(chance.randint(1, 40)).decode(
                "utf-8", "surrogateescape" if kind < 0.95 else "replace"
            )
        yield text


def damaged(text: str, chance: random.Random) -> str:
    start = chance.randint(0, len(text))
    end = min(len(text), start + chance.randint(0, 6))
    match chance.randrange(4):
        case 0:
            return text[:start] + text[end:]
        case 1:
            return text[:end] + text[start:]
        case 2:
            return text[:start] + chance.choice(FRAGMENTS) + text[end:]
        case _:
            return text[:start] + chr(chance.choice((chance.randrange(128), chance.randrange(0x3000)))) + text[start:]


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_strings_end_in_a_tree_a_value_or_an_error(batch: int) -> None:
    count = RANDOM_STRINGS // BATCHES
    outcomes: collections.Counter[str] = collections.Counter()
    with nothing_runs():
        for number, text in enumerate(random_strings(batch, count)):
            # Each goes to the parser of commands and, in turn, to one of the evaluators.
            evaluate = EVALUATORS[number % len(EVALUATORS)]
            try:
                tree, value = as_command(text), evaluate(text)
                check_command(tree)
                check_value(evaluate, value)
            except BaseException as error:
                error.add_note(f"the string was {text!r}, for {evaluate.__name__}")
                raise
            outcomes["command" if isinstance(tree, LocatorCommand) else "no command"] += 1
            outcomes[evaluate.__name__ + (": refused" if value is REFUSED else ": value")] += 1
    # Not all of one kind: strings that nothing accepts, or that everything accepts, would try too little.
    assert len(outcomes) == 8
    assert min(outcomes.values()) > count // 200


def spent_on(expression: str, names: Mapping[str, Any]) -> int:
    """Operations that an evaluation counted."""
    evaluation = Evaluation(parse(expression), names)
    evaluation.plain_result()
    return MAX_OPERATIONS - evaluation._left


def test_the_bounds_are_those_of_the_contract() -> None:
    assert (MAX_CHARACTERS, MAX_NODES, MAX_OPERATIONS, MAX_SIZE) == (4_000, 200, 10_000, 65_536)
    assert (MAX_STEPS, MAX_NESTING, MAX_REGEX_CHARACTERS) == (50, 5, 500)


def test_each_pass_is_at_least_one_operation_and_10000_are_the_most() -> None:
    few, many = (spent_on("[x for x in a]", {"a": [0] * passes}) for passes in (1_000, 2_000))
    per_pass = (many - few) // 1_000
    assert per_pass >= 2  # the pass and the name in it
    most = (MAX_OPERATIONS - few) // per_pass + 1_000
    assert automation.evaluate_expression("[x for x in a]", input={"a": [0] * most}) == [0] * most
    with pytest.raises(ExpressionError, match="10,000 operations"):
        automation.evaluate_expression("[x for x in a]", input={"a": [0] * (most + 1)})


@pytest.mark.parametrize(
    ("inside", "outside", "reason"),
    [
        ("'x' * 65536", "'x' * 65537", "64 KiB"),
        ("'é' * 32768", "'é' * 32769", "64 KiB"),
        ("['x' * 32767] * 2", "['x' * 32767] * 3", "64 KiB"),
        ("'" + "x" * 3_998 + "'", "'" + "x" * 3_999 + "'", "4,000 characters"),
        ("+".join("1" * 67), "+".join("1" * 68), "200 parts"),
        ("2 ** 6999", "2 ** 7001", "too large"),
    ],
)
def test_a_bound_holds_to_the_last(inside: str, outside: str, reason: str) -> None:
    automation.evaluate_expression(inside)
    with pytest.raises(ExpressionError, match=reason):
        automation.evaluate_expression(outside)


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ("locator('a')" + ".first" * 49, "locator('a')" + ".first" * 50),
        ("get_by_text('" + "x" * 3_985 + "')", "get_by_text('" + "x" * 3_986 + "')"),
        (f"get_by_text(re.compile('{'x' * 500}'))", f"get_by_text(re.compile('{'x' * 501}'))"),
        (
            "locator('a', has=page." * 5 + "locator('b')" + ")" * 5,
            "locator('a', has=page." * 6 + "locator('b')" + ")" * 6,
        ),
    ],
)
def test_a_bound_of_commands_holds_to_the_last(inside: str, outside: str) -> None:
    assert automation.parse_locator(inside) is not None
    with pytest.raises(LocatorError):
        automation.parse_locator(outside)


def test_checking_without_values_is_as_safe(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    with nothing_runs():
        for text in WRITTEN:
            try:
                check_expression(text.replace("@CANARY@", str(canary)))
            except ExpressionError:
                continue
    assert not canary.exists()


def test_a_slow_pattern_is_only_handed_on() -> None:
    # Matching it here would take longer than anyone lives; the parser never does.
    tree = automation.parse_locator('get_by_text(re.compile("(a+)+$")).filter(has_text="' + "a" * 99 + '!")')
    assert tree is not None
    assert tree.steps[0] == Call("get_by_text", (Regex("(a+)+$"),))
