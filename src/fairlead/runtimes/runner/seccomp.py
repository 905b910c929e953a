"""Refuses the calling process the system calls that reach beyond it. Linux only.

Standalone: the standard library only. The filter is made here, line by line, from the tables
below: networks, new processes and programs, other processes, the kernel and its clocks, and what
Landlock cannot see of files.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

Line = tuple[int, int, int, int]
"""A line of the filter: code, lines to skip if true, if false, value."""

_SET_SECCOMP, _FILTER_MODE = 22, 2

# --- system call numbers of the machines that are known ---------------------------------

_SAME = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426,
    "io_uring_register": 427, "open_tree": 428, "move_mount": 429, "fsopen": 430,
    "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_open": 434, "clone3": 435,
    "openat2": 437, "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442,
    "quotactl_fd": 443, "process_mrelease": 448, "fchmodat2": 452, "setxattrat": 463,
    "removexattrat": 466, "open_tree_attr": 467, "file_setattr": 469,
}  # fmt: skip
_NUMBERS = {
    "x86_64": {
        "open": 2, "ioctl": 16, "shmget": 29, "shmat": 30, "shmctl": 31, "socket": 41,
        "connect": 42, "accept": 43, "bind": 49, "listen": 50, "socketpair": 53, "clone": 56,
        "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "semget": 64, "semop": 65,
        "semctl": 66, "msgget": 68, "msgsnd": 69, "msgrcv": 70, "msgctl": 71, "fcntl": 72,
        "truncate": 76, "chmod": 90, "fchmod": 91, "chown": 92, "fchown": 93, "lchown": 94,
        "ptrace": 101, "syslog": 103, "rt_sigqueueinfo": 129, "utime": 132, "mknod": 133,
        "uselib": 134, "setpriority": 141, "sched_setparam": 142, "sched_setscheduler": 144,
        "pivot_root": 155, "adjtimex": 159, "chroot": 161, "acct": 163, "settimeofday": 164,
        "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169,
        "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173,
        "init_module": 175, "delete_module": 176, "quotactl": 179, "setxattr": 188,
        "lsetxattr": 189, "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198,
        "fremovexattr": 199, "tkill": 200, "sched_setaffinity": 203, "clock_settime": 227,
        "tgkill": 234, "utimes": 235, "mq_open": 240, "mq_unlink": 241, "kexec_load": 246,
        "add_key": 248, "request_key": 249, "keyctl": 250, "ioprio_set": 251,
        "migrate_pages": 256, "openat": 257, "mknodat": 259, "fchownat": 260, "futimesat": 261,
        "fchmodat": 268, "unshare": 272, "move_pages": 279, "utimensat": 280, "accept4": 288,
        "rt_tgsigqueueinfo": 297, "perf_event_open": 298, "fanotify_init": 300,
        "prlimit64": 302, "open_by_handle_at": 304, "clock_adjtime": 305, "setns": 308,
        "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "finit_module": 313,
        "sched_setattr": 314, "kexec_file_load": 320, "bpf": 321, "execveat": 322,
        "userfaultfd": 323, **_SAME,
    },
    "aarch64": {
        "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15,
        "fremovexattr": 16, "fcntl": 25, "ioctl": 29, "ioprio_set": 30, "mknodat": 33,
        "umount2": 39, "mount": 40, "pivot_root": 41, "truncate": 45, "chroot": 51,
        "fchmod": 52, "fchmodat": 53, "fchownat": 54, "fchown": 55, "openat": 56,
        "quotactl": 60, "utimensat": 88, "acct": 89, "unshare": 97, "kexec_load": 104,
        "init_module": 105, "delete_module": 106, "clock_settime": 112, "syslog": 116,
        "ptrace": 117, "sched_setparam": 118, "sched_setscheduler": 119,
        "sched_setaffinity": 122, "kill": 129, "tkill": 130, "tgkill": 131,
        "rt_sigqueueinfo": 138, "setpriority": 140, "reboot": 142, "sethostname": 161,
        "setdomainname": 162, "settimeofday": 170, "adjtimex": 171, "mq_open": 180,
        "mq_unlink": 181, "msgget": 186, "msgctl": 187, "msgrcv": 188, "msgsnd": 189,
        "semget": 190, "semctl": 191, "semtimedop": 192, "semop": 193, "shmget": 194,
        "shmctl": 195, "shmat": 196, "socket": 198, "socketpair": 199, "bind": 200,
        "listen": 201, "accept": 202, "connect": 203, "add_key": 217, "request_key": 218,
        "keyctl": 219, "clone": 220, "execve": 221, "swapon": 224, "swapoff": 225,
        "migrate_pages": 238, "move_pages": 239, "rt_tgsigqueueinfo": 240,
        "perf_event_open": 241, "accept4": 242, "prlimit64": 261, "fanotify_init": 262,
        "open_by_handle_at": 265, "clock_adjtime": 266, "setns": 268, "process_vm_readv": 270,
        "process_vm_writev": 271, "kcmp": 272, "finit_module": 273, "sched_setattr": 274,
        "bpf": 280, "execveat": 281, "userfaultfd": 282, "kexec_file_load": 294, **_SAME,
    },
}  # fmt: skip
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000

_ABSENT = ("clone3", "openat2")
"""Answered as by an older kernel: what they ask for lies in memory, where no filter looks, and
libraries fall back to calls that can be judged."""
_IDLE = (
    "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat",
    "utime", "utimes", "futimesat", "utimensat",
)  # fmt: skip
"""Answered as done and not done: Landlock lets modes, owners and times of any file be changed,
and libraries set them after each copy that they make."""

# --- the filter -------------------------------------------------------------------------

_LOAD, _AND, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_PERMITTED, _ERROR = 0x7FFF0000, 0x00050000
_PERMIT: Line = (_RETURN, 0, 0, _PERMITTED)
_EPERM, _ENOSYS = 1, 38
_REFUSE: Line = (_RETURN, 0, 0, _ERROR | _EPERM)
_NR, _ARCH, _ARGUMENT = 0, 4, 16

_THREAD = 0x00010000
_UNIX, _STREAM, _TYPE = 1, 1, 0xF
_TRUNCATE, _ACCESS = os.O_TRUNC, os.O_ACCMODE
_OWNER_COMMANDS = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: signals to other processes
_TERMINAL_COMMANDS = (0x8901, 0x8902, 0x5412, 0x541C)  # FIOSETOWN, SIOCSPGRP, TIOCSTI, TIOCLINUX


def close_calls(libc: ctypes.CDLL) -> bool:
    """Refuses them from here on. Whether it holds: False on a machine that is not known."""
    machine = platform.machine()
    numbers = _NUMBERS.get(machine)
    if numbers is None:
        return False
    lines = program(numbers, _ARCHITECTURES[machine], os.getpid())
    raw = b"".join(struct.pack("<HBBI", *line) for line in lines)
    buffer = ctypes.create_string_buffer(raw, len(raw))
    described = ctypes.create_string_buffer(
        struct.pack("<HxxxxxxQ", len(lines), ctypes.addressof(buffer)), 16
    )
    return bool(libc.prctl(_SET_SECCOMP, _FILTER_MODE, described, 0, 0) == 0)


def program(numbers: dict[str, int], arch: int, pid: int) -> list[Line]:
    """The filter for a machine with these system calls, for the process `pid`."""
    judged = _judged(pid)
    lines: list[Line] = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, arch),
        _REFUSE,
        (_LOAD, 0, 0, _NR),
        # The x32 calls of x86_64 would pass by the numbers below.
        (_AT_LEAST, 0, 1, _X32),
        _REFUSE,
    ]
    for name, number in numbers.items():
        body = judged.get(name) or [_answer_of(name)]
        lines += [(_EQUAL, 0, len(body), number), *body]
    return [*lines, _PERMIT]


def _answer_of(name: str) -> Line:
    """What a call gets that is never permitted."""
    if name in _ABSENT:
        return _RETURN, 0, 0, _ERROR | _ENOSYS
    return (_RETURN, 0, 0, _ERROR) if name in _IDLE else _REFUSE


def _judged(pid: int) -> dict[str, list[Line]]:
    """The calls that depend on what they are given."""
    ours = _one_of(0, (pid,))
    me = _one_of(0, (0, pid))
    return {
        "clone": [_argument(0), (_ANY_BIT, 0, 1, _THREAD), _PERMIT, _REFUSE],
        # A datagram socket of a pair can still send to any address.
        "socketpair": [
            _argument(0),
            (_EQUAL, 0, 4, _UNIX),
            _argument(1),
            (_AND, 0, 0, _TYPE),
            (_EQUAL, 0, 1, _STREAM),
            _PERMIT,
            _REFUSE,
        ],
        "kill": ours,
        "tgkill": ours,
        "prlimit64": me,
        "sched_setaffinity": me,
        "sched_setscheduler": me,
        "sched_setparam": me,
        "sched_setattr": me,
        "fcntl": _none_of(1, _OWNER_COMMANDS),
        "ioctl": _none_of(1, _TERMINAL_COMMANDS),
        "open": _no_silent_truncation(1),
        "openat": _no_silent_truncation(2),
    }


def _argument(number: int) -> Line:
    """Loads the lower half of an argument: all that the kernel reads of those judged here."""
    return _LOAD, 0, 0, _ARGUMENT + 8 * number


def _one_of(number: int, values: tuple[int, ...]) -> list[Line]:
    lines = [_argument(number)]
    for left, value in zip(range(len(values), 0, -1), values, strict=True):
        lines.append((_EQUAL, left, 0, value))
    return [*lines, _REFUSE, _PERMIT]


def _none_of(number: int, values: tuple[int, ...]) -> list[Line]:
    lines = [_argument(number)]
    for left, value in zip(range(len(values), 0, -1), values, strict=True):
        lines.append((_EQUAL, left, 0, value))
    return [*lines, _PERMIT, _REFUSE]


def _no_silent_truncation(number: int) -> list[Line]:
    """Opening for reading empties a file if asked to, which older Landlocks take for reading."""
    return [
        _argument(number),
        (_AND, 0, 0, _TRUNCATE | _ACCESS),
        (_EQUAL, 0, 1, _TRUNCATE),
        _REFUSE,
        _PERMIT,
    ]
