"""A column in bins: how training rows fill them, and how any other rows do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Kind = Literal["input", "prediction", "confidence"]

BINS = 64
MOST_CATEGORIES = 256
MISSING, UNSEEN = -2, -1
"""The last two bins: no value, and a value that no other bin is for."""

_CHOOSING_SHARE = 4
_NUMBERS: Any = (int, float, np.integer, np.floating, np.bool_)


@dataclass(frozen=True, slots=True)
class Watched:
    """One column in bins, and how the rows it was learnt from fill them.

    kind:   "input" is learnt from training rows; "prediction" and "confidence" from evaluation
            rows.
    edges:  between the bins of numbers, ascending; a bin holds its lower edge. None for categories.
    categories: the bin of each; empty for numbers.
    filled: how many of the rows are in each bin.
    means:  the mean of the values in each bin of numbers; empty for categories.
    spread: the standard deviation of the numbers, 0 for categories and constants.
    """

    name: str
    kind: Kind
    edges: Floats | None
    categories: dict[str, int]
    filled: Counts
    means: Floats
    spread: float
    shares: Floats = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shares", self.filled / max(1, self.rows))

    @property
    def bins(self) -> int:
        return len(self.filled)

    @property
    def rows(self) -> int:
        """Rows that it was learnt from."""
        return int(self.filled.sum())

    @property
    def learnt_from(self) -> str:
        """The rows that it was learnt from, in words."""
        return "training rows" if self.kind == "input" else "evaluation rows"

    def count(self, values: Any) -> Counts:
        """How many values fall into each bin. Takes whatever values there are; never raises."""
        column = _flat(values)
        if self.edges is None:
            return _count_texts(column, self.categories)
        return _count_numbers(column, self.edges)


def watch(
    name: str, values: Any, kind: Kind = "input", categories: Sequence[str] | None = None
) -> Watched:
    """Learns the bins of one column.

    values: numbers with NaN, or texts with "", where one is missing. categories: known beforehand,
    as the classes of a model are; otherwise a quarter of the rows says which there are and only
    the others are counted: a category that is chosen for being frequent looks more frequent than
    it is in the rows that it is chosen from.
    """
    column = _flat(values)
    if column.dtype.kind in "biuf":
        return _watch_numbers(name, column.astype(np.float64), kind)
    counted = column
    if categories is None:
        order = np.random.default_rng(0).permutation(len(column))
        chosen = max(1, len(column) // _CHOOSING_SHARE)
        categories = _most_frequent(column[order[:chosen]])
        counted = column[order[chosen:]]
    places = {category: i for i, category in enumerate(categories[:MOST_CATEGORIES])}
    return Watched(name, kind, None, places, _count_texts(counted, places), np.zeros(0), 0.0)


def _watch_numbers(name: str, values: Floats, kind: Kind) -> Watched:
    finite = values[np.isfinite(values)]
    edges = _edges(finite)
    places = edges.searchsorted(finite, side="right")
    held = np.bincount(places, minlength=len(edges) + 1)
    # Divided before they are added up: the sum of large values may be beyond any number.
    parts = finite / np.maximum(1, held)[places]
    means: Floats = np.bincount(places, weights=parts, minlength=len(edges) + 1).astype(float)
    empty = held == 0
    means[empty] = _middles(edges)[empty]
    with np.errstate(all="ignore"):
        spread = float(finite.std()) if len(finite) else 0.0
    # Rounding alone gives a constant a spread.
    constant = not np.isfinite(spread) or len(finite) == 0 or finite.min() == finite.max()
    filled = _count_numbers(values, edges)
    return Watched(name, kind, edges, {}, filled, means, 0.0 if constant else spread)


def _edges(finite: Floats) -> Floats:
    """Quantiles; a value that many rows share has a bin of its own, so that its loss shows."""
    distinct = np.unique(finite)
    if len(distinct) <= BINS // 2:
        shared = distinct
        edges = distinct
    else:
        steps = np.linspace(0, 1, BINS + 1)[1:-1]
        edges = np.quantile(finite, steps, method="inverted_cdf")
        shared = edges[1:][np.diff(edges) == 0]
    with np.errstate(over="ignore"):
        return np.unique(np.concatenate([edges, np.nextafter(shared, np.inf)]))


def _middles(edges: Floats) -> Floats:
    """What stands for the mean of a bin that no row is in; the outer ones end at their edge."""
    if not len(edges):
        return np.zeros(1)
    return np.concatenate([edges[:1], edges[:-1] / 2 + edges[1:] / 2, edges[-1:]])


def _most_frequent(texts: Any) -> list[str]:
    """The categories, most frequent first, equally frequent ones by name."""
    counted = Counter(text for text in map(_text, texts.tolist()) if text)
    order = sorted(counted, key=lambda text: (-counted[text], text))
    return order[:MOST_CATEGORIES]


# --- counting ---------------------------------------------------------------------------


def _flat(values: Any) -> Any:
    """Values as an array with one element a row, whatever they are."""
    if not hasattr(values, "dtype"):
        return np.fromiter(values, dtype=object)
    array: Any = np.asarray(values)
    if array.ndim == 1:
        return array
    if array.size == len(array):
        return array.reshape(-1)
    return np.fromiter(iter(array), dtype=object, count=len(array))


def count_columns(watched: Sequence[Watched], columns: Mapping[str, Any]) -> Counts:
    """How many values of each column fall into each of its bins, all bins in a row.

    As `Watched.count` says it of each. Numbers are counted together: for few rows of many columns
    what takes time is to ask numpy.
    """
    starts = np.cumsum([0, *[w.bins for w in watched]])
    found = np.zeros(starts[-1], np.int64)
    rows = len(next(iter(columns.values()))) if columns else 0
    together: list[int] = []
    for i, one in enumerate(watched):
        column = columns.get(one.name)
        if column is None:
            continue
        if one.edges is not None and _plain(column, rows):
            together.append(i)
        else:
            found[starts[i] : starts[i + 1]] = one.count(column)
    if together:
        table: Floats = np.array([columns[watched[i].name] for i in together], dtype=np.float64)
        places = np.empty(table.shape, np.intp)
        for i, values, row in zip(together, table, places, strict=True):
            edges: Any = watched[i].edges
            row[:] = edges.searchsorted(values, side="right")
        firsts, ends = starts[together], starts[[i + 1 for i in together]]
        places += firsts[:, None]
        found += np.bincount(places.reshape(-1), minlength=len(found))
        # NaN is sorted behind every edge, into the last bin of numbers.
        missing = np.count_nonzero(table != table, axis=1)
        found[ends + MISSING - 1] -= missing
        found[ends + MISSING] += missing
    return found


def _plain(column: Any, rows: int) -> bool:
    """Whether it is a column of so many numbers, as they are counted together."""
    return (
        column.__class__ is np.ndarray and column.dtype.kind in "biuf" and column.shape == (rows,)
    )


def _count_numbers(column: Any, edges: Floats) -> Counts:
    strange = 0
    if column.dtype.kind not in "biuf":
        numbers = [_number(value) for value in column.tolist()]
        known = [number for number in numbers if number is not None]
        strange = len(numbers) - len(known)
        column = np.array(known, dtype=np.float64)
    inner = len(edges) + 1
    search: Any = edges.searchsorted
    counted = np.bincount(search(column, side="right"), minlength=inner + 2)
    missing = int(np.count_nonzero(column != column))
    # NaN is sorted behind every edge.
    counted[inner - 1] -= missing
    counted[MISSING] += missing
    counted[UNSEEN] += strange
    return counted


def _count_texts(column: Any, categories: dict[str, int]) -> Counts:
    counted = np.zeros(len(categories) + 2, np.int64)
    for value, count in _tallied(column.tolist()):
        text = _text(value)
        if text == "":
            counted[MISSING] += count
        else:
            counted[UNSEEN if text is None else categories.get(text, UNSEEN)] += count
    return counted


def _tallied(values: list[Any]) -> Iterable[tuple[Any, int]]:
    try:
        return Counter(values).items()
    except TypeError:
        return [(value, 1) for value in values]


def _number(value: Any) -> float | None:
    """A number, NaN for a missing one, None for what is no number."""
    if isinstance(value, _NUMBERS):
        try:
            return float(value)
        except OverflowError:
            return np.inf if value > 0 else -np.inf
    return np.nan if _is_missing(value) else None


def _text(value: Any) -> str | None:
    """A text, "" for a missing one, None for what is no text."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if _is_missing(value) else None


def _is_missing(value: Any) -> bool:
    """None, NaN and pandas' own words for it."""
    if isinstance(value, float | np.floating):
        return bool(value != value)
    return value is None or type(value).__name__ in ("NAType", "NaTType")
