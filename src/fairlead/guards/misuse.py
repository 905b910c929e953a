"""Is a key used to copy or probe the model rather than to get answers?

Three things are counted for every key, and each is a bet that a good client loses in the long run:

    novel     its rows are stranger than good rows: made up, not met
    copies    its rows are nearly, but not exactly, rows it sent before: a walk or a search; at
              three degrees of nearness
    boundary  its rows lie where the model can hardly decide: a search for the boundary

A bet may begin at any row. The wealth of all begun so far, weighted by when they began, exceeds
1/rate in a thousand rows of a good client with a chance of at most `rate` (Ville 1939, Shiryaev
1963). An alarm is evidence, not proof: a client whose rows all come from one corner of the data
looks like this too. And it does not see who copies the model with rows that are real.

Everything that was seen since the last exchange is a `Block`; blocks of several workers add up, so
a key is judged over all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import exp, log
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from fairlead.guards.nearness import (
    GRAIN,
    Places,
    apart_from_earlier,
    nearest,
    reach_of,
    usual_share,
)

Floats = NDArray[np.float64]

KINDS = ("novel", "copies", "boundary")
RATE = 0.001
"""The chance of a false alarm among a thousand rows of a good client."""

_FORMAT = 3
_POWERS: Floats = np.linspace(0.1, 0.9, 9)
_SHARES = (0.1, 0.25, 0.5, 0.8, 0.95)
_AT_ONCE = 0.5
_LATER = 0.5 / 1000
"""Half of the stake lies on a bet from the first row, half is spread over each thousand rows."""

_REMEMBERED = 512
_DIRECTIONS = 12
_USUAL_SHARES, _LEAST_SHARE = (0.2, 0.05, 0.005), 0.02
"""Nearness is chosen so that this share of good rows is so near an earlier one."""

_MOST_MARGINS = 2000
_FARTHEST = 1e6

_NOWHERE: Places = np.zeros((0, 0), np.int64)


@dataclass(slots=True)
class Block:
    """What was seen of one key since the last exchange. Blocks add up, in any order.

    seen:  rows; of them
    novel: stranger than 95 % of good rows; near: nearer to the boundary than 95 % of them;
    copies: nearly an earlier one.
    logs:  by kind the logarithms by which each way of betting has multiplied its stake.
    places: of the rows that were new, a row each.
    """

    seen: int = 0
    novel: int = 0
    near: int = 0
    copies: int = 0
    logs: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    places: Places = field(default_factory=lambda: _NOWHERE)

    def add(self, other: Block) -> None:
        """Joins another block of the same key."""
        self.seen += other.seen
        self.copies += other.copies
        self.novel += other.novel
        self.near += other.near
        for kind, logs in other.logs.items():
            mine = self.logs.setdefault(kind, [0.0] * len(logs))
            self.logs[kind] = [a + b for a, b in zip(mine, logs, strict=True)]
        self.places = _newest(self.places, other.places)

    def to_json(self) -> dict[str, Any]:
        """The block as plain values, to be sent."""
        return {n: getattr(self, n) for n in self.__slots__} | {"places": self.places.tolist()}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Block:
        """The inverse of `to_json`. Raises ValueError, KeyError or TypeError on anything else."""
        logs = {str(kind): [float(w) for w in logs] for kind, logs in told["logs"].items()}
        seen, novel, near = int(told["seen"]), int(told["novel"]), int(told["near"])
        return cls(seen, novel, near, int(told["copies"]), logs, as_places(told["places"]))


def as_places(told: Any) -> Places:
    """Places from lists of whole numbers. Raises ValueError when they are none."""
    found = np.array(told, dtype=np.int64)
    if not found.size:
        return _NOWHERE
    if found.ndim != 2:
        raise ValueError("places are lists of whole numbers")
    return found[-_REMEMBERED:]


def _newest(old: Places, new: Places) -> Places:
    """The places of the newest rows of both; what is empty fits anything."""
    if not len(old) or not len(new):
        return (new if len(new) else old)[-_REMEMBERED:]
    return np.concatenate([old, new])[-_REMEMBERED:]


@dataclass(frozen=True, slots=True)
class Evidence:
    """An alarm. kind: one of KINDS; odds: how much a bet against the key has won."""

    kind: str
    odds: float
    words: str


class Account:
    """What is known of one key, in bounded memory."""

    def __init__(self) -> None:
        self.total = Block()
        self.recent: Places = _NOWHERE
        self._wealth: dict[str, list[float]] = {}
        self._highest: dict[str, float] = {}

    def absorb(self, block: Block) -> None:
        """Takes in what was seen since the last time."""
        for kind, logs in block.logs.items():
            held = self._wealth.setdefault(kind, [log(_AT_ONCE)] * len(logs))
            # New bets begin before the block, so that what it holds cannot choose its own stake.
            begun = log(_LATER * block.seen)
            held = [np.logaddexp(w, begun) + gain for w, gain in zip(held, logs, strict=True)]
            self._wealth[kind] = [float(w) for w in held]
            self._highest[kind] = max(self._highest.get(kind, -np.inf), _mean_log(held))
        self.remember(block.places)
        self.total.add(Block(block.seen, block.novel, block.near, block.copies))

    def remember(self, places: Places) -> None:
        """Notes the places of rows, and forgets the oldest ones when there are too many."""
        self.recent = _newest(self.recent, places)

    def evidence(self, rate: float = RATE) -> list[Evidence]:
        """The alarms so far, the strongest first. All kinds share the rate."""
        limit = log(len(KINDS) / rate)
        found = [
            Evidence(kind, exp(min(700.0, highest)), self._words(kind))
            for kind, highest in self._highest.items()
            if highest >= limit
        ]
        return sorted(found, key=lambda e: -e.odds)

    def _words(self, kind: str) -> str:
        seen = self.total.seen
        if kind == "novel":
            return f"{self.total.novel} of {seen} rows are stranger than 95 % of good rows"
        if kind == "copies":
            return f"{self.total.copies} of {seen} rows are nearly rows that this key sent before"
        return f"{self.total.near} of {seen} rows lie where the model can hardly decide"

    def forgive(self) -> None:
        """Begins anew after somebody has looked; what the key sent is still remembered."""
        self._wealth, self._highest, self.total = {}, {}, Block()

    def to_bytes(self) -> bytes:
        """The account as a line of JSON, and the places behind it as 64-bit integers."""
        told = {
            "format": _FORMAT,
            "total": self.total.to_json(),
            "wealth": self._wealth,
            "highest": self._highest,
            "recent": self.recent.shape,
        }
        return json.dumps(told).encode() + b"\n" + self.recent.tobytes()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Account:
        """The inverse of `to_bytes`. Raises ValueError or KeyError on anything else."""
        head, _, places = raw.partition(b"\n")
        told: dict[str, Any] = json.loads(head)
        if told["format"] != _FORMAT:
            raise ValueError(f"the account is of format {told['format']}, not {_FORMAT}")
        found = cls()
        found.total = Block.from_json(told["total"])
        found._wealth, found._highest = told["wealth"], told["highest"]
        found.recent = np.frombuffer(places, np.int64).reshape(told["recent"]).copy()
        return found


class Misuse:
    """What good clients do, learnt from good rows.

    calibrated: rows behind the p-values, which are known only as exactly as those are many.
    reaches, usual: at each degree of nearness how far two rows may be apart, and how often a good
    row is so near an earlier one.
    margins: of good rows, in rising order; empty when the model's scores on them are not known.
    held: each row is held against so many before it, as good rows were when it was learnt.
    """

    def __init__(
        self,
        coordinates: int,
        calibrated: int,
        reaches: Sequence[float],
        usual: Sequence[float],
        margins: Sequence[float] = (),
        held: int = _REMEMBERED,
    ) -> None:
        self.held = held
        self.coordinates, self.calibrated = coordinates, calibrated
        self.margins: Floats = np.sort(np.asarray(margins, dtype=np.float64))
        self.reaches, self.usual = list(reaches), list(usual)
        self._ways = _directions(coordinates)
        # What a row that is nearly an earlier one adds to each bet, and what any other adds.
        odds = [
            [(log(s / u), log((1.0 - s) / (1.0 - u))) if s > u else (0.0, 0.0) for s in _SHARES]
            for u in self.usual
        ]
        self._odds = np.array(odds).reshape(len(self.usual), len(_SHARES), 2)

    def look(self, account: Account, p_novel: Any, placed: Floats, p_margin: Any = None) -> Block:
        """What these rows of a key say, in order; give it to `Account.absorb`, here or elsewhere.

        p_novel, placed: the rows' novelty p-values and coordinates; a few hundred at a time, since
        each is held against each. p_margin: the share of good rows on which the model is at least
        as undecided (`p_margins`), where that is known.
        """
        block = Block(seen=len(placed))
        block.logs["novel"] = _bet(p_novel, self.calibrated)
        block.novel = int((np.asarray(p_novel) <= 0.05).sum())
        if p_margin is not None:
            block.logs["boundary"] = _bet(p_margin, len(self.margins) or self.calibrated)
            block.near = int((np.asarray(p_margin) <= 0.05).sum())
        places = self.places(placed)
        new, apart = nearest(places, account.recent, self.held)
        near: Any = (apart[:, None] <= np.array(self.reaches)) & new[:, None]
        block.places = places[new][-_REMEMBERED:]
        block.copies = int(near[:, -1].sum())
        # By degree of nearness: what each near row and each other row adds to each bet.
        counts = near.sum(axis=0)
        others = int(new.sum()) - counts
        logs = self._odds[..., 0] * counts[:, None] + self._odds[..., 1] * others[:, None]
        block.logs["copies"] = logs.reshape(-1).tolist()
        return block

    def learn_margins(self, scores: Any) -> None:
        """Learns how decided the model is on good rows. scores: a probability per class."""
        margins = np.sort(margins_of(scores))
        kept = np.linspace(0, len(margins) - 1, min(len(margins), _MOST_MARGINS)).astype(int)
        self.margins = margins[kept]

    def p_margins(self, scores: Any) -> Floats | None:
        """The share of good rows on which the model is at least as undecided as on these.

        scores: a probability per class. None when no good row's scores are known.
        """
        if not len(self.margins):
            return None
        above = np.searchsorted(self.margins, margins_of(scores), side="right")
        return (1.0 + above) / (len(self.margins) + 1)

    def places(self, placed: Floats) -> Places:
        """Where each row lies."""
        along = np.clip(placed @ self._ways, -_FARTHEST, _FARTHEST)
        hashed = [crc32(row.tobytes()) for row in np.ascontiguousarray(placed)]
        steps: Any = np.round(along * GRAIN)
        return np.column_stack([steps, hashed]).astype(np.int64)

    def to_json(self) -> dict[str, Any]:
        """What was learnt, as plain values."""
        return {
            "format": 3,
            "coordinates": self.coordinates,
            "calibrated": self.calibrated,
            "reaches": self.reaches,
            "usual": self.usual,
            "margins": self.margins.tolist(),
            "held": self.held,
        }

    def to_bytes(self) -> bytes:
        """What was learnt, as JSON."""
        return json.dumps(self.to_json()).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Misuse:
        """The inverse of `to_bytes`. Raises ValueError, KeyError or TypeError on anything else."""
        return cls.from_json(json.loads(raw))

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Misuse:
        """The inverse of `to_json`. Raises ValueError, KeyError or TypeError on anything else."""
        if told["format"] != 3:
            raise ValueError(f"format {told['format']} is not known")
        return cls(**{key: value for key, value in told.items() if key != "format"})


def learn_misuse(placed: Floats, calibrated: int, seed: int = 0, scores: Any = None) -> Misuse:
    """Learns from good rows, as coordinates, how close to each other they come by themselves.

    Nearness reaches as far as it can while good rows are as seldom so near each other as is wanted.
    calibrated: rows behind the novelty p-values. scores: the model's, on rows that it was not
    trained on; without them nobody is suspected of walking its boundary. To judge a group of
    clients by its own habits, give its rows.
    """
    order = np.random.default_rng(seed).permutation(len(placed))[: 4 * _REMEMBERED]
    # The more rows one is held against, the nearer the nearest is: few rows tell of few.
    held = max(1, min(_REMEMBERED, len(order) // 2))
    found = Misuse(placed.shape[1], calibrated, [], [], held=held)
    apart = apart_from_earlier(found.places(placed[order]), held)
    reaches = [reach_of(apart, share) for share in _USUAL_SHARES]
    doubt = RATE / len(_USUAL_SHARES)
    usual = [min(0.9, max(_LEAST_SHARE, usual_share(apart, r, doubt))) for r in reaches]
    found = Misuse(placed.shape[1], calibrated, reaches, usual, held=held)
    if scores is not None:
        found.learn_margins(scores)
    return found


def margins_of(scores: Any) -> Floats:
    """By how much each row's most likely class is more likely than the next."""
    highest: Any = np.partition(np.asarray(scores, dtype=np.float64), -2, axis=1)[:, -2:]
    return highest[:, 1] - highest[:, 0]


def _bet(p_values: Any, rows: int) -> list[float]:
    """Bets that p-values, known from so many rows, are small.

    They are wider by three of their standard errors, as drift's, or the bet would learn those rows.
    """
    p = np.asarray(p_values, dtype=np.float64)
    error = np.sqrt(np.maximum(p * (1.0 - p), 1.0 / rows) / rows)
    steps = np.log(np.minimum(1.0, p + 3.0 * error)).sum()
    return (len(p) * np.log(_POWERS) + (_POWERS - 1.0) * steps).tolist()


def _directions(coordinates: int) -> Floats:
    """A few fixed directions at random, at right angles to each other where there is room.

    Distances along them are, on average, those in all coordinates (Johnson and Lindenstrauss 1984).
    """
    drawn: Any = np.random.default_rng(20).normal(size=(coordinates, _DIRECTIONS))
    if coordinates <= _DIRECTIONS:
        return np.eye(coordinates)
    straight: Any = np.linalg.qr(drawn)[0]
    return straight * np.sqrt(coordinates / _DIRECTIONS)


def merged(blocks: Iterable[Block]) -> Block:
    """Blocks of one key from several workers as one."""
    whole = Block()
    for block in blocks:
        whole.add(block)
    return whole


def _mean_log(logs: list[float]) -> float:
    top = max(logs)
    return top + log(sum(exp(w - top) for w in logs) / len(logs))
