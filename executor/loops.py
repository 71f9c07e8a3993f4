"""Loops: the same nodes for each value of a variable, or for each match of a locator."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

from automation import ExpressionError, ForLoopNode, LocatorError, Node, bind_node, bind_pass, evaluate_condition
from executor.counting import count_matches
from executor.errors import AutomationError, RunError, playwright_errors
from executor.place import Place
from executor.recorder import StepRecord
from executor.run import Run

# Runs nodes one after the other as the list of nodes at a place. They are asked for one by one, so that only the node
# that runs is bound to its pass.
RunNodes = Callable[[Iterable[Node], Place], Awaitable[None]]
PassStatus = Literal["success", "error", "skipped"]


class Loop:
    """One execution of a loop. Its passes are listed in the attempt's `for_loop_status`, executions in the order in
    which they began."""

    def __init__(self, node: ForLoopNode, *, place: Place, step: StepRecord, run: Run, run_nodes: RunNodes) -> None:
        self._node = node
        self._place = place
        self._step = step
        self._run = run
        self._run_nodes = run_nodes
        self._locator = None if node.locator is None else _bare(node.locator)
        self._statuses: list[dict[str, Any]] = []

    async def execute(self) -> None:
        """Run all passes, as `on_error_in_loop` and `break_if` say.

        Raises AutomationError when there is nothing to walk, and what a pass or the reset nodes between two passes
        raised, unless the loop goes on after it.
        """
        self._run.memory.for_loop_status.append(self._statuses)
        values = self._at_most(await self._values())
        try:
            await self._walk(values)
        finally:
            self._tell(len(values))
        if failed := self._count("error"):
            self._step.warn(f"{failed} of {len(values)} passes failed")

    async def _walk(self, values: Sequence[Any]) -> None:
        for number, value in enumerate(values):
            await asyncio.sleep(0)  # a body that waits for nothing must not keep a cancellation out
            has_failed = not await self._run_pass(number, value)
            if (has_failed and self._node.on_error_in_loop == "break") or self._is_broken_off(number):
                for skipped in range(number + 1, len(values)):
                    self._record(skipped, values[skipped], "skipped")
                return
            if number < len(values) - 1:
                await self._reset(number, has_failed=has_failed)

    # --- what is walked --------------------------------------------------------------------------------------

    async def _values(self) -> Sequence[Any]:
        """One for each pass, as they are at the start: what the body changes does not change the number of passes."""
        if self._locator is not None:
            return [f"{self._locator}.nth({number})" for number in range(await self._count_matches(self._locator))]
        if not self._node.variable_names:
            raise AutomationError("the loop names no variable")
        return list(self._values_of(self._node.variable_names[0]))

    def _values_of(self, name: str) -> list[Any]:
        for values in (self._run.input_parameters, self._run.memory.variables):
            if name in values:
                found: Any = values[name]
                if isinstance(found, list):
                    return found
                raise AutomationError(f"the loop cannot walk “{name}”: it holds an object, not a list")
        if name in self._run.automation.parameters.secure_parameters:
            raise AutomationError(f"the loop cannot walk “{name}”: secure parameters are not for loops")
        raise AutomationError(f"the loop cannot walk “{name}”: no variable of that name is set")

    async def _count_matches(self, locator: str) -> int:
        try:
            command = self._run.parse(locator)
        except LocatorError as error:
            raise AutomationError(f"the locator of the loop is unusable: it {error}") from error
        if command is None:
            raise AutomationError("the locator of the loop is blank")
        seconds = self._node.locator_timeout
        with playwright_errors(self._step.label):
            count = await count_matches(command, self._run, first_match_seconds=seconds)
        if count == 0:
            self._step.warn(f"nothing matched {self._step.locator} within {seconds:g} s, so there was no pass")
        return count

    def _at_most(self, values: Sequence[Any]) -> Sequence[Any]:
        most = self._node.max_iterations
        if most is None or len(values) <= most:
            return values
        self._step.warn(f"max_iterations cut {len(values)} passes down to {most}")
        return values[:most]

    # --- a pass ----------------------------------------------------------------------------------------------

    async def _run_pass(self, number: int, value: Any) -> bool:
        """Whether the body ran to its end. Raises its error when the loop must not go on after it."""
        try:
            await self._run_nodes(self._bound(self._node.nodes, number), self._place.inside("nodes", in_pass=number))
        except RunError as error:
            self._record(number, value, "error", error=self._run.masking.mask(str(error)))
            if error.ends_attempt or self._node.on_error_in_loop == "raise":
                raise
            return False
        self._record(number, value, "success")
        return True

    async def _reset(self, number: int, *, has_failed: bool) -> None:
        """The reset nodes, bound to the pass that is over. After a failed one the page may be in any state, so they
        are tried, and an error is only noted."""
        place = self._place.inside("reset_nodes", in_pass=number)
        try:
            await self._run_nodes(self._bound(self._node.reset_nodes, number), place)
        except RunError as error:
            if error.ends_attempt or not has_failed:
                raise
            text = f"the reset nodes of {self._place.path} failed after its failed pass {number}: {error}"
            self._step.note(text)
            self._run.recorder.event("note", {"text": text})

    def _is_broken_off(self, number: int) -> bool:
        written = self._node.break_if
        if written is None:
            return False
        condition = bind_pass(written, **self._binding(number))
        try:
            return evaluate_condition(condition, input=self._run.input_parameters, generated=self._run.memory.variables)
        except ExpressionError as error:
            raise AutomationError(f"break_if “{condition[:200]}” {error}") from error

    def _bound(self, nodes: Sequence[Node], number: int) -> Iterator[Node]:
        binding = self._binding(number)
        return (bind_node(node, **binding) for node in nodes)

    def _binding(self, number: int) -> dict[str, Any]:
        return {
            "index": number,
            "index_variable_name": self._node.index_variable_name,
            "variable_names": self._node.variable_names,
            "locator": self._locator,
        }

    # --- what is told ----------------------------------------------------------------------------------------

    def _record(self, number: int, value: Any, status: PassStatus, *, error: str | None = None) -> None:
        entry = {
            "variable_name": self._node.variable_name or self._node.locator,
            "index": number,
            "value": value,
            "status": status,
        }
        self._statuses.append(entry if error is None else {**entry, "error": error})

    def _count(self, status: PassStatus) -> int:
        return sum(entry["status"] == status for entry in self._statuses)

    def _tell(self, planned: int) -> None:
        counts = Counter(entry["status"] for entry in self._statuses)
        self._step.details["passes"] = {"planned": planned, **counts}


def _bare(command: str) -> str:
    """A command without the pair of quotes that some editors store around it, so that `.nth(0)` can follow."""
    return command.strip().strip('"').strip()
