"""R10 and R11: drift alarms that are quiet without a change and loud with one."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.guards.asked import oracle
from benchmarks.guards.novelty import promise
from benchmarks.guards.tables import Columns, Table, everything, generated, take
from benchmarks.report import Part, Promise, table
from fairlead.guards import learn_drift
from fairlead.guards.betting import Betting
from fairlead.guards.drift import WINDOWS, Drift
from fairlead.guards.drift_columns import Watched

SIZES = (100, 300, 1000, 3000)
_NEVER = (1 << 40, 1 << 41)
"""Windows that never end: one of a size has the share of the rate that it has in a server."""


def _tables() -> list[Table]:
    wanted = ("keel-magic", "keel-letter", "keel-penbased", "keel-ring", "econ-401ksubs",
              "econ-catholic", "econ-happiness", "stats-randhie")  # fmt: skip
    found = [one for one in everything() if one.name in wanted]
    return [*found, *generated(20_000)]


def windows(count: int = 100) -> Part:
    """R10: windows without a change, and with one column moved by half a deviation."""
    rows: list[list[str]] = []
    false: dict[int, list[float]] = {size: [] for size in SIZES}
    power: dict[int, list[float]] = {size: [] for size in SIZES}
    served: list[float] = []
    for one in _tables():
        line = [one.name, str(len(one.columns))]
        served.append(_raised(one, 300, count, WINDOWS)[1])
        for size in SIZES:
            quiet, loud = _raised(one, size, count, (size, *_NEVER))
            false[size].append(quiet)
            power[size].append(loud)
            line.append(f"{100 * quiet:.1f} / {100 * loud:.0f}")
        rows.append(line)
    rows.append(["mean", "", *(f"{100 * np.mean(false[s]):.2f} / {100 * np.mean(power[s]):.0f}"
                               for s in SIZES)])  # fmt: skip
    header = ("table", "columns", *(f"{size} rows" for size in SIZES))
    lines = [f"{count} windows each, seeds 0..{count - 1}: % with any false alarm / % found",
             *table(header, rows),
             "Each window has a third of the rate, as in a server; 300 rows with the server's "
             f"windows: {100 * np.mean(served):.0f} % found"]  # fmt: skip
    promises = [
        *(promise(f"R10 false alarms at {s} rows", 0.01, float(np.mean(false[s])), most=True)
          for s in SIZES),
        *(promise(f"R10 half a deviation found at {s} rows", 0.95, float(np.mean(power[s])))
          for s in SIZES[1:]),
        promise("R10 half a deviation found in 300 rows as served", 0.95, float(np.mean(served))),
    ]  # fmt: skip
    cost = _cost()
    promises.append(Promise("R10 us per row and 10 columns", 3.0, cost, f"{cost:.2f}", True))
    return Part("Drift in windows", lines, {}, promises)


def _raised(one: Table, size: int, count: int, sizes: tuple[int, ...]) -> tuple[float, float]:
    """The shares of windows with an alarm: unchanged ones, and moved ones with the right name."""
    quiet = loud = 0
    watched: list[Watched] = []
    train: Columns = {}
    fresh: Any = None
    for seed in range(count):
        random = np.random.default_rng(seed)
        if seed % 10 == 0:
            order = random.permutation(one.rows)
            train, fresh = take(one.columns, order[: one.rows // 2]), order[one.rows // 2 :]
            watched = learn_drift(train).watched
        rows = take(one.columns, random.choice(fresh, size, replace=len(fresh) < size))
        quiet += bool(Drift(watched, windows=sizes).see(rows))
        name, moved = _moved(rows, train, random)
        loud += any(a.column == name for a in Drift(watched, windows=sizes).see(moved))
    return quiet / count, loud / count


def _moved(rows: Columns, train: Columns, random: Any) -> tuple[str, Columns]:
    names = [n for n, v in rows.items() if v.dtype.kind == "f" and np.nanstd(train[n]) > 0]
    name = str(random.choice(names))
    return name, rows | {name: rows[name] + 0.5 * np.nanstd(train[name])}


def _cost() -> float:
    """Microseconds in a worker for a row of ten columns, 256 rows at a time."""
    random = np.random.default_rng(0)
    watcher = learn_drift(random.normal(size=(5000, 10)))
    rows = {f"x{i}": random.normal(size=256).astype(np.float32) for i in range(10)}
    times: list[float] = []
    for _ in range(400):
        start = time.perf_counter_ns()
        watcher.count(rows)
        times.append((time.perf_counter_ns() - start) / 256e3)
    return float(np.median(times))


def betting(runs: int = 100, rows: int = 1_000_000, rate: float = 0.001) -> Part:
    """R11: the alarm without a window, on good rows and on falling confidence."""
    raised = 0
    for seed in range(runs):
        random = np.random.default_rng(seed)
        calibration = np.sort(random.random(1000))
        bet = Betting(1000, rate=rate)
        for _ in range(rows // 100_000):
            bet.see(_p_values(calibration, random.random(100_000)))
        raised += bet.alarmed
    delays, streams = [], []
    for seed in range(runs):
        random = np.random.default_rng([1, seed])
        calibration = np.sort(random.beta(18, 2, 1000))
        bet = Betting(1000, rate=rate)
        bet.see(_low(calibration, random.beta(18, 2, 1000)))
        after = random.beta(17, 3, 5000)
        bet.see(_low(calibration, after))
        delays.append(bet.since - 1000 if bet.since else 5000)
        streams.append(np.concatenate([random.beta(18, 2, 1000), after]))
    theirs = oracle("adwin", streams=np.array(streams))
    shown = "not installed"
    if theirs is not None:
        first = theirs["first"]
        shown = f"{np.median(first[first >= 1000] - 1000):.0f}"
    middle = float(np.median(delays))
    lines = [
        f"{runs} runs (seeds 0..{runs - 1}) of {rows} good rows, rate {rate}: {raised} alarms",
        f"confidence .90 -> .85: alarm after {middle:.0f} rows (median); river's ADWIN {shown}",
    ]
    promises = [
        Promise("R11 alarms on good rows", 1, raised, str(raised), True),
        Promise("R11 rows until falling confidence is seen", 300, middle, f"{middle:.0f}", True),
    ]
    return Part("Drift without a window", lines, {}, promises)


def _p_values(calibration: Any, values: Any) -> Any:
    return (1 + len(calibration) - np.searchsorted(calibration, values)) / (len(calibration) + 1)


def _low(calibration: Any, values: Any) -> Any:
    """p-values that are small for small values."""
    return (1 + np.searchsorted(calibration, values, side="right")) / (len(calibration) + 1)
