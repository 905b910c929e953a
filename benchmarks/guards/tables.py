"""The tables that the guards are measured on: shipped by packages, or generated here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from sklearn import datasets

from benchmarks.places import HOME, Missing

FOLDER = HOME / "guards" / "tables"
Columns = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """columns: {name: float64 with NaN, or text with ""}; target: classes; odd: foreign rows."""

    name: str
    columns: Columns
    target: Any = None
    odd: Any = None

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values())))

    @property
    def numeric(self) -> bool:
        """Numbers only, none missing."""
        return all(
            values.dtype.kind == "f" and np.isfinite(values).all()
            for values in self.columns.values()
        )

    def matrix(self) -> Any:
        return np.column_stack(list(self.columns.values()))


def take(columns: Columns, rows: Any) -> Columns:
    return {name: values[rows] for name, values in columns.items()}


@cache
def shipped() -> tuple[Table, ...]:
    """Tables of the oracles' packages. Raises Missing before `install`."""
    paths = sorted(p for p in FOLDER.glob("*.npz") if p.stem != "mnist")
    if not paths:
        raise Missing("python -m benchmarks.guards.install writes the tables first")
    return tuple(_read(path) for path in paths)


def _read(path: Any) -> Table:
    with np.load(path) as arrays:
        columns = {
            key.partition(":")[2]: values if values.dtype.kind == "f" else values.astype(object)
            for key, values in arrays.items()
            if key not in ("target", "odd")
        }
        more = {key: arrays[key] for key in ("target", "odd") if key in arrays}
    return Table(path.stem, columns, **more)


@cache
def bundled() -> tuple[Table, ...]:
    """What scikit-learn ships."""
    found: list[Table] = []
    for load in (datasets.load_breast_cancer, datasets.load_digits, datasets.load_diabetes,
                 datasets.load_wine, datasets.load_iris):  # fmt: skip
        data: Any = load()
        names = [str(n) for n in data.feature_names]
        columns = {n: data.data[:, i].astype(np.float64) for i, n in enumerate(names)}
        target = data.target if load is not datasets.load_diabetes else None
        found.append(Table(f"sklearn-{load.__name__.removeprefix('load_')}", columns, target))
    return tuple(found)


# --- generators -------------------------------------------------------------------------


def _mixed(random: Any, count: int) -> Columns:
    base, other = random.normal(size=count), random.normal(size=count)
    city = np.where(base > 0.3, "north", np.where(base > -0.8, "south", "west"))
    columns: Columns = {
        "age": np.round(45 + 12 * base + 4 * random.normal(size=count)),
        "income": np.exp(10 + 0.4 * base + 0.3 * random.normal(size=count)),
        "height_cm": 172 + 8 * other + 3 * random.normal(size=count),
        "weight_kg": 72 + 9 * other + 5 * random.normal(size=count),
        "rooms": random.poisson(3, count).astype(float),
        "balance": random.standard_t(3, size=count) * 500,
        "city": city.astype(object),
        "plan": random.choice(["basic", "plus", "pro"], count, p=[0.6, 0.3, 0.1]).astype(object),
    }
    return columns


def mixed(random: Any, count: int) -> Columns:
    """Numbers and categories that hang together, a fifth of all values missing."""
    columns = _mixed(random, count)
    for values in columns.values():
        gone = random.random(count) < 0.2
        values[gone] = np.nan if values.dtype.kind == "f" else ""
    return columns


def heavy(random: Any, count: int) -> Columns:
    """Money, counts and durations: columns whose largest value is far from the others."""
    size = random.normal(size=count)
    return {
        "turnover": np.exp(8 + 1.5 * size + 0.3 * random.normal(size=count)),
        "staff": np.floor(np.exp(2 + 1.2 * size + 0.5 * random.normal(size=count))),
        "margin": random.standard_t(2.5, size=count),
        "wait_s": random.pareto(2.5, size=count) * 10,
        "claims": random.negative_binomial(0.5, 0.05, size=count).astype(float),
        "age": random.gamma(3.0, 5.0, size=count),
    }


def clusters(random: Any, count: int) -> Columns:
    """Five clusters of different widths in ten columns."""
    centres = np.random.default_rng(11).normal(size=(5, 10)) * 4
    of = random.integers(0, 5, count)
    rows = centres[of] + random.normal(size=(count, 10)) * (0.3 + 0.3 * of[:, None])
    return {f"x{i}": rows[:, i] for i in range(10)}


def correlated(random: Any, count: int) -> Columns:
    """Thirty columns made of six causes and a little noise."""
    loads = np.random.default_rng(12).normal(size=(6, 30))
    rows = random.normal(size=(count, 6)) @ loads + 0.2 * random.normal(size=(count, 30))
    return {f"x{i}": rows[:, i] * 10.0 ** (i % 5 - 2) for i in range(30)}


def sparse(random: Any, count: int) -> Columns:
    """Twenty columns that are mostly zero, and four that are not."""
    rows = random.gamma(1.0, 2.0, size=(count, 20)) * (random.random((count, 20)) < 0.05)
    full = random.normal(size=(count, 4))
    both = np.column_stack([rows, full])
    return {f"x{i}": both[:, i] for i in range(24)}


def independent(random: Any, count: int) -> Columns:
    """Ten columns that say nothing about each other, one of them constant."""
    rows = random.uniform(size=(count, 10))
    rows[:, 9] = 5.0
    return {f"x{i}": rows[:, i] for i in range(10)}


def shifted(random: Any, count: int) -> Columns:
    """A year of rows in which one column rises; read at random it is one distribution."""
    month = random.integers(1, 13, count).astype(float)
    return {
        "month": month,
        "price": 100 + 2 * month + random.normal(size=count),
        "volume": random.gamma(2.0, 50.0, size=count),
        "share": random.beta(2.0, 5.0, size=count),
    }


GENERATORS: dict[str, Callable[[Any, int], Columns]] = {
    "mixed": mixed,
    "heavy": heavy,
    "clusters": clusters,
    "correlated": correlated,
    "sparse": sparse,
    "independent": independent,
    "shifted": shifted,
}


def generated(count: int = 4000, seed: int = 0) -> list[Table]:
    return [
        Table(f"made-{name}", make(np.random.default_rng(seed), count))
        for name, make in GENERATORS.items()
    ]


def everything() -> list[Table]:
    return [*bundled(), *shipped(), *generated()]
