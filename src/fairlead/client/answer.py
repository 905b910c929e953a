"""What the server answered, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from fairlead.core.errors import MissingExtra


@dataclass(frozen=True, slots=True)
class Predictions:
    """Answers to rows, in their order.

    rows:      each as the server gave it: `label`, `scores` by class, `value`, `confidence`,
               `decision`, `reasons`, whatever the model has.
    version:   that answered (the last one, when versions changed between the pieces of a request).
    usage_ids: of the requests that it took; true labels name them.
    """

    model: str
    version: int
    rows: Sequence[dict[str, Any]]
    usage_ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self.rows[place]

    def column(self, name: str) -> list[Any]:
        """One part of every row; None where a row lacks it, as where it was not served."""
        return [row.get(name) for row in self.rows]

    @property
    def labels(self) -> list[Any]:
        """The label of each row."""
        return self.column("label")

    @property
    def values(self) -> list[Any]:
        """The predicted number of each row."""
        return self.column("value")

    @property
    def scores(self) -> list[Any]:
        """The scores of each row, by class."""
        return self.column("scores")

    @property
    def decisions(self) -> list[str]:
        """What was decided of each row: serve, warn, abstain or reject."""
        return [str(row.get("decision", "")) for row in self.rows]

    @property
    def reasons(self) -> list[list[Any]]:
        """Why, row by row."""
        return [list(row.get("reasons", ())) for row in self.rows]

    def to_numpy(self) -> Any:
        """The values as an array, or else the scores, or else the labels. Needs NumPy."""
        import numpy as np

        if any("value" in row for row in self.rows):
            return np.array([np.nan if v is None else v for v in self.values])
        scores: list[dict[str, float]] = [s or {} for s in self.scores]
        names = list(dict.fromkeys(name for one in scores for name in one))
        if names:
            table = [[one.get(name, np.nan) for name in names] for one in scores]
            return np.array(table, dtype=np.float64)
        return np.array(self.labels, dtype=object)

    def to_pandas(self) -> Any:
        """A DataFrame with a column for each part, scores as `scores.CLASS`.

        Raises MissingExtra without pandas.
        """
        try:
            import pandas as pd
        except ImportError:
            raise MissingExtra(
                "a DataFrame needs pandas", fix="pip install 'fairlead[pandas]'"
            ) from None
        return pd.DataFrame([flattened(row) for row in self.rows])

    def to_arrow(self) -> Any:
        """The same as an Arrow table. Raises MissingExtra without pyarrow."""
        try:
            pa: Any = import_module("pyarrow")
        except ImportError:
            raise MissingExtra(
                "an Arrow table needs pyarrow", fix="pip install 'fairlead[parquet]'"
            ) from None
        rows = [flattened(row) for row in self.rows]
        names = list(dict.fromkeys(name for row in rows for name in row))
        return pa.table({name: [row.get(name) for row in rows] for name in names})


def flattened(row: dict[str, Any]) -> dict[str, Any]:
    """An answer with single values only: objects by dotted names, lists as text."""
    flat: dict[str, Any] = {}
    for name, given in row.items():
        value: Any = given
        if value.__class__ is dict:
            flat |= {f"{name}.{inner}": one for inner, one in value.items()}
        elif value.__class__ is list:
            flat[name] = "; ".join(one if one.__class__ is str else repr(one) for one in value)
        else:
            flat[name] = value
    return flat
