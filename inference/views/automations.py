"""Automations by name: read, published as new versions, checked, deactivated."""

import json
from functools import cache
from typing import Any, ClassVar

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from automation import Finding, Problem, json_schema
from inference.errors import ForbiddenError, endpoint_not_found
from inference.models import Automation, Scope
from inference.queries import newest_versions, visible_automations
from inference.serializers import automation_object, json_object
from inference.services.publish import deactivate_automation, publish_automation
from inference.services.review import Review, review_document
from inference.views.base import ApiView, OpenView, require_key

TRUST_IS_GONE = Problem(
    "", "the scripts changed, so the automation is not trusted anymore: they run when an administrator trusts it again"
)
# A document with many nodes; submissions have a smaller limit of their own.
DOCUMENT_MAX_BYTES = 16 * 1024 * 1024


class AutomationListView(ApiView):
    """GET /api/v1/automations: the active ones that the key may use."""

    scopes: ClassVar = {"GET": Scope.READ}

    def get(self, request: Request) -> Response:
        automations = list(visible_automations(require_key(request)).order_by("endpoint_name"))
        newest = newest_versions(automations)
        return Response({"automations": [automation_object(each, newest.get(each.pk)) for each in automations]})


class AutomationView(ApiView):
    """GET, PUT and DELETE /api/v1/automations/{endpoint_name}."""

    scopes: ClassVar = {"GET": Scope.READ, "PUT": Scope.MANAGE, "DELETE": Scope.MANAGE}
    body_max_bytes = DOCUMENT_MAX_BYTES

    def get(self, request: Request, endpoint_name: str) -> Response:
        automation = _find(request, endpoint_name)
        version = automation.versions.first()
        answer = automation_object(automation, version)
        return Response(answer | {"automation": None if version is None else version.document})

    def put(self, request: Request, endpoint_name: str) -> Response:
        """The body is the document itself. 201 with a new version, 200 when it is the newest already."""
        key = require_key(request)
        document = json_object(request.data)
        known = visible_automations(key).filter(endpoint_name=endpoint_name).first()
        if known is None and key.automations.exists():
            # It may be somebody else's: a restricted key changes what it may use, and makes nothing new.
            raise ForbiddenError("API key may change its own automations only: use one without a list of them.")
        before = None if known is None else known.versions.values_list("number", flat=True).first()
        version = publish_automation(
            document=document,
            endpoint_name=endpoint_name,
            author=key.owner,
            note=request.query_params.get("note", ""),
            actor=key,
        )
        is_new = version.number != before
        answer = automation_object(version.automation, version) | {"success": True, "is_new_version": is_new}
        answer |= _advice(review_document(document))
        if known is not None and known.is_trusted and not version.automation.is_trusted:
            answer["warnings"] = [*answer["warnings"], _told(TRUST_IS_GONE)]
        return Response(answer, status=201 if is_new else 200)

    def delete(self, request: Request, endpoint_name: str) -> Response:
        automation = _find(request, endpoint_name)
        deactivate_automation(automation=automation, actor=require_key(request))
        return Response({"success": True, "message": "The automation is inactive; its tasks stay readable."})


class AutomationValidateView(ApiView):
    """POST /api/v1/automations/{endpoint_name}/validate: what keeps the document from being published, and what the
    linter says about it. Writes nothing."""

    scopes: ClassVar = {"POST": Scope.MANAGE}
    body_max_bytes = DOCUMENT_MAX_BYTES

    def post(self, request: Request, endpoint_name: str) -> Response:
        review = review_document(json_object(request.data))
        answer = {
            "success": True,
            "endpoint_name": endpoint_name,
            "valid": not review.problems,
            "problems": [_told(each) for each in review.problems],
        }
        return Response(answer | _advice(review))


class AutomationSchemaView(OpenView):
    """GET /api/automation.schema.json: the JSON Schema of documents, for editors, which send no key."""

    def get(self, request: Request) -> HttpResponse:
        headers = {"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}
        return HttpResponse(_schema_text(), content_type="application/schema+json", headers=headers)


@cache
def _schema_text() -> str:
    return json.dumps(json_schema(), ensure_ascii=False, indent=2) + "\n"


def _told(problem: Problem) -> dict[str, str]:
    return {"path": problem.path, "message": problem.message}


def _advice(review: Review) -> dict[str, Any]:
    """`warnings`: what loading ignores or guesses. `findings`: everything that the linter says."""
    return {
        "warnings": [_told(each) for each in review.warnings],
        "findings": [_found(each) for each in review.findings],
    }


def _found(finding: Finding) -> dict[str, Any]:
    return finding._asdict()


def _find(request: Request, endpoint_name: str) -> Automation:
    found = visible_automations(require_key(request)).filter(endpoint_name=endpoint_name).first()
    if found is None:
        raise endpoint_not_found(endpoint_name)
    return found
