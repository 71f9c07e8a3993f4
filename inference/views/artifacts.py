"""The bytes of a task's file: with a key that may read, or by a signed link."""

from typing import Any, ClassVar
from uuid import UUID

from django.core.files.storage import default_storage
from django.http import FileResponse
from rest_framework.request import Request

from inference.errors import NotFoundError
from inference.models import Artifact, Scope
from inference.services.artifact_links import is_signed
from inference.services.waiting import give_back_connection
from inference.views.base import ApiView, api_key_of
from inference.visibility import may_use


class ArtifactView(ApiView):
    """GET /api/v1/artifacts/{id}"""

    scopes: ClassVar = {"GET": Scope.READ}

    def get_authenticators(self) -> list[Any]:
        return [] if self._is_signed() else [*super().get_authenticators()]

    def get_permissions(self) -> list[Any]:
        return [] if self._is_signed() else [*super().get_permissions()]

    def get(self, request: Request, artifact_id: UUID) -> FileResponse:
        visible = Artifact.objects.filter(may_use(api_key_of(request), "task__automation"), id=artifact_id).first()
        gone = NotFoundError(f"Artifact {artifact_id} not found: it does not exist, or this key may not see it.")
        if visible is None:
            raise gone
        if not visible.is_there:
            raise NotFoundError(f"The file of artifact {artifact_id} is gone. {visible.get_removal_display()}")
        try:
            file = default_storage.open(visible.storage_name, "rb")
        except FileNotFoundError:
            raise gone from None
        # A slow client may take minutes; nothing more is read from the database for it.
        give_back_connection()
        response = FileResponse(file, as_attachment=True, filename=visible.filename, content_type=visible.content_type)
        # Nothing that a site made a worker download may run here, whatever a browser takes it for.
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response.headers["Cache-Control"] = "private, no-store"
        return response

    def _is_signed(self) -> bool:
        signature = self.request.GET.get("signature")
        return signature is not None and is_signed(self.kwargs["artifact_id"], signature)
