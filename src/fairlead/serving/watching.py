"""What only many rows can tell: has the world moved, is a caller copying the model?

A worker notes what went through a version as it answers, and looks at it a moment later, a few
hundred rows at a time, so that no answer waits. What it has seen goes to the bookkeeper, which adds
up all workers (`standing`). Under load not every row is looked at: a bounded number a second of
each version, and of each caller. Which ones is decided before they are seen, so that every promise
about rates holds for those that are.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fairlead.core.call import Call
from fairlead.core.clock import now
from fairlead.core.decision import Verdicts
from fairlead.core.errors import CallerSuspended, ResourceExhausted
from fairlead.core.tensor import Array
from fairlead.guards.misuse import Account, Block, as_places
from fairlead.serving.answered import Answered
from fairlead.serving.guarding import Guarding
from fairlead.serving.log import log
from fairlead.serving.sampling import EVERY, FEW, Allowance

AT_ONCE = 256
"""Rows looked at in one go: about a millisecond."""

VERSION_BURST, VERSION_RATE = 16_384, 1024.0
CALLER_BURST, CALLER_RATE = 1024, 64.0
"""Rows that are looked at in any case, and a second from then on, of a version and of a caller."""

MOST_CALLERS = 512
_MOST_NOTED, _MOST_BYTES = 4096, 8 << 20
_MOST_UNSENT, _MOST_CELLS = 64, 4 << 20
"""Chunks of counted rows that wait for the bookkeeper, and bins in all of them; a message holds
them all."""


@dataclass(slots=True)
class Caller:
    """What this worker knows of one caller of a version.

    asked: the bookkeeper has been asked for what else is known.
    """

    allowance: Allowance
    account: Account
    asked: bool = False


@dataclass(slots=True)
class Rows:
    """Some rows of one execution that wait to be looked at.

    inputs: the model's input arrays; empty where only the others are wanted. placed, p_novel: what
    the novelty guard made of the rows, None where it is made of the inputs later. scores: the
    model's. None where it is not known. length: how many. size: bytes that are kept from being
    freed.
    """

    inputs: Sequence[Array]
    placed: Array | None
    p_novel: Array | None
    scores: Array | None
    length: int = field(init=False)
    size: int = field(init=False)

    def __post_init__(self) -> None:
        known = [array for array in (*self.inputs, *self.made) if array is not None]
        self.length, self.size = len(known[0]), sum([array.nbytes for array in known])

    @property
    def made(self) -> tuple[Array | None, ...]:
        """What was made of the inputs."""
        return self.placed, self.p_novel, self.scores

    def part(self, rows: Any) -> Rows:
        """These of the rows."""
        made = [None if array is None else array[rows] for array in self.made]
        return Rows([array[rows] for array in self.inputs], *made)


class Watch:
    """One version's rows that wait to be looked at, and what has been seen since the last message.

    standing: what the bookkeeper said last of this version, over all workers.
    suspects: the callers that are suspected of misuse, with what is known of them.
    """

    def __init__(
        self,
        model: str,
        version: int,
        folder: str,
        guarding: Guarding,
        wake: Callable[[], None],
    ) -> None:
        """folder: of the package. wake: called when something waits to be looked at."""
        self.model, self.version = model, version
        self.standing: Mapping[str, Any] = {}
        self.suspects: Mapping[str, Mapping[str, Any]] = {}
        self._folder = folder
        self._guarding = guarding
        self._wake = wake
        self._random = np.random.default_rng()
        self._allowance = Allowance(VERSION_BURST, VERSION_RATE, now(), self._random)
        self._callers: OrderedDict[str, Caller] = OrderedDict()
        self._counting: deque[Rows] = deque()
        self._suspecting: deque[tuple[str, Rows]] = deque()
        self._bytes = 0
        self._paces: dict[str, Allowance] = {}
        self._failed = False
        bins = sum(w.bins for w in guarding.drift.watched) if guarding.drift is not None else 1
        self._most_chunks = max(1, _MOST_CELLS // max(1, bins))
        self._chunks: list[tuple[int, Array]] = []
        self._p_values: list[float] = []
        self._blocks: dict[str, Block] = {}

    # --- on the path ------------------------------------------------------------------------

    def note(self, answers: Sequence[Answered]) -> None:
        """Keeps what was answered for a later look."""
        for answer in answers:
            full = len(self._counting) + len(self._suspecting) >= _MOST_NOTED
            if answer.verdicts is not None and not full and self._bytes < _MOST_BYTES:
                self._note(answer.calls, answer.inputs, answer.verdicts)
        if self._counting or self._suspecting:
            self._wake()

    def _note(self, calls: Sequence[Call], inputs: Sequence[Array], verdicts: Verdicts) -> None:
        moment = now()
        count = len(verdicts.codes)
        if not count:
            return
        most = _MOST_BYTES * count // max(1, sum([array.nbytes for array in inputs]))
        chosen = self._allowance.positions(count, moment, most)
        if chosen is not None:
            if chosen is EVERY and count > FEW:
                verdicts.p_values()  # of few rows of each of many executions it is cheaper later
            self._counting.append(self._rows(inputs, verdicts, chosen))
            self._bytes += self._counting[-1].size
        left = verdicts.later is not None and verdicts.p_novel is None
        if self._guarding.misuse is None or not (left or verdicts.placed is not None):
            return
        first = calls[0].caller.account
        if len(calls) == 1 or all([call.caller.account == first for call in calls]):
            # Nearly every execution of a busy caller: its rows need not be picked out.
            chosen = self._caller(first, moment).allowance.positions(count, moment, most)
            by_caller = {} if chosen is None else {first: chosen}
        else:
            by_caller = self._by_caller(calls, moment, most)
        for caller, positions in by_caller.items():
            mine = self._rows(inputs if left else (), verdicts, positions)
            self._suspecting.append((caller, mine))
            self._bytes += mine.size

    def _rows(self, inputs: Sequence[Array], verdicts: Verdicts, positions: Any) -> Rows:
        rows = Rows(inputs, verdicts.placed, verdicts.p_novel, verdicts.scores)
        return rows if positions is EVERY else rows.part(positions)

    def _by_caller(self, calls: Sequence[Call], moment: float, most: int) -> dict[str, Array]:
        """The positions of the rows of each caller that may still be looked at."""
        found: dict[str, list[Array]] = {}
        start = 0
        for call in calls:
            if not call.rows:
                continue
            account, places = call.caller.account, np.arange(start, start + call.rows)
            chosen = self._caller(account, moment).allowance.positions(call.rows, moment, most)
            if chosen is not None:
                found.setdefault(account, []).append(places[chosen])
            start += call.rows
        return {caller: np.concatenate(rows) for caller, rows in found.items()}

    def _caller(self, name: str, moment: float) -> Caller:
        found = self._callers.get(name)
        if found is None:
            allowance = Allowance(CALLER_BURST, CALLER_RATE, moment, self._random)
            found = Caller(allowance, Account())
            self._callers[name] = found
            if len(self._callers) > MOST_CALLERS:
                self._callers.popitem(last=False)
        elif len(self._callers) > 1:
            self._callers.move_to_end(name)
        return found

    # --- a moment later ---------------------------------------------------------------------

    def look(self) -> bool:
        """Looks at a few hundred of the rows that wait; whether more do."""
        try:
            self._count()
            self._suspect()
        except Exception as error:
            # A guard that fails is our fault: said once, and no caller's matter.
            if not self._failed:
                self._failed = True
                log("guard_failed", model=f"{self.model}/{self.version}", error=repr(error))
        return bool(self._counting or self._suspecting)

    def _count(self) -> None:
        pieces: list[Rows] = []
        room = AT_ONCE
        while self._counting and room and _alike(pieces, self._counting[0]):
            rows = self._counting.popleft()
            self._bytes -= rows.size
            if rows.length > room:
                self._counting.appendleft(rows.part(slice(room, None)))
                self._bytes += self._counting[0].size
                rows = rows.part(slice(room))
            room -= rows.length
            pieces.append(rows)
        most = min(_MOST_UNSENT, self._most_chunks)
        full = len(self._chunks) >= most or len(self._p_values) >= _MOST_UNSENT * AT_ONCE
        if not pieces or full:
            return
        rows = _joined(pieces)
        counts = self._guarding.counted(rows.inputs, rows.scores)
        if counts is not None:
            self._add(rows.length, counts)
        p_novel = rows.p_novel
        if p_novel is None and self._guarding.screens:
            p_novel = self._guarding.strangeness(rows.inputs)[1]
        if p_novel is not None:
            self._p_values += p_novel.tolist()

    def _add(self, rows: int, counts: Array) -> None:
        """Joins counts to the last ones, as long as they are of few enough rows together."""
        if self._chunks and self._chunks[-1][0] + rows <= AT_ONCE:
            before, sums = self._chunks.pop()
            rows, counts = before + rows, sums + counts
        self._chunks.append((rows, counts))

    def _suspect(self) -> None:
        callers: list[str] = []
        pieces: list[Rows] = []
        room = AT_ONCE
        while self._suspecting and room:
            caller, rows = self._suspecting.popleft()
            self._bytes -= rows.size
            if rows.length > room:
                self._suspecting.appendleft((caller, rows.part(slice(room, None))))
                self._bytes += self._suspecting[0][1].size
                rows = rows.part(slice(room))
            room -= rows.length
            callers.append(caller)
            pieces.append(rows)
        by_caller: dict[str, list[Rows]] = {}
        for caller, rows in zip(callers, self._judged(pieces), strict=True):
            by_caller.setdefault(caller, []).append(rows)
        for caller, mine in by_caller.items():
            self._look_at(caller, _joined(mine))

    def _judged(self, pieces: Sequence[Rows]) -> list[Rows]:
        """The same rows; those of which it was left for later are placed now, all at once."""
        left = [rows for rows in pieces if rows.inputs]
        if not left:
            return [*pieces]
        placed, p_novel = self._guarding.strangeness(
            [np.concatenate([rows.inputs[0] for rows in left])]
        )
        found: list[Rows] = []
        start = 0
        for rows in pieces:
            if rows.inputs:
                stop = start + rows.length
                rows = Rows((), placed[start:stop], p_novel[start:stop], rows.scores)
                start = stop
            found.append(rows)
        return found

    def _look_at(self, caller: str, rows: Rows) -> None:
        misuse = self._guarding.misuse
        if misuse is None or rows.placed is None or rows.p_novel is None:
            return
        if caller not in self._blocks and len(self._blocks) >= MOST_CALLERS:
            return  # nobody has taken what waits already
        scored = rows.scores is not None and rows.scores.ndim == 2
        margins = misuse.p_margins(rows.scores) if scored else None
        account = self._caller(caller, now()).account
        block = misuse.look(account, rows.p_novel, rows.placed, margins)
        account.remember(block.places)
        self._blocks.setdefault(caller, Block()).add(block)

    # --- to and from the bookkeeper ---------------------------------------------------------

    def messages(self) -> list[dict[str, Any]]:
        """What has been seen since the last time; each is forgotten once it is `sent`."""
        about = {"model": self.model, "version": self.version}
        found: list[dict[str, Any]] = []
        if self._chunks or self._p_values:
            found.append(
                {
                    "kind": "seen",
                    **about,
                    "folder": self._folder,
                    "calibrated": self._guarding.calibrated,
                    "chunks": [
                        {"rows": rows, "counts": self._guarding.by_column(counts)}
                        for rows, counts in self._chunks
                    ],
                    "p_values": self._p_values,
                }
            )
        for caller, block in self._blocks.items():
            known = self._callers.get(caller)
            # What it sent to others, or to earlier servers, is not known here yet.
            new = known is not None and not known.asked
            found.append(
                {"kind": "looked", **about, "caller": caller, "block": block.to_json(), "new": new}
            )
        return found

    def sent(self, message: Mapping[str, Any]) -> None:
        """One of the messages is on its way, and must never be sent again."""
        if message["kind"] == "seen":
            self._chunks, self._p_values = [], []
            return
        caller = message["caller"]
        del self._blocks[caller]
        if caller in self._callers:
            self._callers[caller].asked = True

    def remember(self, caller: str, places: Any) -> None:
        """Notes where rows lay that a caller sent to other workers, or to earlier servers."""
        self._caller(caller, now()).account.remember(as_places(places))

    def restrain(self, caller: str) -> None:
        """Refuses a suspected caller, as far as the owner wants it.

        Raises CallerSuspended, or ResourceExhausted for one that is slowed down.
        """
        response = self._guarding.choice.misuse
        if caller not in self.suspects:
            return
        if response == "suspend":
            raise CallerSuspended(
                "these calls look like copying or probing the model, and are suspended",
                fix="Ask the owner of this service to look",
            )
        if response == "slow" and not self._pace(caller).take(1, now()):
            error = ResourceExhausted(
                "these calls look like copying or probing the model: one a second is answered",
                fix="Send one a second, or ask the owner of this service to look",
            )
            error.retry_after = 1
            raise error

    def _pace(self, caller: str) -> Allowance:
        found = self._paces.get(caller)
        if found is None:
            found = self._paces[caller] = Allowance(1, 1.0, now())
        return found

    def told(self, standing: Mapping[str, Any], suspects: Mapping[str, Any] | None = None) -> None:
        """Takes what the bookkeeper knows of this version.

        suspects: those of all versions of the model; of this one alone by default.
        """
        self.standing = standing
        self.suspects = standing.get("suspects", {}) if suspects is None else suspects
        self._paces = {name: pace for name, pace in self._paces.items() if name in self.suspects}


def _alike(pieces: Sequence[Rows], rows: Rows) -> bool:
    """Whether rows are of the shape of those: images, say, may come in every size."""
    return not pieces or all(
        [a.shape[1:] == b.shape[1:] for a, b in zip(pieces[0].inputs, rows.inputs, strict=True)]
    )


def _joined(pieces: Sequence[Rows]) -> Rows:
    """Rows of several executions as those of one."""
    if len(pieces) == 1:
        return pieces[0]
    inputs = [np.concatenate(arrays) for arrays in zip(*(p.inputs for p in pieces), strict=True)]
    rest: list[Array | None] = []
    for arrays in zip(*(piece.made for piece in pieces), strict=True):
        known: list[Array] = [array for array in arrays if array is not None]
        rest.append(np.concatenate(known) if len(known) == len(arrays) else None)
    return Rows(inputs, *rest)
