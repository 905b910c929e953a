"""Sums over many thousand records at a time: frames of equal layout as one table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fairlead.core.tensor import Array
from fairlead.usage.records import COLUMNS, Names

_TYPES = {"I": "<u4", "Q": "<u8", "B": "u1", "H": "<u2"}
_NAMES = ("rows", "bytes_in", "bytes_out", "compute_ns", "status", "decision", "who", "withheld")
_SUMMED = ("rows", "bytes_in", "bytes_out", "compute_ns", "withheld")
_U64 = np.uint64
# A key holds quarter, model id, caller id, status and decision, from the left.
_QUARTER, _MODEL, _WHO, _STATUS = _U64(36), _U64(20), _U64(4), _U64(2)

Key = tuple[int, str, int, bytes, int, int]
"""As in sums.py."""


def sums_of_tables(
    tables: dict[int, list[bytes]], names: Names, quarter_ns: int
) -> Iterator[tuple[Key, list[int]]]:
    """By key, the sums over frames. tables: the frames' contents by how many calls they hold.

    quarter_ns: nanoseconds of the time that is summed as one.
    """
    keys: list[Array] = []
    columns: dict[str, list[Array]] = {name: [] for name in _SUMMED}
    for count, contents in tables.items():
        table = np.frombuffer(b"".join(contents), _layout(count))
        head = (table["wall"] // _U64(quarter_ns) << _QUARTER) | _wide(table["model"], _MODEL)
        tail = _wide(table["who"], _WHO) | _wide(table["status"], _STATUS)
        keys.append((head[:, None] | tail | table["decision"].astype(_U64)).reshape(-1))
        for name, column in columns.items():
            column.append(table[name].reshape(-1).astype(_U64))
    key = np.concatenate(keys)
    order = np.argsort(key, kind="stable")
    key = key[order]
    starts = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
    ends = np.append(starts[1:], len(key))
    totals = [ends - starts]
    totals += [np.add.reduceat(np.concatenate(c)[order], starts) for c in columns.values()]
    for place, row in zip(key[starts].tolist(), zip(*map(_list, totals), strict=True), strict=True):
        model, version = names.models[place >> 20 & 0xFFFF]
        who = names.whos[place >> 4 & 0xFFFF]
        yield (place >> 36, model, version, who, place >> 2 & 3, place & 3), [*row]


def _wide(column: Array, by: np.uint64) -> Array:
    return column.astype(_U64) << by


def _list(column: Array) -> list[int]:
    return column.tolist()


def _layout(count: int) -> np.dtype[Any]:
    columns = zip(_NAMES, COLUMNS, strict=True)
    head = [("wall", "<u8"), ("sequence", "<u8"), ("model", "<u2"), ("calls", "<u2")]
    return np.dtype([*head, *((name, _TYPES[letter], (count,)) for name, (letter, _) in columns)])
