"""Which options a text means, and regular expressions that nobody can make slow."""

import re
import time
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automation import choose_options
from automation.patterns import MAX_STEPS, Pattern, PatternError

PLANS = [("g", "Gold Plan"), ("s", "Silver Plan"), ("sp", "Silver Plus")]


@pytest.mark.parametrize(
    ("options", "wanted", "chosen"),
    [
        ([], ["a"], []),
        ([("only", "Only")], ["something else"], ["only"]),
        ([("Select One", "Choose"), ("x", "X")], ["nothing like it"], ["x"]),
        ([("x", "X"), ("Select One", "Choose")], ["nothing like it"], ["x"]),
        (PLANS, ["s"], ["s"]),
        (PLANS, ["Gold Plan"], ["g"]),
        (PLANS, ["Silver Plus", "g"], ["sp", "g"]),
        (PLANS, ["g", "Gold Plan"], ["g"]),
        (PLANS, ["^Silver"], ["s", "sp"]),
        (PLANS, ["Plan$"], ["g", "s"]),
        (PLANS, ["S.*Plus"], ["sp"]),
        (PLANS, ["^g$", "Silver Plus"], ["g", "sp"]),
        (PLANS, ["GOLDPLAN"], ["g"]),
        (PLANS, ["gold"], ["g"]),
        (PLANS, ["plus"], ["sp"]),
        (PLANS, ["S"], ["s"]),
        (PLANS, ["nothing"], ["nothing"]),
        (PLANS, ["nothing", "gold"], ["g"]),
        (PLANS, [], []),
        (PLANS, [""], [""]),
        ([("de", "x"), ("fr", "y"), ("", "Empty")], [""], [""]),
        ([("Alpha", "1"), ("Alphabet", "2"), ("b", "3")], ["alpha"], ["Alpha"]),
        ([("xalpha", "1"), ("alphabet", "2"), ("b", "3")], ["alpha"], ["alphabet"]),
        ([("same", "A"), ("same", "B"), ("b", "C")], ["sam"], ["sam"]),
        ([("v1", "Same"), ("v1", "Other"), ("b", "C")], ["othe"], ["v1"]),
        (PLANS, ["^(Gold"], ["^(Gold"]),
        ([("a", "Price in $"), ("b", "Price in £"), ("c", "x")], ["Price in $"], ["a"]),
    ],
)
def test_choosing(options: list[tuple[str, str]], wanted: list[str], chosen: list[str]) -> None:
    assert choose_options(options, wanted) == chosen


@pytest.mark.parametrize(
    ("pattern", "text", "is_found"),
    [
        ("", "", True),
        ("a", "cab", True),
        ("^a", "cab", False),
        ("b$", "cab", True),
        ("b$", "cab\n", True),
        ("b\\Z", "cab\n", False),
        ("a.c", "a\nc", False),
        ("[a-c]+x", "__abcx", True),
        ("[^a-c]", "abc", False),
        ("[]a]", "]", True),
        ("[a-]", "-", True),
        (r"[\d_]", "x_", True),
        (r"\d{2,3}$", "a12", True),
        (r"^\d{2}$", "123", False),
        (r"^\d{,2}$", "12", True),
        (r"^\d{2,}$", "1", False),
        ("a{x", "a{x", True),
        ("x{}", "x{}", True),
        ("(ab|cd)+e", "abcde", True),
        ("(?:ab)?c", "c", True),
        ("^(a*)*$", "aaab", False),
        ("a+?b", "aab", True),
        ("(?i)SILVER", "silver", True),
        ("silver", "SILVER", False),
        (r"\bcat\b", "a cat sat", True),
        (r"\bcat\b", "concat", False),
        (r"\Bcat", "concat", True),
        (r"\x41\u00e9", "Aé", True),
        (r"\.\$\(", ".$(", True),
        (r"\s\S\w\W", " aa ", True),
        ("|a", "zzz", True),
        ("^.*total.*$", "the total is 5", True),
    ],
)
def test_patterns(pattern: str, text: str, is_found: bool) -> None:
    assert Pattern(pattern).found_in(text) is is_found
    assert bool(re.search(pattern, text)) is is_found


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        ")",
        "[",
        "[a",
        "*a",
        "a**",
        "a*+",
        "^*",
        "[z-a]",
        "\\",
        r"\1",
        r"\q",
        r"\xg1",
        "(?=a)",
        "(?<!a)",
        "(?P<n>a)",
        "(?s)a",
        "a{3,2}",
        "a{99999}",
        "((a{90}){90}){90}",
        "(" * 100 + ")" * 100,
        "a" * 501,
    ],
)
def test_patterns_that_are_wrong_or_unknown_here(pattern: str) -> None:
    with pytest.raises(PatternError):
        Pattern(pattern)


@given(
    pattern=st.text(alphabet="ab|*+?()[]^$.{}1,2\\dw-", max_size=12),
    text=st.text(alphabet="ab1 -\n", max_size=12),
)
@settings(max_examples=300, deadline=None)
def test_what_is_read_here_means_the_same_as_in_python(pattern: str, text: str) -> None:
    try:
        ours = Pattern(pattern).found_in(text)
    except PatternError:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sets that Python may read differently one day
        assert ours is bool(re.search(pattern, text))


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(a|a)*$b", "(a|aa)+$b", "^(.*a){12}$", "(a?){90}a{90}$b"])
def test_no_pattern_is_slow(pattern: str) -> None:
    options = [(str(number), "a" * 5_000 + "!") for number in range(50)]
    started = time.process_time()
    assert choose_options(options, [pattern]) == [pattern]
    # All searches of one pattern share MAX_STEPS.
    assert time.process_time() - started < 10


def test_searching_ends_when_the_steps_are_used_up() -> None:
    pattern = Pattern("(a|b|c)*d$")
    text = "abc" * 3_000
    # Each character costs at least one step.
    with pytest.raises(PatternError, match="steps"):
        [pattern.found_in(text) for _ in range(MAX_STEPS // len(text))]


@pytest.mark.parametrize(
    ("options", "wanted", "chosen"),
    [
        ([("only", "Only")], ["something else"], ["something else"]),
        ([("only", "Only")], ["onl"], ["only"]),
        ([("Select One", "Choose"), ("x", "X")], ["nothing like it"], ["nothing like it"]),
    ],
)
def test_what_is_left_is_not_taken_where_it_may_be_a_stand_in(
    options: list[tuple[str, str]], wanted: list[str], chosen: list[str]
) -> None:
    assert choose_options(options, wanted, takes_what_is_left=False) == chosen
