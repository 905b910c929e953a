"""Is a key used to copy or probe the model rather than to get answers?

Three things are counted for every key, and each is a bet that a good client loses in the long run:

    novel     its rows are stranger than good rows: made up, not met
    copies    its rows are nearly, but not exactly, rows it sent before: a walk or a search
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
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import exp, log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESPONSES = {
    "log": "the alarm is recorded, and nothing else happens",
    "slow": "the key's answers are delayed and its limits lowered",
    "coarse": "confidence is given in steps of a tenth, and no prediction sets",
    "label": "only the label is given",
    "suspend": "the key is refused until its owner has been asked",
}
"""What the owner may set to happen after an alarm, from mild to severe."""

KINDS = ("novel", "copies", "boundary")
RATE = 0.001
"""The chance of a false alarm among a thousand rows of a good client."""

_POWERS = tuple(float(p) for p in np.linspace(0.1, 0.9, 9))
_SHARES = (0.1, 0.25, 0.5, 0.8)
_AT_ONCE = 0.5
_LATER = 0.5 / 1000
"""Half of the stake lies on a bet from the first row, half is spread over each thousand rows."""

_REMEMBERED = 512
_DIRECTIONS = 6
_USUAL_SHARE, _LEAST_SHARE = 0.005, 0.02
_WIDEST, _NARROWEST = 2.0, 2.0**-12


@dataclass(slots=True)
class Block:
    """What was seen of one key since the last exchange. Blocks add up, in any order.

    logs:  by kind the logarithms by which each way of betting has multiplied its stake.
    seen, copies: rows, and those that were nearly an earlier one; cells: hashes of places.
    """

    seen: int = 0
    copies: int = 0
    novel: int = 0
    near: int = 0
    logs: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    cells: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def add(self, other: Block) -> None:
        """Joins another block of the same key."""
        self.seen += other.seen
        self.copies += other.copies
        self.novel += other.novel
        self.near += other.near
        for kind, logs in other.logs.items():
            mine = self.logs.setdefault(kind, [0.0] * len(logs))
            self.logs[kind] = [a + b for a, b in zip(mine, logs, strict=True)]
        self.cells = [*self.cells, *other.cells][-_REMEMBERED:]

    def to_json(self) -> dict[str, Any]:
        """The block as plain values, to be sent."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Block:
        """The inverse of `to_json`."""
        cells = [(int(place), int(exact)) for place, exact in told["cells"]]
        return cls(**{**told, "cells": cells})


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
        self._wealth: dict[str, list[float]] = {}
        self._highest: dict[str, float] = {}
        self._recent: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)
        self._places: dict[int, set[int]] = {}

    def absorb(self, block: Block) -> None:
        """Takes in what was seen since the last time."""
        for kind, logs in block.logs.items():
            held = self._wealth.setdefault(kind, [log(_AT_ONCE)] * len(logs))
            # New bets begin before the block, so that what it holds cannot choose its own stake.
            begun = log(_LATER * block.seen)
            held = [np.logaddexp(w, begun) + gain for w, gain in zip(held, logs, strict=True)]
            self._wealth[kind] = [float(w) for w in held]
            self._highest[kind] = max(self._highest.get(kind, -np.inf), _mean_log(held))
        for place, exact in block.cells:
            self._remember(place, exact)
        self.total.add(Block(block.seen, block.copies, block.novel, block.near))

    def _remember(self, place: int, exact: int) -> None:
        if len(self._recent) == _REMEMBERED:
            old, gone = self._recent[0]
            left = self._places.get(old, set())
            left.discard(gone)
            if not left:
                self._places.pop(old, None)
        self._recent.append((place, exact))
        self._places.setdefault(place, set()).add(exact)

    def nearly(self, place: int, exact: int) -> bool | None:
        """Whether a row at this place is nearly an earlier one; None if it is exactly one."""
        there = self._places.get(place)
        if not there:
            return False
        return None if exact in there else True

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
        """The account as JSON."""
        told = {
            "format": 1,
            "total": self.total.to_json(),
            "wealth": self._wealth,
            "highest": self._highest,
            "recent": list(self._recent),
        }
        return json.dumps(told).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Account:
        """The inverse of `to_bytes`. Raises ValueError or KeyError on anything else."""
        told: dict[str, Any] = json.loads(raw)
        if told["format"] != 1:
            raise ValueError(f"the account is of format {told['format']}, not 1")
        found = cls()
        found.total = Block.from_json(told["total"])
        found._wealth, found._highest = told["wealth"], told["highest"]
        for place, exact in told["recent"]:
            found._remember(int(place), int(exact))
        return found


class Misuse:
    """What good clients do, learnt from good rows.

    calibrated: rows behind the p-values, which are known only as exactly as those are many.
    width, usual: the size of a place, and how often a good row is nearly an earlier one.
    """

    def __init__(self, coordinates: int, calibrated: int, width: float, usual: float) -> None:
        self.coordinates, self.calibrated = coordinates, calibrated
        self.width, self.usual = width, usual
        ways = np.random.default_rng(20).normal(size=(coordinates, _DIRECTIONS))
        self._ways = ways / np.sqrt((ways**2).sum(axis=0))
        self._salts = np.random.default_rng(21).integers(1, 2**61, _DIRECTIONS, dtype=np.int64) | 1

    def look(self, account: Account, p_novel: Any, placed: Floats, p_margin: Any = None) -> Block:
        """What these rows of a key say, in order; give it to `Account.absorb`, here or elsewhere.

        p_novel, placed: the rows' novelty p-values and coordinates. p_margin: the share of good
        rows on which the model is at least as undecided, where that is known.
        """
        block = Block(seen=len(placed))
        block.logs["novel"] = self._bet(p_novel)
        block.novel = int((np.asarray(p_novel) <= 0.05).sum())
        if p_margin is not None:
            block.logs["boundary"] = self._bet(p_margin)
            block.near = int((np.asarray(p_margin) <= 0.05).sum())
        copies = [log(s / self.usual) for s in _SHARES]
        others = [log((1.0 - s) / (1.0 - self.usual)) for s in _SHARES]
        logs = [0.0] * len(_SHARES)
        new = Account()
        for place, exact in self.places(placed):
            nearly = account.nearly(place, exact)
            if nearly is False:
                nearly = new.nearly(place, exact)
            if nearly is not None:  # an exact repetition says nothing: clients ask again
                logs = [a + b for a, b in zip(logs, copies if nearly else others, strict=True)]
                block.copies += nearly
                block.cells.append((place, exact))
                new._remember(place, exact)
        block.logs["copies"] = logs
        del block.cells[:-_REMEMBERED]
        return block

    def _bet(self, p_values: Any) -> list[float]:
        """Bets that p-values are small; wider by three of their standard errors, as drift's."""
        logs = [0.0] * len(_POWERS)
        for p in np.asarray(p_values, dtype=np.float64).tolist():
            error = sqrt(max(p * (1.0 - p), 1.0 / self.calibrated) / self.calibrated)
            step = log(min(1.0, p + 3.0 * error))
            logs = [
                w + log(power) + (power - 1.0) * step
                for w, power in zip(logs, _POWERS, strict=True)
            ]
        return logs

    def places(self, placed: Floats) -> list[tuple[int, int]]:
        """For each row a hash of the place it lies in, and one of the row itself."""
        steps = np.floor(np.clip(placed @ self._ways, -1e12, 1e12) / self.width).astype(np.int64)
        with np.errstate(over="ignore"):
            hashed = (steps * self._salts).sum(axis=1) & 0x7FFFFFFF
        exact = [hash(row.tobytes()) & 0x7FFFFFFF for row in np.ascontiguousarray(placed)]
        return list(zip(hashed.tolist(), exact, strict=True))

    def to_json(self) -> dict[str, Any]:
        """What was learnt, as plain values."""
        return {
            "format": 1,
            "coordinates": self.coordinates,
            "calibrated": self.calibrated,
            "width": self.width,
            "usual": self.usual,
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Misuse:
        """The inverse of `to_json`."""
        if told["format"] != 1:
            raise ValueError(f"format {told['format']} is not known")
        return cls(**{key: value for key, value in told.items() if key != "format"})


def learn_misuse(placed: Floats, calibrated: int, seed: int = 0) -> Misuse:
    """Learns from good rows, as coordinates, how close to each other they come by themselves.

    The place is made as large as it can be while good rows seldom share one. calibrated: rows
    behind the novelty p-values. To judge a group of clients by its own habits, give its rows.
    """
    order = np.random.default_rng(seed).permutation(len(placed))[: 4 * _REMEMBERED]
    rows = placed[order]
    width = _WIDEST
    while True:
        found = Misuse(placed.shape[1], calibrated, width, _LEAST_SHARE)
        share = _share_of_copies(found, rows)
        if share <= _USUAL_SHARE or width <= _NARROWEST:
            # Twice what was seen, since what was seen is a sample.
            found.usual = min(0.5, max(_LEAST_SHARE, 2.0 * share))
            return found
        width /= 2.0


def _share_of_copies(misuse: Misuse, rows: Floats) -> float:
    account = Account()
    block = misuse.look(account, np.ones(len(rows)), rows)
    return block.copies / max(1, len(rows))


def merged(blocks: Iterable[Block]) -> Block:
    """Blocks of one key from several workers as one."""
    whole = Block()
    for block in blocks:
        whole.add(block)
    return whole


def _mean_log(logs: list[float]) -> float:
    top = max(logs)
    return top + log(sum(exp(w - top) for w in logs) / len(logs))
