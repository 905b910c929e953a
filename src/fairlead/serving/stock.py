"""What there is to serve, and what is wanted of it: by the command line, the repositories, the
record that operators keep, and wishes that hold while the server runs.

One worker's, for its manager's thread alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from fairlead.core.errors import ModelNotFound
from fairlead.packages.repository import Found, committed, stamp
from fairlead.serving.choosing import NEWEST, Choice
from fairlead.serving.finding import Sighting
from fairlead.serving.registry import label_unassignable
from fairlead.serving.shelf import Candidate, Held, Shelf, itself, packages


class Stock:
    """All models of one worker.

    usual:  what is wanted of a model about which nothing was said.
    lazy:   models are loaded when somebody asks for them. pinned: but for these, which are loaded
            at once and never make room for others.
    recorded: what operators have put on record was heard.
    """

    def __init__(
        self,
        usual: Choice = NEWEST,
        *,
        lazy: bool = False,
        pinned: Collection[str] = (),
        roots: Collection[Path] = (),
        pack: Callable[[Found], Found] = itself,
        held: Callable[[str, Sequence[Found], str], Held] = lambda m, found, s: packages(found),
    ) -> None:
        """roots: the repositories. pack: makes a SavedModel a package.

        held: adds to what is found of a model what is packed only once it is wanted; what it
        gives for a model that is loaded from a place of its own is all.
        """
        self._usual = usual
        self._lazy = lazy
        self._pinned = pinned
        self._held = held
        self._roots = roots
        self._pack = pack
        self._records: Mapping[str, Choice] = {}
        self.recorded = False
        self.shelves: dict[str, Shelf] = {}

    def begin(self, found: Sequence[Found]) -> None:
        """What the command line names, its repositories as they are now."""
        for version in found:
            shelf = self.shelf(version.name)
            candidate = Candidate(stamp(version.folder), packages([version])[version.version])
            if version.folder.parent.parent in self._roots:
                shelf.stocked[version.version] = candidate
            else:
                shelf.fixed[version.version] = candidate

    def shelf(self, model: str) -> Shelf:
        """The shelf of a model, made if there is none."""
        found = self.shelves.get(model)
        if found is None:
            pinned = model in self._pinned
            own = self._records.get(model, self._usual)
            awake = pinned or not self._lazy
            found = self.shelves[model] = Shelf(model, own, pinned=pinned, awake=awake)
        return found

    def restock(self, sightings: Sequence[Sighting]) -> None:
        """The repositories hold exactly this now."""
        held: dict[str, dict[int, Candidate]] = {}
        for version, mark, plain in sightings:
            make = partial(self._pack if plain else itself, version)
            held.setdefault(version.name, {})[version.version] = Candidate(mark, make)
        for model in {*held, *self.shelves}:
            if model in held or not self.shelves[model].placed:
                self.shelf(model).stocked = held.get(model, {})

    def record(self, records: Mapping[str, Choice]) -> list[Shelf]:
        """What operators want, by model: these and no others. Returns those that were not told."""
        first, self._records, self.recorded = not self.recorded, records, True
        untold: list[Shelf] = []
        for model, shelf in self.shelves.items():
            own = records.get(model, self._usual)
            if first or own != shelf.own:
                untold.append(shelf)
            shelf.own = own
        return untold

    def look(self, model: str, source: str = "") -> Shelf:
        """The shelf of a model with what its repository, or a place of its own, holds now.

        Raises ModelNotFound and FileUnreadable; then nothing has changed.
        """
        found = [f for root in self._roots for f in committed(root) if f.name == model]
        held = self._held(model, found, source)
        known = self.shelves.get(model)
        if not held and not (known is not None and known.fixed and not source):
            where = source or "the repository"
            raise ModelNotFound(f"{where[:200]} holds no version of a model {model!r}")
        marks = {version.version: stamp(version.folder) for version in found}
        shelf = self.shelf(model)
        shelf.placed = shelf.placed or bool(source)
        other = {n: Candidate("", make) for n, make in held.items() if n not in marks}
        shelf.fixed = other or shelf.fixed
        shelf.stocked = {n: Candidate(marks[n], make) for n, make in held.items() if n in marks}
        return shelf

    def forget(self, model: str) -> None:
        """Nothing is known of a model any more."""
        self.shelves.pop(model, None)


def wanted_by(choice: Choice, shelf: Shelf) -> tuple[int, ...]:
    """The versions that must answer before a choice is in force.

    Raises ModelNotFound for one that is not there, LabelUnassignable for a label that points to a
    version that would not answer.
    """
    held = shelf.held
    own = bool(choice.exact or choice.only or choice.source) or choice.labels is not None
    wanted = tuple((choice if own else replace(shelf.choice, labels=None)).of(held))
    for number in wanted:
        if number not in held:
            raise ModelNotFound(f"the repository holds no version {number} of model {shelf.name!r}")
    for label, number in (choice.labels or {}).items():
        if number not in wanted and (choice.exact or number not in shelf.served):
            raise label_unassignable(shelf.name, label, number)
    return wanted
