"""What both clients do with their arguments before anything is sent."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from optexity_server.models import Page, wire_instant

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 200
MAX_READ_BYTES = 256 * 1024 * 1024
_FILTERS = ("status", "endpoint_name", "dedup_key", "created_after", "created_before")


def list_query(page_size: int, filters: Mapping[str, Any]) -> dict[str, str]:
    """The query of a list of tasks."""
    if not 1 <= page_size <= MAX_PAGE_SIZE:
        raise ValueError(f"page_size must be from 1 to {MAX_PAGE_SIZE}")
    unknown = filters.keys() - set(_FILTERS)
    if unknown:
        raise TypeError(f"unknown filters: {', '.join(sorted(unknown))}")
    given = {name: wire_instant(value) for name, value in filters.items() if value is not None}
    return {"limit": str(page_size), **given}


class EndedPosition:
    """How far a list of ended tasks has been worked off."""

    def __init__(
        self, after: datetime | str | None, cursor: str | None, page_size: int, filters: Mapping[str, Any]
    ) -> None:
        if after is None and cursor is None:
            raise ValueError("say from when on: after=, or cursor= of a time before")
        self.cursor = cursor
        self._query = list_query(page_size, filters)
        if after is not None:
            self._query["ended_after"] = wire_instant(after)

    def query(self) -> dict[str, str]:
        """That of the next page."""
        return self._query if self.cursor is None else self._query | {"cursor": self.cursor}

    def move_on(self, page: Page) -> bool:
        """All tasks of `page` are worked off. Whether it was the last one for now."""
        self.cursor = page.resume_cursor or self.cursor
        return page.next_cursor is None
