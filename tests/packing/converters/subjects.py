"""Small trained models of every family that is converted, and how a test converts one.

    made = convert(sklearn, fit(name), held(name), tmp_path)
    made.answers()                  the graph's outputs for the reference rows, by name
    made.comparison()               against the original's answers

A family is (estimator, rows, labels): it is fitted on the first TRAINED rows, the rest is held out.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import make_classification, make_regression

from fairlead.core.package import Package
from fairlead.core.signature import Signature
from fairlead.packing.compare import Comparison, compare, run
from fairlead.packing.faithful import load_graph
from fairlead.packing.rows import Table, inputs_of, table_of

TRAINED, ROWS = 500, 720
CITIES = ("Bergen", "Oslo", "Zürich")
WORDS = [
    "good",
    "bad",
    "fine",
    "poor",
    "great",
    "awful",
    "tasty",
    "cold",
    "warm",
    "slow",
    "quick",
    "42",
    "Über",
    "café",
]


@dataclass
class Made:
    """A converted model: its facts, and what lies in its folder."""

    facts: dict[str, Any]
    folder: Path

    @property
    def signature(self) -> Signature:
        return Signature.from_json(self.facts["signature"])

    @property
    def raw(self) -> bytes:
        return (self.folder / self.facts["graph"]).read_bytes()

    @property
    def original(self) -> dict[str, Any]:
        with np.load(self.folder / "original.npz") as arrays:
            return dict(arrays)

    @property
    def rows(self) -> Table:
        with np.load(self.folder / "rows.npz") as arrays:
            return Table(
                {n: a.astype(object) if a.dtype.kind == "U" else a for n, a in arrays.items()}
            )

    def answers(self, rows: Any = None) -> dict[str, Any]:
        """The graph's outputs for rows, by name; for the reference rows when none are given."""
        table = self.rows if rows is None else table_of(rows)
        model = load_graph("m", self.signature, self.raw)
        return run(model, self.signature, inputs_of(table, self.signature))

    def native(self, rows: Any = None) -> dict[str, Any]:
        """The same by the native runtime, in this process."""
        table = self.rows if rows is None else table_of(rows)
        runtime = import_module(f"fairlead.runtimes.{self.facts['runtime']}")
        about = self.facts["about"] | {"signature": self.facts["signature"]}
        predict = runtime.load(self.folder, self.facts["graph"], about)
        names = [spec.name for spec in self.signature.outputs]
        found = predict(inputs_of(table, self.signature), list(range(len(names))))
        return dict(zip(names, found, strict=True))

    def comparison(self) -> Comparison:
        model = load_graph("m", self.signature, self.raw)
        inputs = inputs_of(self.rows, self.signature)
        return compare(model, self.signature, inputs, self.original, sampled=False)


def convert(converter: Any, model: Any, rows: Any, out: Path, **job: Any) -> Made:
    """Converts a model as pack does, with rows as its reference rows (None for none)."""
    out.mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] = {"input_names": [], **job}
    if rows is not None:
        table = table_of(rows)
        plain = {n: v.astype(str) if v.dtype.kind == "O" else v for n, v in table.columns.items()}
        np.savez(out / "reference.npz", **plain)
        told |= {"rows": str(out / "reference.npz"), "columns": table.names}
    return Made(converter.convert(model, told, out), out)


def agree(made: Made) -> None:
    """Fails unless the graph answers every held-out row as the original."""
    assert made.facts["runtime"] == "onnx", made.facts["reason"]
    found = made.comparison()
    assert found.rows >= 200
    assert found.labels in (None, 1.0), found.worst
    assert found.largest <= 1e-4, found.worst


def fitted(family: tuple[Any, Any, Any], **more: Any) -> tuple[Any, Any]:
    """The fitted estimator of a family, and its held-out rows."""
    estimator, rows, labels = family
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = () if labels is None else (labels[:TRAINED],)
        estimator.fit(rows[:TRAINED], *told, **more)
    return estimator, rows[TRAINED:]


def package(folder: Path, signature: Signature) -> Package:
    """A package that is only a graph, for a runtime."""
    return Package("m", 1, folder, "onnx", False, "graph", signature, {})


# --- data --------------------------------------------------------------------------------


def classes(count: int = 3, seed: int = 0) -> tuple[Any, Any]:
    """Eight numbers a row, and one of `count` classes."""
    return make_classification(
        ROWS, 8, n_informative=5, n_classes=count, random_state=seed, class_sep=1.5
    )


def values() -> tuple[Any, Any]:
    """Eight numbers a row, and a value."""
    return make_regression(ROWS, 8, noise=3.0, random_state=0)


def gaps(rows: Any, share: float = 0.1) -> Any:
    """The rows with missing numbers."""
    holes = np.random.default_rng(3).random(rows.shape) < share
    return np.where(holes, np.nan, rows)


def flats(missing: bool = False) -> tuple[pd.DataFrame, Any]:
    """A table of numbers, whole numbers, yes or no, and two columns of text; labels are text."""
    random = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "age": random.normal(40, 12, ROWS),
            "rooms": random.integers(1, 9, ROWS),
            "owner": random.random(ROWS) < 0.5,
            "city": random.choice(CITIES, ROWS),
            "grade": random.choice(["a", "b", "c"], ROWS),
        }
    )
    sold = (frame["age"] > 40) ^ (frame["city"] == "Oslo") ^ (random.random(ROWS) < 0.05)
    if missing:
        for column in ("age", "city", "grade"):
            frame.loc[random.random(ROWS) < 0.1, column] = np.nan
    return frame, np.where(sold, "sold", "kept")


def prices() -> tuple[pd.DataFrame, Any]:
    """The same table with a number to predict."""
    frame, _ = flats()
    return frame, (frame["age"] + 3 * frame["rooms"] + 10 * (frame["city"] == "Oslo")).to_numpy()


def reviews() -> tuple[Any, Any]:
    """Short texts with letters beyond ASCII, and whether they are good."""
    random = np.random.default_rng(7)
    texts = [" ".join(random.choice(WORDS, random.integers(1, 10))) for _ in range(ROWS)]
    texts[TRAINED + 1], texts[TRAINED + 2], texts[TRAINED + 3] = "", "!?", "GOOD  Über-CAFÉ\nbad_x"
    good = ["pos" if "good" in text or "great" in text else "neg" for text in texts]
    return np.array(texts, dtype=object), np.array(good)


def large(offset: float) -> tuple[Any, Any]:
    """Eight numbers far from zero, which float32 holds coarsely, and a class."""
    rows, labels = classes()
    return rows + offset, labels


Family = Callable[[], tuple[Any, Any, Any]]
