"""The pieces of the lock that can be looked at from outside; `test_attacks` tries the whole of it."""

import asyncio
import errno
import os
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from executor.scripts import process
from executor.scripts.child import kernel, system_calls
from executor.scripts.child.confinement import ConfinementError, Layers, Order, confine, library_paths
from executor.scripts.process import ConfinedProcess, ConfinementUnavailableError, ScriptBrokenError

ALLOW, KILL = 0x7FFF0000, 0x80000000


def judge(machine: str, number: int, *arguments: int, may_remove: bool = True, architecture: int | None = None) -> int:
    """What the kernel would answer: classic BPF over struct seccomp_data, as far as our programs use it."""
    program = system_calls.filter_program(machine, may_remove=may_remove)
    instructions = [struct.unpack_from("HBBI", program, at) for at in range(0, len(program), 8)]
    arch = system_calls._ARCHITECTURES[machine] if architecture is None else architecture
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, arch, 0, *(each % 2**64 for each in padded))
    value, at = 0, 0
    while True:
        code, if_true, if_false, operand = instructions[at]
        at += 1
        match code:
            case system_calls._LOAD:
                (value,) = struct.unpack_from("<I", data, operand)
            case system_calls._AND:
                value &= operand
            case system_calls._IF_EQUAL:
                at += if_true if value == operand else if_false
            case system_calls._IF_AT_LEAST:
                at += if_true if value >= operand else if_false
            case system_calls._IF_ANY_BIT:
                at += if_true if value & operand else if_false
            case system_calls._RETURN:
                return int(operand)
            case _:
                raise AssertionError(f"unknown instruction {code:#x}")


def refused(number: int) -> int:
    return 0x00050000 | number


# (x86-64, 64-bit ARM)
NEVER = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "sendmsg": (46, 211),
    "clone": (56, 220),
    "clone3": (435, 435),
    "execve": (59, 221),
    "execveat": (322, 281),
    "kill": (62, 129),
    "tgkill": (234, 131),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "setuid": (105, 146),
    "capset": (126, 91),
    "prctl": (157, 167),
    "seccomp": (317, 277),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "memfd_create": (319, 279),
    "open_by_handle_at": (304, 265),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
    "kexec_load": (246, 104),
    "init_module": (175, 105),
    "mknodat": (259, 33),
    "linkat": (265, 37),
    "truncate": (76, 45),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "sched_setaffinity": (203, 122),
    "setpriority": (141, 140),
    "shmget": (29, 194),
    "openat2": (437, 437),
    "open_tree": (428, 428),
    "landlock_create_ruleset": (444, 444),
}


@pytest.mark.parametrize("machine", kernel.MACHINES)
def test_on_both_architectures_the_dangerous_calls_do_not_exist(machine: str) -> None:
    for name, numbers in NEVER.items():
        assert judge(machine, numbers[kernel.MACHINES.index(machine)]) == refused(errno.EPERM), name


@pytest.mark.parametrize("machine", kernel.MACHINES)
def test_on_both_architectures_the_ordinary_calls_exist(machine: str) -> None:
    position = kernel.MACHINES.index(machine)
    for name, numbers in system_calls._ALLOWED.items():
        if (number := numbers[position]) is not None:
            assert judge(machine, number) == ALLOW, name
    for numbers in system_calls._WITHOUT_EFFECT.values():
        if (number := numbers[position]) is not None:
            assert judge(machine, number) == refused(0)
    for numbers in system_calls._REMOVING.values():
        if (number := numbers[position]) is not None:
            assert judge(machine, number) == ALLOW
            assert judge(machine, number, may_remove=False) == refused(0)


@pytest.mark.parametrize("machine", kernel.MACHINES)
def test_no_number_stands_for_two_calls(machine: str) -> None:
    position = kernel.MACHINES.index(machine)
    tables = (
        system_calls._ALLOWED,
        system_calls._WITHOUT_EFFECT,
        system_calls._WITHOUT_ATTRIBUTES,
        system_calls._REMOVING,
    )
    numbers = [each[position] for table in tables for each in table.values()]
    numbers += [each[position] for each, _ in system_calls._judged()]
    known = [each for each in numbers if each is not None]
    assert len(known) == len(set(known))
    assert not set(known) & {each[position] for each in NEVER.values()}


@pytest.mark.parametrize("machine", kernel.MACHINES)
def test_an_argument_decides_about_some(machine: str) -> None:
    position = kernel.MACHINES.index(machine)
    ioctl, fcntl, openat, prlimit, sendto = (
        numbers[position]
        for numbers in (
            system_calls._IOCTL,
            system_calls._FCNTL,
            system_calls._OPENAT,
            system_calls._PRLIMIT64,
            system_calls._SENDTO,
        )
    )
    cases = [
        (ioctl, (3, 0x5421), ALLOW),
        (ioctl, (3, 0x8901), refused(errno.EPERM)),
        (fcntl, (3, 4, os.O_NONBLOCK), ALLOW),
        (fcntl, (3, 8, 1), refused(errno.EPERM)),
        (fcntl, (3, 10, 9), refused(errno.EPERM)),
        (openat, (-100, 0, os.O_RDONLY), ALLOW),
        (openat, (-100, 0, os.O_WRONLY | os.O_TRUNC | os.O_CREAT), ALLOW),
        (openat, (-100, 0, os.O_RDWR | os.O_TRUNC), ALLOW),
        (openat, (-100, 0, os.O_RDONLY | os.O_TRUNC), refused(errno.EPERM)),
        (openat, (-100, 0, 3), refused(errno.EPERM)),
        (openat, (-100, 0, 3 | os.O_TRUNC), refused(errno.EPERM)),
        (openat, (-100, 0, os.O_RDWR | 0o20200000), refused(errno.EOPNOTSUPP)),
        (prlimit, (0, 7), ALLOW),
        (prlimit, (1, 7), refused(errno.EPERM)),
        (prlimit, (2**32 + 1, 7), refused(errno.EPERM)),
        (sendto, (3, 1, 1, 0, 0), ALLOW),
        (sendto, (3, 1, 1, 0, 1), refused(errno.EPERM)),
        (sendto, (3, 1, 1, 0, 2**32), refused(errno.EPERM)),
    ]
    for number, arguments, answer in cases:
        assert number is not None
        assert judge(machine, number, *arguments) == answer, (number, arguments)


def test_another_architecture_ends_the_process() -> None:
    assert judge("x86_64", 1, architecture=0x40000003) == KILL  # 32-bit programs
    assert judge("x86_64", 0x40000000) == KILL  # x32
    assert judge("aarch64", 64, architecture=0x40000028) == KILL


@pytest.mark.skipif(sys.platform != "linux", reason="scripts run on Linux only")
def test_the_library_is_the_standard_one() -> None:
    paths = library_paths()
    assert Path(os.__file__).resolve().parent in paths
    assert all(path.is_absolute() and path.exists() for path in paths)
    assert not any(path in other.parents for path in paths for other in paths)


def test_confining_is_refused_before_anything_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unknown() -> str:
        raise OSError("plan9 on pdp11 has no confinement that this server knows")

    monkeypatch.setattr(kernel, "machine", unknown)
    order = Order(str(tmp_path), None, "", 0, 0, 0, 0, 0, 0)
    with pytest.raises(ConfinementError, match="plan9"):
        confine(order)


def test_a_machine_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    names = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*names[:4], "riscv64")))
    with pytest.raises(OSError, match="riscv64 has no confinement"):
        kernel.machine()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*names[:4], "arm64")))
    assert kernel.machine() == "aarch64"


@pytest.mark.parametrize(
    ("answer", "is_root"),
    [
        (Layers(system_calls=False, own_root=True, landlock=7, uid=65534), True),
        (Layers(system_calls=True, own_root=False, landlock=0, uid=65534), True),
        (Layers(system_calls=True, own_root=True, landlock=7, uid=0), True),
        (Layers(system_calls=True, own_root=False, landlock=0, uid=1000), False),
    ],
)
def test_a_process_that_is_not_locked_in_gets_no_script(answer: Layers, is_root: bool) -> None:
    with pytest.raises(ConfinementUnavailableError, match="not locked in"):
        process._verified({"ready": answer.as_message()}, is_root=is_root)


def test_a_refusal_is_told_as_it_is() -> None:
    with pytest.raises(ConfinementUnavailableError, match="no Landlock here"):
        process._verified({"refused": "no Landlock here"}, is_root=False)


def confined(act: Any, tmp_path: Path) -> Any:
    async def run() -> Any:
        async with ConfinedProcess(await process.place_for(tmp_path), cpu_seconds=1) as script:
            return await act(script)

    return asyncio.run(run())


@pytest.mark.skipif(sys.platform != "linux", reason="scripts run on Linux only")
def test_processor_time_is_limited(tmp_path: Path) -> None:
    async def burn(script: ConfinedProcess) -> str:
        await script.start()
        context = {"state": {}, "variables": {}, "input_parameters": {}, "unique_parameters": {}}
        await script.send({"script": "while True: pass", "kind": "action", "context": context})
        with pytest.raises(ScriptBrokenError) as broken:
            async with asyncio.timeout(60):
                await script.receive()
        return str(broken.value)

    assert "more than 1 s of processor time" in confined(burn, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_interpreter_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(process, "_layers_here", Layers(own_root=True))
    monkeypatch.setattr(process, "_INTERPRETER", ("/bin/false",))
    with pytest.raises(ConfinementUnavailableError, match="did not start"):
        confined(lambda script: script.start(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_was_not_started_cannot_be_spoken_with(tmp_path: Path) -> None:
    script = ConfinedProcess(tmp_path, cpu_seconds=1)
    for speak in (lambda: script.send({}), script.receive):
        with pytest.raises(ScriptBrokenError, match="not started"):
            asyncio.run(speak())


@pytest.mark.skipif(sys.platform != "linux", reason="scripts run on Linux only")
def test_a_folder_that_grows_ends_the_script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on a host without namespaces, where the folder is on a disk of the server."""

    async def grow(script: ConfinedProcess) -> str:
        await script.start()
        monkeypatch.setattr(process, "DISK_BYTES", 0)
        (script._folder / "file").write_bytes(b"x" * 100_000)
        watch = asyncio.create_task(script._watch_disk())
        with pytest.raises(ScriptBrokenError) as broken:
            async with asyncio.timeout(60):
                await script.receive()
        await watch
        return str(broken.value)

    assert confined(grow, tmp_path) == "its files have more than 0 MiB, or are too many"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="scripts run on Linux only")
def test_a_channel_that_is_closed_without_an_end_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(process, "_END_SECONDS", 0.1)

    async def close(script: ConfinedProcess) -> str:
        await script.start()
        context = {"state": {}, "variables": {}, "input_parameters": {}, "unique_parameters": {}}
        text = "import os; [os.close(each) for each in range(3, 64) if each != 5]\nwhile True: pass"
        await script.send({"script": text, "kind": "action", "context": context})
        with pytest.raises(ScriptBrokenError) as broken:
            async with asyncio.timeout(60):
                await script.receive()
        return str(broken.value)

    assert confined(close, tmp_path) in ("it closed its channel", "it ended itself without an answer")


@pytest.mark.skipif(sys.platform != "linux", reason="scripts run on Linux only")
def test_a_script_sees_the_newest_files_that_fit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(process, "SHOWN_FILES_BYTES", 10)
    files = []
    for name, size in (("a", 6), ("b", 6), ("c", 4)):
        files.append(tmp_path / name)
        files[-1].write_bytes(b"x" * size)
    folder = process._make_folder(tmp_path, files, None)
    assert sorted(each.name for each in (folder / "downloads").iterdir()) == ["a", "c"]
    process._remove(folder)
    assert not folder.exists()


def test_a_small_folder_is_small_and_a_large_one_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert process._is_small(tmp_path)
    assert process._is_small(tmp_path / "gone")
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    (tmp_path / "link").symlink_to("/usr")
    assert process._is_small(tmp_path)
    monkeypatch.setattr(process, "DISK_BYTES", 50_000)
    assert not process._is_small(tmp_path)
    monkeypatch.undo()
    deep = tmp_path.joinpath(*["d"] * 60)
    deep.mkdir(parents=True)
    assert not process._is_small(tmp_path)
    assert not process._is_small(tmp_path / "file")


def test_root_of_a_host_without_mounts_works_where_everybody_can(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(process, "_layers_here", Layers(own_root=True))
    assert asyncio.run(process.place_for(tmp_path)) == tmp_path
    monkeypatch.setattr(process, "_layers_here", Layers(own_root=False, landlock=7))
    assert asyncio.run(process.place_for(tmp_path)) != tmp_path
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert asyncio.run(process.place_for(tmp_path)) == tmp_path
