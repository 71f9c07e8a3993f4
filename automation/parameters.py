"""Parameters: what a task gives (input), what a run produces (generated), what is never shown (secure)."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import InitErrorDetails

from automation.element import Element, OneOf, RawObject
from automation.problems import each_read, error_at, json_kind, refuse, shortened

# Reserved by the contract, although nothing fills them in.
RESERVED_NAMES = frozenset({"current_page_url", "current_time", "task_id"})


def _check_scalars(values: Any) -> Any:
    return each_read(values, _check_scalar) if isinstance(values, list) else values


def _check_scalars_or_nulls(values: Any) -> Any:
    return each_read(values, _check_scalar_or_null) if isinstance(values, list) else values


def _check_scalar(value: Any) -> Any:
    if not isinstance(value, str | int | float | bool):
        raise refuse(f"must be text, a number or a boolean, not {json_kind(value)}")
    return value


def _check_scalar_or_null(value: Any) -> Any:
    return value if value is None else _check_scalar(value)


# Values keep the type that they have in JSON: `true` is no 1, and `1.0` no `1`.
Scalars = Annotated[list[str | int | float | bool], BeforeValidator(_check_scalars)]
ScalarsOrNulls = Annotated[list[str | int | float | bool | None], BeforeValidator(_check_scalars_or_nulls)]
ScalarOrNull = Annotated[str | int | float | bool | None, BeforeValidator(_check_scalar_or_null)]


class _StoredSecret(Element):
    """A secret kept elsewhere. `raw`: the value itself; `totp_secret`: a seed for codes of `digits` digits."""

    type: Literal["raw", "totp_secret"] = "raw"
    digits: int | None = None

    def problems(self) -> Iterator[InitErrorDetails]:
        if self.type == "totp_secret" and self.digits is None:
            yield error_at(("digits",), "is required with type “totp_secret”, usually 6")
        if self.type == "raw" and self.digits is not None:
            yield error_at(("digits",), "belongs to type “totp_secret” only; remove it or set that type")


class OnePasswordParameter(_StoredSecret):
    """A field of an item in a 1Password vault."""

    vault_name: str
    item_name: str
    field_name: str


class AmazonSecretsManagerParameter(_StoredSecret):
    """A secret of AWS Secrets Manager, or one key of it when the secret is a JSON object."""

    secret_name: str
    region_name: str
    key: str | None = None


class VaultParameter(_StoredSecret):
    """A secret of this server's own encrypted vault. Other loaders do not know this source."""

    name: str


class TOTPParameter(Element):
    """A seed for one-time codes that stands in the document itself."""

    totp_secret: str = Field(repr=False)
    digits: int = 6


class SecureParameter(OneOf):
    """Where one secret comes from: exactly one source. It is a reference, resolved when the value is typed."""

    one_of_what: ClassVar[str] = "source"

    onepassword: OnePasswordParameter | None = None
    amazon_secrets_manager: AmazonSecretsManagerParameter | None = None
    totp: TOTPParameter | None = None
    vault: VaultParameter | None = None


class Parameters(Element):
    """The declared names. Input values are examples; those of generated parameters are never loaded."""

    input_parameters: dict[str, Scalars]
    generated_parameters: dict[str, ScalarsOrNulls]
    secure_parameters: dict[str, list[SecureParameter]] = {}

    @classmethod
    def raw_problems(cls, raw: RawObject) -> Iterator[InitErrorDetails]:
        for field in cls.model_fields:
            names = raw.get(field)
            for name in names if isinstance(names, dict) else ():
                if not name.isidentifier():
                    message = (
                        f"“{shortened(name, 40)}” is not a parameter name: use letters, digits and “_”, "
                        "not beginning with a digit"
                    )
                    yield error_at((field, name), message)
                elif name in RESERVED_NAMES:
                    yield error_at((field, name), f"“{name}” is a reserved name; choose another")
