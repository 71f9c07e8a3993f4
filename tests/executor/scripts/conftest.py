"""Runs documents whose scripts an administrator trusts, on a server that allows scripts."""

from collections.abc import Mapping, Sequence
from textwrap import dedent
from typing import Any

import pytest
from pytest_django import Settings

from executor.loop import WorkerLoop
from inference.models import Task
from inference.services.trust import trust_automation
from tests.executor.conftest import RUN_SECONDS, Outcome, Prepare, RunNodes, runner_task_id
from tests.factories import make_user


@pytest.fixture
def run_scripts(prepare: Prepare, worker_loop: WorkerLoop, settings: Settings) -> RunNodes:
    """As `run_nodes`, with scripts allowed and those of the document trusted."""
    settings.ALLOW_SCRIPTS = True
    administrator = make_user(is_superuser=True)

    def run(nodes: Sequence[Mapping[str, Any]], **arguments: Any) -> Outcome:
        runner = prepare(nodes, **arguments)
        task_id = runner_task_id(runner)
        trust_automation(automation=Task.objects.get(id=task_id).automation, is_trusted=True, actor=administrator)
        error: BaseException | None = None
        try:
            worker_loop.submit(runner.execute()).result(RUN_SECONDS)
        except Exception as raised:
            error = raised
        return Outcome(Task.objects.get(id=task_id), runner, error)

    return run


def extraction(script: str, **fields: Any) -> dict[str, Any]:
    """A script extraction; `unique_identifier` and `allow_none` go to its wrapper."""
    wrapper = {name: fields.pop(name) for name in ("unique_identifier", "allow_none") if name in fields}
    node = {"python_script": {"script": dedent(script), **fields}, **wrapper}
    return {"type": "action_node", "before_sleep_time": 0, "extraction_action": node}


def gives(body: str, **fields: Any) -> dict[str, Any]:
    """A script extraction whose function has this body."""
    lines = "\n".join("    " + line for line in dedent(body).strip().splitlines())
    return extraction(f"async def code_fn(axtree, browser, ctx):\n{lines}\n", **fields)


def act(script: str) -> dict[str, Any]:
    return {"type": "action_node", "python_script_action": {"execution_code": dedent(script)}}


def check(script: str) -> dict[str, Any]:
    return {"type": "action_node", "assertion_action": {"python_script": {"script": dedent(script)}}}


def in_a_loop(node: Mapping[str, Any]) -> dict[str, Any]:
    """`node`, whose script is `{scripts[index]}`, once for each of the input parameter `scripts`, whatever happens."""
    return {
        "type": "for_loop_node",
        "variable_name": "scripts",
        "on_error_in_loop": "continue",
        "nodes": [dict(node)],
    }


EACH = "{scripts[index]}"


def errors_of(outcome: Outcome) -> list[str | None]:
    """Of each pass of the one loop of a document."""
    assert outcome.error is None
    (passes,) = outcome.runner.for_loop_status
    return [each.get("error") for each in passes]
