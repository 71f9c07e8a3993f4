"""When matches count as complete, without a page: a list whose length changes at given times."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Locator
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from automation import LocatorCommand, parse_locator
from executor import counting
from executor.errors import ActionError
from executor.loop import WorkerLoop
from executor.private_nodes import PrivateNodeContext
from executor.run import Run
from tests.executor.nodes import locator_loop, misc, said, say
from tests.executor.paper_browser import Paper, paper_of

LOOK, QUIET, UNCHANGED, LONGEST = 0.02, 0.15, 0.6, 2.0


def never_quiet() -> float:
    return 0.0


def long_quiet() -> float:
    return 60.0


@pytest.fixture(autouse=True)
def _faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_POLL_SECONDS", LOOK)
    monkeypatch.setattr(counting, "_QUIET_SECONDS", QUIET)
    monkeypatch.setattr(counting, "_UNCHANGED_SECONDS", UNCHANGED)
    monkeypatch.setattr(counting, "_LONGEST_SECONDS", LONGEST)


class Matches(Locator):
    """A locator of a list without a page behind it: it has `numbers[n]` matches once the n-th time of `at` has
    passed. `attached` is what waiting for the first match comes to."""

    def __init__(self, *numbers: int, at: tuple[float, ...] = (0.0,), attached: BaseException | None = None) -> None:
        # Without Playwright's own part, which speaks to a browser.
        self.numbers = numbers
        self.at = at
        self.attached = attached
        self.began = time.monotonic()
        self.looks = 0
        self.waits: list[dict[str, Any]] = []

    @property
    def first(self) -> "Matches":
        return self

    async def count(self) -> int:
        self.looks += 1
        passed = time.monotonic() - self.began
        return [number for number, at in zip(self.numbers, self.at, strict=True) if at <= passed][-1]

    async def wait_for(self, **options: Any) -> None:
        self.waits.append(options)
        if self.attached is not None:
            raise self.attached


def run_on(locator: Matches, *, quiet: Callable[[], float] = long_quiet) -> Run:
    page = SimpleNamespace(locator=lambda selector: locator, frame=lambda name: None)
    tab = SimpleNamespace(activity=SimpleNamespace(quiet_seconds=quiet))
    return cast("Run", SimpleNamespace(page=page, tab=tab))


def timed(work: Coroutine[Any, Any, Any]) -> tuple[Any, float]:
    began = time.monotonic()
    return asyncio.run(work), time.monotonic() - began


def until_unchanging(matches: Matches, *, quiet: Callable[[], float]) -> tuple[int, float]:
    return timed(counting._unchanging_count(matches, run_on(matches, quiet=quiet)))


def test_a_quiet_page_is_believed_once_the_number_has_stayed_the_same_for_a_moment() -> None:
    number, seconds = until_unchanging(Matches(3), quiet=long_quiet)

    assert number == 3
    assert QUIET <= seconds < UNCHANGED


def test_a_page_that_is_busy_elsewhere_is_believed_after_the_contracts_second() -> None:
    number, seconds = until_unchanging(Matches(3), quiet=never_quiet)

    assert number == 3
    assert UNCHANGED <= seconds < LONGEST


def test_a_number_that_changes_is_waited_for_from_its_last_change() -> None:
    matches = Matches(3, 5, 4, at=(0.0, 0.3, 0.7))
    number, seconds = until_unchanging(matches, quiet=never_quiet)

    assert number == 4
    assert 0.7 + UNCHANGED <= seconds < LONGEST


def test_what_comes_after_a_quiet_moment_is_not_waited_for() -> None:
    number, seconds = until_unchanging(Matches(3, 9, at=(0.0, 1.5)), quiet=long_quiet)

    assert number == 3
    assert seconds < 1.5


def test_both_the_page_and_the_number_must_have_been_quiet() -> None:
    began = time.monotonic()
    number, seconds = until_unchanging(Matches(3, 4, at=(0.0, 0.3)), quiet=lambda: time.monotonic() - began - 0.25)

    assert number == 4
    assert 0.3 + QUIET <= seconds < 0.3 + UNCHANGED


def test_a_list_without_end_is_believed_when_time_is_over() -> None:
    steps = 200
    matches = Matches(*range(steps), at=tuple(number * 0.05 for number in range(steps)))
    number, seconds = until_unchanging(matches, quiet=never_quiet)

    assert 2 <= number <= 2 + seconds / 0.05
    assert LONGEST <= seconds < LONGEST + 1
    assert matches.looks < 2 * LONGEST / LOOK  # it does not spin


# --- the first match -----------------------------------------------------------------------------------------


def command(text: str) -> LocatorCommand:
    parsed = parse_locator(text, input={}, generated={})
    assert parsed is not None
    return parsed


def count(matches: Matches, *, seconds: float, text: str = "locator('li')") -> tuple[int, float]:
    work = counting.count_matches(command(text), run_on(matches), first_match_seconds=seconds)
    return timed(work)


def test_matches_that_are_there_are_not_waited_for() -> None:
    matches = Matches(2)

    assert count(matches, seconds=5)[0] == 2
    assert matches.waits == []


def test_the_first_match_is_waited_for_as_long_as_is_left() -> None:
    matches = Matches(0, 2, at=(0.0, 0.05))

    assert count(matches, seconds=5)[0] == 2
    assert len(matches.waits) == 1
    assert matches.waits[0]["state"] == "attached"
    assert 4000 < matches.waits[0]["timeout"] <= 5000


def test_without_time_nothing_is_waited_for() -> None:
    matches = Matches(0)

    assert count(matches, seconds=0)[0] == 0
    assert (matches.looks, matches.waits) == (1, [])


def test_also_a_short_time_is_waited_for() -> None:
    matches = Matches(0, 2, at=(0.0, 0.05))

    assert count(matches, seconds=0.9)[0] == 2
    assert 0 < matches.waits[0]["timeout"] <= 900


def test_no_match_in_time_is_none() -> None:
    assert count(Matches(0, attached=PlaywrightTimeoutError("late")), seconds=5)[0] == 0


def test_what_playwright_says_otherwise_goes_up() -> None:
    with pytest.raises(PlaywrightError, match="no such selector"):
        count(Matches(0, attached=PlaywrightError("no such selector")), seconds=5)


@pytest.mark.parametrize("seconds", [0, 0.3])
def test_a_frame_that_is_missing_is_looked_for_again_until_time_is_over(seconds: float) -> None:
    number, took = count(Matches(2), seconds=seconds, text="frame('inner').locator('li')")

    assert number == 0
    assert seconds <= took < seconds + 0.5


# --- loops and steps that count ------------------------------------------------------------------------------


@pytest.fixture
def paper(worker_loop: WorkerLoop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Paper]:
    yield from paper_of(worker_loop, monkeypatch)


LI = "locator('li')"


@pytest.mark.django_db(transaction=True)
def test_a_loop_has_a_pass_for_each_match(paper: Paper) -> None:
    paper.playwright.counts = {1: 3}
    outcome = paper.run([locator_loop(f' "{LI}" ', say("{index}"), reset_nodes=[say("reset {index}")])])

    assert outcome.error is None
    assert said(outcome.output) == ["0", "reset 0", "1", "reset 1", "2"]
    entries = [(each["variable_name"], each["value"]) for each in outcome.runner.for_loop_status[0]]
    assert entries == [(f'"{LI}"', f"{LI}.nth({number})") for number in range(3)]
    assert outcome.steps[0].details == {"passes": {"planned": 3, "success": 3}}
    assert paper.playwright.all_asked("wait") == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("fields", "waits"), [({}, [5000]), ({"locator_timeout": 1.5}, [1500])])
def test_a_loop_without_a_match_waits_for_one_as_long_as_it_says(
    paper: Paper, fields: dict[str, float], waits: list[float]
) -> None:
    paper.playwright.counts = {1: 0}
    outcome = paper.run([locator_loop(LI, say("never"), **fields), say("on")])

    assert outcome.error is None
    assert said(outcome.output) == ["on"]
    assert [round(options["timeout"], -2) for (options,) in paper.playwright.all_asked("wait")] == waits
    text = f"nothing matched {LI} within {waits[0] / 1000:g} s, so there was no pass"
    assert (outcome.steps[0].status, outcome.steps[0].details["notes"]) == ("warning", [text])


@pytest.mark.django_db(transaction=True)
def test_what_playwright_says_while_a_loop_counts_is_told_with_its_label(paper: Paper) -> None:
    async def break_down(context: PrivateNodeContext) -> None:
        paper.playwright.counts = {1: PlaywrightError("not a selector")}

    outcome = paper.run([paper.node(break_down), locator_loop(LI, say("never"), label="All rows")])

    assert type(outcome.error) is ActionError
    assert str(outcome.error) == "All rows: not a selector"


@pytest.mark.django_db(transaction=True)
def test_matches_are_counted_into_a_variable_and_the_output(paper: Paper) -> None:
    paper.playwright.counts = {1: 4}
    outcome = paper.run([misc(count_locator={"locator": LI, "name": "n", "output_variable_name": "rows"})])

    assert outcome.error is None
    assert outcome.runner._memory.variables == {"n": [4]}
    assert outcome.output == [{"unique_identifier": "rows", "json_data": {"rows": 4}}]


@pytest.mark.django_db(transaction=True)
def test_no_match_to_count_is_zero_after_its_wait(paper: Paper) -> None:
    paper.playwright.counts = {1: 0}
    outcome = paper.run([misc(count_locator={"locator": LI, "name": "n", "locator_timeout": 2.5})])

    assert outcome.error is None
    assert outcome.runner._memory.variables == {"n": [0]}
    assert outcome.output == []
    assert [round(options["timeout"], -2) for (options,) in paper.playwright.all_asked("wait")] == [2500]


@pytest.mark.django_db(transaction=True)
def test_what_playwright_says_while_a_step_counts_is_told_with_its_label(paper: Paper) -> None:
    async def break_down(context: PrivateNodeContext) -> None:
        paper.playwright.counts = {1: PlaywrightError("not a selector")}

    node = misc(count_locator={"locator": LI, "name": "n"})
    outcome = paper.run([paper.node(break_down), {**node, "label": "Count the rows"}])

    assert type(outcome.error) is ActionError
    assert str(outcome.error) == "Count the rows: not a selector"
