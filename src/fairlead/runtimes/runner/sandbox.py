"""Locks the calling process in: no network, no files but the named ones, bounded resources.

Standalone: the standard library only. Linux does it with Landlock, seccomp and resource limits,
none of which needs a privilege; elsewhere only the limits hold, and `seal` says so. It must be
called before any thread is started, since both locks bind the calling thread and what it starts.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
from contextlib import suppress

_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER_MODE, _SET_DUMPABLE = 38, 22, 2, 4
_NEVER_READ_WHOLE = ("/", "/home", "/root", "/etc", "/proc", "/sys", "/dev", "/tmp", "/var")  # noqa: S108
_SYSTEM = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo",
    "/etc/ld.so.cache", "/etc/localtime", "/etc/nsswitch.conf", "/etc/passwd",
    "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/self", "/proc/filesystems",
    "/proc/sys/vm/overcommit_memory", "/sys/devices/system", "/sys/fs/cgroup",
    "/dev/zero", "/dev/random", "/dev/urandom",
)  # fmt: skip

# --- system call numbers of the machines that are known ---------------------------------

_SAME = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426,
    "io_uring_register": 427, "pidfd_open": 434, "clone3": 435, "pidfd_getfd": 438,
    "process_madvise": 440,
}  # fmt: skip
_NUMBERS = {
    "x86_64": {
        "socket": 41, "connect": 42, "accept": 43, "bind": 49, "listen": 50, "accept4": 288,
        "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "execveat": 322, "kill": 62,
        "tkill": 200, "tgkill": 234, "ptrace": 101, "mount": 165, "umount2": 166,
        "pivot_root": 155, "chroot": 161, "init_module": 175, "delete_module": 176,
        "finit_module": 313, "kexec_load": 246, "kexec_file_load": 320, "add_key": 248,
        "request_key": 249, "keyctl": 250, "unshare": 272, "perf_event_open": 298, "setns": 308,
        "process_vm_readv": 310, "process_vm_writev": 311, "open_by_handle_at": 304, "bpf": 321,
        "userfaultfd": 323, **_SAME,
    },
    "aarch64": {
        "socket": 198, "connect": 203, "accept": 202, "bind": 200, "listen": 201, "accept4": 242,
        "clone": 220, "execve": 221, "execveat": 281, "kill": 129, "tkill": 130, "tgkill": 131,
        "ptrace": 117, "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51,
        "init_module": 105, "delete_module": 106, "finit_module": 273, "kexec_load": 104,
        "kexec_file_load": 294, "add_key": 217, "request_key": 218, "keyctl": 219, "unshare": 97,
        "perf_event_open": 241, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271,
        "open_by_handle_at": 265, "bpf": 280, "userfaultfd": 282, **_SAME,
    },
}  # fmt: skip
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CONDITIONAL = ("socket", "clone", "clone3", "kill", "tgkill")


def seal(
    read: list[str],
    write: list[str],
    *,
    memory: int = 0,
    cpu_s: int = 0,
    file_bytes: int = 0,
) -> dict[str, bool]:
    """Locks this process in for good and says which locks hold.

    read, write: files and folders that stay readable or writable; what Python and its libraries
    need is added. memory: bytes of address space; cpu_s: seconds of processor time; file_bytes:
    the largest file it may write; 0 leaves each unlimited.

    Returns {"files", "network", "processes"}: whether each is cut off.
    """
    _limit(memory, cpu_s, file_bytes)
    if not sys.platform.startswith("linux"):
        return {"files": False, "network": False, "processes": False}
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return {"files": False, "network": False, "processes": False}
    files = _landlock(libc, [*_needed(), *read], write)
    filtered = _seccomp(libc)
    return {"files": files, "network": filtered, "processes": filtered}


def _limit(memory: int, cpu_s: int, file_bytes: int) -> None:
    asked = [
        (resource.RLIMIT_CORE, 0, True),
        (resource.RLIMIT_NOFILE, 512, True),
        (resource.RLIMIT_AS, memory, memory > 0),
        (resource.RLIMIT_CPU, cpu_s, cpu_s > 0),
        (resource.RLIMIT_FSIZE, file_bytes, file_bytes > 0),
    ]
    for kind, most, wanted in asked:
        if wanted:
            hard = resource.getrlimit(kind)[1]
            bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
            # macOS refuses some limits; what can be bounded is.
            with suppress(ValueError, OSError):
                resource.setrlimit(kind, (bound, bound))


def _needed() -> list[str]:
    """What the interpreter and its libraries read, never a folder that holds people's files."""
    own = [sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path, *_house()]
    return [p for p in (*own, *_SYSTEM) if p and os.path.realpath(p) not in _NEVER_READ_WHOLE]


def _house() -> list[str]:
    house = sys.modules.get("fairlead")
    return list(getattr(house, "__path__", []))


# --- Landlock ---------------------------------------------------------------------------

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1, 2, 4, 8, 1 << 14
_ALL_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_BENEATH = 1


def _landlock(libc: ctypes.CDLL, read: list[str], write: list[str]) -> bool:
    """Closes the file system but for these places; execution of programs nowhere."""
    abi = libc.syscall(_CREATE, None, 0, 1)
    if abi < 1:
        return False
    handled = _ALL_BY_ABI[max(known for known in _ALL_BY_ABI if known <= abi)]
    attributes = struct.pack("<QQQ", handled, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    rules = libc.syscall(_CREATE, attributes, size, 0)
    if rules < 0:
        return False
    try:
        for path in read:
            _allow(libc, rules, path, _READ_FILE | _READ_DIR, handled)
        for path in write:
            _allow(libc, rules, path, handled & ~_EXECUTE, handled)
        _allow(libc, rules, "/dev/null", _READ_FILE | _WRITE_FILE, handled)
        return bool(libc.syscall(_RESTRICT, rules, 0) == 0)
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: str, access: int, handled: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):
            access &= _READ_FILE | _WRITE_FILE | _TRUNCATE
        libc.syscall(_ADD, rules, _BENEATH, struct.pack("<Qi", access & handled, handle), 0)
    finally:
        os.close(handle)


# --- seccomp ----------------------------------------------------------------------------

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_PERMITTED, _REFUSED = 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_NR, _ARCH, _ARG0 = 0, 4, 16
_THREAD = 0x00010000
_UNIX = 1


def _seccomp(libc: ctypes.CDLL) -> bool:
    """Refuses the system calls of networks, new processes, other processes and the kernel."""
    machine = platform.machine()
    numbers = _NUMBERS.get(machine)
    if numbers is None:
        return False
    program = _program(numbers, _ARCHITECTURES[machine], os.getpid())
    raw = b"".join(struct.pack("<HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(raw, len(raw))
    described = ctypes.create_string_buffer(
        struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(buffer)), 16
    )
    return bool(libc.prctl(_SET_SECCOMP, _FILTER_MODE, described, 0, 0) == 0)


def _program(numbers: dict[str, int], arch: int, pid: int) -> list[tuple[int, int, int, int]]:
    """The filter as (code, jump if true, jump if false, value) lines."""
    refuse = (_RETURN, 0, 0, _REFUSED | _EPERM)
    permit = (_RETURN, 0, 0, _PERMITTED)
    lines = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, arch),
        refuse,
        (_LOAD, 0, 0, _NR),
        # The x32 calls of x86_64 would pass by the numbers below.
        (_AT_LEAST, 0, 1, 0x40000000),
        refuse,
    ]
    for name, number in numbers.items():
        if name not in _CONDITIONAL:
            lines += [(_EQUAL, 0, 1, number), refuse]
    # glibc falls back to clone, whose flags a filter can see.
    lines += [(_EQUAL, 0, 1, numbers["clone3"]), (_RETURN, 0, 0, _REFUSED | _ENOSYS)]
    only = [
        ("socket", _EQUAL, _UNIX),
        ("clone", _ANY_BIT, _THREAD),
        ("kill", _EQUAL, pid),
        ("tgkill", _EQUAL, pid),
    ]
    for name, test, value in only:
        lines += [
            (_EQUAL, 0, 4, numbers[name]),
            (_LOAD, 0, 0, _ARG0),
            (test, 0, 1, value),
            permit,
            refuse,
        ]
    return [*lines, permit]
