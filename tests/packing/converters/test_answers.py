"""What an estimator answers, as signature entries."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsRegressor
from sklearn.svm import SVC, LinearSVC
from tests.packing.converters.subjects import classes, fitted, values

from fairlead.packing.converters import answers


def asked(estimator, rows, labels, taken=()):
    model, held = fitted((estimator, rows, labels))
    return answers.ask(model, held, taken)


def brief(entries):
    return [(e["name"], e.get("role", ""), e["datatype"], e["shape"]) for e in entries]


def test_a_classifier_gives_a_label_and_scores():
    entries, arrays = asked(LogisticRegression(), *classes(3))
    assert brief(entries) == [
        ("label", "label", "INT64", [-1]),
        ("probabilities", "scores", "FP64", [-1, 3]),
    ]
    assert entries[0]["classes"] == entries[1]["classes"] == ["0", "1", "2"]
    assert arrays["probabilities"].shape == (220, 3)


@pytest.mark.parametrize(("count", "shape"), [(2, [-1]), (3, [-1, 3])])
def test_without_probabilities_the_decision_function_is_given(count, shape):
    for estimator in (LinearSVC(), SVC()):
        entries, _ = asked(estimator, *classes(count))
        assert brief(entries)[1] == ("decision_function", "", "FP64", shape)


def test_several_targets_give_several_labels():
    rows, labels = classes(3)
    targets = np.column_stack([labels > 0, labels > 1]).astype(int)
    entries, _ = asked(RandomForestClassifier(3), rows, targets)
    assert brief(entries) == [
        ("labels", "", "INT64", [-1, 2]),
        ("probabilities", "", "FP64", [-1, 2, 2]),
    ]
    uneven = np.column_stack([labels, labels > 1]).astype(int)
    entries, _ = asked(RandomForestClassifier(3), rows, uneven)
    assert [e["name"] for e in entries] == ["labels"]


@pytest.mark.parametrize("estimator", [Ridge(), KNeighborsRegressor()])
def test_a_regressor_gives_a_value_even_when_its_values_are_whole(estimator):
    rows, target = values()
    entries, _ = asked(estimator, rows, target.round().astype(int))
    assert brief(entries) == [("prediction", "value", "FP64", [-1])]
    entries, _ = asked(LinearRegression(), rows, np.column_stack([target, target]))
    assert brief(entries) == [("prediction", "value", "FP64", [-1, 2])]


def test_outliers_clusters_and_mixtures_are_labels():
    rows, _ = classes(3)
    entries, _ = asked(IsolationForest(n_estimators=5, random_state=0), rows, None)
    assert entries[0]["classes"] == ["-1", "1"]
    assert [e["name"] for e in entries] == ["label", "decision_function"]
    entries, _ = asked(KMeans(3, n_init=1), rows, None)
    assert brief(entries) == [("label", "label", "INT64", [-1])]
    entries, _ = asked(GaussianMixture(2), rows, None)
    assert entries[1]["classes"] == ["0", "1"]


def test_an_output_gives_way_to_a_column_of_its_name():
    entries, arrays = asked(LogisticRegression(), *classes(2), ["label", "predicted_label"])
    assert [e["name"] for e in entries] == ["predicted_predicted_label", "probabilities"]
    assert answers.METHODS[entries[0]["method"]] == "predict"
    assert "method" not in answers.without_method(entries[0])
    assert set(arrays) == {"predicted_predicted_label", "probabilities"}


def test_labels_of_text_are_arrays_that_a_file_may_hold():
    rows, labels = classes(2)
    _, arrays = asked(LogisticRegression(), rows, np.array(["a", "b"], dtype=object)[labels])
    assert arrays["label"].dtype.kind == "U"
