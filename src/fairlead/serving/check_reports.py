"""The last deployment check of each version, kept as JSON in the state folder.

`STATE/checks/MODEL/VERSION.json`: written whole or not at all, so it may be read at any time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from fairlead.core.errors import FileUnreadable
from fairlead.core.names import is_name
from fairlead.serving.whole_file import write_whole

FOLDER = "checks"
_MOST_BYTES = 1 << 20
_FACTS = {"model", "version", "exposure", "when", "verdict", "answers"}
_ANSWER = {"question", "group", "verdict", "measured", "fix"}


def keep_report(folder: Path, report: Mapping[str, Any]) -> Path:
    """Keeps a report in place of the one before; makes the state folder where there is none.

    folder: the state folder. Raises FileUnreadable where it cannot be written.
    """
    file = _file(folder, str(report["model"]), int(report["version"]))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(file, json.dumps(report, indent=1) + "\n", sync=True)
    except OSError as error:
        raise FileUnreadable(
            f"the check cannot be kept: {error.strerror}",
            where=str(folder),
            fix="Name another state folder with --state",
        ) from None
    return file


def read_report(folder: Path, model: str, version: int) -> dict[str, Any] | None:
    """The last report of a version; None where it was never checked, or what is there is none.

    folder: the state folder. Never raises: a page that shows it has others to show.
    """
    if not is_name(model) or version < 0:
        return None
    try:
        with _file(folder, model, version).open("rb") as opened:
            raw = opened.read(_MOST_BYTES + 1)
        found: Any = json.loads(raw) if len(raw) <= _MOST_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None
    return found if _is_report(found) else None


def _is_report(found: Any) -> bool:
    """Whether everything is there that shows a report."""
    if not isinstance(found, dict) or not found.keys() >= _FACTS:
        return False
    if not isinstance(found["answers"], list):
        return False
    answers = cast("list[Any]", found["answers"])
    return all(isinstance(one, dict) and one.keys() >= _ANSWER for one in answers)


def _file(folder: Path, model: str, version: int) -> Path:
    return folder / FOLDER / model / f"{version}.json"
