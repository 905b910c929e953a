"""What `--private` costs: the same bad rows before a guard from aggregates and one from rows."""

from __future__ import annotations

import numpy as np

from benchmarks.guards import garbage
from benchmarks.guards.novelty import RATE, beta_binomial, holm, numeric, promise, split
from benchmarks.guards.tables import everything
from benchmarks.report import Part, Promise, table
from fairlead.guards import Novelty, learn_novelty
from fairlead.guards.novelty_private import learn_private_novelty

_LEAST_ROWS = 1000
MAKERS = {**garbage.GARBAGE, "swapped": garbage.swapped}


def run(seed: int = 0) -> Part:
    """The garbage suite on every numeric table, from aggregates and from rows."""
    rows: list[list[str]] = []
    false: list[float] = []
    chances: list[float] = []
    seen: dict[str, list[tuple[float, float]]] = {kind: [] for kind in MAKERS}
    for one in everything():
        columns = numeric(one)
        if one.rows < _LEAST_ROWS or len(columns) < 4:
            continue
        train, test, _ = split(columns, seed)
        guards = (
            learn_private_novelty(train, false_alarm_rate=RATE, seed=seed),
            learn_novelty(train, false_alarm_rate=RATE, seed=seed),
        )
        alarms = guards[0].decide(test)
        false.append(float(alarms.mean()))
        calibrated = guards[0].calibrated
        chances.append(beta_binomial(int(alarms.sum()), len(alarms), calibrated, RATE))
        line = [one.name, str(len(columns)), f"{100 * alarms.mean():.1f}"]
        for kind, make in MAKERS.items():
            bad, _ = make(test, train, np.random.default_rng(seed))
            if not len(next(iter(bad.values()))):
                line.append("-")
                continue
            mine, theirs = (_caught(guard, bad) for guard in guards)
            seen[kind].append((mine, theirs))
            line.append(f"{100 * mine:.0f} / {100 * theirs:.0f}")
        rows.append(line)
    means = {kind: np.mean(found, axis=0) * 100 for kind, found in seen.items()}
    shown = [f"{mine:.1f} / {theirs:.1f}" for mine, theirs in means.values()]
    rows.append(["mean", "", f"{100 * np.mean(false):.2f}", *shown])
    lines = [
        f"seed {seed}; {len(false)} tables; caught in % from aggregates / from rows",
        *table(("table", "columns", "false alarms %", *MAKERS), rows),
    ]
    error = float(np.std(false, ddof=1) / np.sqrt(len(false)))
    beyond = holm(chances)
    promises = [
        promise("private: false alarms", RATE + 2 * error, float(np.mean(false)), most=True),
        Promise("private: tables beyond the limit", 0, beyond, str(beyond), True),
    ]
    return Part("Guards from aggregates", lines, {}, promises)


def _caught(guard: Novelty, bad: garbage.Columns) -> float:
    return float(guard.decide(bad).mean())
