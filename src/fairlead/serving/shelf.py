"""What the manager knows of one model: what can be had of it, what is wanted, how it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from fairlead.core.errors import FairleadError
from fairlead.packages.repository import Found
from fairlead.serving.choosing import NEWEST, Choice
from fairlead.serving.lifecycle import IN_MEMORY, Standing, Wanted
from fairlead.serving.served import Served
from fairlead.serving.states import READY

Done = Callable[[FairleadError | None], None]
"""Is told that something is done, or why not."""
Held = Mapping[int, Callable[[], Found]]
"""The versions of a model by number, and what makes each a package."""


class Candidate(NamedTuple):
    """A version that can be had. stamp: of its files; make: makes it a package, if it is none."""

    stamp: str
    make: Callable[[], Found]


class Waiter(NamedTuple):
    """Somebody who waits until versions answer. choice: is in force from then on, None for none."""

    wanted: tuple[int, ...]
    done: Done
    choice: Choice | None = None


@dataclass(slots=True)
class Shelf:
    """One model in one worker.

    stocked: what its repository holds. fixed: what was named by a path of its own.
    own:     what is wanted of it by its record or the server's settings. wish: what was wished
             while the server runs, which goes before. placed: a platform has loaded it by a wish.
    ended:   nothing is wanted. awake: it is, or is to be, in memory. asked: somebody needed it.
    pinned:  it never makes room for another.
    served:  the versions in memory.
    """

    name: str
    own: Choice = NEWEST
    wish: Choice | None = None
    stocked: dict[int, Candidate] = field(default_factory=dict[int, Candidate])
    fixed: dict[int, Candidate] = field(default_factory=dict[int, Candidate])
    states: dict[int, Standing] = field(default_factory=dict[int, Standing])
    served: dict[int, Served] = field(default_factory=dict[int, Served])
    waiters: list[Waiter] = field(default_factory=list[Waiter])
    enders: list[Done] = field(default_factory=list[Done])
    placed: bool = False
    ended: bool = False
    awake: bool = True
    asked: bool = False
    pinned: bool = False

    @property
    def held(self) -> Mapping[int, Candidate]:
        """What can be had of it now."""
        return {**self.fixed, **self.stocked}

    @property
    def choice(self) -> Choice:
        """What is wanted of it."""
        return self.wish or self.own

    @property
    def labels(self) -> Mapping[str, int]:
        """Where its labels point to."""
        wished = self.wish.labels if self.wish is not None else None
        return wished if wished is not None else self.own.labels or {}

    @property
    def wanted(self) -> Wanted:
        """The same for the lifecycle."""
        waited_for = [number for waiter in self.waiters for number in waiter.wanted]
        pointed_to = [*self.labels.values(), *([self.own.default] if self.own.default else [])]
        return Wanted(
            {number: candidate.stamp for number, candidate in self.held.items()},
            self.choice.newest,
            self.choice.only,
            frozenset((*pointed_to, *waited_for)),
            ended=self.ended,
            asleep=not self.awake,
        )

    @property
    def in_memory(self) -> list[int]:
        """The versions that take memory."""
        return [v for v, standing in self.states.items() if standing.state in IN_MEMORY]

    @property
    def leaving(self) -> bool:
        """Whether it sleeps, and its memory is about to be given back."""
        held = any(served.held for served in self.served.values())
        return bool(not self.awake and self.in_memory and not held)

    @property
    def used(self) -> float:
        """`clock.now` of its last use."""
        return max((served.used for served in self.served.values()), default=0.0)

    @property
    def busy(self) -> bool:
        """Whether a call holds any of it, or it is not all ready."""
        ready = all(self.states[v].state == READY for v in self.in_memory)
        return not ready or any(served.held for served in self.served.values())


def packages(found: Iterable[Found]) -> dict[int, Callable[[], Found]]:
    """Versions that are packages already."""
    return {version.version: partial(itself, version) for version in found}


def itself(found: Found) -> Found:
    """A version that is a package already."""
    return found
