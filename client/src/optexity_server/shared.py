"""What both clients do with their arguments before anything is sent."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from optexity_server.models import CsvOptions, Page, wire_instant, wire_text

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 200
MAX_READ_BYTES = 256 * 1024 * 1024
_FILTERS = ("status", "endpoint_name", "dedup_key", "created_after", "created_before", "needs_review")


def list_query(page_size: int, filters: Mapping[str, Any]) -> dict[str, str]:
    """The query of a list of tasks."""
    if not 1 <= page_size <= MAX_PAGE_SIZE:
        raise ValueError(f"page_size must be from 1 to {MAX_PAGE_SIZE}")
    return {"limit": str(page_size), **_checked(filters)}


def export_query(
    filters: Mapping[str, Any], *, ended_after: datetime | str | None, cursor: str | None, delimiter: str, raw: bool
) -> dict[str, str]:
    """The query of a table of tasks, without how many."""
    begin = {"ended_after": None if ended_after is None else wire_instant(ended_after), "cursor": cursor}
    given = {name: value for name, value in begin.items() if value is not None}
    return {**_checked(filters), **given, "delimiter": delimiter, **({"raw": "true"} if raw else {})}


def csv_query(endpoint_name: str, options: Mapping[str, Any]) -> dict[str, str | Sequence[str]]:
    """The query of a table of submissions."""
    unknown = options.keys() - CsvOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"unknown options of a table: {', '.join(sorted(unknown))}")
    unique = options.get("unique")
    if isinstance(unique, str):
        raise TypeError("unique must be a list of names, not a text")
    rest = {name: wire_text(value) for name, value in options.items() if name != "unique" and value is not None}
    return {
        "endpoint_name": endpoint_name,
        **({"unique_parameter_names": list(unique)} if unique else {}),
        **rest,
    }


def _checked(filters: Mapping[str, Any]) -> dict[str, str]:
    unknown = filters.keys() - set(_FILTERS)
    if unknown:
        raise TypeError(f"unknown filters: {', '.join(sorted(unknown))}")
    return {name: wire_text(value) for name, value in filters.items() if value is not None}


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
