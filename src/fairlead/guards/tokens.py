"""Token ids as a few numbers, for the novelty guard of a model that reads text as numbers.

They tell how long a text is, how much it repeats itself, and how usual its tokens are. That finds
the ids of another tokenizer, of another language, of a page instead of a line. It does not find
usual tokens in an order that makes no sense: for that, guard the model's embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

_LEAST_RUN = 2
"""A row that ends in one id once ends in a full stop; one that repeats it is filled up with it."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The ids that training rows held.

    padding: the id that rows are filled up with, None when they are not.
    ids:     in rising order, without the padding; rarity: of each, minus the logarithm of its
             share (one more token of each kind is counted than was seen, Laplace 1774).
    unknown: the rarity of every other id.
    """

    padding: int | None
    ids: Ids
    rarity: Floats
    unknown: float


def learn_vocabulary(rows: Any, least: int = 1) -> Vocabulary:
    """The vocabulary of rows of token ids, (count, length).

    least: an id that comes fewer times is not kept.
    """
    table = np.asarray(rows).astype(np.int64)
    padding = _padding(table)
    kept = table.reshape(-1) if padding is None else table[table != padding]
    ids, counts = np.unique(kept, return_counts=True)
    total = float(len(kept) + len(ids) + 1)
    ids, counts = ids[counts >= least], counts[counts >= least]
    return Vocabulary(padding, ids, -np.log((counts + 1.0) / total), float(np.log(total)))


def token_columns(rows: Any, vocabulary: Vocabulary) -> dict[str, Floats]:
    """Columns that describe rows of token ids, a row each; rows without a token hold zeros."""
    table = np.asarray(rows).astype(np.int64)
    there = np.ones(table.shape, bool)
    if vocabulary.padding is not None:
        there = table != vocabulary.padding
    length = there.sum(axis=1).astype(np.float64)
    some = np.maximum(length, 1.0)
    rarity = _looked_up(table, vocabulary)
    return {
        "length": length,
        "share of the commonest token": _commonest(table, there) / some,
        "rarity of its tokens": (there * rarity).sum(axis=1) / some,
    }


def _padding(table: Ids) -> int | None:
    """The id that most places at the ends of rows are filled up with; zero before any other.

    A mask of ones and zeros has an end of either.
    """
    found: list[tuple[bool, int, int]] = []
    for side in (table, table[:, ::-1]) if table.size else ():
        values, counts = np.unique(side[:, -1], return_counts=True)
        last = int(values[counts.argmax()])
        same: Any = side[:, ::-1] == last
        runs = np.asarray(np.cumprod(same, axis=1), np.int64).sum(axis=1)
        filled = int(runs[runs >= _LEAST_RUN].sum())
        if filled:
            found.append((last == 0, filled, last))
    return max(found)[2] if found else None


def _looked_up(table: Ids, vocabulary: Vocabulary) -> Floats:
    """The rarity of each token."""
    if not len(vocabulary.ids):
        return np.full(table.shape, vocabulary.unknown)
    at = np.minimum(np.searchsorted(vocabulary.ids, table), len(vocabulary.ids) - 1)
    known = vocabulary.ids[at] == table
    return np.where(known, vocabulary.rarity[at], vocabulary.unknown)


def _commonest(table: Ids, there: NDArray[np.bool_]) -> Floats:
    """How often the commonest token of each row comes."""
    if not table.size:
        return np.zeros(len(table))
    order = np.argsort(table, axis=1, kind="stable")
    tidy = np.take_along_axis(table, order, axis=1)
    counted = np.take_along_axis(there, order, axis=1)
    begins = np.ones(table.shape, bool)
    begins[:, 1:] = tidy[:, 1:] != tidy[:, :-1]
    places = np.arange(table.shape[1], dtype=np.int64)
    starts = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
    return np.where(counted, places - starts + 1, 0).max(axis=1).astype(np.float64)
