"""Where a command writes what it would print."""

from __future__ import annotations

from pathlib import Path

from fairlead.core.errors import FileUnreadable


def write_output(file: str, text: str, what: str) -> None:
    """Writes a text, its last line ended. what: it is, in words.

    Raises FileUnreadable where it cannot be written.
    """
    try:
        Path(file).write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    except OSError as error:
        reason = f"{what} cannot be written: {error.strerror}"
        raise FileUnreadable(reason, where=file) from None
