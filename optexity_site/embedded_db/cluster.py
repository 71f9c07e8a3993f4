"""The data folder: made once and completely, with its password and its settings."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from optexity_site.embedded_db import locks
from optexity_site.embedded_db.errors import OR_OWN_SERVER, EmbeddedDatabaseError, system_errors, user_name
from optexity_site.embedded_db.places import PORT, Account, Places, make_state_folder
from optexity_site.embedded_db.programs import ENVIRONMENT, MAJOR_VERSION, Programs

logger = logging.getLogger(__name__)

DATABASE = "optexity"

# The server's own role. It owns its database and may create others (for tests), but is no
# superuser: a statement that somebody smuggles in cannot read files, start programs, or make
# PostgreSQL log values. The superuser `postgres` cannot log in at all (see ACCESS_RULES).
ROLE = "optexity"

# initdb takes a second on an SSD; a small virtual disk that must be flushed can take a minute.
INITDB_SECONDS = 180

# A statement in single-user mode, which replays the log first if the server had crashed.
STATEMENT_SECONDS = 180

PASSWORD = re.compile(r"[A-Za-z0-9_-]{43}")  # 256 random bits; needs no quoting anywhere

COMPLAINT = re.compile(r"error|FATAL|PANIC|could not|failed|invalid|unrecognized")

ACCESS_RULES = f"local all {ROLE} scram-sha-256\n"

# Sizes suit a small host that runs browsers beside the database.
TUNABLE_SETTINGS = """\
max_connections = 200
superuser_reserved_connections = 0  # no superuser logs in
shared_buffers = 128MB
max_wal_size = 512MB
min_wal_size = 64MB
max_worker_processes = 4
max_parallel_workers_per_gather = 0  # the processors belong to the browsers
max_logical_replication_workers = 0
max_wal_senders = 0
wal_level = minimal
io_method = sync  # needs no further processes
jit = off
huge_pages = off
default_text_search_config = 'pg_catalog.english'
"""

# These come last and cannot be tuned. About the log: psycopg binds parameters on the client side,
# so a statement contains values, and so do messages of ordinary errors (`invalid input syntax for
# type integer: "..."`) and their details (`Key (x)=(...) already exists`, `Failing row contains`).
# `log` ranks above `error`: clients' errors are not written at all, only what concerns the server
# itself; and that without its details, because one of them is the statement of a crashed process.
FIXED_SETTINGS = """\
log_destination = stderr
logging_collector = off
log_min_messages = log
log_min_error_statement = panic
log_error_verbosity = terse
log_statement = none
log_min_duration_statement = -1
log_min_duration_sample = -1
log_transaction_sample_rate = 0
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_duration = off
log_lock_waits = off
log_temp_files = -1
log_replication_commands = off
log_checkpoints = off
log_connections = ''
log_disconnections = off
log_line_prefix = '%m [%p] '
log_timezone = UTC
debug_print_parse = off
debug_print_rewritten = off
debug_print_plan = off

timezone = UTC
fsync = on
full_page_writes = on
synchronous_commit = on  # an accepted task must survive a power cut
password_encryption = scram-sha-256
# In the data folder: containers have a tiny /dev/shm, and systemd empties it when a user logs out.
dynamic_shared_memory_type = mmap

listen_addresses = ''
unix_socket_permissions = 0700
"""


def read_password(places: Places) -> str:
    """The role's password; made on first use. Processes that race for it all get the same one."""
    with system_errors("read its password file"):
        if (password := _stored_password(places)) is not None:
            return password
    make_state_folder(places)
    with (
        system_errors("write its password file"),
        locks.exclusive(places.lock, seconds=INITDB_SECONDS, holder="Another process"),
    ):
        if (password := _stored_password(places)) is not None:
            return password
        password = secrets.token_urlsafe(32)
        write_private(places.password, f"{password}\n")
        return password


def prepare(places: Places, programs: Programs, account: Account, password: str) -> None:
    """Make the data folder ready for a start: create it when missing, check it, write settings.

    To be called by the holder of `lock` while no server runs. Raises `EmbeddedDatabaseError`.
    """
    # Held by initdb and what it starts, too: if we are killed in the middle, the next one waits
    # for them to end before it tidies up.
    server = locks.take(places.server, fcntl.LOCK_EX, seconds=INITDB_SECONDS, holder="An earlier PostgreSQL process")
    try:
        with system_errors("prepare its data folder"):
            for name, text in (("postgresql.conf", _settings(places)), ("pg_hba.conf", ACCESS_RULES)):
                _write_for_server(places.home / name, text, account)
            if not places.data.exists():
                _create(places, programs, account, password, server)
            _check(places, account)
            if not _has_password(places, password):
                logger.info("Setting the embedded database's password")
                _run_statements(
                    places,
                    programs,
                    account,
                    places.data,
                    [f"ALTER ROLE {ROLE} PASSWORD '{password}'"],
                    server,
                )
                write_private(_password_mark(places), _digest(password))
    finally:
        os.close(server)


def write_private(path: Path, text: str) -> None:
    """Replace a file at once and durably; only we can read it. For the holder of `lock`."""
    unfinished = path.with_name(f"{path.name}.new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    _sync_folder(path.parent)


def _stored_password(places: Places) -> str | None:
    try:
        text = places.password.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return None
    return text if PASSWORD.fullmatch(text) else None


def _digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def _password_mark(places: Places) -> Path:
    """The digest of the password that the database knows.

    It differs from the password file's when that was lost: then the role gets the new one.
    """
    return places.state / "password.sha256"


def _has_password(places: Places, password: str) -> bool:
    try:
        return _password_mark(places).read_text(encoding="ascii") == _digest(password)
    except FileNotFoundError:
        return False


def _settings(places: Places) -> str:
    # Only when it is there: PostgreSQL would report its absence at each start.
    tuning = f"include = '{_quoted(places.tuning)}'\n\n" if places.tuning.exists() else ""
    return (
        "# Written at each start; put your own settings into tuning.conf beside this file.\n"
        f"{TUNABLE_SETTINGS}\n"
        f"{tuning}{FIXED_SETTINGS}"
        f"unix_socket_directories = '{_quoted(places.socket_dir)}'\n"
        f"port = {PORT}\n"
        f"cluster_name = '{places.cluster_name}'\n"
    )


def _quoted(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace("'", "''")


def _write_for_server(path: Path, text: str, account: Account) -> None:
    """Write a file of ours that the server may read and not change."""
    write_private(path, text)
    if account.uid != os.geteuid():
        os.chown(path, os.geteuid(), account.gid)
        path.chmod(0o640)


def _create(places: Places, programs: Programs, account: Account, password: str, server: int) -> None:
    """Make the data folder beside its place and move it there when it is complete."""
    logger.info("Creating the embedded database in %s (once; takes some seconds)", places.home)
    unfinished = places.home / "data.new"
    shutil.rmtree(unfinished, ignore_errors=True)  # of somebody who was killed
    try:
        unfinished.mkdir(mode=0o700)
        account.give(unfinished)
        _initdb(programs, account, unfinished, server)
        _run_statements(
            places,
            programs,
            account,
            unfinished,
            [
                f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{password}'",
                f"CREATE DATABASE {DATABASE} OWNER {ROLE}",
            ],
            server,
        )
        unfinished.rename(places.data)
        _sync_folder(places.home)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    write_private(_password_mark(places), _digest(password))


def _initdb(programs: Programs, account: Account, folder: Path, server: int) -> None:
    # The superuser cannot log in, so nobody needs its password; scram just wants one to be set.
    password_file = folder.with_name("superuser-password")
    write_private(password_file, secrets.token_urlsafe(32))
    account.give(password_file)
    command = (
        str(programs.initdb), "--pgdata", str(folder), "--username=postgres", "--auth=scram-sha-256",
        f"--pwfile={password_file}", "--encoding=UTF8", "--data-checksums", "--no-instructions",
        "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
    )  # fmt: skip
    try:
        # The built-in provider sorts and changes case; what is left to the C library (full-text
        # search's idea of a letter) takes C where a system does not know C.UTF-8.
        for locale in ("C.UTF-8", "C"):
            try:
                _run((*command, f"--locale={locale}"), account, server, seconds=INITDB_SECONDS)
            except EmbeddedDatabaseError as error:
                if locale == "C" or "invalid locale" not in str(error):
                    raise
            else:
                return
    finally:
        password_file.unlink(missing_ok=True)


def _run_statements(
    places: Places,
    programs: Programs,
    account: Account,
    folder: Path,
    statements: Sequence[str],
    server: int,
) -> None:
    """Run SQL as the superuser while no server runs, one statement a line."""
    command = (
        str(programs.postgres), "--single", "-D", str(folder), "-c", f"config_file={places.configuration}",
        "-c", f"hba_file={places.access_rules}", "-c", "exit_on_error=on", "template1",
    )  # fmt: skip
    _run(command, account, server, seconds=STATEMENT_SECONDS, text="".join(f"{line};\n" for line in statements))


def _run(command: Sequence[str], account: Account, server: int, *, seconds: int, text: str = "") -> None:
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command,
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
            env=ENVIRONMENT,
            cwd="/",
            umask=0o077,
            pass_fds=(server,),
            check=False,
            **account.run_as,
        )
    except subprocess.TimeoutExpired as error:
        raise EmbeddedDatabaseError(
            f"PostgreSQL's {name} was not done after {seconds} seconds: the disk or the machine is busy;"
            f" start again when it is not, {OR_OWN_SERVER}."
        ) from error
    if done.returncode != 0:
        raise EmbeddedDatabaseError(explain(f"PostgreSQL's {name} failed", done.stdout.splitlines()))


def explain(what: str, lines: Sequence[str]) -> str:
    """One sentence from what PostgreSQL wrote: its first complaint, and what to do."""
    said = [re.sub(r"^.*? \[\d+\] ", "", line).strip() for line in lines]  # without time and process
    complaints = (line for line in said if COMPLAINT.search(line))
    complaint = next(complaints, said[-1] if said else "it said nothing").rstrip(".")
    if "No space left on device" in " ".join(lines):
        return f"{what}, since the disk is full: free at least 200 MB and start again ({complaint})."
    return f"{what}: {complaint}; mend that and start again, {OR_OWN_SERVER}."


def _check(places: Places, account: Account) -> None:
    """Refuse a data folder that this server cannot or must not use."""
    owner = places.data.stat().st_uid
    if owner != account.uid:
        raise EmbeddedDatabaseError(
            f"{places.data} belongs to {user_name(owner)} and must belong to {account.name}: give it back"
            f" (chown -R {account.name} {places.data}), {OR_OWN_SERVER}."
        )
    version_file = places.data / "PG_VERSION"
    if not version_file.exists():
        raise EmbeddedDatabaseError(
            f"{places.data} is not a PostgreSQL data folder: move it away and start again, {OR_OWN_SERVER}."
        )
    version = version_file.read_text(encoding="ascii").strip()
    if version != str(MAJOR_VERSION):
        raise EmbeddedDatabaseError(
            f"{places.data} was made by PostgreSQL {version}, and this server brings {MAJOR_VERSION}: dump it"
            f" with the release that made it, move the folder away and restore the dump, {OR_OWN_SERVER}."
        )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
