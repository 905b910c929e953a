"""R15: keys that copy or probe, and keys that do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.guards.novelty import promise
from benchmarks.guards.tables import everything
from benchmarks.report import Part, table
from fairlead.guards import Novelty, learn_novelty
from fairlead.guards.misuse import Account, Misuse, learn_misuse

TABLES = ("keel-magic", "keel-penbased", "keel-satimage", "keel-page-blocks0", "keel-texture",
          "made-correlated")  # fmt: skip
_QUERIES, _WITHIN, _BENIGN = 100, 100, 1000


def _box(good: Any, train: Any, random: Any, count: int) -> Any:
    return random.uniform(train.min(axis=0), train.max(axis=0), (count, train.shape[1]))


def _gauss(good: Any, train: Any, random: Any, count: int) -> Any:
    return train.mean(axis=0) + train.std(axis=0) * random.normal(size=(count, train.shape[1]))


def _columns(good: Any, train: Any, random: Any, count: int) -> Any:
    return np.column_stack([random.choice(train[:, i], count) for i in range(train.shape[1])])


def _steps(good: Any, train: Any, random: Any, count: int) -> Any:
    """Ten real rows, then steps of a tenth of a deviation from rows sent before."""
    sent = list(good[random.choice(len(good), 10)])
    while len(sent) < count:
        step = 0.1 * train.std(axis=0) * random.choice([-1.0, 1.0], train.shape[1])
        sent.append(sent[random.integers(len(sent))] + step)
    return np.array(sent)


def _bisection(good: Any, train: Any, random: Any, count: int) -> Any:
    """Between two real rows, ten halvings towards a point where the answer changes."""
    sent: list[Any] = []
    while len(sent) < count:
        one, other = good[random.choice(len(good), 2, replace=False)]
        low, high, where = 0.0, 1.0, random.random()
        sent += [one, other]
        for _ in range(10):
            middle = (low + high) / 2
            sent.append(one + middle * (other - one))
            low, high = (middle, high) if middle < where else (low, middle)
    return np.array(sent[:count])


def _foreign(good: Any, train: Any, random: Any, count: int) -> Any:
    return random.permuted(good[random.choice(len(good), count)], axis=1)


ATTACKS: dict[str, Callable[[Any, Any, Any, int], Any]] = {
    "uniform box": _box, "Gaussian": _gauss, "columns resampled": _columns,
    "seeds and steps": _steps, "bisection": _bisection, "shuffled rows": _foreign,
}  # fmt: skip


def first_alarm(guard: Novelty, misuse: Misuse, rows: Any) -> int | None:
    """After how many queries, one row each, a key is suspected; None for never."""
    account = Account()
    placed = guard.space.place_numbers(rows)
    p_values = guard.p_of(guard.scores_of(placed))
    for i in range(len(rows)):
        part = slice(i, i + 1)
        account.absorb(misuse.look(account, p_values[part], placed[part]))
        if account.evidence():
            return i + 1
    return None


def run(clients: int = 60, seed: int = 0) -> Part:
    """Six attacks, good clients and clients from one corner of the data, on six tables."""
    caught: dict[str, list[int | None]] = {name: [] for name in ATTACKS}
    benign: list[bool] = []
    narrow: list[bool] = []
    grouped: list[bool] = []
    for one in everything():
        if one.name not in TABLES:
            continue
        random = np.random.default_rng(seed)
        rows = one.matrix()[random.permutation(one.rows)]
        train, good = rows[: len(rows) // 2], rows[len(rows) // 2 :]
        guard = learn_novelty(train, seed=seed)
        misuse = learn_misuse(guard.space.place_numbers(train), guard.calibrated)
        for name, make in ATTACKS.items():
            caught[name] += [
                first_alarm(guard, misuse, make(good, train, random, _QUERIES))
                for _ in range(max(4, clients // 6))
            ]
        for _ in range(clients):
            sent = good[random.choice(len(good), _BENIGN, replace=len(good) < _BENIGN)]
            benign.append(first_alarm(guard, misuse, sent) is not None)
        for _ in range(max(4, clients // 6)):
            plain, known = _narrow(guard, misuse, good, random)
            narrow.append(plain)
            grouped.append(known)
    return _part(caught, benign, narrow, grouped, seed)


def _narrow(guard: Novelty, misuse: Misuse, good: Any, random: Any) -> tuple[bool, bool]:
    """A client whose rows are the 400 nearest to one row; judged as all, and by its own habits."""
    placed = guard.space.place_numbers(good)
    apart = ((placed - placed[random.integers(len(placed))]) ** 2).sum(axis=1)
    near = random.permutation(np.argsort(apart)[:400])
    own, sent = good[near[:200]], good[random.choice(near[200:], _BENIGN)]
    plain = first_alarm(guard, misuse, sent) is not None
    again = Novelty.from_bytes(guard.to_bytes())
    again.calibrate(guard.scores_of(guard.space.place_numbers(own)))
    known = learn_misuse(guard.space.place_numbers(own), again.calibrated)
    return plain, first_alarm(again, known, sent) is not None


def _part(
    caught: dict[str, list[int | None]], benign: list[bool], narrow: list[bool],
    grouped: list[bool], seed: int,
) -> Part:  # fmt: skip
    rows: list[list[str]] = []
    shares: list[float] = []
    for name, found in caught.items():
        hits = [at for at in found if at is not None and at <= _WITHIN]
        shares.append(len(hits) / len(found))
        middle = f"{np.median(hits):.0f}" if hits else "-"
        rows.append([name, f"{100 * shares[-1]:.0f} %", middle])
    kinds = {"good clients": benign, "one corner": narrow, "one corner, own habits": grouped}
    for name, flags in kinds.items():
        rows.append([f"{name} ({len(flags)} x {_BENIGN})", f"{100 * np.mean(flags):.1f} %", ""])
    header = ("client", "suspected", "median queries")
    promises = [
        promise("R15 attacks noticed within 100 queries", 0.98, float(np.mean(shares))),
        promise("R15 good clients suspected per 1000", 0.001, float(np.mean(benign)), most=True),
        promise(
            "R15 narrow clients, by their own habits", 0.05, float(np.mean(grouped)), most=True
        ),
    ]
    lines = [f"seed {seed}; tables: {', '.join(TABLES)}", *table(header, rows)]
    return Part("Misuse", lines, {}, promises)
