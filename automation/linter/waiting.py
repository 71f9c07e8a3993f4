"""Rules about time: sleeps that are longer than needed, waits without a sensible end, numbers without a meaning."""

from collections.abc import Iterator

from automation.actions.agentic import AgenticTaskAction, CloseOverlayPopupAction
from automation.actions.captcha import CaptchaAction
from automation.actions.control import CountLocatorAction, SleepAction
from automation.actions.extraction import APICallExtraction, PythonScriptExtraction, TwoFAAction
from automation.actions.targeted import DownloadingAction
from automation.linter import catalog
from automation.linter.catalog import Finding
from automation.linter.survey import Survey, Visit, interaction_of
from automation.nodes import ActionNode, AssertLocatorNode, ForLoopNode, PrivateNode

# A page that needs longer than this needs an unknown time, so waiting for the element is the better way.
LONG_SLEEP_SECONDS = 3.0
MAX_SECONDS = 300.0
MAX_TRIES = 100

_Number = tuple[str, float]


def check(survey: Survey) -> Iterator[Finding]:
    """What is wrong with the times and counts of a document."""
    automation = survey.automation
    top = [("max_retries", automation.max_retries), ("expected_downloads", automation.expected_downloads)]
    yield from _negative([(name, float(value)) for name, value in top])
    if automation.max_retries > MAX_TRIES:
        yield _excessive("max_retries", f"{automation.max_retries} more attempts")
    for visit in survey.visits:
        yield from _fixed_sleeps(visit)
        seconds, counts = _seconds(visit), _counts(visit)
        yield from _negative([*seconds, *counts])
        for path, value in seconds:
            if value > MAX_SECONDS:
                yield _excessive(path, f"{value:g} s")
        for path, value in counts:
            if value > MAX_TRIES:
                yield _excessive(path, f"{value:g} tries")
        yield from _products(visit)


def _excessive(path: str, how_much: str) -> Finding:
    fix = f"Stay below {MAX_SECONDS:g} s and {MAX_TRIES} tries; the task's own time limit ends it anyway."
    return catalog.EXCESSIVE.at(path, f"waits or tries for {how_much}", fix)


def _negative(numbers: list[_Number]) -> Iterator[Finding]:
    for path, value in numbers:
        if value < 0:
            yield catalog.NEGATIVE.at(
                path, f"{value:g} acts like 0", "Write the number that is meant, or leave it out."
            )


def _fixed_sleeps(visit: Visit) -> Iterator[Finding]:
    fix = "Wait for what the next step needs: commands wait by themselves, or use an assert_locator_node with timeout."
    node, action = visit.node, visit.action
    if isinstance(action, SleepAction) and action.sleep_time > LONG_SLEEP_SECONDS:
        message = f"sleeps {action.sleep_time:g} s, however fast the page is"
        yield catalog.FIXED_SLEEP.at(f"{visit.action_path}.sleep_time", message, fix)
    is_written = isinstance(node, PrivateNode) or (isinstance(node, ActionNode) and node.before_sleep_is_explicit)
    if isinstance(node, ActionNode | PrivateNode) and is_written and node.before_sleep_time > LONG_SLEEP_SECONDS:
        message = f"sleeps {node.before_sleep_time:g} s before it begins, however fast the page is"
        yield catalog.FIXED_SLEEP.at(f"{visit.path}.before_sleep_time", message, fix)


def _seconds(visit: Visit) -> list[_Number]:
    node, action, here = visit.node, visit.action, visit.action_path
    found: list[_Number] = []
    match node:
        case ActionNode() | PrivateNode():
            found.append((f"{visit.path}.before_sleep_time", node.before_sleep_time))
        case AssertLocatorNode():
            found.append((f"{visit.path}.timeout", node.timeout))
        case ForLoopNode():
            found.append((f"{visit.path}.locator_timeout", node.locator_timeout))
        case _:
            pass
    interaction = interaction_of(node)
    if interaction is not None:
        path = f"{visit.path}.interaction_action.max_timeout_seconds_per_try"
        found.append((path, interaction.max_timeout_seconds_per_try))
    match action:
        case SleepAction():
            found.append((f"{here}.sleep_time", action.sleep_time))
        case DownloadingAction(download_timeout_seconds=float(seconds)):
            found.append((f"{here}.download_timeout_seconds", seconds))
        case APICallExtraction():
            found += [(f"{here}.timeout", action.timeout), (f"{here}.poll_interval", action.poll_interval)]
        case TwoFAAction():
            names = ("max_wait_time", "check_interval")
            found += [(f"{here}.{name}", getattr(action, name)) for name in names]
        case PythonScriptExtraction(timeout_seconds=float(seconds)):
            found.append((f"{here}.timeout_seconds", seconds))
        case CountLocatorAction():
            found.append((f"{here}.locator_timeout", action.locator_timeout))
        case CaptchaAction():
            found.append((f"{here}.wait_time", action.wait_time))
        case _:
            pass
    return found


def _counts(visit: Visit) -> list[_Number]:
    found: list[_Number] = []
    interaction = interaction_of(visit.node)
    if interaction is not None:
        found.append((f"{visit.path}.interaction_action.max_tries", float(interaction.max_tries)))
    match visit.action:
        case AgenticTaskAction(max_steps=count) | CloseOverlayPopupAction(max_steps=count):
            found.append((f"{visit.action_path}.max_steps", float(count)))
        case APICallExtraction(max_poll_attempts=count):
            found.append((f"{visit.action_path}.max_poll_attempts", float(count)))
        case _:
            pass
    return found


def _products(visit: Visit) -> Iterator[Finding]:
    """Tries that are each within the limits, and together are not."""
    interaction = interaction_of(visit.node)
    if interaction is not None:
        tries, each = interaction.max_tries, interaction.max_timeout_seconds_per_try
        if tries <= MAX_TRIES and each <= MAX_SECONDS < tries * each:
            path = f"{visit.path}.interaction_action.max_tries"
            yield _excessive(path, f"{tries} times {each:g} s for one element")
    match visit.action:
        case APICallExtraction(poll_condition=str()) as call:
            times, each = call.max_poll_attempts - 1, call.poll_interval
            if call.max_poll_attempts <= MAX_TRIES and each <= MAX_SECONDS < times * each:
                yield _excessive(f"{visit.action_path}.max_poll_attempts", f"{times} times {each:g} s between requests")
        case _:
            pass
