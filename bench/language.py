"""What the language costs: importing it, validating a document, filling in its placeholders.

Each figure stands beside a reference that is measured in the same run, on the same machine:

* `import automation` in a fresh interpreter, beside `import pydantic` and the building of the same models: as many
  classes with the same fields, defaults and nesting, but plain ones, without a rule of ours. They are written as a
  module of their own, so both sides load from compiled files. What `import automation` takes beyond building models
  is at most 3 times what `import pydantic` takes.
* From the text of a document with 500 nodes to the validated automation, beside `json.loads` and a walk over every
  value of the result. At most 10 times.
* Filling in all placeholders of 1,000 nodes (every one bound to a loop's pass and expanded), beside the same for
  500. At most 2.2 times: the cost grows with the size, not faster.

A figure is the median of several rounds; the two sides of a comparison take turns. All times are of the processor,
so that what else runs on the machine counts as little as possible.

    .venv/bin/python -m bench.language [--rounds 15] [--json FILE]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import automation
from automation.element import Element

ROOT = Path(__file__).resolve().parent.parent
NODES = 500


@dataclass(frozen=True)
class Figure:
    """One comparison. Times are medians in milliseconds; `ratio` must not be above `reach`."""

    name: str
    ours_ms: float
    reference: str
    reference_ms: float
    ratio: float
    reach: float

    @property
    def holds(self) -> bool:
        return self.ratio <= self.reach


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    figures = [importing(options.rounds), validating(options.rounds), resolving(options.rounds)]
    print(f"medians of {options.rounds} rounds")
    for each in figures:
        print(
            f"  {each.name:30} {each.ours_ms:7.1f} ms   {each.reference:40} {each.reference_ms:7.1f} ms   "
            f"{each.ratio:5.2f} times (reach: {each.reach:g}){'' if each.holds else '   MISSED'}"
        )
    if options.json:
        figures_as_json = [{**asdict(each), "holds": each.holds} for each in figures]
        options.json.write_text(json.dumps({"rounds": options.rounds, "figures": figures_as_json}, indent=2) + "\n")
    return 0 if all(each.holds for each in figures) else 1


def medians(rounds: int, *sides: Callable[[], float]) -> list[float]:
    """The median of what each side returns, in milliseconds. They take turns; a first round is not counted."""
    for side in sides:
        side()
    times = [[side() for side in sides] for _ in range(rounds)]
    return [statistics.median(each) * 1_000 for each in zip(*times, strict=True)]


def timed(act: Callable[[], object]) -> Callable[[], float]:
    def seconds() -> float:
        begins_at = time.process_time()
        act()
        return time.process_time() - begins_at

    return seconds


# Importing


def importing(rounds: int) -> Figure:
    with tempfile.TemporaryDirectory(prefix="bench-language-") as folder:
        (Path(folder) / "plain_models.py").write_text(plain_models(), encoding="utf-8")

        def seconds(module: str) -> Callable[[], float]:
            return lambda: import_seconds(module, folder)

        ours, pydantic, models = medians(rounds, seconds("automation"), seconds("pydantic"), seconds("plain_models"))
    building = models - pydantic  # the module's first line imports pydantic
    return Figure(
        name="import automation",
        ours_ms=ours,
        reference=f"import pydantic ({pydantic:.0f} ms) and its models",
        reference_ms=models,
        ratio=(ours - building) / pydantic,
        reach=3.0,
    )


# `-I`: nothing of the environment; the paths are given instead.
_TIMED_IMPORT = """
import sys, time
sys.path[:0] = sys.argv[2:]
begins_at = time.process_time()
__import__(sys.argv[1])
print(time.process_time() - begins_at)
if "django" in sys.modules:
    sys.exit("Django was imported")
"""


def import_seconds(module: str, folder: str) -> float:
    """What the import alone takes in a fresh interpreter; its start is not ours to measure."""
    command = [sys.executable, "-I", "-c", _TIMED_IMPORT, module, str(ROOT), folder]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def plain_models() -> str:
    """A Python module with a plain pydantic model for each of the language's, fields and nesting included."""
    models = sorted(set(models_below(Element)), key=lambda model: model.__name__)
    names = {model: f"Model{number}" for number, model in enumerate(models)}
    lines = [
        "from __future__ import annotations",
        "import pydantic",
        "from typing import Any, Literal",
        "from pydantic import BaseModel, ConfigDict",
    ]
    # A model after those that it holds, as in the language; the loops of nodes in nodes are closed at the end.
    for model in in_order(models):
        bases = names.get(model.__base__, "BaseModel") if model.__base__ else "BaseModel"
        lines += [f"class {names[model]}({bases}):", "    model_config = ConfigDict(frozen=True)"]
        for name in model.__annotations__:
            if name in model.model_fields:
                annotation = written(model.model_fields[name].annotation, names)
                required = model.model_fields[name].is_required()
                lines.append(f"    {name}: {annotation}" + ("" if required else " = None"))
    lines += [f"{names[model]}.model_rebuild()" for model in (automation.ForLoopNode, automation.IfElseNode)]
    return "\n".join(lines) + "\n"


def models_below(model: type[Element]) -> Iterator[type[Element]]:
    for below in model.__subclasses__():
        yield below
        yield from models_below(below)


def in_order(models: list[type[Element]]) -> list[type[Element]]:
    ordered: dict[type[Element], None] = {}
    begun: set[type[Element]] = set()

    def add(model: type[Element]) -> None:
        if model in begun:
            return
        begun.add(model)
        if model.__base__ in models:
            add(model.__base__)
        for field in model.model_fields.values():
            for held in models_in(field.annotation):
                add(held)
        ordered[model] = None

    for model in models:
        add(model)
    return list(ordered)


def models_in(annotation: Any) -> Iterator[type[Element]]:
    if isinstance(annotation, type) and issubclass(annotation, Element):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def written(annotation: Any, names: dict[type[Element], str]) -> str:
    """An annotation as source text, without what `Annotated` adds to it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return "Any"
    if annotation in (None, NoneType):
        return "None"
    if isinstance(annotation, type) and issubclass(annotation, Element):
        return names[annotation]
    if origin in (Union, UnionType):
        return " | ".join(written(argument, names) for argument in arguments)
    if origin in (list, dict, tuple):
        return f"{origin.__name__}[{', '.join(written(argument, names) for argument in arguments)}]"
    if hasattr(annotation, "__metadata__"):
        return written(arguments[0], names)
    if origin is not None:  # Literal["a", "b"]
        return f"Literal{list(arguments)!r}"
    return str(annotation.__name__)


# Validating and resolving


def nodes(count: int) -> list[dict[str, Any]]:
    """Nodes as authors write them: filling in forms, clicking, choosing, reading, some of it in loops and branches."""
    made: list[dict[str, Any]] = []
    number = 0
    while count_of(made) < count:
        number += 1
        made += [
            act("click_element", command=f'get_by_role("link", name="Claim {number}")', prompt_instructions="Open it"),
            act("input_text", command='get_by_label("Member ID")', input_text="{member_id[0]}", press_enter=True),
            act("select_option", command='get_by_label("Plan")', select_values=["{plan[0]}"]),
            {
                "type": "action_node",
                "extraction_action": {
                    "locator": {
                        "command": 'get_by_test_id("status")',
                        "extraction_format": {"status": "str"},
                        "output_variable_name": "status",
                    }
                },
            },
            act("key_press", type="enter"),
            {
                "type": "if_else_node",
                "condition": "status[0] == 'Lapsed'",
                "if_nodes": [act("check", command='get_by_label("Needs a call")')],
                "else_nodes": [],
            },
            {
                "type": "for_loop_node",
                "variable_name": "visits",
                "nodes": [
                    act("click_element", command='get_by_role("row").filter(has_text="{visits[index]}").first'),
                    act("go_to_url", url="http://demo.localhost:8765/patients/{member_id[0]}"),
                ],
            },
            {"type": "action_node", "sleep_action": {"sleep_time": 0.5}, "end_sleep_time": 0},
        ]
    surplus = count_of(made) - count
    return made + [act("go_back")] * -surplus if surplus <= 0 else trimmed(made, count)


def act(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "action_node", "interaction_action": {name: fields}, "end_sleep_time": 1.0}


def count_of(made: list[dict[str, Any]]) -> int:
    """Nodes, those inside others included."""
    inside = ("nodes", "if_nodes", "else_nodes")
    return sum(1 + sum(count_of(node.get(name, [])) for name in inside) for node in made)


def trimmed(made: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """The first nodes, filled up with short ones to exactly `count`."""
    while count_of(made) > count:
        made.pop()
    return made + [act("go_back") for _ in range(count - count_of(made))]


def document(count: int) -> dict[str, Any]:
    inputs = {"member_id": ["M-100"], "plan": ["Juniper Gold"], "visits": ["2026-11-20", "2026-10-10"]}
    parameters = {"input_parameters": inputs, "generated_parameters": {"status": []}}
    return {"url": "http://demo.localhost:8765/login", "parameters": parameters, "nodes": nodes(count)}


def walked(value: Any) -> int:
    """How many values there are: every one is visited."""
    if isinstance(value, dict):
        return 1 + sum(walked(item) for item in value.values())
    if isinstance(value, list):
        return 1 + sum(walked(item) for item in value)
    return 1


def validating(rounds: int) -> Figure:
    text = json.dumps(document(NODES))
    loaded = automation.load(json.loads(text))
    assert sum(1 for _ in automation.walk(loaded)) == NODES
    ours, reference = medians(
        rounds,
        timed(lambda: automation.load(json.loads(text))),
        timed(lambda: walked(json.loads(text))),
    )
    name = f"validate {NODES} nodes ({len(text) // 1024} KiB)"
    return Figure(name, ours, "json.loads and a walk of it", reference, ours / reference, reach=10.0)


def resolving(rounds: int) -> Figure:
    small, large = (automation.load(document(count)) for count in (NODES, 2 * NODES))
    large_ms, small_ms = medians(rounds, timed(lambda: resolve(large)), timed(lambda: resolve(small)))
    name = f"placeholders of {2 * NODES} nodes"
    return Figure(name, large_ms, f"those of {NODES} nodes", small_ms, large_ms / small_ms, reach=2.2)


def resolve(loaded: automation.Automation) -> None:
    for _, node in automation.walk(loaded):
        bound = automation.bind_node(node, index=0, variable_names=["visits"])
        automation.expand_node(bound, input=loaded.parameters.input_parameters, generated={"status": ["Active"]})


if __name__ == "__main__":
    sys.exit(main())
