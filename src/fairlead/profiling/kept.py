"""What was measured so far, in a file: a run that was stopped is gone on with.

`STATE/profiles/NAME-VERSION.partial.json` holds {"format", "bound", "parts"}. It is written whole
after every part, and is worth nothing for another package, other rows or another machine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fairlead.core.errors import FileUnreadable
from fairlead.serving.whole_file import write_whole

FORMAT = "fairlead-profile-partial/2"
_MOST_BYTES = 64 << 20


class Kept:
    """The parts of one profile under way.

    resumed: how many of them were there already.
    """

    def __init__(self, file: Path, bound: Mapping[str, Any], *, fresh: bool = False) -> None:
        """bound: what the parts are true of. fresh: begin anew, whatever is there."""
        self._file = file
        self._bound = dict(bound)
        self._parts: dict[str, Any] = {} if fresh else _read(file, self._bound)
        self.resumed = len(self._parts)

    def get(self, name: str, make: Callable[[], Any]) -> Any:
        """A part as JSON holds it: made now, and written, where it is not there yet.

        Raises FileUnreadable where it cannot be written, and what `make` raises.
        """
        if name not in self._parts:
            self._parts[name] = json.loads(json.dumps(make()))
            told = {"format": FORMAT, "bound": self._bound, "parts": self._parts}
            keep(self._file, json.dumps(told))
        return self._parts[name]

    def remove(self) -> None:
        """It is done: nothing is to be gone on with."""
        self._file.unlink(missing_ok=True)


def _read(file: Path, bound: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of an earlier run; {} where there are none that are true of the same."""
    try:
        with file.open("rb") as opened:
            told: Any = json.loads(opened.read(_MOST_BYTES))
        if told["format"] == FORMAT and told["bound"] == bound:
            return dict(told["parts"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return {}


def keep(file: Path, text: str) -> None:
    """Keeps what was measured in place of what was before. Raises FileUnreadable."""
    try:
        write_whole(file, text)
    except OSError as error:
        raise FileUnreadable(
            f"what was measured cannot be kept: {error.strerror}",
            where=str(file),
            fix="Make room there, or name another state folder with --state",
        ) from None
