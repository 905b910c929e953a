"""Figures are scikit-learn's, with intervals that hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle
from tests.packing.judgements import classified, regressed

from fairlead.packing.judged import Classified, Regressed
from fairlead.packing.metrics import baseline_of, confusion_of, headline_of, metrics_of


def values(found) -> dict[str, float]:
    return {one["name"]: one["value"] for one in metrics_of(found)}


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_a_classifiers_figures_are_scikit_learns(seed, classes):
    made = classified(120, classes, seed)
    assert made.scores is not None
    if len(np.unique(made.truth)) < classes:
        return
    found = values(made)
    truth, answers, scores = made.truth, made.given, made.scores
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(truth, answers))
    assert found["macro_f1"] == pytest.approx(oracle.f1_score(truth, answers, average="macro"))
    balanced = oracle.balanced_accuracy_score(truth, answers)
    assert found["balanced_accuracy"] == pytest.approx(balanced)
    ranked = scores[:, 1] if classes == 2 else scores
    area = oracle.roc_auc_score(truth, ranked, multi_class="ovr")
    assert found["auc"] == pytest.approx(area)
    assert found["log_loss"] == pytest.approx(oracle.log_loss(truth, scores))
    if classes == 2:
        brier = oracle.brier_score_loss(truth, scores[:, 1])
        assert found["brier_score"] == pytest.approx(brier)


@given(st.integers(0, 10_000))
def test_a_regressors_figures_are_scikit_learns(seed):
    made = regressed(50, 3.0, seed)
    found = values(made)
    assert found["mean_absolute_error"] == pytest.approx(
        oracle.mean_absolute_error(made.truth, made.given)
    )
    squared = oracle.mean_squared_error(made.truth, made.given)
    assert found["root_mean_squared_error"] == pytest.approx(squared**0.5)
    assert found["r2"] == pytest.approx(oracle.r2_score(made.truth, made.given))


def held(make, rows: int) -> dict[str, float]:
    """By figure, the share of a hundred intervals that hold what many more rows say."""
    true = values(make(100_000, 99))
    found = dict.fromkeys(true, 0.0)
    for seed in range(1000, 1100):
        for one in metrics_of(make(rows, seed)):
            assert one["low"] <= one["value"] <= one["high"]
            found[one["name"]] += (one["low"] <= true[one["name"]] <= one["high"]) / 100
    return found


def test_intervals_hold_the_figures_of_many_more_rows():
    found = held(lambda rows, seed: classified(rows, 3, seed), 300)
    found |= held(lambda rows, seed: regressed(rows, 4.0, seed), 300)
    assert len(found) == 9
    assert {name: share for name, share in found.items() if share < 0.89} == {}


def test_equal_scores_share_their_ranks():
    scores = np.array([[0.5, 0.5]] * 4)
    made = Classified(("a", "b"), np.array([0, 1, 0, 1]), np.zeros(4, np.int64), scores)
    assert values(made)["auc"] == 0.5


def test_each_figure_says_its_rows_its_direction_and_how_its_interval_is_made():
    found = {m["name"]: m for m in metrics_of(classified(100))}
    assert found["accuracy"]["interval"] == "wilson"
    assert found["auc"]["interval"] == "delong"
    assert {m["n"] for m in found.values()} == {100}
    assert {n for n, m in found.items() if m["better"] == "lower"} == {"log_loss", "brier_score"}
    assert headline_of(classified(10)) == "accuracy"
    assert headline_of(regressed(10)) == "mean_absolute_error"


def test_a_figure_that_is_not_defined_is_left_out():
    one_class = Classified(("a", "b"), np.zeros(5, np.int64), np.zeros(5, np.int64), None)
    assert "auc" not in values(one_class)
    assert "r2" not in values(Regressed(np.ones(5), np.ones(5)))


def test_the_baseline_is_the_best_answer_that_is_always_the_same():
    made = Classified(("a", "b"), np.array([1, 1, 0]), np.array([0, 0, 0]), None)
    assert baseline_of(made) == {"name": "accuracy", "value": pytest.approx(2 / 3), "answer": "b"}
    found = baseline_of(Regressed(np.array([1.0, 2.0, 9.0]), np.zeros(3)))
    assert (found["answer"], found["value"]) == (2.0, pytest.approx(8 / 3))


def test_a_confusion_of_few_classes_is_a_table_and_of_many_a_list():
    made = Classified(("a", "b"), np.array([0, 0, 1]), np.array([0, 1, 1]), None)
    assert confusion_of(made) == {"classes": ["a", "b"], "table": [[1, 1], [0, 1]]}
    names = tuple(map(str, range(30)))
    truth = np.array([3, 3, 4, 5])
    many = Classified(names, truth, np.array([7, 7, 8, 5]), None)
    assert confusion_of(many) == {
        "classes": 30,
        "most": [{"true": "3", "given": "7", "n": 2}, {"true": "4", "given": "8", "n": 1}],
    }
