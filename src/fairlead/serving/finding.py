"""What the repositories hold, looked at once a second by a thread of the bookkeeper.

Every worker is told what has changed. A look that fails says nothing: what was found before stands,
however long a disk does not answer, of one model as of a whole repository. A version is gone once
two looks have missed it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

from fairlead.core.clock import now
from fairlead.core.errors import FairleadError
from fairlead.packages.repository import Found, committed, stamp
from fairlead.serving.exchange import Line, Message
from fairlead.serving.log import log

FOUND = "found"
LOOK_S, SETTLED_S = 1.0, 5.0
_REST = 20
"""A look that takes long is followed by a rest of so many times its length."""
_ALL = ""
"""Of a repository: all of its models."""

Plain = Callable[[Path], Sequence[Found]]
"""The SavedModels of a folder, which have no manifest."""


class Sighting(NamedTuple):
    """A version that is there. plain: it is a SavedModel, and packed before it is served."""

    found: Found
    stamp: str
    plain: bool = False

    def to_json(self) -> list[object]:
        """As workers are told."""
        return [self.found.name, self.found.version, str(self.found.folder), self.stamp, self.plain]

    @classmethod
    def from_json(cls, told: Sequence[object]) -> Sighting:
        """The inverse of `to_json`."""
        name, version, folder, mark, plain = told
        return cls(Found(str(name), int(str(version)), Path(str(folder))), str(mark), bool(plain))


@dataclass(slots=True)
class _Seen:
    """A version as it was last seen. since: `clock.now` from which its files are as they are."""

    sighting: Sighting
    since: float
    missed: bool = False


class Looking:
    """Looks at repositories, and knows what they held before."""

    def __init__(self, roots: Sequence[Path], plain: Plain | None = None) -> None:
        """plain: finds SavedModels, which are believed once they are settled; None for none."""
        self._roots = roots
        self._plain = plain
        self._seen: dict[Path, dict[tuple[str, int], _Seen]] = {root: {} for root in roots}
        self._told: dict[Path, dict[str, str]] = {root: {} for root in roots}

    def look(self, moment: float) -> list[Sighting]:
        """Every version that is there, by name and number. moment: `clock.now`."""
        for root in self._roots:
            unread: dict[str, Exception] = {}
            try:
                sightings = self._sightings(root, unread)
            except Exception as error:  # the thread goes on: what was found before stands
                self._say(root, {_ALL: error})
                continue
            self._say(root, unread)
            self._remember(self._seen[root], sightings, unread, moment)
        found = [seen for held in self._seen.values() for seen in held.values()]
        believed = [s.sighting for s in found if _settled(s, moment)]
        return sorted(believed, key=lambda s: (s.found.name, s.found.version))

    def _sightings(self, root: Path, unread: dict[str, Exception]) -> list[Sighting]:
        """unread: is filled with the models whose folders cannot be read, and why."""
        there = committed(root, unread.__setitem__)
        packages = [Sighting(found, stamp(found.folder)) for found in there]
        if self._plain is None:
            return packages
        known = {(one.found.name, one.found.version) for one in packages}
        return packages + [
            Sighting(found, stamp(found.folder), plain=True)
            for found in self._plain(root)
            if (found.name, found.version) not in known
        ]

    def _remember(
        self,
        held: dict[tuple[str, int], _Seen],
        sightings: Sequence[Sighting],
        unread: Collection[str],
        moment: float,
    ) -> None:
        now_there = {(s.found.name, s.found.version): s for s in sightings}
        for key, seen in [*held.items()]:
            if key not in now_there and key[0] not in unread:
                if seen.missed:
                    del held[key]
                seen.missed = True
        for key, sighting in now_there.items():
            seen = held.get(key)
            if seen is None or seen.sighting != sighting:
                held[key] = _Seen(sighting, moment)
            else:
                seen.missed = False

    def _say(self, root: Path, unread: Mapping[str, Exception]) -> None:
        """Says why the repository, or a model in it, cannot be read; once for each reason."""
        before = self._told[root]
        self._told[root] = {name: _reason(error) for name, error in unread.items()}
        for name, reason in self._told[root].items():
            if before.get(name) != reason:
                log("repository_unreadable", folder=str(root / name), reason=reason)


def _reason(error: Exception) -> str:
    return error.line() if isinstance(error, FairleadError) else str(error)


def _settled(seen: _Seen, moment: float) -> bool:
    return not seen.sighting.plain or moment - seen.since >= SETTLED_S


class Finding:
    """The bookkeeper's desk: its thread looks, and workers are told what has changed.

    tell: hands a callable to the loop (call_soon_threadsafe). admits: what of the sightings workers
    may know; it is asked on the loop.
    """

    kinds: frozenset[str] = frozenset()

    def __init__(
        self,
        looking: Looking,
        tell: Callable[[Callable[[], None]], object],
        admits: Callable[[Sequence[Sighting]], Sequence[Sighting]] = lambda sightings: sightings,
    ) -> None:
        self._looking = looking
        self._tell = tell
        self._admits = admits
        self._lines: set[Line] = set()
        self._found: Sequence[Sighting] | None = None
        self._over = Event()

    def start(self) -> None:
        """Begins to look, on a thread of its own."""
        Thread(target=self._look, name="finding", daemon=True).start()

    def _look(self) -> None:
        while not self._over.is_set():
            began = now()
            found = self._looking.look(began)
            self._tell(lambda found=found: self._heard(found))
            self._over.wait(max(LOOK_S, _REST * (now() - began)))

    def _heard(self, found: Sequence[Sighting]) -> None:
        admitted = self._admits(found)
        if admitted != self._found:
            self._found = admitted
            for line in self._lines:
                line.press(self._message())

    def _message(self) -> Message:
        return {"kind": FOUND, "versions": [one.to_json() for one in self._found or ()]}

    def take(self, line: Line, message: Message) -> None:
        """Nobody asks."""

    def joined(self, line: Line) -> None:
        """A worker that starts is told what is there."""
        self._lines.add(line)
        if self._found is not None:
            line.press(self._message())

    def lost(self, line: Line) -> None:
        """A worker that is gone is told no more."""
        self._lines.discard(line)

    def beat(self) -> None:
        """The thread has its own beat."""

    def save(self) -> None:
        """What is there is on the disk."""

    def close(self) -> None:
        """Looks no more."""
        self._over.set()
