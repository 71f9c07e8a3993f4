"""The few calls of the Linux kernel that Python does not offer: namespaces, mounts, Landlock, capabilities, prctl."""

import ctypes
import os
import signal
import struct
import sys

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
_MNT_DETACH = 2
# What statvfs says of a mount, and the flag that keeps it so. The last one has another number on either side.
_KEPT_FLAGS = {1: MS_RDONLY, 2: MS_NOSUID, 4: MS_NODEV, 8: MS_NOEXEC, 1024: 1024, 2048: 2048, 4096: 1 << 21}

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_UNUSED = (ctypes.c_ulong(0),) * 3
_CAPABILITY_VERSION_3 = 0x20080522

# (x86-64, 64-bit ARM)
_SYSCALLS = {
    "capset": (126, 91),
    "landlock_add_rule": (445, 445),
    "landlock_create_ruleset": (444, 444),
    "landlock_restrict_self": (446, 446),
    "pivot_root": (155, 41),
    "seccomp": (317, 277),
}
MACHINES = ("x86_64", "aarch64")

_libc = ctypes.CDLL(None, use_errno=True)


def machine() -> str:
    """`x86_64` or `aarch64`; raises OSError on any other system than a 64-bit Linux on one of these."""
    name = {"arm64": "aarch64", "amd64": "x86_64"}.get(os.uname().machine, os.uname().machine)
    if sys.platform != "linux" or name not in MACHINES or sys.maxsize < 2**32:
        raise OSError(f"{sys.platform} on {os.uname().machine} has no confinement that this server knows")
    return name


def _call(name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char]) -> int:
    number = _SYSCALLS[name][MACHINES.index(machine())]
    plain = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    _libc.syscall.restype = ctypes.c_long
    return _checked(name, _libc.syscall(ctypes.c_long(number), *plain))


def _checked(name: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def unshare(flags: int) -> None:
    _checked("unshare", _libc.unshare(ctypes.c_int(flags)))


def mount(source: str | None, target: str, kind: str | None = None, flags: int = 0, options: str | None = None) -> None:
    texts = [None if each is None else os.fsencode(each) for each in (source, target, kind)]
    data = None if options is None else options.encode()
    _checked(f"mount {target}", _libc.mount(*texts, ctypes.c_ulong(flags), data))


def bind_read_only(source: str, target: str) -> None:
    """Show the folder or file `source` at `target`, and let nobody change it there."""
    mount(source, target, None, MS_BIND | MS_REC)
    has = os.statvfs(target).f_flag
    # A user namespace may take no protection away that the mount had before.
    kept = sum(flag for bit, flag in _KEPT_FLAGS.items() if has & bit)
    mount(None, target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | kept)


def pivot_root_here() -> None:
    """The present folder, a mount, becomes the root; the old one is gone with all that is mounted in it."""
    _call("pivot_root", b".", b".")
    _checked("umount", _libc.umount2(b".", ctypes.c_int(_MNT_DETACH)))
    os.chdir("/")


def die_with_parent() -> None:
    """SIGKILL when the thread that started this process ends. A change of user forgets it: call it after that."""
    _checked("prctl", _libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), *_UNUSED))


def forbid_new_privileges() -> None:
    _checked("prctl", _libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), *_UNUSED))


def drop_capabilities() -> None:
    _call("capset", struct.pack("Ii", _CAPABILITY_VERSION_3, 0), bytes(24))


def install_filter(instructions: bytes) -> None:
    """Have the kernel judge every system call of this process by a seccomp program from now on."""
    program = ctypes.create_string_buffer(instructions, len(instructions))
    # struct sock_fprog: the number of instructions, and where they are.
    header = struct.pack("HxxxxxxQ", len(instructions) // 8, ctypes.addressof(program))
    _call("seccomp", 1, 0, header)


# --- Landlock (https://docs.kernel.org/userspace-api/landlock.html) -------------------------------------------

EXECUTE = 1 << 0
WRITE_FILE = 1 << 1
READ_FILE = 1 << 2
READ_DIR = 1 << 3
REMOVE_DIR = 1 << 4
REMOVE_FILE = 1 << 5
MAKE_DIR = 1 << 7
MAKE_REG = 1 << 8
MAKE_SYM = 1 << 12
TRUNCATE = 1 << 14
# How many rights each version of the interface knows; what it does not know, it does not guard.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
_LATEST_FILE_RIGHTS = 16
_NET_RIGHTS, _NET_VERSION = 0b11, 4
_SCOPES, _SCOPE_VERSION = 0b11, 6
_RULE_PATH_BENEATH = 1


def landlock_version() -> int:
    """The version of the kernel's interface; 0 when it has none."""
    try:
        return _call("landlock_create_ruleset", 0, 0, 1)
    except OSError:
        return 0


class Ruleset:
    """Everything that Landlock can forbid is forbidden, but for what `allow` names."""

    def __init__(self) -> None:
        version = landlock_version()
        self._handled = (1 << _FILE_RIGHTS.get(version, _LATEST_FILE_RIGHTS)) - 1
        attributes = [self._handled]
        if version >= _NET_VERSION:
            attributes.append(_NET_RIGHTS)
        if version >= _SCOPE_VERSION:
            attributes.append(_SCOPES)
        packed = struct.pack(f"{len(attributes)}Q", *attributes)
        self._descriptor = _call("landlock_create_ruleset", packed, len(packed), 0)

    def allow(self, path: str, rights: int) -> None:
        """Let `rights` be used on `path` and all below it."""
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            rule = struct.pack("=Qi", rights & self._handled, place)
            _call("landlock_add_rule", self._descriptor, _RULE_PATH_BENEATH, rule, 0)
        finally:
            os.close(place)

    def enforce(self) -> None:
        """From now on, for ever. Needs `forbid_new_privileges` before it."""
        _call("landlock_restrict_self", self._descriptor, 0)
        os.close(self._descriptor)
