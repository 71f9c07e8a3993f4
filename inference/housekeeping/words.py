"""What a run of the housekeeping did, in words and as a table."""

from collections.abc import Sequence

from inference.housekeeping.progress import Tally

_HEADINGS = ("kind", "rule", "rows", "files", "bytes")


def amounts(tally: Tally) -> str:
    """`1,200 rows, 3 files, 4.1 MB`; without what is none."""
    parts = [_counted(tally.rows, "row")] if tally.rows or not tally.files else []
    if tally.files:
        parts += [_counted(tally.files, "file"), size(tally.bytes)]
    return ", ".join(parts)


def size(count: int) -> str:
    """Bytes as people read them: `214 kB`, `8.1 MB`."""
    for unit, power in (("GB", 3), ("MB", 2)):
        if count >= 1000**power:
            return f"{count / 1000**power:,.1f} {unit}"
    return f"{count / 1000:.0f} kB" if count >= 1000 else f"{count} B"


def table(tallies: Sequence[Tally]) -> list[str]:
    """A line for each kind and rule, under their headings; numbers stand to the right, bytes are exact."""
    rows = [_HEADINGS, *((t.kind, t.rule, f"{t.rows:,}", f"{t.files:,}", f"{t.bytes:,}") for t in tallies)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _counted(count: int, one: str) -> str:
    return f"{count:,} {one}{'' if count == 1 else 's'}"
