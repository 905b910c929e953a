"""Who goes first where processes want the same cores: what answers callers goes before what
computes for one of them, and models that are asked for more than they can give go last.

Standalone. A process that became nicer can never be less nice again without rights. Where every
session has a share of the cores of its own (Linux's autogroups), that share can be: what is said
here of a session counts between sessions, and how nice a process is only within its own.
"""

from __future__ import annotations

import os
from contextlib import suppress

USUAL, LAST = 5, 15
"""Degrees by which a model's process is nicer than its worker: a third of its share of a core, and
a thirtieth."""


def give_way() -> None:
    """This process, which leads a session, goes after its worker from now on."""
    with suppress(OSError):
        os.nice(USUAL)
    mine = session_of("self")
    place(mine, USUAL)
    close(mine)


def session_of(process: int | str) -> int:
    """A descriptor by which the session of a process is placed, -1 where there is none.

    To be had before the process locks itself in: from then on it is nobody's to open.
    """
    try:
        return os.open(f"/proc/{process}/autogroup", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def place(session: int, degrees: int) -> bool:
    """Puts a session behind others; whether that could be said.

    The kernel hears of ten changes a second, of all who have no rights together.
    """
    try:
        return os.write(session, str(degrees).encode()) > 0
    except OSError:
        return False


def close(session: int) -> None:
    """Lets a session's descriptor go."""
    if session >= 0:
        os.close(session)
