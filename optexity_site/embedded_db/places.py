"""Where the embedded database keeps its files, and whose they are.

PostgreSQL refuses to run as root. Started by root, it therefore runs as a system user of its own,
and what that user must reach may not lie in a private home: then it goes to /var/lib instead. No
permission of a folder that we did not make is ever changed.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import shutil
import stat
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from optexity_site.embedded_db.errors import (
    OR_OWN_SERVER,
    EmbeddedDatabaseError,
    system_errors,
    user_name,
)
from optexity_site.embedded_db.locks import wait_until

# Only used by root, and only for what the database's user cannot reach where it is.
SYSTEM_FOLDER = Path("/var/lib/optexity-server")

# The account that the server runs as when it is started by root.
SYSTEM_USER = "optexity-db"

# Only part of the socket's name: the server listens on no TCP port.
PORT = 5432

# A Unix socket's path has room for 107 bytes on Linux and 103 on macOS.
SOCKET_PATH_BYTES = 103

# What may stand in a socket folder's path without quoting: libpq separates hosts by commas, and
# PostgreSQL the folders of `unix_socket_directories`.
PLAIN_PATH = re.compile(r"/[\w./+-]+", re.ASCII)

USERADD_SECONDS = 30


class RunAs(TypedDict, total=False):
    """The arguments of `subprocess.Popen` that change the user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """The user that the server runs as."""

    name: str
    uid: int
    gid: int

    @property
    def run_as(self) -> RunAs:
        """How to start a program as this user; empty when we are that user."""
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def give(self, path: Path) -> None:
        """Make this user the owner of `path`."""
        if self.uid != os.geteuid():
            os.chown(path, self.uid, self.gid)


@dataclass(frozen=True)
class Places:
    """The files of one embedded database."""

    data_dir: Path  # DATA_DIR without symbolic links
    home: Path  # ours; holds what the server needs; the server's user may only enter it
    socket_dir: Path  # the server's user's, mode 0700

    @property
    def state(self) -> Path:
        """The password and the lock files; nobody else enters, unless it is `home`, too."""
        return self.data_dir / "postgres"

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder: the server's user's, mode 0700, complete or missing."""
        return self.home / "data"

    @property
    def configuration(self) -> Path:
        return self.home / "postgresql.conf"

    @property
    def access_rules(self) -> Path:
        return self.home / "pg_hba.conf"

    @property
    def tuning(self) -> Path:
        """Settings of the operator, read after ours that may be changed."""
        return self.home / "tuning.conf"

    @property
    def log(self) -> Path:
        return self.data_dir / "logs" / "postgres.log"

    @property
    def password(self) -> Path:
        return self.state / "password"

    @property
    def lock(self) -> Path:
        return self.state / "lock"

    @property
    def users(self) -> Path:
        return self.state / "users"

    @property
    def guardian(self) -> Path:
        return self.state / "guardian"

    @property
    def server(self) -> Path:
        return self.state / "server"

    @property
    def cluster_name(self) -> str:
        """The server's name in the process list: `postgres: optexity-0123456789ab: checkpointer`."""
        return f"optexity-{fingerprint(self.data_dir)[:12]}"


def fingerprint(path: Path) -> str:
    """16 hexadecimal digits that stand for a path."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def locate(data_dir: str | os.PathLike[str]) -> Places:
    """Where the database of this DATA_DIR is or will be. Changes nothing.

    Raises `EmbeddedDatabaseError` when it is another user's.
    """
    resolved = Path(os.path.realpath(data_dir))
    with system_errors("look at its folder"):
        if (resolved / "postgres").exists():
            _require_owner(resolved / "postgres", os.geteuid())
        home = _home(resolved)
        return Places(data_dir=resolved, home=home, socket_dir=_socket_dir(resolved, home))


def make_state_folder(places: Places) -> None:
    """Make DATA_DIR and the folder of the password and the locks, as far as they are missing."""
    with system_errors("make its folder"):
        places.data_dir.mkdir(parents=True, exist_ok=True)
        places.state.mkdir(mode=0o700, exist_ok=True)


def make_server_folders(places: Places, account: Account) -> None:
    """Make the folders that the server enters, and see that nobody else can.

    Raises `EmbeddedDatabaseError` when one is not ours or cannot be entered by the server.
    """
    foreign = account.uid != os.geteuid()
    with system_errors("make its folders"):
        places.log.parent.mkdir(mode=0o700, exist_ok=True)
        if foreign:
            SYSTEM_FOLDER.mkdir(mode=0o711, parents=True, exist_ok=True)
        places.home.mkdir(mode=0o700, exist_ok=True)
        _require_owner(places.home, os.geteuid())
        if foreign:
            # Enough for the server's user to come through, and for nobody else.
            os.chown(places.home, os.geteuid(), account.gid)
            places.home.chmod(0o710)
        if places.home != places.state:
            # Each names the other, for people: a hash does not say whose it is.
            _write_note(_note_of_home(places.data_dir), str(places.home))
            _write_note(places.home / "belongs-to", str(places.data_dir))
        places.socket_dir.mkdir(mode=0o700, exist_ok=True)
        if foreign and places.socket_dir.lstat().st_uid == os.geteuid():
            account.give(places.socket_dir)
    require_private_socket_dir(places, account.uid)
    if foreign and not is_open_to_others(places.home.parent):
        raise EmbeddedDatabaseError(
            f"User {account.name}, who runs the embedded database, cannot enter {places.home.parent}: allow"
            f" others to enter it and the folders above it (chmod o+x), {OR_OWN_SERVER}."
        )


def require_private_socket_dir(places: Places, uid: int) -> None:
    """Refuse a socket folder that somebody else made or can enter; a missing one is fine."""
    try:
        status = places.socket_dir.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != uid or status.st_mode & 0o077:
        raise EmbeddedDatabaseError(
            f"{places.socket_dir} must be a folder that belongs to {user_name(uid)} and that nobody else can"
            f" enter: find out who made it, remove it and start again, {OR_OWN_SERVER}."
        )


def server_account() -> Account:
    """The user that the server runs as: this one, or for root a system user, made when missing.

    Raises `EmbeddedDatabaseError` when it cannot be made.
    """
    uid = os.geteuid()
    if uid != 0:
        return Account(name=user_name(uid), uid=uid, gid=os.getegid())
    return _find_system_user() or _make_system_user()


def is_open_to_others(folder: Path) -> bool:
    """Whether everybody may enter this folder, coming from the root.

    Told by the permission bits, so that the answer is the same before and after the system user
    is made. The nearest existing parent stands for a folder that is still to be made.
    """
    existing = folder
    while not existing.exists():
        existing = existing.parent
    return all(each.stat().st_mode & stat.S_IXOTH for each in (existing, *existing.parents))


def _write_note(file: Path, text: str) -> None:
    """At once: others read it whenever a server is started again."""
    draft = file.with_name(f"{file.name}.{os.getpid()}.{threading.get_ident()}")
    draft.write_text(f"{text}\n", encoding="utf-8")
    draft.replace(file)


def _note_of_home(data_dir: Path) -> Path:
    """The file that says where the database is when it is not in DATA_DIR."""
    return data_dir / "postgres" / "elsewhere"


def _home(data_dir: Path) -> Path:
    inside = data_dir / "postgres"
    if os.geteuid() != 0:
        return inside
    elsewhere = SYSTEM_FOLDER / fingerprint(data_dir)
    note = _note_of_home(data_dir)
    if note.exists():
        noted = Path(note.read_text(encoding="utf-8").strip())
        if noted != elsewhere:
            # Two copies of a DATA_DIR must not share one database unasked, nor a moved one lose its.
            raise EmbeddedDatabaseError(
                f"{data_dir} was moved or copied, and its database stayed in {noted}: move that folder to"
                f" {elsewhere} (or leave it, for a new and empty database) and delete {note}."
            )
        return elsewhere
    # What was decided once stays, whatever happens to the permissions of the folders above.
    if elsewhere.exists():
        return elsewhere
    if (inside / "data").exists() or is_open_to_others(data_dir):
        return inside
    return elsewhere


def _socket_dir(data_dir: Path, home: Path) -> Path:
    inside = home / "socket"
    socket = inside / f".s.PGSQL.{PORT}"
    if PLAIN_PATH.fullmatch(str(inside)) and len(os.fsencode(socket)) <= SOCKET_PATH_BYTES:
        return inside
    if os.geteuid() == 0:
        return SYSTEM_FOLDER / f"{fingerprint(data_dir)}.socket"
    # Not tempfile.gettempdir(): all processes must agree, whatever their TMPDIR is. Who owns the
    # folder is checked before each use, and /tmp's sticky bit keeps others from replacing it.
    return Path(f"/tmp/optexity-{os.geteuid()}-{fingerprint(data_dir)}")  # noqa: S108


def _require_owner(folder: Path, uid: int) -> None:
    owner = folder.stat().st_uid
    if owner != uid:
        raise EmbeddedDatabaseError(
            f"{folder} belongs to {user_name(owner)}, but this process runs as {user_name(uid)}: run it as"
            f" {user_name(owner)}, or choose another DATA_DIR, {OR_OWN_SERVER}."
        )


def _find_system_user() -> Account | None:
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        return None
    if entry.pw_uid == 0:
        raise EmbeddedDatabaseError(
            f"User {SYSTEM_USER} must not be root: give it a user id of its own, {OR_OWN_SERVER}."
        )
    return Account(name=SYSTEM_USER, uid=entry.pw_uid, gid=entry.pw_gid)


def _make_system_user() -> Account:
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    reason = "there is no useradd"
    if useradd is not None:
        command = (useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent")
        try:
            made = subprocess.run(
                (*command, "--shell", "/usr/sbin/nologin", SYSTEM_USER),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=USERADD_SECONDS,
                check=False,
            )
            reason = made.stderr.strip() or f"useradd ended with {made.returncode}"
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = str(error)
    # Another process may have been faster; its useradd may even be still at it.
    wait_until(lambda: _find_system_user() is not None, seconds=2)
    account = _find_system_user()
    if account is None:
        raise EmbeddedDatabaseError(
            "PostgreSQL does not run as root and its own user cannot be made"
            f" ({' '.join(reason.split())}): run the server as an ordinary user, or add a system user named"
            f" {SYSTEM_USER}, {OR_OWN_SERVER}."
        )
    return account
