"""What a card says in numbers, against scikit-learn, SciPy, crepes and formulas written by hand."""

from __future__ import annotations

import numpy as np
import pytest
from crepes import ConformalClassifier, ConformalRegressor
from crepes.extras import hinge
from scipy import stats
from sklearn import metrics
from sklearn.metrics import brier_score_loss
from tests.oracles.parts import MARKS, classified

from fairlead.guards.confidence import COVERAGES
from fairlead.packing.groups import groups_of
from fairlead.packing.judged import Classified, Regressed
from fairlead.packing.metrics import metrics_of
from fairlead.packing.reliability import reliability_of, risk_coverage_of, sets_of, spans_of
from fairlead.packing.uncertainty import wilson

pytestmark = MARKS
SEEDS = range(5)


def judged(seed: int, rows: int = 800, classes: int = 3) -> Classified:
    scores, truth = classified(seed, rows, classes)
    names = tuple(f"c{place}" for place in range(classes))
    return Classified(names, truth, scores.argmax(axis=1), scores)


def values(found: Classified | Regressed) -> dict[str, float]:
    return {one["name"]: one["value"] for one in metrics_of(found)}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [2, 3, 6])
def test_figures_of_a_classifier_are_scikit_learns(seed, classes):
    made = judged(seed, classes=classes)
    truth, given, scores = made.truth, made.given, made.scores
    assert scores is not None
    pair = scores[:, 1] if classes == 2 else scores
    one_hot = np.eye(classes)[truth]
    squares = ((scores - one_hot) ** 2).sum(axis=1).mean()
    theirs = {
        "accuracy": metrics.accuracy_score(truth, given),
        "macro_f1": metrics.f1_score(truth, given, average="macro"),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, given),
        "auc": metrics.roc_auc_score(truth, pair, multi_class="ovr"),
        "log_loss": metrics.log_loss(truth, scores),
        "brier_score": brier_score_loss(truth, scores[:, 1]) if classes == 2 else squares,
    }
    assert values(made) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_figures_of_a_regression_are_scikit_learns(seed):
    random = np.random.default_rng(seed)
    truth = 1e6 + random.normal(0, 10, 500)
    given = truth + random.standard_t(3, 500)
    theirs = {
        "mean_absolute_error": metrics.mean_absolute_error(truth, given),
        "root_mean_squared_error": metrics.root_mean_squared_error(truth, given),
        "r2": metrics.r2_score(truth, given),
    }
    assert values(Regressed(truth, given)) == pytest.approx(theirs, rel=1e-7)


def test_the_interval_of_a_share_is_scipys():
    for hits, count in ((0, 7), (3, 40), (263, 263), (812, 1000)):
        theirs = stats.binomtest(hits, count).proportion_ci(0.95, method="wilson")
        assert wilson(hits, count) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def delong(scores: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """The area and its standard error by the components of DeLong et al. 1988, pair by pair."""
    mine, others = scores[truth == 1], scores[truth == 0]
    wins = (mine[:, None] > others) + 0.5 * (mine[:, None] == others)
    by_positive, by_negative = wins.mean(axis=1), wins.mean(axis=0)
    variance = by_positive.var(ddof=1) / len(mine) + by_negative.var(ddof=1) / len(others)
    return float(wins.mean()), float(np.sqrt(variance))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_interval_of_an_area_is_delongs(seed):
    made = judged(seed, rows=400, classes=2)
    assert made.scores is not None
    second = made.scores[:, 1].round(2)  # with ties
    found = Classified(made.classes, made.truth, made.given, np.column_stack([1 - second, second]))
    area = next(one for one in metrics_of(found) if one["name"] == "auc")
    value, error = delong(second, made.truth)
    assert area["value"] == pytest.approx(value, abs=1e-12)
    # Ours divides by the count of each class, and not by one less.
    assert area["high"] - value == pytest.approx(1.959964 * error, rel=0.01)


def test_the_interval_of_an_area_holds_the_true_one_in_95_of_100():
    distance = 1.2
    true = stats.norm.cdf(distance / np.sqrt(2))  # of two normals so far apart
    random, held = np.random.default_rng(11), 0
    for _ in range(600):
        truth = (random.random(200) < 0.3).astype(np.int64)
        second = stats.norm.cdf(random.normal(distance * truth))
        made = Classified(("a", "b"), truth, truth, np.column_stack([1 - second, second]))
        area = next(one for one in metrics_of(made) if one["name"] == "auc")
        held += area["low"] <= true <= area["high"]
    assert 0.925 <= held / 600 <= 0.975


@pytest.mark.parametrize("seed", SEEDS)
def test_the_calibration_error_is_that_of_ten_bins_counted_by_hand(seed):
    made = judged(seed)
    assert made.scores is not None
    sure, right = made.scores.max(axis=1), made.given == made.truth
    apart = 0.0
    for low in np.arange(10) / 10:
        mine = (sure >= low) & ((sure < low + 0.1) | (low > 0.85))
        if mine.any():
            apart += mine.mean() * abs(sure[mine].mean() - right[mine].mean())
    assert reliability_of(made, None)["raw"]["ece"] == pytest.approx(apart, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_area_under_the_generalised_risk_is_a_loop_over_every_coverage(seed):
    made = judged(seed)
    assert made.scores is not None
    order = np.argsort(-made.scores.max(axis=1))
    wrong = (made.given != made.truth)[order]
    count = len(wrong)
    risk = [wrong[:given].sum() / count for given in range(count + 1)]
    found = risk_coverage_of(made, None)
    assert found["augrc"] == pytest.approx(np.trapezoid(risk, dx=1 / count), abs=1e-9)
    # Of pairs: that an error is among the answers no surer than another (Traub et al. 2024).
    ranks = np.flatnonzero(wrong)
    assert found["augrc"] == pytest.approx(((count - ranks) - 0.5).sum() / count**2, abs=1e-9)
    assert found["at_random"] == pytest.approx(wrong.mean() / 2)


def test_sets_and_intervals_hold_what_those_of_crepes_hold():
    reached = np.zeros((3, len(COVERAGES)))
    for seed in SEEDS:
        made = judged(seed, rows=2000)
        assert made.scores is not None
        half = np.arange(2000) < 1000
        names = np.arange(3)
        crepes = ConformalClassifier().fit(hinge(made.scores[half], names, made.truth[half]))
        ours = {one["promised"]: one["reached"] for one in sets_of(made)}
        random = np.random.default_rng(seed)
        truth = random.normal(size=2000)
        given = truth + random.standard_t(4, 2000)
        apart = ConformalRegressor().fit((truth - given)[half])
        spans = {one["promised"]: one["reached"] for one in spans_of(Regressed(truth, given))}
        for place, coverage in enumerate(COVERAGES):
            sets = crepes.predict_set(
                hinge(made.scores[~half]), confidence=coverage, smoothing=False
            )
            theirs = np.asarray(sets)[np.arange(1000), made.truth[~half]].mean()
            low, high = apart.predict_int(given[~half], confidence=coverage).T
            held = ((low <= truth[~half]) & (truth[~half] <= high)).mean()
            reached[0, place] += ours[coverage] / len(SEEDS)
            reached[1, place] += spans[coverage] / len(SEEDS)
            assert ours[coverage] == pytest.approx(theirs, abs=0.04)
            assert spans[coverage] == pytest.approx(held, abs=0.04)
    np.testing.assert_allclose(reached[:2], [COVERAGES, COVERAGES], atol=0.012)


@pytest.mark.parametrize("seed", SEEDS)
def test_rates_of_groups_are_those_of_their_confusions(seed):
    made = judged(seed, rows=900, classes=2)
    group = np.random.default_rng(seed).choice(["f", "m", "x"], 900).astype(object)
    (found,) = groups_of({"who": group}, made, ["who"], "c1", "m")
    selected: dict[str, float] = {}
    for one in found["groups"]:
        mine = group == one["group"]
        table = metrics.confusion_matrix(made.truth[mine], made.given[mine], labels=[0, 1])
        (tn, fp), (fn, tp) = table
        rates = {
            "selection_rate": ((tp + fp) / table.sum(), table.sum()),
            "true_positive_rate": (tp / (tp + fn), tp + fn),
            "false_positive_rate": (fp / (fp + tn), fp + tn),
        }
        for name, (value, count) in rates.items():
            assert one[name]["value"] == pytest.approx(value)
            hits = round(value * count)
            theirs = stats.binomtest(hits, int(count)).proportion_ci(0.95, method="wilson")
            assert one[name]["low"] == pytest.approx(theirs.low, abs=1e-9)
        selected[one["group"]] = rates["selection_rate"][0]
    least, most = min(selected.values()), max(selected.values())
    ratio = found["four_fifths"]
    assert ratio["value"] == pytest.approx(least / most)
    assert ratio["kept"] == (least / most >= 0.8)
    assert found["gaps"]["selection_rate"]["value"] == pytest.approx(most - least)
    counts = {name: (group == name).sum() for name in selected}
    pair = [min(selected, key=selected.get), max(selected, key=selected.get)]
    hits = [round(selected[name] * counts[name]) for name in pair]
    theirs = stats.contingency.relative_risk(
        hits[0], int(counts[pair[0]]), hits[1], int(counts[pair[1]])
    ).confidence_interval(0.95)
    assert (ratio["low"], ratio["high"]) == pytest.approx((theirs.low, theirs.high), rel=1e-6)
