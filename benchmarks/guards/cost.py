"""R4: what one row costs, and many."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.report import Part, Promise, table
from fairlead.guards import learn_novelty


def _quantiles(call: Any, count: int) -> tuple[float, float]:
    times: list[int] = []
    for _ in range(count):
        start = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - start)
    middle, late = np.quantile(times, [0.5, 0.99])
    return float(middle) / 1e3, float(late) / 1e3


def _shown(guard: Any, rows: Any, limit: float) -> str:
    """What it takes to show of so many rows that they are ordinary, and of how many it is shown."""
    witnesses = guard.witnesses(limit)
    if witnesses is None:
        return "none"
    took = _quantiles(lambda: witnesses.show(rows), 300)[0] / len(rows)
    return f"{took:.2f} us/row, {witnesses.show(rows).mean():.0%} by {witnesses.count}"


def run() -> Part:
    """Placing, score, p-value and decision, from a row that is an array already."""
    rows: list[list[str]] = []
    found: dict[str, float] = {}
    for columns in (10, 30, 100, 384):
        random = np.random.default_rng(columns)
        train = random.normal(size=(8000, columns)) @ random.normal(size=(columns, columns))
        start = time.perf_counter()
        guard = learn_novelty(train)
        took = time.perf_counter() - start
        limit = guard.threshold()
        ones = [train[i : i + 1] for i in range(200)]
        at = iter(range(10**9))

        def one(g: Any = guard, given: Any = ones, n: Any = at, most: float = limit) -> None:
            scores = g.scores_of(g.space.place_numbers(given[next(n) % 200]))
            g.p_of(scores)
            _ = scores[0] > most

        def many(g: Any = guard, given: Any = train[:64], most: float = limit) -> None:
            scores = g.scores_of(g.space.place_numbers(given))
            g.p_of(scores)
            _ = scores > most

        middle, late = _quantiles(one, 5000)
        batch = _quantiles(many, 300)[0] / 64
        quick = _shown(guard, train[:64], limit)
        size = len(guard.to_bytes()) / 1e6
        found |= {f"one {columns}": middle, f"batch {columns}": batch}
        shown = (middle, late, batch)
        figures = [*(f"{v:.1f}" for v in shown), quick, f"{took:.2f}", f"{size:.2f}"]
        rows.append([str(columns), *figures])
    random = np.random.default_rng(1)
    start = time.perf_counter()
    size = len(learn_novelty(random.normal(size=(50_000, 30))).to_bytes()) / 1e6
    took = time.perf_counter() - start
    header = (
        "columns",
        "one row p50 us",
        "p99 us",
        "us/row of 64",
        "shown by witnesses",
        "learnt in s",
        "MB",
    )
    return Part(
        "Cost of the novelty guard", table(header, rows), found, _promises(found, took, size)
    )


def _promises(found: dict[str, float], took: float, size: float) -> list[Promise]:
    """took, size: seconds to learn from 50,000 rows of 30 columns, MB of the file."""
    return [
        Promise(
            "R4 one row of 30 columns, us p50", 15, found["one 30"], f"{found['one 30']:.1f}", True
        ),
        Promise(
            "R4 one row of 384 columns, us p50",
            50,
            found["one 384"],
            f"{found['one 384']:.1f}",
            True,
        ),
        Promise(
            "one of 64 rows of 30 columns, us",
            4,
            found["batch 30"],
            f"{found['batch 30']:.1f}",
            True,
        ),
        Promise("R4 learnt from 50,000 x 30, s", 2, took, f"{took:.2f}", True),
        Promise("R4 file of 30 columns, MB", 1, size, f"{size:.2f}", True),
    ]
