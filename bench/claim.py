"""What a claim costs, and that waiting tasks and history do not raise it.

Each scenario is laid out in a database of its own size, then tasks are claimed one after the other, as idle workers
do. The reference is the first scenario: a few tasks in an empty table. Tasks that were claimed go back to the queue
between rounds, which is not measured.

    .venv/bin/python -m bench.claim [--rounds 5] [--claims 200] [--scale 1.0] [--json FILE]
"""

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg

REACH = 1.5
ENDED, WAITING = 1_000_000, 100_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--claims", type=int, default=200, help="per round")
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of waiting and ended tasks")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as stack:
        database = stack.enter_context(fresh_database())
        figures = {name: measure(database, lay_out, options) for name, lay_out in SCENARIOS.items()}
    return report(figures, options)


def fresh_database() -> Any:
    """A context with a connection to an embedded PostgreSQL that has our tables, deleted afterwards."""
    from contextlib import contextmanager

    @contextmanager
    def opened() -> Iterator[psycopg.Connection[Any]]:
        with tempfile.TemporaryDirectory(prefix="bench-claim-", ignore_cleanup_errors=True) as folder:
            os.environ |= {"DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "optexity_site.settings"}
            from optexity_site import embedded_db

            embedded_db.acquire(Path(folder))
            try:
                import django
                from django.core.management import call_command
                from django.db import connection

                django.setup()
                call_command("migrate", verbosity=0)
                connection.ensure_connection()
                yield connection.connection
                connection.close()
            finally:
                embedded_db.release(Path(folder))
                embedded_db.delete(Path(folder))

    return opened()


def measure(
    database: psycopg.Connection[Any], lay_out: Callable[["Layout"], None], options: argparse.Namespace
) -> list[float]:
    """Milliseconds of each claim."""
    layout = Layout(database, options.scale)
    layout.clear()
    lay_out(layout)
    database.execute("VACUUM (ANALYZE) inference_task")
    layout.settle()
    taken: list[float] = []
    layout.claim_and_give_back(options.claims)  # plans are made, pages are in memory
    processor = []
    for _ in range(options.rounds):
        before = layout.processor_ms()
        taken += layout.claim_and_give_back(options.claims)
        processor.append((layout.processor_ms() - before) / options.claims)
    median, late = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
    used = statistics.median(processor)
    print(
        f"  {lay_out.__doc__:75} median {median:6.2f} ms   99th percentile {late:6.2f} ms   processor {used:.2f} ms",
        flush=True,
    )
    return taken


class Layout:
    """Fills the tables by plain SQL: the triggers line up what waits."""

    def __init__(self, database: psycopg.Connection[Any], scale: float) -> None:
        self.database = database
        self.scale = scale
        self.names = 0

    def clear(self) -> None:
        self.database.execute(
            "TRUNCATE inference_task, inference_queueline, inference_queueshare, inference_concurrencyslot,"
            " inference_automation, inference_apikey CASCADE"
        )

    def settle(self) -> None:
        for table in ("queueline", "queueshare", "concurrencyslot", "apikey", "automation"):
            self.database.execute(f"VACUUM (ANALYZE) inference_{table}")  # type: ignore[arg-type]

    def key(self) -> int:
        self.names += 1
        return self._id(
            "INSERT INTO inference_apikey (public_id, digest, name, scopes) VALUES (%s, '', 'k', '{submit}')"
            " RETURNING id",
            f"{self.names:08}",
        )

    def automation(self, limit: int | None = None) -> tuple[int, int]:
        """Its id and its version's."""
        self.names += 1
        automation = self._id(
            "INSERT INTO inference_automation (endpoint_name, description, is_active, max_parallelism)"
            " VALUES (%s, '', true, %s) RETURNING id",
            f"a{self.names}",
            limit,
        )
        version = self._id(
            "INSERT INTO inference_automationversion (automation_id, number, document, input_names, secure_names,"
            " step_count, max_retries, note) VALUES (%s, 1, '{}', '[]', '[]', 1, 0, '') RETURNING id",
            automation,
        )
        return automation, version

    def tasks(
        self,
        count: int,
        automation: tuple[int, int],
        *,
        key: int | None = None,
        status: str = "queued",
        logins: int = 0,
        delayed: bool = False,
    ) -> None:
        """`logins`: dedicated tasks, spread over so many; 0: ordinary ones."""
        count = max(1, round(count * self.scale))
        ended = status != "queued"
        # History is loaded past the triggers: a million notifications would be the longest part of the run.
        if ended:
            self.database.execute("ALTER TABLE inference_task DISABLE TRIGGER USER")
        for begin in range(0, count, 20_000):
            self.database.execute(
                """
                INSERT INTO inference_task (id, automation_id, version_id, endpoint_name, api_key_id, input_parameters,
                    secure_parameters, unique_parameter_names, dedup_key, dedup_hash, max_timeout_in_minutes,
                    is_dedicated, use_proxy, max_retries, status, retry_count, outcome_unknown, lease_token, held_slots,
                    output_data, for_loop_status, notes, created_at, available_at, allocated_at, started_at,
                    completed_at, sharer, is_delayed)
                SELECT gen_random_uuid(), %(automation)s, %(version)s, 'bench', %(key)s, '{"patient": ["A-1"]}',
                    '{}', '[]', 'x', h.hash, 10, %(logins)s > 0, false, 0, %(status)s, 0, false, 0, '{}', '[]', '[]',
                    '',
                    t.at, CASE WHEN %(delayed)s THEN statement_timestamp() + interval '1 day' ELSE t.at END,
                    t.done, t.done, t.done, '', false
                FROM generate_series(%(begin)s::int, %(end)s::int) n
                CROSS JOIN LATERAL (SELECT statement_timestamp() - interval '1 hour' + n * interval '1 ms' AS at) b
                CROSS JOIN LATERAL (SELECT b.at, CASE WHEN %(status)s <> 'queued' THEN b.at END AS done) t
                CROSS JOIN LATERAL (SELECT encode(sha256(
                    (CASE WHEN %(logins)s > 0 THEN (n %% %(logins)s)::text ELSE gen_random_uuid()::text END
                    )::bytea), 'hex') AS hash) h
                """,
                {
                    "automation": automation[0],
                    "version": automation[1],
                    "key": key,
                    "status": status,
                    "logins": logins,
                    "delayed": delayed,
                    "begin": begin,
                    "end": min(count, begin + 20_000) - 1,
                },
            )
        self.database.execute("ALTER TABLE inference_task ENABLE TRIGGER USER")

    def fill_login(self, automation: tuple[int, int], login: int) -> None:
        """Somebody runs a task of it."""
        self.database.execute(
            "INSERT INTO inference_concurrencyslot VALUES ('login:' || %s || ':' ||"
            " left(encode(sha256(%s::text::bytea), 'hex'), 40), 1)",
            [automation[0], login],
        )

    def fill_automation(self, automation: tuple[int, int], running: int) -> None:
        self.database.execute(
            "INSERT INTO inference_concurrencyslot VALUES ('automation:' || %s, %s)", [automation[0], running]
        )

    def processor_ms(self) -> float:
        pid = self.database.info.backend_pid
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6

    def claim_and_give_back(self, claims: int) -> list[float]:
        taken = []
        for _ in range(claims):
            began = time.perf_counter()
            row = self.database.execute(
                "SELECT * FROM inference_claim_task('bench/1/1', 'bench', 20)", prepare=True
            ).fetchone()
            taken.append((time.perf_counter() - began) * 1000)
            if row is None:
                raise RuntimeError("nothing could be claimed")
        self.database.execute(
            "UPDATE inference_task SET status = 'queued', allocated_at = NULL WHERE status = 'allocated'"
        )
        self.database.execute("DELETE FROM inference_attempt")
        return taken

    def _id(self, statement: str, *values: Any) -> int:
        row = self.database.execute(statement, values).fetchone()  # type: ignore[arg-type]
        assert row is not None
        return int(row[0])


def little(layout: Layout) -> None:
    """1,000 tasks wait, nothing else (the reference)"""
    layout.scale, scale = 1, layout.scale
    layout.tasks(1000, layout.automation())
    layout.scale = scale


def much(layout: Layout) -> None:
    """100,000 wait, 1,000,000 have ended"""
    automation = layout.automation()
    layout.tasks(ENDED, automation, status="success")
    layout.tasks(WAITING, automation)


def many_sharers(layout: Layout) -> None:
    """100,000 of 20 keys wait, 1,000,000 have ended"""
    automation = layout.automation()
    layout.tasks(ENDED, automation, status="success")
    for _ in range(20):
        layout.tasks(WAITING // 20, automation, key=layout.key())


def many_logins(layout: Layout) -> None:
    """100,000 dedicated tasks of 20,000 logins wait, 1,000,000 have ended"""
    automation = layout.automation()
    layout.tasks(ENDED, automation, status="success")
    layout.tasks(WAITING, automation, logins=20_000)


def full_login(layout: Layout) -> None:
    """10,000 of one full login before 10,000 others"""
    automation = layout.automation()
    layout.tasks(10_000, automation, logins=1)
    layout.fill_login(automation, 0)
    layout.tasks(10_000, automation)


def full_logins(layout: Layout) -> None:
    """10,000 of 40 full logins before 10,000 others"""
    automation = layout.automation()
    layout.tasks(10_000, automation, logins=40)
    for login in range(40):
        layout.fill_login(automation, login)
    layout.tasks(10_000, automation)


def full_automation(layout: Layout) -> None:
    """10,000 logins of a full automation before 10,000 of another"""
    full = layout.automation(limit=5)
    layout.tasks(10_000, full, logins=10_000)
    layout.fill_automation(full, 5)
    layout.tasks(10_000, layout.automation())


def blocked_sharers(layout: Layout) -> None:
    """20 keys whose automation is full before one that may start"""
    full = layout.automation(limit=5)
    layout.fill_automation(full, 5)
    for _ in range(20):
        layout.tasks(1000, full, key=layout.key())
    layout.tasks(10_000, layout.automation(), key=layout.key())


def retry_pauses(layout: Layout) -> None:
    """10,000 in their retry pause before 10,000 others"""
    automation = layout.automation()
    layout.tasks(10_000, automation, delayed=True)
    layout.tasks(10_000, automation)


SCENARIOS: dict[str, Callable[[Layout], None]] = {
    each.__name__: each
    for each in (
        little,
        much,
        many_sharers,
        many_logins,
        full_login,
        full_logins,
        full_automation,
        blocked_sharers,
        retry_pauses,
    )
}


def report(figures: dict[str, list[float]], options: argparse.Namespace) -> int:
    medians = {name: statistics.median(taken) for name, taken in figures.items()}
    ratio = medians["much"] / medians["little"]
    print(f"a large queue and history: {ratio:.2f} times the reference in the median (reach: {REACH})")
    if options.json:
        late = {name: statistics.quantiles(taken, n=100)[98] for name, taken in figures.items()}
        options.json.write_text(json.dumps({"median_ms": medians, "p99_ms": late, "ratio": ratio}, indent=2) + "\n")
    return 0 if ratio <= REACH else 1


if __name__ == "__main__":
    sys.exit(main())
