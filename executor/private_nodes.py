"""Private nodes: code of the operator's own that a document calls by name.

A handler is an async function with two arguments. If the first one is annotated with a pydantic model, the node's
inputs are validated by it; otherwise they come as a dict. The second one is the `PrivateNodeContext`. What it returns
must be plain JSON.

    async def look_up(inputs: Member, context: PrivateNodeContext) -> dict[str, str]: ...

It is found under its name, either because a Django app said `register("patients.lookup", look_up)` when it was ready,
or because an installed package names it in its entry points of the group `optexity.private_nodes`. What an app
registers wins over what a package offers under the same name. See docs/private-nodes.md.
"""

import inspect
import logging
import sys
import typing
import uuid
from collections.abc import Awaitable, Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any

from playwright.async_api import Page
from pydantic import BaseModel, ValidationError

from executor.errors import AutomationError
from executor.run import Run

logger = logging.getLogger(__name__)

ENTRY_POINT_GROUP = "optexity.private_nodes"

PrivateNodeHandler = Callable[[Any, "PrivateNodeContext"], Awaitable[Any]]

_registered: dict[str, PrivateNodeHandler] = {}


@dataclass(frozen=True, slots=True)
class PrivateNodeContext:
    """What a handler may see besides its inputs.

    `variables` (name -> list, or object for an API result) and `input_parameters` (name -> list) are copies: what a
    handler wants to give to later nodes, it returns. Secure parameters are not there.
    """

    task_id: uuid.UUID
    input_parameters: Mapping[str, Any]
    variables: Mapping[str, Any]
    _run: Run = field(repr=False)

    @classmethod
    def of(cls, run: Run) -> typing.Self:
        """The context of the node that is about to run."""
        return cls(
            task_id=run.task_id,
            input_parameters=MappingProxyType(deepcopy(dict(run.input_parameters))),
            variables=MappingProxyType(deepcopy(run.memory.variables)),
            _run=run,
        )

    @property
    def page(self) -> Page:
        """The current tab. Raises BrowserCrashedError, which the handler leaves alone, when there is none."""
        return self._run.page

    def log(self, text: str) -> None:
        """Show a note at this step in the timeline; known secrets in it are masked."""
        self._run.step.note(text)


def register(name: str, handler: PrivateNodeHandler) -> None:
    """Make `handler` known as `name`. Call it in a Django app's `ready`; the same call again changes nothing.

    Raises ValueError for a blank name, a name that another handler has, and a handler that is no async function.
    """
    if not name.strip():
        raise ValueError("a private node handler needs a name")
    if not inspect.iscoroutinefunction(handler):
        raise ValueError(f"the private node handler “{name}” must be an async function")
    if _registered.setdefault(name, handler) is not handler:
        raise ValueError(f"another private node handler is registered as “{name}”")


def unregister(name: str) -> None:
    """Forget what `register` made known."""
    _registered.pop(name, None)


def known_names() -> list[str]:
    """The names of all handlers that a document may call here."""
    return sorted({*_registered, *_offered()})


def find_handler(name: str) -> PrivateNodeHandler:
    """The handler called `name`. Raises AutomationError when there is none, or none that can be used."""
    if name in _registered:
        return _registered[name]
    match _offered().get(name, []):
        case []:
            known = ", ".join(known_names()) or "none"
            raise AutomationError(f"no private node handler is called “{name}”; registered here: {known}")
        case [offer]:
            return _loaded(offer)
        case offers:
            packages = " and ".join(sorted(map(_package_of, offers)))
            raise AutomationError(f"the private node handler “{name}” is offered by {packages}; remove all but one")


def inputs_for(handler: PrivateNodeHandler, name: str, inputs: dict[str, Any]) -> Any:
    """The handler's first argument. Raises AutomationError, which names what its model refuses, but no value."""
    model = _inputs_model(handler)
    if model is None:
        return inputs
    try:
        return model.model_validate(inputs)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'inputs'}: {each['msg']}"
            for each in error.errors(include_input=False, include_url=False, include_context=False)
        )
        raise AutomationError(f"the inputs do not suit the private node handler “{name}”: {problems}") from None


def _offered() -> Mapping[str, list[EntryPoint]]:
    return _offered_on(tuple(sys.path))


@cache
def _offered_on(_search_path: tuple[str, ...]) -> Mapping[str, list[EntryPoint]]:
    """What the packages on the search path offer. Looking at all of them costs some milliseconds, so it is done once;
    packages come and go with a restart."""
    offered: dict[str, list[EntryPoint]] = {}
    for each in entry_points(group=ENTRY_POINT_GROUP):
        offered.setdefault(each.name, []).append(each)
    return offered


def _package_of(offer: EntryPoint) -> str:
    return offer.value if offer.dist is None else offer.dist.name


def _loaded(offer: EntryPoint) -> PrivateNodeHandler:
    try:
        handler = offer.load()
    except Exception as error:  # whatever a foreign package does while it is imported
        logger.warning("cannot load the private node handler %s from %s", offer.name, offer.value, exc_info=error)
        raise AutomationError(
            f"the private node handler “{offer.name}” cannot be loaded from {offer.value}: {type(error).__name__}"
        ) from error
    if not inspect.iscoroutinefunction(handler):
        raise AutomationError(f"the private node handler “{offer.name}” ({offer.value}) is not an async function")
    loaded: PrivateNodeHandler = handler
    return loaded


@cache
def _inputs_model(handler: PrivateNodeHandler) -> type[BaseModel] | None:
    """The pydantic model that the first parameter is annotated with, if it is one."""
    function = inspect.unwrap(handler)
    first = next(iter(inspect.signature(function).parameters.values()), None)
    if first is None or first.annotation is inspect.Parameter.empty:
        return None
    # Only this one: the others may name what is imported for type checkers alone.
    alone = type("alone", (), {"__annotations__": {first.name: first.annotation}})
    try:
        annotation = typing.get_type_hints(alone, globalns=getattr(function, "__globals__", {}))[first.name]
    except (NameError, AttributeError) as error:
        raise AutomationError(
            f"the annotation of the first argument of {function.__qualname__} is not known: {error}"
        ) from error
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
