"""POST /api/v1/files: a file that one later task is to use."""

from contextlib import closing
from datetime import UTC
from typing import ClassVar

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from inference.models import Scope
from inference.receiving import disk_errors, receive_file
from inference.services.uploads import SCHEME, keep_upload
from inference.services.waiting import give_back_connection
from inference.views.base import ApiView, api_key_of


class FileUploadView(ApiView):
    """The field `file` of a form, or the body itself with `?filename=`."""

    scopes: ClassVar = {"POST": Scope.SUBMIT}

    def post(self, request: Request) -> Response:
        # A slow client may take minutes to send a file.
        give_back_connection()
        arrived, name = receive_file(request.stream, request.META, filename=request.query_params.get("filename"))
        with closing(arrived), disk_errors():
            upload = keep_upload(
                arrived,
                filename=name,
                size_bytes=arrived.size_bytes,
                sha256=arrived.sha256,
                api_key=api_key_of(request),
            )
        answer = {
            "success": True,
            "message": f"The file is kept: name it as {SCHEME}{upload.id} in a parameter",
            "file_id": str(upload.id),
            "filename": upload.filename,
            "size_bytes": upload.size_bytes,
            "sha256": upload.sha256,
            "expires_at": upload.expires_at.astimezone(UTC).isoformat(),
        }
        return Response(answer, status=status.HTTP_201_CREATED)
