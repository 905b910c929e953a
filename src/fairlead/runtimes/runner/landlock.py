"""Closes the file system to the calling process but for named places. Linux only.

Standalone: the standard library only. Landlock takes no privilege; what it leaves open (modes,
owners, times, the length of a named file) is closed by `seccomp.py`.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Sequence

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_FILE = 16, 32, 128, 256
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_ALL_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""Every right that the kernel of an ABI knows; a right that is handled and not given is refused."""
_READING = _READ_FILE | _READ_DIR
# No devices, sockets, queues or links: somebody may open by name what is made here.
_WRITING = (
    _READING
    | _WRITE_FILE
    | _REMOVE_DIR
    | _REMOVE_FILE
    | _MAKE_DIR
    | _MAKE_FILE
    | _REFER
    | _TRUNCATE
)
_OF_A_FILE = _READ_FILE | _WRITE_FILE | _TRUNCATE

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_BENEATH = 1
_NETWORK = 3  # binding and connecting TCP
_SCOPE = 3  # abstract sockets and signals


def close_files(libc: ctypes.CDLL, read: Sequence[str], write: Sequence[str]) -> bool:
    """Leaves these places and /dev/null; programs are started nowhere. Whether it holds."""
    abi = _call(libc, _CREATE, None, 0, 1)
    if abi < 1:
        return False
    handled = _ALL_BY_ABI[max(known for known in _ALL_BY_ABI if known <= abi)]
    attributes = struct.pack("<QQQ", handled, _NETWORK if abi >= 4 else 0, _SCOPE)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    rules = _call(libc, _CREATE, attributes, size, 0)
    if rules < 0:
        return False
    try:
        for path in read:
            _allow(libc, rules, path, _READING & handled)
        for path in write:
            _allow(libc, rules, path, _WRITING & handled)
        _allow(libc, rules, os.devnull, (_READ_FILE | _WRITE_FILE) & handled)
        return _call(libc, _RESTRICT, rules, 0) == 0
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: str, access: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):
            access &= _OF_A_FILE
        _call(libc, _ADD, rules, _BENEATH, struct.pack("<Qi", access, handle), 0)
    finally:
        os.close(handle)


def _call(libc: ctypes.CDLL, *arguments: int | bytes | None) -> int:
    """A system call; its numbers travel as the long ones that it takes."""
    return int(libc.syscall(*[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]))
