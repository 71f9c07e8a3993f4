"""What goes, as conditions in SQL: `t` is a task, `a` an artifact.

The rules of one run are made once, before anything is deleted. They exclude each other, so what each of them will
remove does not depend on how far the others came: that is why a dry run counts what the real one removes, and why a
run that was stopped can be followed by another.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

# Nothing is taken away from a task that may still run, nor from one about which a person has to decide.
MAY_LOSE = "t.status IN ('success', 'failed', 'cancelled', 'killed') AND NOT (t.outcome_unknown AND t.review IS NULL)"
# A task goes only when no new try of it is under way: no row of a task that may run is ever written here.
MAY_GO = (
    f"{MAY_LOSE} AND NOT EXISTS (SELECT FROM inference_task r WHERE r.previous_task_id = t.id"
    " AND r.status IN ('queued', 'allocated', 'running'))"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in the order from old to new."""

    created_at: datetime
    id: UUID


@dataclass(slots=True)
class Rule:
    """Older than `before`, or not newer than `upto`; neither: nothing.

    `name` sets its parameters apart from those of other rules in one statement.
    """

    name: str
    before: datetime | None = None
    upto: Place | None = None

    def by_age(self, column: str) -> str:
        return "FALSE" if self.before is None else f"{column} < %({self.name}_before)s"

    def by_size(self, alias: str) -> str:
        if self.upto is None:
            return "FALSE"
        return f"({alias}.created_at, {alias}.id) <= (%({self.name}_at)s, %({self.name}_id)s)"

    @property
    def parameters(self) -> dict[str, Any]:
        values: dict[str, Any] = {f"{self.name}_before": self.before}
        if self.upto is not None:
            values |= {f"{self.name}_at": self.upto.created_at, f"{self.name}_id": self.upto.id}
        return values


@dataclass(slots=True)
class ArtifactRule:
    """`kinds` are those of Artifact."""

    kinds: tuple[str, ...]
    rule: Rule


@dataclass(slots=True)
class Rules:
    """All of one run; filled one after the other, each with what the ones before leave."""

    tasks: Rule = field(default_factory=lambda: Rule("tasks"))
    steps: Rule = field(default_factory=lambda: Rule("steps"))
    artifacts: dict[str, ArtifactRule] = field(default_factory=dict)

    @property
    def task_goes(self) -> str:
        by_age = self.tasks.by_age("t.completed_at")
        return f"({MAY_GO} AND ({by_age} OR {self.tasks.by_size('t')}))"

    def artifact_goes(self) -> str:
        """By the rule of its kind, while its task stays."""
        each = [
            f"(a.kind = ANY(%({one.rule.name}_kinds)s) AND ({one.rule.by_age('a.created_at')}"
            f" OR {one.rule.by_size('a')}))"
            for one in self.artifacts.values()
        ]
        return f"({MAY_LOSE} AND ({' OR '.join(each)}))" if each else "FALSE"

    @property
    def parameters(self) -> dict[str, Any]:
        values = self.tasks.parameters | self.steps.parameters
        for each in self.artifacts.values():
            values |= each.rule.parameters | {f"{each.rule.name}_kinds": list(each.kinds)}
        return values
