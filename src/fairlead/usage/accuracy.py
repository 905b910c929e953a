"""Live accuracy: true labels joined with the outcomes of the calls that they belong to.

One process follows the outcome log and the labels that came in. The place reached in each segment
is committed together with the sums, so that dying anywhere changes nothing. An outcome stands in
its segment before its answer, and so its usage id, is known to anyone: labels that are read before
the outcomes are never too early, and what finds no outcome then is an id of no call of this model.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fairlead.core.clock import wall_ns
from fairlead.usage import feedback, outcomes
from fairlead.usage.feedback import FEEDBACK, Labelled
from fairlead.usage.outcomes import OUTCOMES, Outcome
from fairlead.usage.segments import SEGMENT_BYTES, SUFFIX, remove, sealed, segments
from fairlead.usage.stores.accuracy import AccuracyStore, open_accuracy
from fairlead.usage.tally import Tally, truth_of

KEPT_BYTES = 1 << 30
"""Of the outcomes of one version, whatever their time; the oldest segments go first."""
_MARK_BYTES = 4 << 10
_FRAMES_AT_ONCE = 8
_SWEEP_NS = 60 * 10**9
_DAY_NS = 86_400 * 10**9

Key = tuple[str, int]


class LiveAccuracy:
    """The live accuracy of every version of one state folder. Open it in one thread only."""

    def __init__(self, state: Path, kept_bytes: int = KEPT_BYTES) -> None:
        self._outcomes = state / OUTCOMES
        self._feedback = state / FEEDBACK
        self._kept_bytes = kept_bytes
        self._ended: set[str] = set()
        self._swept_ns = 0
        self._store = open_accuracy(state)

    def close(self) -> None:
        """Closes the database."""
        self._store.close()

    def follow(self) -> int:
        """One round: joins the labels that have come in, and removes what has had its time.

        So much at most is joined at once; returns of how many calls the labels were.
        """
        came = {s: self._store.taken(s.name) for s in segments(self._feedback)}
        over = {s for s in came if sealed(s)} if came else set[Path]()
        read = {s: list(self._read(s, offset)) for s, offset in came.items()}
        self._index()
        done = sum(self._join(s, came[s], found) for s, found in read.items() if found)
        spent = [s for s in over if not read[s]]
        if abs(wall_ns() - self._swept_ns) > _SWEEP_NS:
            self._swept_ns = wall_ns()
            self._remove_outcomes()
        if spent:
            remove(spent)
            with self._store.writing():
                self._store.forget_taken(segment.name for segment in spent)
        return done

    def facts(self) -> dict[Key, dict[str, Any]]:
        """What is known of each version with an outcome log, by (model, version), as plain JSON.

        `unmatched` counts calls of the model, whatever the version: their ids are of none.
        """
        unmatched = self._store.strays()
        found: dict[Key, dict[str, Any]] = {}
        for one in self._store.every_sum():
            tally = Tally(json.loads(one.about), json.loads(one.sums), json.loads(one.recent))
            found[one.model, one.version] = {
                **tally.facts(),
                "unserved": one.unserved,
                "repeated": one.repeated,
                "unmatched": unmatched.get(one.model, 0),
            }
        return found

    # --- labels -----------------------------------------------------------------------------

    @staticmethod
    def _read(segment: Path, offset: int) -> Iterable[tuple[int, str, list[Labelled]]]:
        for number, found in enumerate(feedback.read(segment, offset), 1):
            yield found
            if number == _FRAMES_AT_ONCE or found[0] - offset > SEGMENT_BYTES:
                return

    def _join(
        self, segment: Path, offset: int, found: Sequence[tuple[int, str, list[Labelled]]]
    ) -> int:
        """Adds the labels of some frames to the sums, in one transaction with their place."""
        with self._store.writing():
            if self._store.taken(segment.name) != offset:
                return 0  # another who follows was faster
            joining = _Joining(self._store, self._outcomes)
            for _, model, given in found:
                for labelled in given:
                    joining.add(model, labelled)
            joining.save()
            self._store.take(segment.name, found[-1][0])
        return sum(len(given) for _, _, given in found)

    # --- outcomes ---------------------------------------------------------------------------

    def _index(self) -> None:
        """Notes which calls stand where in the outcome log, as far as it is written."""
        for path in self._paths():
            if path not in self._ended:
                segment = self._outcomes / path
                over = sealed(segment)  # asked first: what is indexed afterwards is all there is
                if self._known(segment, path) and over:
                    self._ended.add(path)

    def _known(self, segment: Path, path: str) -> bool:
        """Indexes what is new in a segment; False while it does not say what its rows mean."""
        offset = self._store.reached(path)
        if offset is None:
            about = outcomes.about_of(segment)
            if about is None:
                return False  # its writer has not come further
            writer = segment.stem.rpartition("-")[0]
            where = (path, about["model"], about["version"], writer)
            with self._store.writing():
                self._store.begin(*where, about["days"], json.dumps(about))
            offset = 0
        if segment.stat().st_size > offset:
            self._index_segment(segment, path, offset)
        return True

    def _index_segment(self, segment: Path, path: str, offset: int) -> None:
        marks: list[tuple[int, int]] = []
        reached, last, next_mark = offset, None, 0
        for after, kept in outcomes.read(segment, offset):
            if kept is not None and len(kept.sequences):
                last = kept.sequences[-1]
                if reached >= next_mark:
                    marks.append((kept.sequences[0], reached))
                    next_mark = reached + _MARK_BYTES
            reached = after
        if reached == offset:
            return
        with self._store.writing():
            self._store.index(path, reached, marks, last)

    def _paths(self) -> list[str]:
        """Every segment of outcomes, as model/version/name."""
        if not self._outcomes.is_dir():
            return []
        return [
            f"{model.name}/{version.name}/{segment.name}"
            for model in os.scandir(self._outcomes)
            if model.is_dir()
            for version in os.scandir(model)
            if version.is_dir()
            for segment in os.scandir(version)
            if segment.name.endswith(SUFFIX) and not segment.name.startswith(".")
        ]

    def _remove_outcomes(self) -> None:
        """Removes segments whose time is over, and the oldest of a version that has too many."""
        days = self._store.days()
        here = {path: (self._outcomes / path).stat() for path in self._paths()}
        newest = sorted(here, key=lambda path: here[path].st_mtime_ns, reverse=True)
        spent: list[str] = []
        sizes: dict[str, int] = {}
        for path in newest:
            version = path.rpartition("/")[0]
            sizes[version] = sizes.get(version, 0) + here[path].st_size
            limit = wall_ns() - days.get(path, 1) * _DAY_NS
            gone = sizes[version] > self._kept_bytes or here[path].st_mtime_ns < limit
            if gone and sealed(self._outcomes / path):
                spent.append(path)
        if spent:
            remove([self._outcomes / path for path in spent])
            self._ended.difference_update(spent)
        lost = days.keys() - (here.keys() - {*spent})
        if lost:
            with self._store.writing():
                self._store.forget(sorted(lost))


def _is_of(outcome: Outcome, labelled: Labelled) -> bool:
    """Whether labels are one per row of a call, and come from somebody who may label it."""
    may = not labelled.owner or outcome.owner in (0, labelled.owner)
    return may and len(outcome.decision) == len(labelled.labels)


class _Joining:
    """Labels on their way into the sums, within one transaction."""

    def __init__(self, store: AccuracyStore, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._tallies: dict[Key, Tally] = {}
        self._unserved: dict[Key, int] = {}
        self._unmatched: dict[str, int] = {}

    def add(self, model: str, labelled: Labelled) -> None:
        """Counts the labels of one call, unless it is none of this model's or has some already."""
        writer, _, number = labelled.usage.rpartition("-")
        sequence = int(number, 16)
        found = self._find(model, writer, sequence)
        if found is None or not _is_of(found[2], labelled):
            self._unmatched[model] = self._unmatched.get(model, 0) + 1
            return
        path, version, outcome = found
        # The first labels count: a later word on the same call would change what was told before.
        if not self._store.label(path, sequence):
            self._store.repeat(model, version)
            return
        key = model, version
        tally = self._tallies.get(key) or self._load(key)
        _, unserved = tally.add(outcome, truth_of(tally.about, labelled.labels))
        self._unserved[key] = self._unserved.get(key, 0) + unserved

    def save(self) -> None:
        """Writes the sums."""
        for key, tally in self._tallies.items():
            sums = json.dumps(tally.sums), json.dumps(tally.recent)
            self._store.keep(*key, *sums, self._unserved[key])
        self._store.stray(self._unmatched)

    def _load(self, key: Key) -> Tally:
        kept = self._store.sums(*key)
        about, sums, recent = map(json.loads, (kept.about, kept.sums, kept.recent))
        tally = self._tallies[key] = Tally(about, sums, recent)
        return tally

    def _find(self, model: str, writer: str, sequence: int) -> tuple[str, int, Outcome] | None:
        for path, version, offset in self._store.candidates(model, writer, sequence):
            try:
                outcome = outcomes.find(self._folder / path, offset or 0, sequence)
            except FileNotFoundError:
                continue  # its time was over
            if outcome is not None:
                return path, version, outcome
        return None
