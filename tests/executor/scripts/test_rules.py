"""What the three kinds of scripts give and how they fail, through the runner and a real page."""

from typing import Any

import pytest
from pytest_django import Settings

from executor.errors import (
    ActionError,
    ActionTimeoutError,
    AssertionFailedError,
    AutomationError,
    ScriptsDisabledError,
)
from executor.scripts import process
from inference.models import Automation
from tests.executor.conftest import RunNodes
from tests.executor.scripts.conftest import EACH, act, check, errors_of, extraction, gives, in_a_loop
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)

FIND = {"extraction_format": {"found": "str"}, "output_variable_names": ["found"]}


# --- whether it may run


def test_scripts_are_refused_unless_the_operator_allows_them(run_nodes: RunNodes) -> None:
    outcome = run_nodes([act("async def code_fn(page): pass")])
    assert isinstance(outcome.error, ScriptsDisabledError)
    assert str(outcome.error) == ("scripts are disabled on this server: the operator has to set ALLOW_SCRIPTS=true")
    assert not outcome.error.may_retry
    assert outcome.step.status == "failed"


@pytest.mark.parametrize(
    "node",
    [act("async def code_fn(page): pass"), gives("return {}"), check("async def code_fn(a, b): return True")],
    ids=["action", "extraction", "assertion"],
)
def test_scripts_of_an_automation_that_nobody_trusts_are_refused(
    run_nodes: RunNodes, settings: Settings, node: dict[str, Any]
) -> None:
    settings.ALLOW_SCRIPTS = True
    outcome = run_nodes([node])
    assert isinstance(outcome.error, ScriptsDisabledError)
    name = outcome.task.automation.endpoint_name
    assert f"an administrator has to read the scripts of {name} and trust it" in str(outcome.error)


def test_trust_in_other_scripts_is_no_trust(run_nodes: RunNodes, settings: Settings) -> None:
    settings.ALLOW_SCRIPTS = True
    nodes = [{"type": "action_node", "sleep_action": {"sleep_time": 0}}, gives("return {}")]
    Automation.objects.all().delete()
    outcome = run_nodes(nodes)
    Automation.objects.update(is_trusted=True, trusted_scripts=["0" * 64])
    assert isinstance(outcome.error, ScriptsDisabledError)


# --- extraction


def test_an_object_is_the_output_and_gives_the_variables(run_scripts: RunNodes) -> None:
    outcome = run_scripts(
        [
            gives(
                'return {"found": "x", "all": [1, 2], "more": {"a": None}}',
                unique_identifier="mine",
                extraction_format={"found": "str", "all": "list", "more": "dict"},
                output_variable_names=["found", "all"],
            ),
            gives("return dict(ctx.variables)"),
        ]
    )
    assert outcome.error is None
    assert outcome.output == [
        {"unique_identifier": "mine", "json_data": {"found": "x", "all": [1, 2], "more": {"a": None}}},
        {"json_data": {"found": ["x"], "all": [1, 2]}},
    ]


def test_null_is_only_a_warning(run_scripts: RunNodes) -> None:
    outcome = run_scripts([gives("return None", **FIND)])
    assert outcome.error is None
    assert outcome.output == []
    assert outcome.step.status == "warning"
    assert "null" in str(outcome.step.details)


def test_any_other_result_fails(run_scripts: RunNodes) -> None:
    scripts = [f"async def code_fn(axtree, browser): return {each}" for each in ("[1]", "'text'", "7", "True")]
    outcome = run_scripts([in_a_loop(extraction(EACH))], inputs={"scripts": scripts})
    assert errors_of(outcome) == ["the script gave neither an object nor null"] * 4
    assert outcome.output == []


def test_a_missing_key_is_null_and_fails_without_allow_none(run_scripts: RunNodes) -> None:
    refused = run_scripts([gives("return {}", **FIND)])
    allowed = run_scripts([gives("return {}", allow_none=True, **FIND)])
    assert "no value was found for found" in str(refused.error)
    assert allowed.error is None
    assert allowed.output == [{"json_data": {}}]


def test_a_variable_that_is_an_object_fails(run_scripts: RunNodes) -> None:
    outcome = run_scripts([gives("return {'found': {'a': 1}}", **FIND)])
    assert "the script gave an object for found" in str(outcome.error)


NOT_KEPT = {
    "return {'at': __import__('datetime').date(2026, 1, 1)}": "its result cannot be kept: it is not JSON (Object of",
    "return {'n': float('nan')}": "its result cannot be kept: it is not JSON (Out of range",
    "return {'text': 'a' * 9_000_000}": "its result cannot be kept: it has 9,0",
    "ctx.state['page'] = object(); return {}": "ctx.state cannot be kept: it is not JSON",
    "ctx.state['x'] = 'a' * 5_000_000; return {'y': 'b' * 5_000_000}": "its result and ctx.state cannot be kept",
    "return {'text': 'a\\0b'}": "its answer cannot be kept: result.text",
    "return {'text': '\\ud800'}": "its answer cannot be kept: result.text",
    "return nested(150)": "its answer cannot be kept",
    "return nested(90_000)": "its result cannot be kept: it is not JSON",
}
NESTED = """
def nested(depth):
    value = {}
    for _ in range(depth):
        value = {"inner": value}
    return value
"""


def test_a_result_that_cannot_be_kept_fails(run_scripts: RunNodes) -> None:
    scripts = [f"{NESTED}\nasync def code_fn(axtree, browser, ctx): {body}" for body in NOT_KEPT]
    outcome = run_scripts([in_a_loop(extraction(EACH))], inputs={"scripts": scripts})
    for error, message in zip(errors_of(outcome), NOT_KEPT.values(), strict=True):
        assert str(error).startswith("the script gave no usable answer: ")
        assert message in str(error)
    assert outcome.output == []


# --- what a script is


NO_SCRIPTS = {
    "x = 1": "it does not define `async def code_fn`",
    "code_fn = 1": "it does not define `async def code_fn`",
    "": "it does not define `async def code_fn`",
    "async def code_fn(page:": "it is not valid Python: '(' was never closed (line 1)",
}


def test_a_text_that_is_no_script_fails(run_scripts: RunNodes) -> None:
    outcome = run_scripts([in_a_loop(act(EACH))], inputs={"scripts": list(NO_SCRIPTS)})
    assert errors_of(outcome) == [f"the script cannot be run: {message}" for message in NO_SCRIPTS.values()]


def test_a_text_that_is_no_script_is_final(run_scripts: RunNodes) -> None:
    assert isinstance(run_scripts([act("")]).error, AutomationError)


def test_an_exception_may_be_retried(run_scripts: RunNodes) -> None:
    outcome = run_scripts([act("async def code_fn(page): raise ValueError")])
    assert type(outcome.error) is ActionError
    assert outcome.error.may_retry


RAISING = {
    "raise RuntimeError": "RuntimeError (line 1)",
    "async def code_fn(): pass": "TypeError: code_fn() takes 0 positional arguments but 1 was given",
    "async def code_fn(page): raise SystemExit(3)": "SystemExit: 3 (line 1)",
    "class E(Exception):\n def __str__(self): raise KeyError\nasync def code_fn(page): raise E": "E (line 3)",
    "async def code_fn(page): raise ValueError('no such claim\\nsecond line')": "ValueError: no such claim (line 1)",
    "async def code_fn(page): raise ValueError('x' * 9000)": f"ValueError: {'x' * 988} (line 1)",
}


def test_anything_raised_fails_with_its_class_text_and_line(run_scripts: RunNodes) -> None:
    outcome = run_scripts([in_a_loop(act(EACH))], inputs={"scripts": list(RAISING)})
    assert errors_of(outcome) == [f"the script raised {message}" for message in RAISING.values()]


def test_a_function_that_is_not_asynchronous_works_too(run_scripts: RunNodes) -> None:
    outcome = run_scripts([extraction("def code_fn(axtree, browser): return {'axtree': axtree}")])
    assert outcome.values() == {"axtree": None}


PARAMETERS = {
    "axtree, browser, ctx": "Context",
    "axtree, browser, *, context": "Context",
    "axtree, browser, ctx=None, context=None": "Context",
    "axtree, browser, other=None": "NoneType",
    "axtree, browser, **ctx": "dict",
    "axtree, browser, *ctx": "tuple",
}


def test_only_a_parameter_of_that_name_gets_the_context(run_scripts: RunNodes) -> None:
    last = ["ctx", "context", "ctx", "other", "ctx", "ctx"]
    scripts = [
        f"async def code_fn({parameters}): return {{'is': type({name}).__name__}}"
        for parameters, name in zip(PARAMETERS, last, strict=True)
    ]
    outcome = run_scripts([in_a_loop(extraction(EACH))], inputs={"scripts": scripts})
    assert errors_of(outcome) == [None] * len(scripts)
    assert [each["json_data"]["is"] for each in outcome.output] == list(PARAMETERS.values())


def test_placeholders_are_filled_into_the_text(run_scripts: RunNodes) -> None:
    outcome = run_scripts([gives("return {'found': '{who[0]}' + f'{1 + 1}'}")], inputs={"who": ["Ada"]})
    assert outcome.values() == {"found": "Ada2"}


# --- action and assertion


def test_what_an_action_returns_is_ignored(run_scripts: RunNodes, site: Site) -> None:
    outcome = run_scripts(
        [act("async def code_fn(page):\n    await page.get_by_label('Name').fill('Ada')\n    return 'ignored'")],
        url=f"{site.url}/form",
    )
    assert outcome.error is None
    assert outcome.output == []


def test_an_assertion_passes_when_it_is_true_or_null(run_scripts: RunNodes) -> None:
    results = ["True", "None", "'yes'", "[0]", "object()", "False", "0", "''", "[]"]
    scripts = [f"async def code_fn(axtree, browser): return {each}" for each in results]
    outcome = run_scripts([in_a_loop(check(EACH))], inputs={"scripts": scripts})
    errors = errors_of(outcome)
    assert errors[:5] == [None] * 5
    assert all(str(each).endswith("the script says that it does not hold") for each in errors[5:])
    assert outcome.output == []


def test_an_assertion_that_is_false_is_final(run_scripts: RunNodes) -> None:
    assert isinstance(
        run_scripts([check("async def code_fn(axtree, browser): return False")]).error, AssertionFailedError
    )


def test_an_assertion_fails_when_it_raises_but_not_when_it_is_no_script(run_scripts: RunNodes) -> None:
    raises = run_scripts([check("async def code_fn(a, b): assert 1 == 2, 'not equal'")])
    invalid = run_scripts([check("nothing = 1")])
    assert isinstance(raises.error, AssertionFailedError)
    assert "the script raised AssertionError: not equal (line 1)" in str(raises.error)
    assert isinstance(invalid.error, AutomationError)


# --- time


def test_the_time_of_the_document_bounds_a_script(run_scripts: RunNodes) -> None:
    outcome = run_scripts([gives("import time; time.sleep(60)", timeout_seconds=0.4)])
    assert isinstance(outcome.error, ActionTimeoutError)
    assert str(outcome.error) == "the script was ended: it took more than 0.4 s"
    assert (outcome.step.duration_ms or 0) < 10_000


def test_a_script_that_hangs_in_a_call_is_ended_too(run_scripts: RunNodes) -> None:
    body = "page = await browser.get_current_page()\nawait page.evaluate('new Promise(() => {})')"
    outcome = run_scripts([gives(body, timeout_seconds=0.6)])
    assert isinstance(outcome.error, ActionTimeoutError)


# --- between scripts


def test_state_goes_from_one_script_of_an_attempt_to_the_next(run_scripts: RunNodes) -> None:
    outcome = run_scripts(
        [
            act("async def code_fn(page, ctx): ctx.state['seen'] = [1]"),
            check("async def code_fn(axtree, browser, ctx):\n    ctx.state['seen'].append(2)\n    return True"),
            gives("return ctx.state"),
        ]
    )
    assert outcome.values() == {"seen": [1, 2]}


def test_variables_and_parameters_are_copies(run_scripts: RunNodes) -> None:
    outcome = run_scripts(
        [
            gives("ctx.variables['made'] = ['x']\nctx.input_parameters['who'].append('Eve')\nreturn None"),
            gives("return {'variables': ctx.variables, 'input': ctx.input_parameters}"),
        ],
        inputs={"who": ["Ada"]},
    )
    assert outcome.values() == {"variables": {}, "input": {"who": ["Ada"]}}


def test_what_a_script_logs_and_prints_is_in_the_timeline(run_scripts: RunNodes) -> None:
    outcome = run_scripts(
        [
            gives(
                """
                print("printed", 1)
                print("no end of line", end="")
                ctx.log("careful", level="warning")
                ctx.log({"a": 1})
                return {}
                """
            )
        ]
    )
    assert outcome.events("script") == [
        {"level": "info", "text": "printed 1"},
        {"level": "warning", "text": "careful"},
        {"level": "info", "text": "{'a': 1}"},
        {"level": "info", "text": "no end of line"},
    ]


def test_an_unknown_level_is_an_error_of_the_script(run_scripts: RunNodes) -> None:
    assert "unknown level 'loud'" in str(run_scripts([gives("ctx.log('x', level='loud')")]).error)


def test_scripts_are_refused_on_a_host_that_cannot_lock_them_in(
    run_scripts: RunNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_layers_here", None)
    monkeypatch.setattr(process, "_INTERPRETER", ("/bin/false",))
    outcome = run_scripts([act("async def code_fn(page): pass")])

    assert isinstance(outcome.error, ScriptsDisabledError)
    assert "they cannot be confined on this host (the confined interpreter did not start" in str(outcome.error)
