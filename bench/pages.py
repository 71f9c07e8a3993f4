"""What the thousandth page of a list of tasks costs beside its first, with a million tasks in the table.

One web process on a database of its own. First and thousandth page are asked for in turns, each over the same
connection, so that other work on the machine falls on both. The thousandth is asked for by a cursor for its position
in the shape of those that the server gives, and has to begin with the right task.

    .venv/bin/python -m bench.pages [--tasks 1000000] [--pairs 100] [--json FILE]
"""

import argparse
import base64
import hashlib
import http.client
import json
import signal
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg

from bench.web import Web, web

REACH = 1.5
LIMIT = 50
PAGE = 1000
ROWS_AT_ONCE = 20_000
# May use the automations `small` or `retired` alone; the secret part is of the length that keys have.
NARROW_KEYS = {name: f"opx_{name[:5]:0<8}_{name:0<43}" for name in ("small", "retired")}


@dataclass(frozen=True)
class Case:
    """One list: its query, and the same as a condition in SQL, to find the task that the thousandth page begins with.

    `middle` in them stands for the instant of the task in the middle.
    """

    name: str
    query: Mapping[str, str]
    condition: str
    by_end: bool = False
    key: str = ""


CASES = (
    Case("all", {}, "true"),
    Case("status", {"status": "failed"}, "status = 'failed'"),
    Case("endpoint_name", {"endpoint_name": "small"}, "endpoint_name = 'small'"),
    Case("endpoint_name, an old one", {"endpoint_name": "retired"}, "endpoint_name = 'retired'"),
    Case(
        "status and endpoint_name",
        {"status": "failed", "endpoint_name": "large"},
        "status = 'failed' AND endpoint_name = 'large'",
    ),
    Case("dedup_key", {"dedup_key": "frequent"}, "dedup_key = 'frequent'"),
    Case("created_after", {"created_after": "middle"}, "created_at > 'middle'"),
    Case("created_before", {"created_before": "middle"}, "created_at < 'middle'"),
    Case("needs_review", {"needs_review": "true"}, "outcome_unknown AND review IS NULL"),
    Case("needs_review=false", {"needs_review": "false"}, "NOT (outcome_unknown AND review IS NULL)"),
    Case("a key of one automation", {}, "endpoint_name = 'small'", key="small"),
    Case("a key of one old automation", {}, "endpoint_name = 'retired'", key="retired"),
    Case("ended_after", {"ended_after": "middle"}, "completed_at > 'middle'", by_end=True),
    Case(
        "ended_after and status",
        {"ended_after": "middle", "status": "failed"},
        "completed_at > 'middle' AND status = 'failed'",
        by_end=True,
    ),
    Case(
        "ended_after and endpoint_name",
        {"ended_after": "middle", "endpoint_name": "large"},
        "completed_at > 'middle' AND endpoint_name = 'large'",
        by_end=True,
    ),
    Case(
        "ended_after, status and endpoint_name",
        {"ended_after": "2026-01-01T00:00:00Z", "status": "failed", "endpoint_name": "large"},
        "completed_at IS NOT NULL AND status = 'failed' AND endpoint_name = 'large'",
        by_end=True,
    ),
    Case(
        "ended_after, a key of one automation",
        {"ended_after": "2026-01-01T00:00:00Z"},
        "completed_at IS NOT NULL AND endpoint_name = 'small'",
        by_end=True,
        key="small",
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with web() as server:
        with server.connect() as connection:
            began = time.monotonic()
            load(connection, options.tasks)
            print(f"{options.tasks:,} tasks loaded in {time.monotonic() - began:.0f} s", flush=True)
        figures = {case.name: measure(server, case, options) for case in CASES}
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    worst = max(each["ratio"] for each in figures.values())
    print(f"worst: {worst:.2f} (to reach: {REACH})")
    return 0 if worst <= REACH else 1


def load(connection: "psycopg.Connection[Any]", count: int) -> None:
    """History as weeks of work leave it: statuses, results, keys and automations in every part of it, except that one
    automation had the first tenth for itself and none since. Each page of all has one task that waits."""
    automations = dict(_made_automations(connection))
    keys = [_made_key(connection, name, automations[name][0]) for name in NARROW_KEYS]
    # Made again when all rows are there: in a tenth of the time that it takes to put each row into them.
    indexes = connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'inference_task' AND indexname NOT IN"
        " (SELECT conname FROM pg_constraint) AND indexdef NOT LIKE 'CREATE UNIQUE%'"
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f'DROP INDEX "{name}"')
    for begin in range(0, count, ROWS_AT_ONCE):
        connection.execute("SET LOCAL inference.load_history = 'on'")
        connection.execute(
            _LOAD,
            {
                "names": list(automations),
                "automations": [automation for automation, _ in automations.values()],
                "versions": [version for _, version in automations.values()],
                "keys": keys,
                "count": count,
                "begin": begin,
                "end": min(count, begin + ROWS_AT_ONCE) - 1,
            },
        )
        connection.commit()
    for _, definition in indexes:
        connection.execute(definition)
    connection.commit()
    connection.autocommit = True
    for table in ("task", "automation", "apikey", "queueline", "queueshare"):
        connection.execute(f"VACUUM (ANALYZE) inference_{table}")  # type: ignore[arg-type]
    connection.autocommit = False


_LOAD = """
    INSERT INTO inference_task (id, automation_id, version_id, endpoint_name, api_key_id, input_parameters,
        secure_parameters, unique_parameter_names, dedup_key, dedup_hash, max_timeout_in_minutes, is_dedicated,
        use_proxy, max_retries, status, retry_count, outcome_unknown, lease_token, held_slots, output_data,
        for_loop_status, notes, created_at, available_at, allocated_at, started_at, completed_at, sharer, is_delayed)
    SELECT
        (lpad(to_hex((extract(epoch FROM t.at) * 1000)::bigint), 12, '0') || '7'
            || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid,
        (%(automations)s::bigint[])[a.place], (%(versions)s::bigint[])[a.place], (%(names)s::text[])[a.place],
        (%(keys)s::bigint[])[1 + n %% 2],
        jsonb_build_object('claim', jsonb_build_array('HM-' || n)), '{}', '["claim"]', d.key,
        encode(sha256(d.key::bytea), 'hex'), 10, false, false, 0, s.status, 0,
        s.status = 'failed' AND h.two %% 3 = 0, 0, '{}',
        jsonb_build_array(jsonb_build_object('json_data', jsonb_build_object('text', repeat('x', 300)))),
        '[]', '', t.at, t.at,
        CASE WHEN s.status <> 'queued' THEN t.at + interval '1 s' END,
        CASE WHEN s.status <> 'queued' THEN t.at + interval '2 s' END,
        CASE WHEN s.status <> 'queued' THEN t.at + make_interval(secs => 5 + h.two %% 300) END, '', false
    FROM generate_series(%(begin)s::int, %(end)s::int) n
    CROSS JOIN LATERAL (SELECT statement_timestamp() - interval '1 hour' - (%(count)s - n) * interval '1 s' AS at) t
    CROSS JOIN LATERAL (SELECT abs(hashint4(n)::bigint) AS one, abs(hashint4(n + 1000003)::bigint) AS two) h
    CROSS JOIN LATERAL (SELECT CASE
        WHEN n < %(count)s / 10 THEN 4 WHEN n %% 10 < 6 THEN 1 WHEN n %% 10 < 9 THEN 2 ELSE 3 END AS place) a
    CROSS JOIN LATERAL (SELECT CASE
        WHEN n %% 50 = 7 THEN 'queued' WHEN h.one %% 100 < 70 THEN 'success' WHEN h.one %% 100 < 88 THEN 'failed'
        WHEN h.one %% 100 < 94 THEN 'killed' ELSE 'cancelled' END AS status) s
    CROSS JOIN LATERAL (SELECT CASE
        WHEN s.status <> 'queued' AND h.two %% 16 = 0 THEN 'frequent' ELSE 'key-' || n END AS key) d
"""


def _made_automations(connection: "psycopg.Connection[Any]") -> list[tuple[str, tuple[int, int]]]:
    """Each with its id and its version's."""
    made = []
    for name in ("large", "middle", "small", "retired"):
        automation = _id(
            connection,
            "INSERT INTO inference_automation (endpoint_name, description, is_active) VALUES (%s, '', true)"
            " RETURNING id",
            name,
        )
        version = _id(
            connection,
            "INSERT INTO inference_automationversion (automation_id, number, document, input_names, secure_names,"
            """ step_count, max_retries, note) VALUES (%s, 1, '{}', '["claim"]', '[]', 1, 0, '') RETURNING id""",
            automation,
        )
        made.append((name, (automation, version)))
    return made


def _made_key(connection: "psycopg.Connection[Any]", name: str, automation: int) -> int:
    text = NARROW_KEYS[name]
    key = _id(
        connection,
        "INSERT INTO inference_apikey (public_id, digest, name, scopes) VALUES (%s, %s, 'bench', '{read}')"
        " RETURNING id",
        text.split("_")[1],
        hashlib.sha256(text.encode()).hexdigest(),
    )
    connection.execute(
        "INSERT INTO inference_apikey_automations (apikey_id, automation_id) VALUES (%s, %s)", [key, automation]
    )
    return key


def _id(connection: "psycopg.Connection[Any]", statement: str, *values: Any) -> int:
    row = connection.execute(statement, values).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return int(row[0])


def measure(server: Web, case: Case, options: argparse.Namespace) -> dict[str, float]:
    """Medians of both pages in milliseconds, and their ratio."""
    with server.connect() as connection:
        (middle,) = _row(
            connection,
            "SELECT created_at FROM inference_task ORDER BY created_at OFFSET %s LIMIT 1",
            options.tasks // 2,
        )
        wanted = {name: middle.isoformat() if text == "middle" else text for name, text in case.query.items()}
        place = (PAGE - 1) * LIMIT - 1
        condition = case.condition.replace("'middle'", f"'{middle.isoformat()}'")
        instant = "completed_at" if case.by_end else "created_at"
        way = "" if case.by_end else "DESC"
        order = f"FROM inference_task WHERE {condition} ORDER BY {instant} {way}, id {way} OFFSET %s LIMIT 1"
        last = _row(connection, f"SELECT {instant}, id {order}", place)
        (first_id,) = _row(connection, f"SELECT id {order}", place + 1)
    client = Client(server, NARROW_KEYS.get(case.key, server.key))
    path = f"/api/v1/tasks?{urlencode({**wanted, 'limit': str(LIMIT)})}"
    first_page, _ = client.get(path)
    deep = f"{path}&cursor={cursor_like(first_page['next_cursor'], *last)}"
    deep_page, _ = client.get(deep)
    if deep_page["tasks"][0]["task_id"] != str(first_id) or len(deep_page["tasks"]) != LIMIT:
        raise SystemExit(f"{case.name}: page {PAGE} is not the one that it should be")
    taken: dict[str, list[float]] = {path: [], deep: []}
    for number in range(options.pairs + 5):
        for each in (path, deep) if number % 2 else (deep, path):
            _, milliseconds = client.get(each)
            if number >= 5:  # the first ones warm up
                taken[each].append(milliseconds)
    client.close()
    medians = {"first_ms": statistics.median(taken[path]), "thousandth_ms": statistics.median(taken[deep])}
    ratio = medians["thousandth_ms"] / medians["first_ms"]
    print(
        f"{case.name:40} first {medians['first_ms']:7.1f} ms   page {PAGE:,} {medians['thousandth_ms']:7.1f} ms"
        f"   {ratio:.2f}",
        flush=True,
    )
    return {**medians, "ratio": ratio}


def _row(connection: "psycopg.Connection[Any]", statement: str, *values: Any) -> Sequence[Any]:
    row = connection.execute(statement, values).fetchone()  # type: ignore[arg-type]
    if row is None:
        raise SystemExit(f"too few tasks for page {PAGE:,}: use more of them")
    return list(row)


def cursor_like(given: str, instant: datetime, task_id: Any) -> str:
    """A cursor as the server gave one, for another position."""
    kind, _, _ = base64.urlsafe_b64decode(given).decode().split("|")
    return base64.urlsafe_b64encode(f"{kind}|{instant.isoformat()}|{task_id}".encode()).decode()


class Client:
    """One connection that stays open."""

    def __init__(self, server: Web, key: str) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
        self._headers = {"x-api-key": key}

    def get(self, path: str) -> tuple[Any, float]:
        """The answer, and the milliseconds until it was read."""
        began = time.perf_counter()
        self._http.request("GET", path, headers=self._headers)
        answer = self._http.getresponse()
        content = answer.read()
        milliseconds = (time.perf_counter() - began) * 1000
        if answer.status != 200:
            raise SystemExit(f"{path} is answered with {answer.status}: {content[:300]!r}")
        return json.loads(content), milliseconds

    def close(self) -> None:
        self._http.close()


if __name__ == "__main__":
    sys.exit(main())
