"""R7, R8 and R9: goals kept, sets that hold the truth, calibrated confidence."""

from __future__ import annotations

import time
import warnings
from functools import cache
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.guards.asked import oracle
from benchmarks.guards.novelty import promise
from benchmarks.guards.tables import shipped
from benchmarks.report import Part, Promise, table
from fairlead.guards import learn_confidence
from fairlead.guards.confidence import COVERAGES

GOAL = 0.02
TABLES = ("keel-magic", "keel-phoneme", "keel-spambase", "keel-satimage", "keel-penbased",
          "keel-ring")  # fmt: skip
_MOST_TRAIN, _SEEN = 2500, 1500


def _models() -> dict[str, Any]:
    return {
        "NaiveBayes": GaussianNB(),
        "RandomForest": RandomForestClassifier(100, random_state=0),
        "HistGB": HistGradientBoostingClassifier(random_state=0),
        "Logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
        "MLP": make_pipeline(StandardScaler(), MLPClassifier((32,), max_iter=60, random_state=0)),
    }


@cache
def pairs() -> dict[str, tuple[Any, Any]]:
    """Scores and labels of every model on rows of every table that it was not trained on."""
    found: dict[str, tuple[Any, Any]] = {}
    known = {one.name: one for one in shipped()}
    for name in TABLES:
        one = known[name]
        rows, truth = one.matrix(), one.target
        order = np.random.default_rng(0).permutation(len(rows))
        cut = min(_MOST_TRAIN, len(order) * 4 // 10)
        fit, rest = order[:cut], order[cut:][:8000]
        for kind, model in _models().items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(rows[fit], truth[fit])
                found[f"{name} {kind}"] = model.predict_proba(rows[rest]), truth[rest]
    return found


def ece(sure: Any, right: Any, bins: int = 15) -> float:
    """The expected calibration error over equally wide bins."""
    place = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = [
        abs(float(sure[place == b].mean() - right[place == b].mean())) * (place == b).mean()
        for b in range(bins)
        if (place == b).any()
    ]
    return float(sum(gaps))


def _loss(scores: Any, truth: Any) -> float:
    return float(-np.log(np.clip(scores[np.arange(len(truth)), truth], 1e-6, 1)).mean())


def _oracle_coverage(sure: Any, wrong: Any) -> float:
    """The largest share of rows, surest first, with at most the goal's share of errors."""
    order = np.argsort(-sure, kind="stable")
    errors = np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    kept = np.flatnonzero(errors <= GOAL)
    return (int(kept[-1]) + 1) / len(order) if len(kept) else 0.0


def goals(count: int = 200) -> Part:
    """R7: a goal of 2 % errors with 95 % confidence, over resplits of the evaluation rows."""
    rows: list[list[str]] = []
    broken: list[float] = []
    fixed: list[float] = []
    ratios: list[float] = []
    usual: list[float] = []
    for name, (scores, truth) in pairs().items():
        hits = naive = 0
        mine, best = 0.0, 0.0
        for seed in range(count):
            order = np.random.default_rng(seed).permutation(len(truth))
            seen, fresh = order[:_SEEN], order[_SEEN:]
            guard = learn_confidence(scores[seen], truth[seen], error_goal=GOAL, seed=seed)
            wrong = scores[fresh].argmax(axis=1) != truth[fresh]
            kept = guard.decide(scores[fresh])
            hits += bool(kept.any() and wrong[kept].mean() > GOAL)
            sure = scores[fresh].max(axis=1) >= 1 - GOAL
            naive += bool(sure.any() and wrong[sure].mean() > GOAL)
            mine += float(kept.mean()) / count
            best += _oracle_coverage(guard.confidence(scores[fresh]), wrong) / count
        broken.append(hits / count)
        fixed.append(naive / count)
        if best >= 0.5:
            usual.append(mine / best)
        if best >= 0.95:
            ratios.append(mine / best)
        shown = (hits / count, naive / count, mine, best)
        rows.append([name, *(f"{100 * v:.1f} %" for v in shown)])
    header = ("pair", "goal broken", "fixed 0.98 breaks it", "answered", "oracle answers")
    means = [f"{100 * np.mean(v):.1f} %" for v in (broken, fixed)]
    lines = [
        f"{count} resplits (seeds 0..{count - 1}), {_SEEN} evaluation rows, goal 2 %",
        *table(header, [*rows, ["mean", *means, "", ""]]),
        f"where the oracle answers half: {100 * np.mean(usual):.0f} % of its answers are given",
    ]
    promises = [
        promise("R7 a 2 % goal is broken, mean", 0.05, float(np.mean(broken)), most=True),
        promise("R7 answered, of the oracle's, where it answers 95 %", 0.95,
                float(np.mean(ratios)) if ratios else float("nan")),
    ]  # fmt: skip
    return Part("Goals", lines, {}, promises)


def sets(count: int = 20) -> Part:
    """R8: sets hold the truth as often as they say, as crepes' do, in microseconds."""
    rows: list[list[str]] = []
    held: dict[float, list[float]] = {c: [] for c in COVERAGES}
    differ = 0
    for name, (scores, truth) in pairs().items():
        mean: dict[float, list[float]] = {c: [] for c in COVERAGES}
        for seed in range(count):
            order = np.random.default_rng(seed).permutation(len(truth))
            seen, fresh = order[:_SEEN], order[_SEEN:]
            guard = learn_confidence(scores[seen], truth[seen])
            for coverage in COVERAGES:
                inside = guard.sets(scores[fresh], coverage)
                mean[coverage].append(float(inside[np.arange(len(fresh)), truth[fresh]].mean()))
            if seed == 0:
                differ += _differ_from_crepes(guard, scores, truth, seen, fresh)
        for coverage in COVERAGES:
            held[coverage].append(float(np.mean(mean[coverage])))
        rows.append([name, *(f"{100 * held[c][-1]:.1f} %" for c in COVERAGES)])
    rows.append(["mean", *(f"{100 * np.mean(held[c]):.1f} %" for c in COVERAGES)])
    lines = [f"{count} resplits", *table(("pair", *(f"{c:.0%}" for c in COVERAGES)), rows)]
    lines.append(f"rows whose set differs from crepes' (smoothing off): {differ}")
    off = max(abs(float(np.mean(held[c])) - c) for c in COVERAGES)
    one = np.array([[0.1, 0.7, 0.2]])
    made = learn_confidence(np.random.default_rng(0).dirichlet([1, 1, 1], 1000),
                            np.random.default_rng(1).integers(0, 3, 1000))  # fmt: skip
    cost = _p50(lambda: made.sets(one, 0.9, trusted=True))
    promises = [
        promise("R8 set coverage off by, mean over pairs", 0.01, off, most=True),
        Promise("R8 rows that differ from crepes", 0, differ, str(differ), True),
        Promise("R8 one set, us", 5, cost, f"{cost:.1f}", True),
    ]
    return Part("Prediction sets", lines, {}, promises)


def _differ_from_crepes(guard: Any, scores: Any, truth: Any, seen: Any, fresh: Any) -> int:
    fresh = fresh[:1000]
    coverages = np.array(COVERAGES)
    theirs = oracle("sets", seen=scores[seen], labels=truth[seen], fresh=scores[fresh],
                    coverages=coverages)  # fmt: skip
    if theirs is None:
        return 0
    return sum(
        int((guard.sets(scores[fresh], c) != theirs[f"crepes.{c}"]).any(axis=1).sum())
        for c in COVERAGES
    )


def calibration(count: int = 5) -> Part:
    """R9: calibration error and log-loss before and after."""
    rows: list[list[str]] = []
    before: list[float] = []
    after: list[float] = []
    worse: list[float] = []
    for name, (scores, truth) in pairs().items():
        raw, found, change, methods = [], [], [], []
        for seed in range(count):
            order = np.random.default_rng(seed).permutation(len(truth))
            seen, fresh = order[:_SEEN], order[_SEEN:]
            guard = learn_confidence(scores[seen], truth[seen], seed=seed)
            given, made = scores[fresh], guard.calibrate(scores[fresh])
            right = given.argmax(axis=1) == truth[fresh]
            raw.append(ece(given.max(axis=1), right))
            found.append(ece(made.max(axis=1), right))
            change.append(_loss(made, truth[fresh]) / _loss(given, truth[fresh]) - 1)
            methods.append(guard.method)
        before.append(float(np.mean(raw)))
        after.append(float(np.mean(found)))
        worse.append(float(np.mean(change)))
        rows.append([name, f"{before[-1]:.3f}", f"{after[-1]:.3f}", f"{100 * worse[-1]:+.1f} %",
                     max(set(methods), key=methods.count)])  # fmt: skip
    rows.append(["mean", f"{np.mean(before):.3f}", f"{np.mean(after):.3f}", "", ""])
    header = ("pair", "ECE raw", "ECE calibrated", "log-loss", "mostly")
    mean = float(np.mean(after))
    promises = [
        Promise("R9 mean calibration error", 0.025, mean, f"{mean:.4f}", True),
        promise("R9 log-loss at worst", 0.005, max(worse), most=True),
    ]
    lines = [f"{count} resplits, {_SEEN} evaluation rows", *table(header, rows)]
    return Part("Calibration", lines, {}, promises)


def _p50(call: Any, count: int = 3000) -> float:
    times: list[int] = []
    for _ in range(count):
        start = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - start)
    return float(np.median(times)) / 1e3
