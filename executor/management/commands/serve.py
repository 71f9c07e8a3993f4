"""`manage.py serve`: web, clusters and embedded database of one machine, until Ctrl-C or SIGTERM."""

import fcntl
import logging
import os
import signal
import socket
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from types import FrameType
from typing import IO, Any

import requests
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from executor.browser import find_browser
from executor.children import Child, Children
from executor.errors import BrowserNotFoundError
from executor.seam import BROWSER_CLUSTER
from optexity_site import embedded_db

logger = logging.getLogger(__name__)

# What everything gets after the grace of the tasks, before it is killed: with the default grace, and a second for the
# database, all is gone 10 s after the signal, which is when containers are killed.
CLOSING_SECONDS = 1.5
READY_SECONDS = 60.0
DATABASE_LOOK_SECONDS = 1.0
EXIT_IN_USE = 4


class Command(BaseCommand):
    _look_at_database_at = 0.0
    help = "Run the whole server on this machine: web, browser workers, background work, embedded database."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="Address to listen on (default 127.0.0.1).")
        parser.add_argument("--port", type=int, default=9000, help="Port to listen on (default 9000).")
        parser.add_argument(
            "--workers",
            type=int,
            default=settings.WORKERS,
            help=f"Tasks at a time (default {settings.WORKERS}).",
        )

    def handle(self, *, host: str, port: int, workers: int, **_: Any) -> None:
        if workers < 1:
            raise CommandError("--workers must be at least 1.")
        signal.signal(signal.SIGTERM, _raise_stop)
        signal.signal(signal.SIGINT, _raise_stop)
        with self._lock_data_folder():
            self._require_free_port(host, port)
            self._require_migrated_database()
            self._require_browser()
            self._run(host, port, workers)
        self.stdout.write("Stopped.")

    def _run(self, host: str, port: int, workers: int) -> None:
        children = Children(_children(host, port, workers))
        try:
            children.start()
            self._watch(children, host, port)
        except StopRequestedError:
            self.stdout.write("Stopping: running tasks get their grace.")
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            children.stop(within_seconds=settings.SHUTDOWN_GRACE_SECONDS + CLOSING_SECONDS)

    def _watch(self, children: Children, host: str, port: int) -> None:
        address = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}"  # noqa: S104 - compared
        is_ready = False
        started = time.monotonic()
        while True:
            children.look()
            self._keep_database()
            if not is_ready and _answers_healthy(address):
                is_ready = True
                self.stdout.write(f"Ready after {time.monotonic() - started:.1f} s: {address}/admin/")
                self.stdout.flush()
            elif not is_ready and time.monotonic() - started > READY_SECONDS:
                raise CommandError(
                    f"The server did not become healthy within {READY_SECONDS:.0f} s: see the lines above, "
                    "and run `manage.py doctor`."
                )
            time.sleep(0.1)

    def _keep_database(self) -> None:
        """An embedded server that somebody killed comes back; clusters and web wait and reconnect."""
        if settings.DATABASE_URL or time.monotonic() < self._look_at_database_at:
            return
        self._look_at_database_at = time.monotonic() + DATABASE_LOOK_SECONDS
        try:
            embedded_db.acquire(settings.DATA_DIR)
        except embedded_db.EmbeddedDatabaseError as error:
            logger.error("the embedded database is away: %s", error)

    @staticmethod
    def _lock_data_folder() -> IO[str]:
        """Held for as long as this process lives; a second `serve` on the folder is told who has it."""
        file = Path(settings.DATA_DIR / "serve.lock").open("a+", encoding="utf-8")  # noqa: SIM115 - held until the end
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            other = file.read().strip() or "unknown"
            file.close()
            sys.stderr.write(
                f"Another `serve` (process {other}) runs on the data folder {settings.DATA_DIR}: stop it, or set "
                "DATA_DIR to another folder.\n"
            )
            sys.exit(EXIT_IN_USE)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        return file

    @staticmethod
    def _require_free_port(host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except (OSError, OverflowError) as error:
                sys.stderr.write(
                    f"Cannot listen on {host}:{port} ({getattr(error, 'strerror', error)}): stop what uses it, or "
                    "choose another with --port.\n"
                )
                sys.exit(EXIT_IN_USE)

    @staticmethod
    def _require_migrated_database() -> None:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            raise CommandError("The database is behind this version: run `manage.py migrate` first.")
        unknown = set(executor.loader.applied_migrations) - set(executor.loader.disk_migrations)
        ours = sorted(name for app, name in unknown if app == "inference")
        if ours:
            raise CommandError(
                f"The database is ahead of this version (it has {ours[-1]}): install the version that made it."
            )
        connection.close()

    @staticmethod
    def _require_browser() -> None:
        try:
            find_browser()
        except BrowserNotFoundError as error:
            raise CommandError(str(error)) from error


class StopRequestedError(Exception):
    """SIGTERM or Ctrl-C."""


def _raise_stop(_signal: int, _frame: FrameType | None) -> None:
    raise StopRequestedError


def _children(host: str, port: int, workers: int) -> list[Child]:
    manage = str(settings.BASE_DIR / "manage.py")
    web = [
        str(Path(sys.executable).parent / "granian"),
        *("--interface", "wsgi", "--host", host, "--port", str(port), "--workers", "1"),
        *("--blocking-threads", str(settings.WEB_THREADS + settings.MAX_EVENT_STREAMS), "--http", "1", "--no-ws"),
        *("--log-level", "error", "--working-dir", str(settings.BASE_DIR), "--workers-kill-timeout", "5"),
        "optexity_site.wsgi:application",
    ]
    cluster = [sys.executable, manage, "qcluster"]
    # What the web process listens on, no task may reach.
    own_ports = {"OWN_PORTS": ",".join(map(str, sorted({*settings.OWN_PORTS, port})))}
    return [
        Child("web", web, {"OPTEXITY_WEB_PROCESS": "1", **own_ports}),
        Child("browser cluster", cluster, {"Q_CLUSTER_NAME": BROWSER_CLUSTER, "WORKERS": str(workers), **own_ports}),
        Child("background cluster", cluster, own_ports),
    ]


def _answers_healthy(address: str) -> bool:
    try:
        return bool(requests.get(f"{address}/health", timeout=2).status_code == requests.codes.ok)
    except requests.RequestException:
        return False
