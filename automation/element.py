"""What all parts of a document have in common: frozen, lenient in types like the contract, strict in rules."""

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from types import NoneType, UnionType
from typing import Any, ClassVar, Self, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from automation.problems import MAX_PROBLEMS, error_at, json_kind, listed, refusal, refuse, retold

ElementT = TypeVar("ElementT", bound="Element")
RawObject = Mapping[str, Any]


class Element(BaseModel):
    """A part of a document.

    Subclasses state cross-field rules in two places, so that as many problems as possible are told at once:
    `raw_problems` looks at the JSON (even when some field of it is wrong), `problems` at the finished element.
    `settled` returns the fields that the contract fills in or overwrites on load.
    """

    # Unknown keys are ignored by contract; `unknown_keys` reports them.
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, protected_namespaces=())

    @classmethod
    def raw_problems(cls, raw: RawObject) -> Iterator[InitErrorDetails]:
        yield from ()

    def problems(self) -> Iterator[InitErrorDetails]:
        yield from ()

    def settled(self) -> dict[str, Any]:
        return {}

    @model_validator(mode="wrap")
    @classmethod
    def _tell_everything(cls, raw: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(raw, cls):
            return raw
        if not isinstance(raw, dict):
            raise refuse(f"must be an object, not {json_kind(raw)}")
        found = list(islice(cls.raw_problems(raw), MAX_PROBLEMS + 1))
        try:
            element = handler(raw)
        except ValidationError as error:
            raise refusal([*found, *retold(error)]) from None
        found += islice(element.problems(), MAX_PROBLEMS + 1)
        if found:
            raise refusal(found)
        vars(element).update(element.settled())
        return element


def with_fields(element: ElementT, **fields: Any) -> ElementT:
    """A copy with other values in `fields`; `model_fields_set` goes on naming what the author himself wrote."""
    copy = element.model_copy()
    vars(copy).update(fields)
    return copy


class OneOf(Element):
    """An element in which exactly one of the fields that hold an element of their own is given (is not null)."""

    # What one of these fields is called in a message.
    one_of_what: ClassVar[str] = "action"

    @classmethod
    def choices(cls) -> tuple[str, ...]:
        """The names of these fields, in the order of the contract."""
        return _element_fields(cls)

    @classmethod
    def raw_problems(cls, raw: RawObject) -> Iterator[InitErrorDetails]:
        choices = cls.choices()
        given = [name for name in choices if raw.get(name) is not None]
        if len(given) > 1:
            yield error_at((), f"holds {len(given)} {cls.one_of_what}s ({', '.join(given)}); keep exactly one")
        elif not given:
            unknown = next((key for key in raw if key not in cls.model_fields), "")
            hint = f", and “{unknown[:40]}” is none" if unknown else ""
            yield error_at(
                (),
                f"holds no {cls.one_of_what}{hint}; give exactly one of {listed(choices)}",
                word=unknown,
                choices=choices,
            )
        yield from super().raw_problems(raw)

    @property
    def chosen_name(self) -> str:
        """The name of the one field that is given."""
        return next(name for name in self.choices() if getattr(self, name) is not None)

    @property
    def chosen(self) -> Element:
        """What the one given field holds."""
        element: Element = getattr(self, self.chosen_name)
        return element


@cache
def _element_fields(model: type[Element]) -> tuple[str, ...]:
    return tuple(name for name, field in model.model_fields.items() if _is_element(field.annotation))


def _is_element(annotation: Any) -> bool:
    """Whether a field's annotation is `SomeElement | None`."""
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        return len(members) == 1 and _is_element(members[0])
    return isinstance(annotation, type) and issubclass(annotation, Element)
