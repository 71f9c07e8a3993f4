"""`manage.py prune`: remove what is over its time or too much, now; with --dry-run say what that would be."""

import re
import signal
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from inference.housekeeping.errors import OtherPruneRunsError
from inference.housekeeping.limits import (
    AUDIT_MIN_DAYS,
    KINDS,
    KINDS_WITH_AGE,
    Limit,
    limits_from_settings,
    only_older_than,
)
from inference.housekeeping.progress import Tally
from inference.housekeeping.sweep import Pruned, prune
from inference.housekeeping.words import amounts, table

EXIT_NOT_ALL = 1
EXIT_STOPPED = 3
EXIT_OTHER_RUNS = 4

# A younger file may be one whose row is about to be written.
ORPHAN_MIN_AGE = timedelta(hours=1)
_AGE = re.compile(r"(\d{1,5})\s*([dh]?)")
# On a terminal the line is written over; elsewhere each is a line, and fewer are enough.
_TERMINAL_SECONDS, _LINE_SECONDS = 0.2, 5.0


class Command(BaseCommand):
    help = (
        "Remove what is over its time or too much, as the RETENTION_… settings say. "
        "Exit code: 0 done, 1 not all could be removed, 2 wrong use, 3 stopped before its end (the next one goes on), "
        "4 another prune runs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Remove nothing; say what would be.")
        parser.add_argument(
            "--only", nargs="+", choices=KINDS, metavar="KIND", help=f"Of {', '.join(KINDS)} (default: all)."
        )
        parser.add_argument(
            "--older-than",
            type=_age,
            metavar="AGE",
            help="Instead of the settings: what is older than 30d, 12h (or 30, in days), and nothing by size. "
            "Needs --only.",
        )
        parser.add_argument(
            "--max-minutes", type=float, metavar="N", help="Stop after so long; the next one goes on (default: never)."
        )

    def handle(
        self,
        *,
        dry_run: bool,
        only: list[str] | None,
        older_than: timedelta | None,
        max_minutes: float | None,
        **options: Any,
    ) -> None:
        limits = _limits(only, older_than)
        if max_minutes is not None and max_minutes <= 0:
            raise CommandError("--max-minutes must be above 0.", returncode=2)
        shown = _ProgressLine(self.stderr, "would go" if dry_run else "removed")
        try:
            with _stopped_by_signals() as signals:
                pruned = prune(
                    actor="command line",
                    kinds=only or KINDS,
                    limits=limits,
                    dry_run=dry_run,
                    max_seconds=None if max_minutes is None else max_minutes * 60,
                    must_stop=lambda: bool(signals),
                    tell=shown.tell,
                )
        except OtherPruneRunsError as error:
            raise CommandError(str(error), returncode=EXIT_OTHER_RUNS) from error
        except DatabaseError as error:
            message = f"The database did not answer or refused ({type(error).__name__}): see `manage.py doctor`."
            raise CommandError(f"{message} What was done before is done.", returncode=EXIT_NOT_ALL) from error
        finally:
            shown.end()
        self._report(pruned)

    def _report(self, pruned: Pruned) -> None:
        for line in table([*pruned.tallies, pruned.totals]):
            self.stdout.write(line)
        if pruned.dry_run:
            self.stdout.write("Nothing was removed: this was a dry run.")
        for failure in pruned.failures:
            self.stderr.write(failure)
        if not pruned.is_finished:
            raise CommandError("Stopped before its end; the next prune goes on from here.", returncode=EXIT_STOPPED)
        if pruned.failures:
            raise CommandError(
                f"{len(pruned.failures)} could not be removed; the next prune tries them again.",
                returncode=EXIT_NOT_ALL,
            )


class _ProgressLine:
    """On stderr: one line that is written over on a terminal, else a line now and then."""

    def __init__(self, stream: Any, word: str) -> None:
        self._stream = stream
        self._word = word
        self._on_terminal = stream.isatty()
        self._told_at = time.monotonic()
        self._is_open = False

    def tell(self, tally: Tally) -> None:
        now = time.monotonic()
        if now - self._told_at < (_TERMINAL_SECONDS if self._on_terminal else _LINE_SECONDS):
            return
        self._told_at = now
        text = f"{tally.kind} ({tally.rule}): {amounts(tally)} {self._word}"
        if self._on_terminal:
            self._stream.write(f"\r\x1b[K{text}", ending="")
            self._stream.flush()
            self._is_open = True
        else:
            self._stream.write(text)

    def end(self) -> None:
        if self._is_open:
            self._stream.write("\r\x1b[K", ending="")


def _limits(only: list[str] | None, older_than: timedelta | None) -> dict[str, Limit]:
    if older_than is None:
        return limits_from_settings()
    if not only:
        raise CommandError("--older-than needs --only: say which kinds it is meant for.", returncode=2)
    if without := [kind for kind in only if kind not in KINDS_WITH_AGE]:
        raise CommandError(f"--older-than cannot be asked of {', '.join(without)}.", returncode=2)
    if "audit" in only and older_than < timedelta(days=AUDIT_MIN_DAYS):
        raise CommandError(f"The audit log is kept for at least {AUDIT_MIN_DAYS} days.", returncode=2)
    if "orphans" in only and older_than < ORPHAN_MIN_AGE:
        raise CommandError("Orphans must be older than 1h: a file is written before its row.", returncode=2)
    return only_older_than(older_than, dict.fromkeys(only, Limit()))


def _age(text: str) -> timedelta:
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise ArgumentTypeError(f"“{text}” is no age: write 30d, 12h, or a number of days")
    number = int(found[1])
    return timedelta(hours=number) if found[2] == "h" else timedelta(days=number)


@contextmanager
def _stopped_by_signals() -> Iterator[list[int]]:
    """SIGTERM and Ctrl-C are noted; the run ends between two batches. A second one ends the process as usual."""
    noted: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)
        signal.signal(number, before[number])
        sys.stderr.write("Stopping after this batch.\n")

    before = {int(number): signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, note)
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
