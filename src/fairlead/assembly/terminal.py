"""What a terminal takes."""

from __future__ import annotations

import os
from shutil import get_terminal_size
from typing import TextIO

_WIDTH = 100
"""Columns where nothing says how many there are: in a pipe, or a file."""


def coloured(stream: TextIO) -> bool:
    """Whether text may have colours: on a terminal, unless NO_COLOR says otherwise."""
    environ = os.environ  # noqa: TID251 - this is assembly
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def width_of(stream: TextIO) -> int:
    """The columns of a terminal; COLUMNS says another number."""
    return get_terminal_size((_WIDTH, 24)).columns if stream.isatty() else _columns()


def _columns() -> int:
    told = os.environ.get("COLUMNS", "")  # noqa: TID251 - this is assembly
    return int(told) if told.isdecimal() and int(told) else _WIDTH
