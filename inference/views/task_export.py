"""GET /api/v1/tasks.csv: tasks with their inputs and outputs, for spreadsheets."""

import itertools
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.http import StreamingHttpResponse
from rest_framework.request import Request

from inference.csv_rows import DELIMITERS
from inference.errors import UnavailableError
from inference.models import Scope, Task
from inference.queries import TaskFilter, walk_tasks
from inference.receiving import disk_errors
from inference.serializers import Cursor, TaskExportSerializer
from inference.services.waiting import give_back_connection
from inference.task_table import TaskTable
from inference.views.base import ApiView, api_key_of

# Of one answer, whichever is reached first; the cursor goes on from there.
MAX_BYTES = 64 * 1024 * 1024
# Answers of one web process that are put together at the same time: each takes a thread, and room on the disk.
MAX_AT_ONCE = 4

_places = threading.BoundedSemaphore(MAX_AT_ONCE)


class TaskExportView(ApiView):
    """The list of GET /api/v1/tasks as a table, in pages as large as a spreadsheet wants them."""

    scopes: ClassVar = {"GET": Scope.READ}

    def get(self, request: Request) -> StreamingHttpResponse:
        query = TaskExportSerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        wanted = dict(query.validated_data)
        limit, cursor = wanted.pop("limit"), wanted.pop("cursor", None)
        delimiter, raw = DELIMITERS[wanted.pop("delimiter")], wanted.pop("raw")
        by_end = "ended_after" in wanted or (cursor is not None and cursor.by_end)
        after = None if cursor is None else cursor.position
        with _place():
            tasks = walk_tasks(api_key_of(request), TaskFilter(**wanted), after=after, by_end=by_end)
            table, last, is_more = _collect(tasks, limit)
        # From here on a slow client costs a thread, and nothing of the database.
        give_back_connection()
        response = StreamingHttpResponse(
            table.chunks(delimiter=delimiter, raw=raw),
            content_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": 'attachment; filename="tasks.csv"',
                "Cache-Control": "private, no-store",
                "X-Content-Type-Options": "nosniff",
            },
        )
        position = cursor if last is None else Cursor.after(last, by_end=by_end)
        if is_more:
            response.headers["X-Next-Cursor"] = str(position)
            response.headers["Link"] = f'<{_address(request, str(position))}>; rel="next"'
        if by_end and position is not None:
            response.headers["X-Resume-Cursor"] = str(position)
        return response


@contextmanager
def _place() -> Generator[None]:
    if not _places.acquire(blocking=False):
        raise UnavailableError(f"Too many tables are being made (at most {MAX_AT_ONCE}): ask again in a few seconds.")
    try:
        yield
    finally:
        _places.release()


def _collect(tasks: Generator[Task], limit: int) -> tuple[TaskTable, Task | None, bool]:
    """The table, the last task in it, and whether there are more."""
    table, last = TaskTable(), None
    try:
        with disk_errors():
            for task in itertools.islice(tasks, limit):
                table.add(task)
                last = task
                if table.bytes >= MAX_BYTES:
                    break
        return table, last, next(tasks, None) is not None
    except BaseException:
        table.close()
        raise


def _address(request: Request, cursor: str) -> str:
    query: Any = request.query_params.copy()
    query["cursor"] = cursor
    address: str = request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
    return address
