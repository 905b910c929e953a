"""Reading what a state folder keeps of the guards, beside a server.

The bookkeeper writes it (`standing`); it may do so while it is read here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairlead.core.errors import FileUnreadable, NothingWatched, StateInvalid, StateUnavailable
from fairlead.usage.stores.guards import FILE, read_states, read_versions


@dataclass(frozen=True, slots=True)
class GuardState:
    """The states of one version's guards by kind ("drift", "bet", "accuracy", "about").

    updated: when the newest was written, as an ISO time.
    """

    model: str
    version: int
    states: Mapping[str, Any]
    updated: str


def read_guard_state(folder: Path, model: str, version: int | None = None) -> GuardState:
    """The state of a version, of the newest one that has any when none is named.

    Raises FileUnreadable for what is no state folder, NothingWatched when nothing is kept of it.
    """
    if not folder.is_dir():
        raise FileUnreadable(
            f"there is no state folder {folder}", fix="Name the server's with --state"
        )
    file = folder / FILE
    if not file.exists():
        raise NothingWatched("no server has watched anything here yet", where=str(folder))
    try:
        return _read(file, model, version)
    except (StateUnavailable, StateInvalid, ValueError) as error:
        raise FileUnreadable(
            f"the guards' state cannot be read: {error}", where=str(file)
        ) from None


def _read(file: Path, model: str, version: int | None) -> GuardState:
    every = read_versions(file)
    found = [number for name, number in every if name == model]
    wanted = found[-1] if version is None and found else version
    if wanted is None or wanted not in found:
        asked = model if version is None else f"{model}@{version}"
        known = ", ".join(f"{name}@{number}" for name, number in every[:20])
        raise NothingWatched(
            f"nothing has been seen of {asked}",
            where=str(file.parent),
            fix=f"Watched here: {known}" if known else "Send it rows first",
        )
    rows = read_states(file, model, wanted)
    states = {kind: json.loads(state) for kind, state, _ in rows}
    return GuardState(model, wanted, states, max(updated for _, _, updated in rows))
