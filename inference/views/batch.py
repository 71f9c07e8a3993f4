"""POST /api/v1/inference/batch: many submissions in one request."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.db import transaction
from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response

from inference.error_handler import DATABASE_AWAY, as_inference_error, error_body
from inference.errors import InferenceError, ValidationFailedError
from inference.models import ApiKey, Scope
from inference.serializers import BatchSerializer, SubmissionSerializer, json_object, submission_object
from inference.services.submit import submit_task
from inference.views.base import api_key_of
from inference.views.submissions import SubmissionView

MIB = 1024 * 1024


class InferenceBatchView(SubmissionView):
    """Each item is a submission of its own, with its own answer; with `all_or_nothing`, one refusal undoes all."""

    scopes: ClassVar = {"POST": Scope.SUBMIT}
    body_max_bytes = 16 * MIB

    def post(self, request: Request) -> Response:
        if "Idempotency-Key" in request.headers:
            message = "Idempotency-Key is for a single submission: give each item an idempotency_key of its own."
            raise ValidationFailedError(message, errors={"Idempotency-Key": [message]})
        body = BatchSerializer(data=json_object(request.data))
        body.is_valid(raise_exception=True)
        results = submit_many(
            body.validated_data["items"],
            api_key_of(request),
            all_or_nothing=body.validated_data["all_or_nothing"],
            place=lambda number: f"items[{number}]",
        )
        answer = batch_object(results, called="items")
        if body.warnings:
            answer["warnings"] = body.warnings
        return Response(answer, status=status.HTTP_202_ACCEPTED)


def batch_object(results: list[dict[str, Any]], *, called: str) -> dict[str, Any]:
    """The answer to many submissions, which are `called` items or rows."""
    refused = sum(not result["success"] for result in results)
    return {
        "success": refused == 0,
        "message": f"{len(results) - refused} of {len(results)} {called} were accepted",
        "accepted": len(results) - refused,
        "refused": refused,
        "results": results,
    }


def submit_many(
    items: list[dict[str, Any]], key: ApiKey | None, *, all_or_nothing: bool, place: Callable[[int], str]
) -> list[dict[str, Any]]:
    """The answers to these bodies of submissions, in order; `place` names one of them by its number (from 0).

    With `all_or_nothing`, raises what the first refused one is refused with, by its place; then nothing is stored.
    """
    return _submit_all(items, key, place) if all_or_nothing else _submit_each(items, key)


def _submit_each(items: list[dict[str, Any]], key: ApiKey | None) -> list[dict[str, Any]]:
    """The answers, in order. Once the database is away, what follows is refused with the same words untried."""
    results: list[dict[str, Any]] = []
    away: InferenceError | None = None
    for item in items:
        refusal = away
        if refusal is None:
            try:
                results.append(_accepted(item, key))
                continue
            except DATABASE_AWAY as error:
                refusal = away = _known(error)
            except (InferenceError, exceptions.ValidationError) as error:
                refusal = _known(error)
        results.append({"status": refusal.status, **error_body(refusal.message, refusal.errors)})
    return results


def _submit_all(items: list[dict[str, Any]], key: ApiKey | None, place: Callable[[int], str]) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    with transaction.atomic():
        for number, item in enumerate(items):
            try:
                results.append(_accepted(item, key))
            except (InferenceError, exceptions.ValidationError) as error:
                raise _of_item(place(number), _known(error)) from error
    return results


def _accepted(item: Mapping[str, Any], key: ApiKey | None) -> dict[str, Any]:
    body = SubmissionSerializer(data=dict(item))
    body.is_valid(raise_exception=True)
    submission = submit_task(**body.validated_data, api_key=key)
    return {"status": status.HTTP_202_ACCEPTED, **submission_object(submission, body.warnings)}


def _known(error: Exception) -> InferenceError:
    known = as_inference_error(error)
    assert known is not None  # noqa: S101 - only errors that it knows are caught
    return known


def _of_item(place: str, error: InferenceError) -> InferenceError:
    """The same refusal, with the paths of the whole body."""
    named = type(error)(f"Nothing was stored: {place}: {error.message}")
    named.retry_after = error.retry_after
    if error.errors is not None:
        named.errors = {
            f"{place}.{path}": [f"{place}.{text}" for text in texts] for path, texts in error.errors.items()
        }
    return named
