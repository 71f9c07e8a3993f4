"""Request bodies: JSON of a bounded size, and nothing that the database could not hold."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.utils.http import parse_header_parameters
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser

from automation.json_values import json_problems
from inference.errors import TooLargeError, ValidationFailedError

_UTF8_NAMES = ("utf-8", "utf8", "us-ascii", "ascii")


class LimitedJSONParser(BaseParser):
    """JSON in UTF-8 of at most `view.body_max_bytes`.

    Refused beside what is no JSON: NaN and infinities, NUL and lone surrogates in texts, absurd depth.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """The value that the body spells. Raises TooLargeError, UnsupportedMediaType, ValidationFailedError."""
        context = parser_context or {}
        _check_charset(media_type or "")
        return parse_json(_read(stream, context["view"].body_max_bytes, context["request"].META.get("CONTENT_LENGTH")))


class CsvParser(BaseParser):
    """The text of a CSV file in UTF-8, with or without a byte order mark, of at most `view.body_max_bytes`."""

    media_type = "text/csv"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """The text. Raises TooLargeError, UnsupportedMediaType, ValidationFailedError."""
        context = parser_context or {}
        _check_charset(media_type or "")
        body = _read(stream, context["view"].body_max_bytes, context["request"].META.get("CONTENT_LENGTH"))
        try:
            return body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            row = body.count(b"\n", 0, error.start) + 1
            message = (
                f"The body is no CSV in UTF-8: byte {error.start} (line {row}) is none. In Excel, save it as "
                "“CSV UTF-8”."
            )
            raise ValidationFailedError(message, errors={"body": [message]}) from None


def parse_json(body: bytes) -> Any:
    """The value that `body` spells. Raises ValidationFailedError; its message repeats nothing of the body."""
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise _not_json(f"byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise _not_json("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise _not_json(f"line {error.lineno}, column {error.colno} is not as JSON wants it") from None
    except _RefusedNumberError as error:
        raise _not_json(str(error)) from None
    except ValueError:  # what is left: a whole number of more digits than Python reads
        raise _not_json("it has a number of absurd length") from None
    problems, _ = json_problems(value)
    if problems:
        errors = {each.path or "body": [f"{each.path or 'body'} {each.message}"] for each in problems[:20]}
        raise ValidationFailedError(next(iter(errors.values()))[0], errors=errors)
    return value


class _RefusedNumberError(ValueError):
    """A number that JSON does not have."""


def _refuse_constant(name: str) -> NoReturn:
    raise _RefusedNumberError(f"{name} is no number there")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _RefusedNumberError("it has a number too large for any float")
    return value


def _not_json(reason: str) -> ValidationFailedError:
    message = f"The body is not valid JSON: {reason}."
    return ValidationFailedError(message, errors={"body": [message]})


def _check_charset(media_type: str) -> None:
    _, parameters = parse_header_parameters(media_type)
    if parameters.get("charset", "utf-8").strip("\"' ").lower() not in _UTF8_NAMES:
        raise UnsupportedMediaType(media_type, detail="Another charset than UTF-8 was declared.")


def _read(stream: IO[bytes], max_bytes: int, declared: str | None) -> bytes:
    too_large = TooLargeError(f"The body is too large: this route takes at most {max_bytes:,} bytes.")
    # Refused by its own word, before a byte of it is read.
    if declared is not None and declared.isdigit() and int(declared) > max_bytes:
        raise too_large
    body = stream.read(max_bytes + 1)
    if len(body) > max_bytes:
        raise too_large
    return body
