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

    # Which of the three methods below a class has of its own. Most elements of a document have none, and loading
    # one takes half as long when they are not called for nothing.
    _judges_raw: ClassVar[bool] = False
    _judges_itself: ClassVar[bool] = False
    _settles: ClassVar[bool] = False

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        own = {name for base in cls.__mro__[: cls.__mro__.index(Element)] for name in vars(base)}
        cls._judges_raw = "raw_problems" in own
        cls._judges_itself = "problems" in own
        cls._settles = "settled" in own

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
        found = [*islice(cls.raw_problems(raw), MAX_PROBLEMS + 1)] if cls._judges_raw else []
        try:
            element = handler(raw)
        except ValidationError as error:
            raise refusal([*found, *retold(error)]) from None
        if cls._judges_itself:
            found += islice(element.problems(), MAX_PROBLEMS + 1)
        if found:
            raise refusal(found)
        if cls._settles:
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
        # Looked at from this side because an object has few keys and some kinds of element many choices.
        names = _names_of_element_fields(cls)
        given = [name for name, value in raw.items() if value is not None and name in names]
        if len(given) == 1:
            return
        choices = cls.choices()
        if given:
            given.sort(key=choices.index)
            yield error_at((), f"holds {len(given)} {cls.one_of_what}s ({', '.join(given)}); keep exactly one")
        else:
            unknown = next((key for key in raw if key not in cls.model_fields), "")
            hint = f", and “{unknown[:40]}” is none" if unknown else ""
            yield error_at(
                (),
                f"holds no {cls.one_of_what}{hint}; give exactly one of {listed(choices)}",
                word=unknown,
                choices=choices,
            )

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


@cache
def _names_of_element_fields(model: type[Element]) -> frozenset[str]:
    return frozenset(_element_fields(model))


def _is_element(annotation: Any) -> bool:
    """Whether a field's annotation is `SomeElement | None`."""
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        return len(members) == 1 and _is_element(members[0])
    return isinstance(annotation, type) and issubclass(annotation, Element)
