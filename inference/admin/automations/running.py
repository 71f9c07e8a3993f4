"""The run form: its fields come from the parameters that the newest version declares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, QueryDict

from inference.models import AutomationVersion, Task
from inference.services.submit import Submission, submit_task

LONGEST_MINUTES = 240


@dataclass(frozen=True)
class RunField:
    """One input parameter: a line per value."""

    name: str
    text: str
    example: str
    is_unique: bool
    rows: int


@dataclass(frozen=True)
class RunForm:
    """What a person filled in, and what is wrong with it by field."""

    fields: Sequence[RunField]
    secure_names: Sequence[str] = ()
    priority: str = ""
    max_timeout_in_minutes: str = "10"
    is_dedicated: bool = False
    errors: Mapping[str, str] = field(default_factory=dict)
    is_open: bool = False


def empty_form(version: AutomationVersion, source: Task | None) -> RunForm:
    """The declared parameters with their examples as hints; the values of `source` when it is run again."""
    declared = _declared(version)
    given: Mapping[str, Any] = source.input_parameters if source else {}
    unique = set(source.unique_parameter_names) if source else set()
    fields = [
        _field(name, _lines(given.get(name, [])), _lines(declared.get(name, [])), name in unique)
        for name in version.input_names
    ]
    if source is None:
        return RunForm(fields, version.secure_names)
    return RunForm(
        fields,
        version.secure_names,
        "" if source.priority is None else str(source.priority),
        str(source.max_timeout_in_minutes),
        source.is_dedicated,
    )


def sent_form(version: AutomationVersion, sent: QueryDict, errors: Mapping[str, str]) -> RunForm:
    """The same form as it was sent, with what is wrong."""
    declared = _declared(version)
    unique = sent.getlist("unique")
    fields = [
        _field(name, sent.get(f"value-{name}", ""), _lines(declared.get(name, [])), name in unique)
        for name in version.input_names
    ]
    return RunForm(
        fields,
        version.secure_names,
        sent.get("priority", ""),
        sent.get("max_timeout_in_minutes", ""),
        "is_dedicated" in sent,
        errors,
        is_open=bool({"priority", "max_timeout_in_minutes"} & set(errors)),
    )


def run(request: HttpRequest, version: AutomationVersion, user: Any) -> Submission | dict[str, str]:
    """Submit what was sent, or say by field what is wrong. Raises InferenceError as the service does."""
    sent = request.POST
    errors: dict[str, str] = {}
    priority = _whole(sent.get("priority", ""), "priority", errors, low=-(2**31), high=2**31 - 1)
    minutes = _whole(
        sent.get("max_timeout_in_minutes", "") or "10", "max_timeout_in_minutes", errors, low=1, high=LONGEST_MINUTES
    )
    if any("\x00" in sent.get(f"value-{name}", "") for name in version.input_names):
        errors["values"] = "A value holds a character that cannot be stored (NUL)."
    if errors:
        return errors
    return submit_task(
        endpoint_name=version.automation.endpoint_name,
        input_parameters={name: _values(sent.get(f"value-{name}", "")) for name in version.input_names},
        unique_parameter_names=[name for name in version.input_names if name in sent.getlist("unique")],
        priority=priority,
        max_timeout_in_minutes=minutes or 10,
        is_dedicated="is_dedicated" in sent,
        api_key=None,
        user=user,
    )


def _declared(version: AutomationVersion) -> Mapping[str, Any]:
    parameters = version.document.get("parameters") if isinstance(version.document, dict) else None
    declared = parameters.get("input_parameters") if isinstance(parameters, dict) else None
    return declared if isinstance(declared, dict) else {}


def _field(name: str, text: str, example: str, is_unique: bool) -> RunField:
    count = max(text.count("\n"), example.count("\n")) + 1
    return RunField(name, text, example, is_unique, min(8, count))


def _lines(values: Any) -> str:
    return "\n".join(_text(value) for value in values) if isinstance(values, list) else ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _values(text: str) -> list[str]:
    """One value per line; no line is an empty list, an empty line between others is an empty value."""
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    return [] if lines == [""] else lines


def _whole(text: str, name: str, errors: dict[str, str], *, low: int, high: int) -> int | None:
    if not text.strip():
        return None
    try:
        value = int(text)
    except ValueError:
        errors[name] = "Give a whole number."
        return None
    if not low <= value <= high:
        errors[name] = f"Give a number from {low} to {high}."
        return None
    return value
