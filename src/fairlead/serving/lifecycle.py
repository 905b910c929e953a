"""Which version is loaded next, and which ends: a pure function of what is wanted and what is.

What a source (the repository, an operator, a platform) wants is compared with the states of the
versions in one worker. A version that answers ends only once what is wanted in its place answers
too; one that cannot be loaded never displaces one that can, and is tried again. The manager
(manager.py) alone acts on it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from fairlead.serving.states import DRAINING, FAILED, LOADING, READY, UNLOADED, WAITING, WARMING

IN_MEMORY = frozenset((LOADING, WARMING, READY, DRAINING))
_UNDER_WAY = frozenset((LOADING, WARMING))

FIRST_RETRY_S, LAST_RETRY_S = 1.0, 60.0
"""How long a version that failed is left alone the first time, and at most."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one version stands in this worker.

    stamp:    of its files when it was last tried; other files are tried at once.
    failures: in a row. due: `clock.now` from which one that failed is tried again.
    crowded:  it waits for memory.
    reason:   why these files could not be loaded the last time.
    """

    state: str
    stamp: str = ""
    failures: int = 0
    due: float = 0.0
    crowded: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of a model.

    found:  the versions that can be had now, with a stamp of the files of each.
    newest: so many of the highest ones that can be loaded, 0 for all.
    only:   exactly these in place of the newest, where there are any.
    also:   these too: labels point to them, or somebody waits for them.
    ended:  nothing is wanted.
    asleep: it is loaded when somebody asks for it, and nobody has.
    """

    found: Mapping[int, str]
    newest: int = 1
    only: tuple[int, ...] = ()
    also: Collection[int] = ()
    ended: bool = False
    asleep: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next with a version: LOAD, END (it drains), or FORGET (it is known no more)."""

    act: str
    version: int


LOAD, END, FORGET = "load", "end", "forget"


def backoff_s(failures: int) -> float:
    """Seconds for which a version is left alone that has failed so many times in a row."""
    return min(FIRST_RETRY_S * 2.0 ** min(failures - 1, 16), LAST_RETRY_S)


def steps(wanted: Wanted, states: Mapping[int, Standing], moment: float) -> list[Step]:
    """What is to be done now; nothing when all is as it should be, or something is under way.

    At most one version is loaded at a time, and only while no more versions are in memory than are
    wanted: so there is never more than one beyond them. Doing nothing of what is said changes
    nothing of what is said next. moment: `clock.now`.
    """
    ready = {v for v, standing in states.items() if standing.state == READY}
    gone = [
        Step(FORGET, v)
        for v, standing in states.items()
        if v not in wanted.found and standing.state in (WAITING, UNLOADED, FAILED)
    ]
    if wanted.ended:
        return [*gone, *(Step(END, v) for v in sorted(ready))]
    targets = chosen(wanted, states)
    found = [*gone, *(Step(END, v) for v in _ending(wanted, targets, ready))]
    held = sum(standing.state in IN_MEMORY for standing in states.values())
    busy = any(standing.state in _UNDER_WAY for standing in states.values())
    if not wanted.asleep and not busy and held <= len(targets):
        due = _loadable(wanted, targets, states, moment)
        found += [Step(LOAD, version) for version in due[:1]]
    return found


def chosen(wanted: Wanted, states: Mapping[int, Standing]) -> list[int]:
    """The versions that should answer, the newest first.

    Where the newest are wanted, an older one stands in for each that cannot be loaded as it is.
    """
    targets = [v for v in wanted.found if v in wanted.only or v in wanted.also]
    if not wanted.only:
        sound = [v for v in sorted(wanted.found, reverse=True) if not _failed(wanted, states, v)]
        targets += sound[: wanted.newest or None]
    return sorted(set(targets), reverse=True)


def next_due(wanted: Wanted, states: Mapping[int, Standing]) -> float | None:
    """`clock.now` at which a version is tried again that failed; None when there is none."""
    if wanted.ended or wanted.asleep:
        return None
    tried = _asked_for(wanted)
    due = [s.due for v, s in states.items() if s.state == FAILED and v in tried]
    return min(due, default=None)


def _ending(wanted: Wanted, targets: Sequence[int], ready: Collection[int]) -> list[int]:
    """The versions that may end: as many others go on answering as do not answer yet."""
    surplus = sorted((v for v in ready if v not in targets), reverse=True)
    if wanted.found and not targets:
        return []
    missing = sum(v not in ready for v in targets)
    return surplus[missing:]


def _loadable(
    wanted: Wanted, targets: Sequence[int], states: Mapping[int, Standing], moment: float
) -> list[int]:
    """The versions that can be loaded now, first those that are needed most."""
    fresh = [
        v
        for v in targets
        if v in wanted.found
        and (v not in states or _is(states, v, WAITING, UNLOADED) or _changed(wanted, states, v))
    ]
    again = [
        v
        for v in sorted(_asked_for(wanted), reverse=True)
        if _is(states, v, FAILED) and v not in fresh and states[v].due <= moment
    ]
    return [*fresh, *again]


def _asked_for(wanted: Wanted) -> set[int]:
    """The versions that would answer if all could be loaded."""
    asked = {v for v in wanted.found if v in wanted.only or v in wanted.also}
    if not wanted.only:
        asked.update(sorted(wanted.found)[-wanted.newest :])
    return asked


def _failed(wanted: Wanted, states: Mapping[int, Standing], version: int) -> bool:
    """Whether a version was tried as it is and cannot be loaded."""
    return _is(states, version, FAILED) and not _changed(wanted, states, version)


def _changed(wanted: Wanted, states: Mapping[int, Standing], version: int) -> bool:
    """Whether the files of a version that failed are others now."""
    return _is(states, version, FAILED) and states[version].stamp != wanted.found[version]


def _is(states: Mapping[int, Standing], version: int, *any_of: str) -> bool:
    return version in states and states[version].state in any_of
