"""Whether there is memory for one more version, and which model sleeps so that there is."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from fairlead.serving.budget import Budget
from fairlead.serving.footprint import Footprint
from fairlead.serving.shelf import Candidate, Shelf


class Answer(Enum):
    """What is said to who wants to load a version: now, once others have made room, or not."""

    NOW = "now"
    LATER = "later"
    ASLEEP = "asleep"


class Room:
    """The memory of one worker's models.

    A model makes room for one that is asked for when it was not used for the longest time, is not
    pinned, and no call holds it.
    """

    def __init__(self, shelves: Mapping[str, Shelf], budget: Budget) -> None:
        self._shelves = shelves
        self._budget = budget
        self._sleepy: set[str] = set()

    def asks(self, shelf: Shelf, version: int, candidate: Candidate) -> Answer:
        """Whether a version may be loaded; if not now, some model may have to sleep (`sleepy`).

        Raises MemoryTooSmall for one that does not fit even alone.
        """
        budget = self._budget
        if not budget.most:
            return Answer.NOW
        need = budget.of(shelf.name, version) or disk_bytes(candidate.make().folder)
        budget.check(shelf.name, version, need)
        if not budget.lacks(need):
            budget.reserve(shelf.name, version, need)
            return Answer.NOW
        if not (shelf.asked or shelf.pinned or shelf.in_memory):
            return Answer.ASLEEP
        self._find_sleepy(shelf)
        return Answer.LATER

    def take(self, shelf: Shelf, version: int, footprint: Footprint) -> bool:
        """A version was loaded. Where that was more than there is, others have to sleep.

        False when none of them can: it must be closed again, and is loaded later. Raises
        MemoryTooSmall for one that does not fit even alone. Then it is not counted.
        """
        budget = self._budget
        budget.note(shelf.name, version, footprint.size)
        budget.check(shelf.name, version, footprint.size)
        budget.take(shelf.name, version, footprint)
        if budget.lacks(0) and not self._find_sleepy(shelf):
            budget.give(shelf.name, version)
            return False
        return True

    def give(self, shelf: Shelf, version: int) -> None:
        """A version's memory was given back."""
        self._budget.give(shelf.name, version)

    def forget(self, shelf: Shelf, version: int) -> None:
        """What a version was seen to take says nothing of it any more."""
        self._budget.forget(shelf.name, version)

    def sleepy(self) -> list[str]:
        """The models that have to sleep; each is said once."""
        found, self._sleepy = sorted(self._sleepy), set()
        return found

    def _find_sleepy(self, asking: Shelf) -> bool:
        """Finds who has to sleep, if anybody can; one at a time: what it gives back is counted
        before another has to go."""
        if any(shelf.leaving for shelf in self._shelves.values()):
            return True
        others = [
            shelf
            for shelf in self._shelves.values()
            if shelf is not asking
            and shelf.served
            and not (shelf.pinned or shelf.busy or shelf.placed or shelf.waiters)
        ]
        if others and not self._sleepy:
            self._sleepy.add(min(others, key=lambda shelf: (shelf.used, shelf.name)).name)
        return bool(others)


def disk_bytes(folder: Path) -> int:
    """Bytes of the files of a version that are loaded: what it takes at the least."""
    parts = [folder / "graph", folder / "native"]
    return sum(f.stat().st_size for part in parts for f in part.rglob("*") if f.is_file())
