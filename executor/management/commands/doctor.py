"""`manage.py doctor`: is everything there that the server needs, and what to do about what is not."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from executor.browser import find_browser
from executor.errors import BrowserNotFoundError
from executor.scripts.process import ConfinementUnavailableError, layers_of_this_host
from inference.models import Task, TaskStatus, WorkerHost
from inference.models.database_clock import StatementTimestamp

DISK_WARNING_GB = 2
CLOCK_WARNING_SECONDS = 5.0
BROWSER_SECONDS = 30


@dataclass(frozen=True)
class Finding:
    """What one check saw. `advice` is empty when all is well."""

    check: str
    ok: bool
    seen: str
    advice: str = ""


class Command(BaseCommand):
    help = "Check database, migrations, browser, disk, workers, clock, scripts; exit 1 when something needs attention."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print the findings as one JSON list.")

    def handle(self, **options: Any) -> None:
        findings = [_guarded(name, look) for name, look in CHECKS.items()]
        if options["json"]:
            self.stdout.write(json.dumps([asdict(each) for each in findings], indent=2))
        else:
            for each in findings:
                mark = self.style.SUCCESS("ok     ") if each.ok else self.style.ERROR("problem")
                self.stdout.write(f"{mark} {each.check}: {each.seen}")
                if each.advice:
                    self.stdout.write(f"        {each.advice}")
        if not all(each.ok for each in findings):
            sys.exit(1)


def check_database() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        version = cursor.fetchone()[0]
    where = "embedded" if not settings.DATABASE_URL else "DATABASE_URL"
    return Finding("database", ok=True, seen=f"PostgreSQL {version} ({where})")


def check_migrations() -> Finding:
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if pending:
        return Finding("migrations", ok=False, seen=f"{len(pending)} to apply", advice="Run `manage.py migrate`.")
    return Finding("migrations", ok=True, seen="up to date")


def check_browser() -> Finding:
    try:
        path = find_browser()
    except BrowserNotFoundError as error:
        return Finding("browser", ok=False, seen="none found", advice=str(error))
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=BROWSER_SECONDS, check=False)
    if answer.returncode != 0:
        advice = f"{path} does not start: install its missing libraries, or set BROWSER_EXECUTABLE to another."
        return Finding("browser", ok=False, seen=str(path), advice=advice)
    return Finding("browser", ok=True, seen=f"{answer.stdout.strip().splitlines()[-1]} at {path}")


def check_disk() -> Finding:
    free_gb = shutil.disk_usage(settings.DATA_DIR).free / 1e9
    seen = f"{free_gb:.1f} GB free below {settings.DATA_DIR}"
    if free_gb < DISK_WARNING_GB:
        return Finding("disk", ok=False, seen=seen, advice="Free some space, or set DATA_DIR to a larger disk.")
    return Finding("disk", ok=True, seen=seen)


def check_workers() -> Finding:
    alive = WorkerHost.objects.filter(seen_at__gte=StatementTimestamp() - timedelta(seconds=60))
    count, hosts = alive.count(), alive.values("host").distinct().count()
    queued = Task.objects.filter(status=TaskStatus.QUEUED).count()
    unhealthy = alive.filter(state="unhealthy").first()
    if unhealthy is not None:
        return Finding("workers", ok=False, seen=f"{unhealthy} is unhealthy", advice=unhealthy.detail)
    if count == 0 and queued:
        advice = "Start `manage.py serve`, or `Q_CLUSTER_NAME=browser manage.py qcluster` on an execution host."
        return Finding("workers", ok=False, seen=f"none, and {queued} task(s) wait", advice=advice)
    if count == 0:
        return Finding("workers", ok=True, seen="none running now, and nothing waits")
    return Finding("workers", ok=True, seen=f"{count} on {hosts} host(s), {queued} task(s) wait")


def check_clock() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        apart = abs((timezone.now() - cursor.fetchone()[0]).total_seconds())
    seen = f"{apart:.1f} s apart from the database's"
    if apart > CLOCK_WARNING_SECONDS:
        advice = "Synchronize this host's clock (NTP): one-time codes and signed links depend on it."
        return Finding("clock", ok=False, seen=seen, advice=advice)
    return Finding("clock", ok=True, seen=seen)


def check_scripts() -> Finding:
    """Whether scripts could be locked in here, found out by locking one in."""
    state = "on" if settings.ALLOW_SCRIPTS else "off (ALLOW_SCRIPTS)"
    try:
        layers = asyncio.run(layers_of_this_host())
    except ConfinementUnavailableError as error:
        if not settings.ALLOW_SCRIPTS:
            return Finding("scripts", ok=True, seen=f"{state}; this host could not confine them: {error}")
        advice = f"{error}. Until then every script is refused; docs/scripts.md says what a host needs."
        return Finding("scripts", ok=False, seen=f"{state}, and they cannot be confined here", advice=advice)
    held = {
        "system calls": layers.system_calls,
        "own root folder": layers.own_root,
        f"Landlock {layers.landlock}": layers.landlock > 0,
        "own network": layers.own_network,
        "another user": layers.uid != os.getuid(),
    }
    return Finding("scripts", ok=True, seen=f"{state}; confined by {', '.join(name for name in held if held[name])}")


CHECKS: dict[str, Callable[[], Finding]] = {
    "database": check_database,
    "migrations": check_migrations,
    "browser": check_browser,
    "disk": check_disk,
    "workers": check_workers,
    "clock": check_clock,
    "scripts": check_scripts,
}


def _guarded(name: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except DatabaseError as error:
        advice = "Check DATABASE_URL and that the server is up; with the embedded database see DATA_DIR/logs."
        return Finding(name, ok=False, seen=f"the database does not answer ({type(error).__name__})", advice=advice)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(name, ok=False, seen=f"cannot be checked: {error}", advice="See the message.")
