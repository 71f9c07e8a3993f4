"""Locks the process in before it gets to see a script. Either everything that is needed holds, or it refuses.

What is needed, on every server: the seccomp program (no sockets, no processes, no other program, no signals for
others), and files out of reach: by a root folder of its own, by Landlock, or by both. A server that runs as root also
changes to a user that owns nothing.
"""

import contextlib
import os
import resource
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from executor.scripts.child import kernel
from executor.scripts.child.system_calls import filter_program

# Of the Python installation, but not of the standard library.
_OTHER_PACKAGES = ("site-packages", "dist-packages")
# Public files outside the standard library that parts of it read.
_TIME_ZONES = Path("/usr/share/zoneinfo")
_MEDIA_TYPES = Path("/etc/mime.types")
# Where the script's folder is in a root of its own.
_FOLDER_INSIDE = Path("/script")
_ROOT_OPTIONS = "size=1m,nr_inodes=4096,mode=755"
_MAX_FILES = 2048

_READ = kernel.READ_FILE | kernel.READ_DIR
_WRITE = kernel.WRITE_FILE | kernel.TRUNCATE | kernel.MAKE_REG | kernel.MAKE_DIR | kernel.MAKE_SYM
_REMOVE = kernel.REMOVE_FILE | kernel.REMOVE_DIR


class ConfinementError(Exception):
    """A script cannot be run safely here; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the worker asks for.

    folder: absolute path of the script's own folder, with an empty folder `root` and what shall be in its `downloads`.
    uid: the user to change to, for a worker that is root. canary: a file that must be out of reach afterwards.
    """

    folder: str
    uid: int | None
    canary: str
    parent_pid: int
    memory_bytes: int
    file_bytes: int
    disk_bytes: int
    open_files: int
    cpu_seconds: int


@dataclass(slots=True)
class Layers:
    """What holds. `missing`: for each layer that this host does not offer, why."""

    system_calls: bool = False
    own_root: bool = False
    landlock: int = 0
    own_network: bool = False
    uid: int = -1
    folder: str = ""
    missing: dict[str, str] = field(default_factory=dict[str, str])

    def as_message(self) -> dict[str, Any]:
        return asdict(self)


def confine(order: Order) -> Layers:
    """Lock this process in, for ever. Raises ConfinementError when that cannot be done completely enough."""
    layers = Layers(folder=order.folder)
    try:
        machine = kernel.machine()
        _set_limits(order)
        _leave_namespaces(order, layers)
        layers.folder = str(_FOLDER_INSIDE) if layers.own_root else order.folder
        os.chdir(layers.folder)
        _become_nobody(order)
        kernel.forbid_new_privileges()
        kernel.drop_capabilities()
        _guard_files(layers)
        kernel.die_with_parent()
        if os.getppid() != order.parent_pid:
            raise ConfinementError("the worker is gone")
        kernel.install_filter(filter_program(machine, may_remove=layers.own_root))
    except OSError as error:
        raise ConfinementError(str(error)) from error
    layers.system_calls, layers.uid = True, os.getuid()
    _try_the_lock(order)
    return layers


def _set_limits(order: Order) -> None:
    limits = {
        resource.RLIMIT_AS: order.memory_bytes,
        resource.RLIMIT_FSIZE: order.file_bytes,
        resource.RLIMIT_NOFILE: order.open_files,
        resource.RLIMIT_CPU: order.cpu_seconds,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for which, most in limits.items():
        hard = resource.getrlimit(which)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (allowed, allowed))
    os.nice(5)
    with contextlib.suppress(OSError):  # when memory runs out, this process goes first
        Path("/proc/self/oom_score_adj").write_text("1000")


# --- a root and a network of its own -------------------------------------------------------------------------


def _leave_namespaces(order: Order, layers: Layers) -> None:
    """Best effort; what is not possible here is told, and something else has to make up for it."""
    if os.geteuid() != 0 and not _tried(layers, "namespaces", _enter_user_namespace):
        return
    layers.own_network = _tried(layers, "network", lambda: kernel.unshare(kernel.CLONE_NEWNET))
    _tried(layers, "ipc", lambda: kernel.unshare(kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS))
    layers.own_root = _tried(layers, "root", lambda: _make_root(order))


def _tried(layers: Layers, name: str, act: Callable[[], None]) -> bool:
    try:
        act()
    except OSError as error:
        layers.missing[name] = str(error)
        return False
    return True


def _enter_user_namespace() -> None:
    """One in which this user is the same as before, but may make mounts."""
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def _make_root(order: Order) -> None:
    """A root that holds the standard library, time zones and the script's folder, a small disk in memory."""
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    root = Path(order.folder, "root")
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("tmpfs", str(root), "tmpfs", flags, _ROOT_OPTIONS)
    for path in (*library_paths(), _TIME_ZONES):
        if path.exists():
            _show(path, root / path.relative_to("/"))
    owner = os.geteuid() if order.uid is None else order.uid
    inside = root / _FOLDER_INSIDE.relative_to("/")
    inside.mkdir()
    options = f"size={order.disk_bytes},nr_inodes={_MAX_FILES},mode=700,uid={owner}"
    kernel.mount("tmpfs", str(inside), "tmpfs", flags | kernel.MS_NOEXEC, options)
    _copy_downloads(Path(order.folder, "downloads"), inside / "downloads", owner)
    kernel.mount(None, str(root), None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | flags)
    os.chdir(root)
    kernel.pivot_root_here()


def _show(path: Path, target: Path) -> None:
    if path.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        kernel.bind_read_only(str(path), str(target))
        for other in (target / name for name in _OTHER_PACKAGES):
            if other.is_dir():
                kernel.mount("tmpfs", str(other), "tmpfs", kernel.MS_RDONLY, "size=4k,nr_inodes=2,mode=755")
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
        kernel.bind_read_only(str(path), str(target))


def _copy_downloads(source: Path, target: Path, owner: int) -> None:
    target.mkdir(mode=0o700)
    for file in source.iterdir():
        shutil.copyfile(file, target / file.name)
        os.chown(target / file.name, owner, -1)
    os.chown(target, owner, -1)


def library_paths() -> list[Path]:
    """Where this interpreter has its standard library: folders that lie in none of the others, or an archive."""
    there = {path.resolve() for path in map(Path, sys.path) if path.is_absolute() and path.exists()}
    return sorted(path for path in there if there.isdisjoint(path.parents))


# --- files, in any case --------------------------------------------------------------------------------------


def _become_nobody(order: Order) -> None:
    if order.uid is None:
        if os.geteuid() == 0:
            raise ConfinementError("a script never runs as root")
        return
    os.setgroups([])
    os.setresgid(order.uid, order.uid, order.uid)
    os.setresuid(order.uid, order.uid, order.uid)


def _guard_files(layers: Layers) -> None:
    layers.landlock = kernel.landlock_version()
    if layers.landlock == 0:
        layers.missing["landlock"] = "this kernel has no Landlock"
        if not layers.own_root:
            reasons = "; ".join(sorted(set(layers.missing.values())))
            raise ConfinementError(f"files cannot be kept from a script: {reasons}")
        return
    rules = kernel.Ruleset()
    try:
        for path, rights in _readable():
            rules.allow(str(path), rights if path.is_dir() else rights & ~kernel.READ_DIR)
    except PermissionError as error:
        raise ConfinementError(
            f"{error.filename} of the Python installation can be read by its owner only: install Python where "
            "everybody can read it, or run the server as an ordinary user"
        ) from error
    rules.allow(".", _READ | _WRITE | (_REMOVE if layers.own_root else 0))
    rules.enforce()


def _readable() -> Iterator[tuple[Path, int]]:
    for library in library_paths():
        if library.is_dir():
            # The finder of modules lists the folder; what may be read of it comes next.
            yield library, kernel.READ_DIR
            yield from ((each, _READ) for each in library.iterdir() if _is_of_library(each))
        else:
            yield library, _READ
    yield from ((path, _READ) for path in (_TIME_ZONES, _MEDIA_TYPES) if path.exists())


def _is_of_library(path: Path) -> bool:
    return path.name not in _OTHER_PACKAGES and path.exists()


def _try_the_lock(order: Order) -> None:
    """Ask for what must be refused: a mistake in the above must never be found by a script."""
    attempts: dict[str, Callable[[], object]] = {
        "a file of the server could be read": lambda: os.close(os.open(order.canary, os.O_RDONLY)),
        "a socket could be made": lambda: socket.socket().close(),
        "a process could be made": _end_child_of_fork,
    }
    for what, attempt in attempts.items():
        try:
            attempt()
        except OSError:
            continue
        raise ConfinementError(f"the confinement does not hold: {what}")


def _end_child_of_fork() -> None:
    if os.fork() == 0:
        os._exit(0)
