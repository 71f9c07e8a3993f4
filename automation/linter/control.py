"""Rules about what happens and when: loops, nodes without effect, acts that nobody checks, acts that repeat."""

import re
from collections.abc import Iterator, Sequence

from automation.actions.agentic import AgenticTaskAction
from automation.actions.assertion import LLMAssertion, NetworkCallAssertion, PythonScriptAssertion
from automation.actions.choice import SelectOptionAction
from automation.actions.control import FailStateAction, MiscAction
from automation.actions.extraction import APICallExtraction, LLMExtraction, LocatorExtraction, TwoFAAction
from automation.actions.files import DownloadFileAction, DownloadUrlAsPdfAction
from automation.actions.human import HumanInLoopAction
from automation.actions.navigation import (
    CloseAllButLastTabAction,
    CloseCurrentTabAction,
    CloseTabsUntilAction,
    GoBackAction,
    GoToUrlAction,
    SwitchTabAction,
)
from automation.actions.pointer import ClickElementAction, HoverAction, ScrollAction
from automation.actions.script import PythonScriptAction
from automation.actions.targeted import DownloadingAction, TargetedAction
from automation.actions.text import InputTextAction, KeyPressAction
from automation.linter import catalog
from automation.linter.catalog import Finding
from automation.linter.needs import can_be_found, is_described
from automation.linter.survey import LoopScope, Survey, Visit, extraction_of, interaction_of
from automation.nodes import ActionNode, AssertLocatorNode, ForLoopNode, IfElseNode, PrivateNode
from automation.problems import shortened

_CLOSES_TABS = (CloseCurrentTabAction, CloseAllButLastTabAction, CloseTabsUntilAction, SwitchTabAction)
# Interactions that change nothing on the site, so that there is nothing to check after them.
_HARMLESS = (
    HoverAction,
    ScrollAction,
    SwitchTabAction,
    CloseCurrentTabAction,
    CloseAllButLastTabAction,
    CloseTabsUntilAction,
    GoToUrlAction,
    GoBackAction,
    DownloadFileAction,
    DownloadUrlAsPdfAction,
)
_SUBMITS = re.compile(
    r"\b(?:submit|place order|order now|pay|buy|purchase|send|delete|transfer|book|approve|absenden|bestellen)\b",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://|about:|data:|blob:|file:", re.IGNORECASE)


def check(survey: Survey) -> Iterator[Finding]:
    """What is wrong with the order, the loops and the effects of a document's nodes."""
    yield from _document(survey)
    for visit in survey.visits:
        if isinstance(visit.node, ForLoopNode) and visit.scope is not None:
            yield from _loop(visit, visit.node, visit.scope, survey)
        yield from _nothing(visit, survey)
        yield from _target(visit, survey)
        yield from _polling(visit)
        yield from _commits(visit)


# The document


def _document(survey: Survey) -> Iterator[Finding]:
    automation = survey.automation
    if not survey.visits:
        yield catalog.NO_NODES.at("nodes", "is empty", "Add what a task is to do.")
        return
    yield from _addresses(survey)
    yield from _final_assertion(survey)
    commits = [visit for visit in survey.visits if isinstance(visit.node, ActionNode) and visit.node.commit_point]
    if automation.max_retries > 0 and commits:
        message = f"no attempt follows by itself once {commits[0].path} has begun"
        yield catalog.RETRIES_COMMIT.at("max_retries", message, "Keep it if the attempts before that act are meant.")
    if automation.max_retries > 0 and not commits:
        submit = next((visit for visit in survey.visits if _submits(visit)), None)
        if submit is not None:
            message = "seems to submit something, and another attempt would do it again"
            yield catalog.RETRY_REPEATS.at(submit.path, message, "Set commit_point on it, if it cannot be taken back.")


def _submits(visit: Visit) -> bool:
    action = visit.action
    return isinstance(action, ClickElementAction) and _SUBMITS.search((action.command or "")[:1_000]) is not None


def _addresses(survey: Survey) -> Iterator[Finding]:
    url = survey.automation.url.strip()
    first = next((visit.action for visit in survey.visits if isinstance(visit.node, ActionNode)), None)
    opens_itself = isinstance(first, GoToUrlAction | AgenticTaskAction | PythonScriptAction)
    if not url and not opens_itself and not survey.is_remote_desktop:
        message = "is empty, and the first node opens no page"
        yield catalog.NO_START.at("url", message, "Give the page to begin with.")
    opened = [(visit.action, f"{visit.action_path}.url") for visit in survey.visits]
    fields = [(path, action.url.strip('" ')) for action, path in opened if isinstance(action, GoToUrlAction)]
    fields.append(("url", url))
    for path, address in fields:
        if address and not address.startswith("{") and not _SCHEME.match(address):
            message = "has no scheme, so the browser cannot open it"
            yield catalog.NO_SCHEME.at(path, message, "Begin it with https:// or http://.")


def _final_assertion(survey: Survey) -> Iterator[Finding]:
    last_act: Visit | None = None
    is_checked = True
    looked_at = {name for visit in survey.visits for program in visit.programs for name in program.names}
    for visit in survey.visits:
        if visit.in_post_processing:
            break
        if _acts(visit) and not visit.in_reset:
            last_act, is_checked = visit, False
        if _checks(visit, looked_at):
            is_checked = True
    if last_act is not None and not is_checked:
        message = "is the last act, and nothing after it looks whether it had its effect; the task succeeds either way"
        fix = "Add an assert_locator_node with must_hold for what the page shows then."
        yield catalog.NO_ASSERTION.at(last_act.path, message, fix)


def _acts(visit: Visit) -> bool:
    interaction = interaction_of(visit.node)
    return (interaction is not None and not isinstance(visit.action, _HARMLESS)) or isinstance(
        visit.action, PythonScriptAction
    )


def _checks(visit: Visit, looked_at: set[str]) -> bool:
    """Whether a node fails the task (or lets a condition fail it) when the page is not as expected."""
    match visit.node:
        case AssertLocatorNode() as node:
            return node.must_hold or any(output.name in looked_at for output in visit.outputs)
        case PrivateNode():
            return True
        case _:
            pass
    extraction = extraction_of(visit.node)
    match visit.action:
        case (
            LLMAssertion() | NetworkCallAssertion() | PythonScriptAssertion() | FailStateAction() | HumanInLoopAction()
        ):
            return True
        case DownloadingAction(expect_download=True) | DownloadUrlAsPdfAction() | DownloadFileAction():
            return True
        case LocatorExtraction() | TwoFAAction():
            return extraction is None or not extraction.allow_none
        case LLMExtraction(output_variable_names=names):
            return bool(names) and extraction is not None and not extraction.allow_none
        case APICallExtraction():
            return any(output.name in looked_at for output in visit.outputs)
        case _:
            return False


# Loops


def _loop(visit: Visit, node: ForLoopNode, scope: LoopScope, survey: Survey) -> Iterator[Finding]:
    (_, body), (_, resets) = visit.children
    if not body and not resets:
        yield catalog.NOTHING.at(visit.path, "loops over nothing to do", "Add nodes, or remove it.")
    elif not scope.is_used and node.break_if is None and node.on_error_in_loop != "break":
        what = (
            "{locator[…]}"
            if node.locator is not None
            else f"{{{shortened(node.variable_names[0], 40) if node.variable_names else 'name'}[…]}}"
        )
        index = node.index_variable_name
        message = f"no node in it uses {what.replace('…', index)} or {{{index}}}, so every pass does the same"
        yield catalog.NO_PROGRESS.at(visit.path, message, "Use the pass's value, or end the loop with break_if.")
    yield from _values(visit, node, survey)
    if node.locator is not None and not resets and _leaves(body):
        message = "goes to another page in its body, and nothing leads back before the next match is looked for"
        yield catalog.LEAVES_PAGE.at(visit.path, message, "Go back in reset_nodes, or open the page in a new tab.")
    inside = list(visit.inside()) if not visit.loops else []
    opens = next((each for each in inside if isinstance(each.node, ActionNode) and each.node.expect_new_tab), None)
    if opens is not None and not any(isinstance(each.action, _CLOSES_TABS) for each in inside):
        message = "opens a tab in each pass, where the next pass then looks for its elements"
        yield catalog.TABS_OPEN.at(opens.path, message, "Close it in reset_nodes, with close_tabs_until.")


def _leaves(body: Sequence[Visit]) -> bool:
    returns = bool(body) and isinstance(body[-1].action, GoToUrlAction | GoBackAction)
    return not returns and any(isinstance(visit.action, GoToUrlAction) and not visit.action.new_tab for visit in body)


def _values(visit: Visit, node: ForLoopNode, survey: Survey) -> Iterator[Finding]:
    path = f"{visit.path}.variable_name"
    names = node.variable_names
    if node.variable_name is not None and not names:
        yield catalog.UNWALKABLE.at(path, "names no variable", "Name the variable whose values are walked.")
    for position, name in enumerate(names):
        kinds = survey.kinds.get(name, set())
        is_input = name in survey.inputs
        if name in survey.secure and not is_input and not kinds:
            message = f"“{shortened(name, 40)}” is a secure parameter, which cannot be looped over"
            yield catalog.UNWALKABLE.at(path, message, "Use an input parameter or a variable.")
        elif kinds == {"object"} and not is_input:
            message = f"“{shortened(name, 40)}” is an API result, an object without a list of values"
            fix = "Take the list out of it: set_variable with as_list and the expression result['body']['items']."
            yield catalog.UNWALKABLE.at(path, message, fix)
        elif position == 0 and kinds == {"single"} and not is_input:
            message = f"“{shortened(name, 40)}” always holds one value, so the loop runs once"
            fix = "Set it as a list: set_variable with as_list, or extraction.locator with all."
            yield catalog.SINGLE.at(path, message, fix)
    examples = {name: len(survey.inputs[name]) for name in names if survey.inputs.get(name)}
    if names and names[0] in examples and min(examples.values()) < examples[names[0]]:
        shorter = min(examples, key=lambda name: examples[name])
        message = f"the example of “{shortened(shorter, 40)}” is shorter than that of “{shortened(names[0], 40)}”"
        fix = "Give both the same length: what is missing stays a placeholder."
        yield catalog.PARALLEL.at(path, message, fix)
    inside = {output.name for each in visit.inside() for output in each.outputs} if not visit.loops else set[str]()
    for name in names:
        if name in inside:
            message = f"a node in the loop sets “{shortened(name, 40)}”, which changes no pass of it"
            yield catalog.LOOP_CHANGED.at(path, message, "Set another variable.")


# Single nodes


def _nothing(visit: Visit, survey: Survey) -> Iterator[Finding]:
    node, action, path = visit.node, visit.action, visit.action_path
    why = None
    match node, action:
        case IfElseNode(if_nodes=[], else_nodes=[]), _:
            why = "has no nodes on either side"
        case ActionNode(misc_action=MiscAction() as misc), _ if misc.chosen is None:
            why = "holds no action"
        case _, KeyPressAction(type=[]):
            why = "names no key"
        case _, ScrollAction(amount=0):
            why = "scrolls by 0 pixels"
        case _, SelectOptionAction(select_values=[]):
            why = "chooses no option"
        case _, TargetedAction(skip_prompt=True) if not isinstance(action, KeyPressAction):
            why = _skipped(visit, action)
        case _:
            pass
    if why is not None:
        yield catalog.NOTHING.at(path, why, "Complete it, or remove it.")
    if isinstance(node, ActionNode) and node.misc_action is not None:
        misc = node.misc_action
        given = [name for name in type(misc).model_fields if getattr(misc, name) is not None]
        if len(given) > 1:
            message = f"holds {len(given)} actions, and only {given[0]} runs"
            yield catalog.ONLY_FIRST.at(f"{visit.path}.misc_action", message, "Write a node for each.")


def _skipped(visit: Visit, action: TargetedAction) -> str | None:
    if not can_be_found(visit, action):
        return "has skip_prompt and no command that can be used, so nothing is done at all"
    if isinstance(action, InputTextAction) and action.input_text is None:
        return "has no text, and skip_prompt, so nothing is typed"
    if isinstance(action, SelectOptionAction) and action.select_values is None:
        return "has no options, and skip_prompt, so nothing is chosen"
    return None


def _target(visit: Visit, survey: Survey) -> Iterator[Finding]:
    action = visit.action
    if not isinstance(action, TargetedAction) or isinstance(action, KeyPressAction) or survey.is_remote_desktop:
        return
    if not action.skip_prompt and not can_be_found(visit, action) and not is_described(action):
        message = "has neither a command that can be used nor prompt_instructions, so no element can be found"
        yield catalog.NO_TARGET.at(visit.action_path, message, "Give it a command.")


def _polling(visit: Visit) -> Iterator[Finding]:
    call = visit.action
    if not isinstance(call, APICallExtraction):
        return
    path = visit.action_path
    if call.poll_condition is None:
        written = {"poll_interval", "max_poll_attempts"} & call.model_fields_set
        if written:
            message = f"has {' and '.join(sorted(written))}, and no poll_condition, so it asks once"
            yield catalog.POLL.at(path, message, "Give it a poll_condition, or remove them.")
        return
    if call.max_poll_attempts <= 1:
        message = "asks at most once, so its poll_condition is never waited for"
        yield catalog.POLL.at(f"{path}.max_poll_attempts", message, "Allow more attempts.")
    program = next((program for program in visit.programs if program.kind == "poll"), None)
    if program is not None and program.tree is not None and not program.names:
        message = "looks at no part of the answer, so it does not change from request to request"
        yield catalog.POLL.at(
            f"{path}.poll_condition", message, "Use status_code or body, as in body.status == 'done'."
        )


def _commits(visit: Visit) -> Iterator[Finding]:
    node, action = visit.node, visit.action
    if not (isinstance(node, ActionNode) and node.commit_point and isinstance(action, TargetedAction)):
        return
    if action.skip_prompt and not action.assert_locator_presence:
        message = "is a commit point, and skipped without an error when its element is not found"
        yield catalog.OPTIONAL_COMMIT.at(visit.path, message, "Set assert_locator_presence, or remove skip_prompt.")
