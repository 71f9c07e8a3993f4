import asyncio
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pytest_django import Settings

from executor import private_nodes
from executor.errors import ActionError, AssertionFailedError, AutomationError, BrowserCrashedError
from executor.private_nodes import PrivateNodeContext, find_handler, inputs_for, known_names, register, unregister
from tests.executor.conftest import RunNodes
from tests.executor.nodes import loop, private, said, say, set_variable
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)

DATA = Path(__file__).resolve().parent.parent / "data"


@pytest.fixture
def northwind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example package, installed."""
    monkeypatch.syspath_prepend(str(DATA / "private_nodes"))
    yield
    sys.modules.pop("northwind_nodes", None)


@pytest.fixture
def handler() -> Iterator[Callable[[Any], None]]:
    """Registers an async function as `ours`, for one test."""

    def register_it(function: Any) -> None:
        register("ours", function)

    yield register_it
    unregister("ours")


@pytest.fixture
def returns(handler: Callable[[Any], None]) -> Callable[[Any], None]:
    """Registers a handler called `ours` that returns the given value."""

    def register_it(value: Any) -> None:
        async def give(inputs: dict[str, Any], context: PrivateNodeContext) -> Any:
            return value

        handler(give)

    return register_it


# --- running -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("northwind")
def test_a_handler_of_an_installed_package_gets_its_inputs_and_gives_variables_and_output(
    run_pageless: RunNodes,
) -> None:
    node = private(
        "northwind.look_up",
        inputs={"member_id": "{member[0]}", "visits": "3", "unknown": [{"deep": "{member[0]}"}]},
        output_variable_names=["plan", "covered", "notes"],
        label="Look the member up",
    )
    outcome = run_pageless([node, say("{plan[0]} {covered[0]} {notes[1]}")], inputs={"member": ["NW-2"]})

    assert outcome.error is None
    assert outcome.output == [
        {"unique_identifier": "plan", "json_data": {"plan": "PPO Plus"}},
        {"unique_identifier": "covered", "json_data": {"covered": True}},
        {"unique_identifier": "notes", "json_data": {"notes": ["first", "second"]}},
        {"unique_identifier": "said", "json_data": {"said": "PPO Plus True second"}},
    ]
    variables = outcome.runner._memory.variables
    assert (variables["plan"], variables["covered"], variables["notes"]) == (
        ["PPO Plus"],
        [True],
        ["first", "second"],
    )
    step = outcome.steps[0]
    assert (step.index, step.kind, step.label, step.status, step.picture) == (
        1,
        "private_node",
        "Look the member up",
        "success",
        None,
    )
    assert step.details == {"notes": ["looked up NW-2"]}  # no inputs


@pytest.mark.usefixtures("northwind")
def test_a_handler_may_use_the_page(run_nodes: RunNodes, site: Site) -> None:
    node = private("northwind.title", inputs={"before": "title: "}, output_variable_names=["t"])
    outcome = run_nodes([node], url=f"{site.url}/second")

    assert outcome.error is None
    assert outcome.values() == {"t": "title: Second"}
    assert outcome.step.picture is None


@pytest.mark.usefixtures("northwind")
def test_without_a_page_its_error_is_that_of_every_node(run_pageless: RunNodes) -> None:
    outcome = run_pageless([private("northwind.title")])

    assert type(outcome.error) is BrowserCrashedError


def test_values_in_inputs_are_filled_in_at_any_depth_but_not_in_keys(
    run_pageless: RunNodes, handler: Callable[[Any], None]
) -> None:
    async def echo(inputs: dict[str, Any], context: PrivateNodeContext) -> Any:
        return inputs

    handler(echo)
    node = private("ours", inputs={"{p[0]}": ["{p[index]}", {"n": 1, "t": "{index}"}]}, output_variable_names=["out"])
    outcome = run_pageless([loop("p", node)], inputs={"p": ["a", "b"]})

    assert [item["json_data"]["out"] for item in outcome.output] == [
        {"{p[0]}": ["a", {"n": 1, "t": "0"}]},
        {"{p[0]}": ["b", {"n": 1, "t": "1"}]},
    ]


def test_the_context_shows_copies_of_what_the_run_knows(run_pageless: RunNodes, handler: Callable[[Any], None]) -> None:
    seen: dict[str, Any] = {}

    async def look(inputs: dict[str, Any], context: PrivateNodeContext) -> None:
        seen.update(
            task_id=context.task_id,
            inputs=deepcopy(dict(context.input_parameters)),
            variables=deepcopy(dict(context.variables)),
            shown=repr(context),
        )
        context.variables["v"].append("changed")
        context.input_parameters["p"].append("changed")
        for mapping in (context.variables, context.input_parameters):
            with pytest.raises(TypeError):
                mapping["new"] = ["x"]  # type: ignore[index]

    handler(look)
    outcome = run_pageless([set_variable("v", value=1), private("ours"), say("{v[1]}{p[1]}")], inputs={"p": ["a"]})

    assert outcome.error is None
    assert seen["task_id"] == outcome.task.id
    assert (seen["inputs"], seen["variables"]) == ({"p": ["a"]}, {"v": [1]})
    assert "_run" not in seen["shown"]
    assert said(outcome.output) == ["{v[1]}{p[1]}"]


def test_notes_of_a_handler_keep_secrets(run_pageless: RunNodes, handler: Callable[[Any], None]) -> None:
    async def tell(inputs: dict[str, Any], context: PrivateNodeContext) -> None:
        context.log("it is s3cret")

    handler(tell)
    outcome = run_pageless([private("ours")], hidden=["s3cret"])

    assert outcome.step.details["notes"] == ["it is •••"]


def test_it_sleeps_before_as_long_as_the_author_says(
    run_pageless: RunNodes, returns: Callable[[Any], None], settings: Settings
) -> None:
    returns(None)
    outcome = run_pageless([private("ours", before_sleep_time=0.3), private("ours", before_sleep_time=-1)])
    settings.HONOUR_EXPLICIT_SLEEPS = False
    bounded = run_pageless([private("ours", before_sleep_time=30)])

    assert 300 <= outcome.steps[0].duration_ms < 1500
    assert outcome.steps[1].duration_ms < 250
    assert bounded.error is None
    assert bounded.step.duration_ms < 1000


@pytest.mark.usefixtures("northwind")
def test_afterwards_the_page_is_waited_for_as_long_as_the_author_says(
    run_nodes: RunNodes, site: Site, handler: Callable[[Any], None]
) -> None:
    async def ask(inputs: dict[str, Any], context: PrivateNodeContext) -> None:
        await context.page.evaluate("fetch('/slow?seconds=0.5').then(() => document.title = 'answered') && null")

    handler(ask)
    look = private("northwind.title", output_variable_names=["title"])
    outcome = run_nodes(
        [private("ours", end_sleep_time=-1), look, private("ours", end_sleep_time=60), look], url=f"{site.url}/second"
    )

    assert outcome.error is None
    assert [item["json_data"]["title"] for item in outcome.output] == ["Second", "answered"]


# --- what it returns -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [None, []])
def test_without_names_the_result_is_dropped(
    run_pageless: RunNodes, returns: Callable[[Any], None], names: list[str] | None
) -> None:
    returns(date(2026, 1, 1))
    outcome = run_pageless([private("ours", output_variable_names=names)])

    assert outcome.error is None
    assert (outcome.output, outcome.runner._memory.variables) == ([], {})


@pytest.mark.parametrize(
    ("result", "variable"),
    [("x", ["x"]), (None, [None]), (False, [False]), ({"v": 1}, [{"v": 1}]), ([1, 2], [1, 2]), ([], [])],
)
def test_one_name_takes_the_whole_result(
    run_pageless: RunNodes, returns: Callable[[Any], None], result: Any, variable: list[Any]
) -> None:
    returns(result)
    outcome = run_pageless([private("ours", output_variable_names=["v"])])

    assert outcome.runner._memory.variables == {"v": variable}
    assert outcome.output == [{"unique_identifier": "v", "json_data": {"v": result}}]


def test_several_names_take_their_keys_in_the_order_of_the_document(
    run_pageless: RunNodes, returns: Callable[[Any], None]
) -> None:
    returns({"a": 1, "b": [2], "c": 3})
    outcome = run_pageless([private("ours", output_variable_names=["b", "a"])])

    assert outcome.runner._memory.variables == {"b": [2], "a": [1]}
    assert outcome.output == [
        {"unique_identifier": "b", "json_data": {"b": [2]}},
        {"unique_identifier": "a", "json_data": {"a": 1}},
    ]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"a": 1}, "the private node handler “ours” returned no b, c"),
        ([1, 2, 3], "the private node handler “ours” must return an object with a, b, c"),
        (None, "the private node handler “ours” must return an object with a, b, c"),
        ({"a": date(2026, 1, 1)}, "the private node handler “ours” returned a value (a) that is no JSON"),
        ((1, 2), "the private node handler “ours” returned a value that is no JSON"),
        ({"a": [math.nan]}, "the private node handler “ours” returned a value (a[0]) that is no JSON"),
    ],
)
def test_a_result_that_does_not_suit_the_names_fails_the_node(
    run_pageless: RunNodes, returns: Callable[[Any], None], result: Any, message: str
) -> None:
    returns(result)
    outcome = run_pageless([private("ours", output_variable_names=["a", "b", "c"])])

    assert type(outcome.error) is ActionError
    assert str(outcome.error) == message
    assert (outcome.output, outcome.runner._memory.variables) == ([], {})
    assert (outcome.step.status, outcome.step.error) == ("failed", message)


# --- errors --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("northwind")
def test_an_unknown_handler_fails_the_node_and_those_that_exist_are_named(
    run_pageless: RunNodes, returns: Callable[[Any], None]
) -> None:
    returns(None)
    outcome = run_pageless([private("patients.lookup")])

    assert type(outcome.error) is AutomationError
    assert str(outcome.error) == (
        "no private node handler is called “patients.lookup”; registered here: northwind.look_up, northwind.missing, "
        "northwind.not_async, northwind.title, northwind.unimportable, ours"
    )


def test_without_any_handler_that_is_said() -> None:
    with pytest.raises(AutomationError, match=r"called “x”; registered here: none$"):
        find_handler("x")


@pytest.mark.usefixtures("northwind")
def test_inputs_that_the_model_refuses_fail_the_node_without_being_told(run_pageless: RunNodes) -> None:
    outcome = run_pageless([private("northwind.look_up", inputs={"member_id": "A-CANARY", "visits": "CANARY"})])
    empty = run_pageless([private("northwind.look_up")])

    assert type(outcome.error) is AutomationError
    assert str(outcome.error).startswith("the inputs do not suit the private node handler “northwind.look_up”: ")
    assert "member_id: String should match pattern '^NW-'; visits: Input should be a valid integer" in str(
        outcome.error
    )
    assert "CANARY" not in str(outcome.error)
    assert str(empty.error).endswith("“northwind.look_up”: member_id: Field required")


def test_an_error_of_the_handler_fails_the_node(run_pageless: RunNodes, handler: Callable[[Any], None]) -> None:
    async def stumble(inputs: dict[str, Any], context: PrivateNodeContext) -> None:
        raise ValueError("the plan of s3cret is unknown\nsecond line")

    handler(stumble)
    outcome = run_pageless([private("ours", output_variable_names=["v"]), say("never")], hidden=["s3cret"])

    assert type(outcome.error) is ActionError
    assert outcome.error.may_retry
    assert isinstance(outcome.error.__cause__, ValueError)
    assert outcome.step.error == "the private node handler “ours” failed: the plan of ••• is unknown"
    assert len(outcome.steps) == 1


def test_errors_of_the_run_pass_as_they_are(run_pageless: RunNodes, handler: Callable[[Any], None]) -> None:
    async def judge(inputs: dict[str, Any], context: PrivateNodeContext) -> None:
        raise AssertionFailedError("not what was promised")

    handler(judge)
    outcome = run_pageless([private("ours")])

    assert type(outcome.error) is AssertionFailedError
    assert str(outcome.error) == "not what was promised"


def test_errors_of_the_page_are_told_like_everywhere(run_nodes: RunNodes, handler: Callable[[Any], None]) -> None:
    async def hurry(inputs: dict[str, Any], context: PrivateNodeContext) -> None:
        await context.page.locator("li").click(timeout=50)

    handler(hurry)
    outcome = run_nodes([private("ours", label="Hurry")])

    assert str(outcome.error) == "Hurry: Timeout 50ms exceeded."


@pytest.mark.usefixtures("northwind")
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("northwind.missing", " cannot be loaded from northwind_nodes:nowhere: AttributeError"),
        ("northwind.unimportable", " cannot be loaded from northwind_extras:look_up: ModuleNotFoundError"),
        ("northwind.not_async", " (northwind_nodes:not_async) is not an async function"),
    ],
)
def test_what_a_package_offers_may_be_unusable(name: str, problem: str) -> None:
    with pytest.raises(AutomationError) as raised:
        find_handler(name)

    assert str(raised.value) == f"the private node handler “{name}”{problem}"


@pytest.mark.usefixtures("northwind")
def test_one_name_in_two_packages_is_refused_and_both_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DATA / "private_nodes_again"))

    with pytest.raises(AutomationError) as raised:
        find_handler("northwind.look_up")

    assert str(raised.value) == (
        "the private node handler “northwind.look_up” is offered by northwind-nodes and southwind-nodes; "
        "remove all but one"
    )


# --- the registry --------------------------------------------------------------------------------------------


async def one(inputs: dict[str, Any], context: PrivateNodeContext) -> int:
    return 1


async def two(inputs: dict[str, Any], context: PrivateNodeContext) -> int:
    return 2


@pytest.mark.usefixtures("northwind")
def test_what_an_app_registers_wins_over_a_package() -> None:
    register("northwind.look_up", one)
    try:
        assert find_handler("northwind.look_up") is one
        assert known_names().count("northwind.look_up") == 1
    finally:
        unregister("northwind.look_up")
    assert find_handler("northwind.look_up").__name__ == "look_up"


def test_registering_again_changes_nothing_but_another_handler_is_refused(handler: Callable[[Any], None]) -> None:
    handler(one)
    handler(one)

    with pytest.raises(ValueError, match="another private node handler is registered as “ours”"):
        handler(two)
    assert find_handler("ours") is one


@pytest.mark.parametrize("name", ["", "  "])
def test_a_handler_needs_a_name(name: str) -> None:
    with pytest.raises(ValueError, match="a private node handler needs a name"):
        register(name, one)


def test_a_handler_must_be_async() -> None:
    with pytest.raises(ValueError, match="the private node handler “ours” must be an async function"):
        register("ours", lambda inputs, context: asyncio.sleep(0))
    assert "ours" not in known_names()


def test_packages_are_looked_at_once(northwind: None) -> None:
    first = private_nodes._offered()

    assert private_nodes._offered() is first


class Patient(BaseModel):
    name: str


def test_the_model_is_read_from_the_annotation_of_the_first_parameter() -> None:
    async def by_model(patient: Patient, context: "NotThere") -> None: ...  # type: ignore[name-defined]  # noqa: F821
    async def by_text(patient: "Patient", context: PrivateNodeContext) -> None: ...
    async def by_dict(inputs: dict[str, str], context: PrivateNodeContext) -> None: ...
    async def by_nothing(inputs, context): ...  # type: ignore[no-untyped-def]
    async def by_unknown(inputs: "Nobody", context: PrivateNodeContext) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    raw = {"name": "Ada"}
    assert inputs_for(by_model, "x", raw) == inputs_for(by_text, "x", raw) == Patient(name="Ada")
    assert inputs_for(by_dict, "x", raw) is raw
    assert inputs_for(by_nothing, "x", raw) is raw
    with pytest.raises(AutomationError, match=r"annotation of the first argument of .*by_unknown is not known: "):
        inputs_for(by_unknown, "x", raw)


def test_a_django_app_of_the_operator_registers_handlers(tmp_path: Path) -> None:
    """In a process of its own, as `EXTRA_APPS` is read when Django starts."""
    script = (
        "import asyncio, django; django.setup();"
        "from executor.private_nodes import find_handler;"
        "print(asyncio.run(find_handler('northwind.greet')({'name': 'Ada'}, None)))"
    )
    environment = {
        **os.environ,
        "DATA_DIR": str(tmp_path),
        "EXTRA_APPS": "northwind_app.NorthwindConfig",
        "PYTHONPATH": str(DATA / "private_nodes"),
    }
    root = DATA.parent.parent
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=root, env=environment, capture_output=True, text=True, timeout=60
    )

    assert ran.stdout == "Hello Ada\n", ran.stderr
