"""The seccomp program of a script: which system calls exist for it. Everything that is not named here is refused.

There is no way to make a process or a thread, a socket, another program, a signal for somebody else, or to look at
another process; whatever a later kernel invents is refused as well.
"""

import errno
import struct
from collections.abc import Iterator, Mapping, Sequence

# (x86-64, 64-bit ARM); None where the architecture never had it.
_Numbers = tuple[int | None, int | None]
_ALLOWED: Mapping[str, _Numbers] = {
    # Descriptors that are open already, and pipes. No socket can be made: the event loop's own pair exists before.
    "read": (0, 63),
    "write": (1, 64),
    "readv": (19, 65),
    "writev": (20, 66),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "preadv": (295, 69),
    "pwritev": (296, 70),
    "preadv2": (327, 286),
    "pwritev2": (328, 287),
    "close": (3, 57),
    "close_range": (436, 436),
    "lseek": (8, 62),
    "dup": (32, 23),
    "dup2": (33, None),
    "dup3": (292, 24),
    "pipe": (22, None),
    "pipe2": (293, 59),
    "eventfd2": (290, 19),
    "recvfrom": (45, 207),
    "poll": (7, None),
    "ppoll": (271, 73),
    "select": (23, None),
    "pselect6": (270, 72),
    "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21),
    "epoll_wait": (232, None),
    "epoll_pwait": (281, 22),
    "epoll_pwait2": (441, 441),
    # Files; Landlock and the mounts say which.
    "stat": (4, None),
    "lstat": (6, None),
    "fstat": (5, 80),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "statfs": (137, 43),
    "fstatfs": (138, 44),
    "access": (21, None),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "getdents64": (217, 61),
    "getcwd": (79, 17),
    "chdir": (80, 49),
    "fchdir": (81, 50),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "ftruncate": (77, 46),
    "fallocate": (285, 47),
    "fadvise64": (221, 223),
    "fsync": (74, 82),
    "fdatasync": (75, 83),
    "flock": (73, 32),
    "umask": (95, 166),
    "sendfile": (40, 71),
    "copy_file_range": (326, 285),
    # Memory.
    "mmap": (9, 222),
    "munmap": (11, 215),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "brk": (12, 214),
    # Its own signals, waiting, ending.
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "futex": (202, 98),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "sched_yield": (24, 124),
    "exit": (60, 93),
    "exit_group": (231, 94),
    # Who and when it is, and chance.
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getppid": (110, 173),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "getresuid": (118, 148),
    "getresgid": (120, 150),
    "getgroups": (115, 158),
    "getpgrp": (111, None),
    "getpgid": (121, 155),
    "getsid": (124, 156),
    "getrlimit": (97, 163),
    "getrusage": (98, 165),
    "times": (100, 153),
    "sysinfo": (99, 179),
    "uname": (63, 160),
    "getcpu": (309, 168),
    "sched_getaffinity": (204, 123),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "getrandom": (318, 278),
}
# Modes and times of files: a path may name a file of the server, and Landlock does not guard these. They succeed and
# change nothing, so that copying and unpacking work.
_WITHOUT_EFFECT: Mapping[str, _Numbers] = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "utimensat": (280, 88),
}
# Extended attributes: as on a file system that has none, which copying expects.
_WITHOUT_ATTRIBUTES: Mapping[str, _Numbers] = {
    "getxattr": (191, 8),
    "lgetxattr": (192, 9),
    "fgetxattr": (193, 10),
    "listxattr": (194, 11),
    "llistxattr": (195, 12),
    "flistxattr": (196, 13),
}
# Where the disk is not a small one of the script's own, a file that was deleted while it is open would escape the
# count of what it uses. It stays until the script has ended.
_REMOVING: Mapping[str, _Numbers] = {
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "rmdir": (84, None),
}
_IOCTL, _FCNTL, _OPEN, _OPENAT, _PRLIMIT64, _SENDTO = (16, 29), (72, 25), (2, None), (257, 56), (302, 261), (44, 206)
# Whether it is a terminal, close-on-exec, blocking, what can be read. Others name who gets a signal.
_IOCTLS = (0x5401, 0x5413, 0x5450, 0x5451, 0x5421, 0x541B)
# Duplicates, flags, locks. F_SETOWN and F_SETSIG would send any signal to any process of the same user.
_FCNTLS = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030)
_O_ACCMODE, _O_TRUNC, _O_TMPFILE = 0o3, 0o1000, 0o20000000

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# From here on x86-64 has a second table of calls (x32).
_X32_BIT = 0x40000000

_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_REFUSE = 0x00050000
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16

_Instruction = tuple[int, int, int, int]


def filter_program(machine: str, *, may_remove: bool) -> bytes:
    """The program for `kernel.install_filter`. `may_remove`: deleting files deletes them."""
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_IF_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    if machine == "x86_64":
        program += [(_IF_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, _KILL)]
    for calls, answer in _tables(may_remove=may_remove):
        program += _for_each(machine, calls, [(_RETURN, 0, 0, answer)])
    for numbers, judge in _judged():
        program += _for_each(machine, [numbers], judge)
    program.append((_RETURN, 0, 0, _REFUSE | errno.EPERM))
    return b"".join(struct.pack("HBBI", *each) for each in program)


def _tables(*, may_remove: bool) -> Iterator[tuple[Sequence[_Numbers], int]]:
    yield list(_ALLOWED.values()), _ALLOW
    # "Refused with error 0" is a call that succeeds without being made.
    yield list(_WITHOUT_EFFECT.values()), _REFUSE
    yield list(_WITHOUT_ATTRIBUTES.values()), _REFUSE | errno.ENOTSUP
    yield list(_REMOVING.values()), _ALLOW if may_remove else _REFUSE


def _judged() -> Iterator[tuple[_Numbers, list[_Instruction]]]:
    """Calls that an argument decides about."""
    yield _IOCTL, _only_if_one_of(1, _IOCTLS)
    yield _FCNTL, _only_if_one_of(1, _FCNTLS)
    yield _OPEN, _only_plain_opening(1)
    yield _OPENAT, _only_plain_opening(2)
    # Limits of its own; another process of the same user could be stopped by a limit.
    yield _PRLIMIT64, _only_if_one_of(0, (0,))
    # Into the event loop's own pair: without an address.
    yield _SENDTO, [*_unless(4, 0, high=True), *_only_if_one_of(4, (0,))]


def _for_each(machine: str, calls: Sequence[_Numbers], judge: list[_Instruction]) -> Iterator[_Instruction]:
    position = list(_ARCHITECTURES).index(machine)
    for numbers in calls:
        if (number := numbers[position]) is not None:
            yield (_IF_EQUAL, 0, len(judge), number)
            yield from judge


def _load_argument(position: int, *, high: bool = False) -> _Instruction:
    # 64 bits each, the low half first.
    return (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * position + (4 if high else 0))


def _only_if_one_of(position: int, values: Sequence[int]) -> list[_Instruction]:
    judged = [_load_argument(position)]
    for value in values:
        judged += [(_IF_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
    return [*judged, (_RETURN, 0, 0, _REFUSE | errno.EPERM)]


def _unless(position: int, value: int, *, high: bool) -> list[_Instruction]:
    return [_load_argument(position, high=high), (_IF_EQUAL, 1, 0, value), (_RETURN, 0, 0, _REFUSE | errno.EPERM)]


def _only_plain_opening(position: int) -> list[_Instruction]:
    """No file without a name, and none emptied by who may only read it: older versions of Landlock miss both."""
    return [
        _load_argument(position),
        (_IF_ANY_BIT, 0, 1, _O_TMPFILE),
        (_RETURN, 0, 0, _REFUSE | errno.EOPNOTSUPP),
        (_AND, 0, 0, _O_ACCMODE | _O_TRUNC),
        # Emptied by a reader; and the access mode that is neither reading nor writing, which nobody judges.
        (_IF_EQUAL, 2, 0, _O_TRUNC),
        (_IF_EQUAL, 1, 0, _O_ACCMODE),
        (_IF_EQUAL, 0, 1, _O_ACCMODE | _O_TRUNC),
        (_RETURN, 0, 0, _REFUSE | errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
