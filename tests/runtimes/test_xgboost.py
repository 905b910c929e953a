"""XGBoost boosters kept native."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost as xgb
from tests.packing.converters.boosters import categories
from tests.packing.converters.subjects import classes, convert, fitted, gaps, values

from fairlead.packing.converters import xgboost as converter

SMALL = {"n_estimators": 8, "max_depth": 3}


def three():
    rows, labels = classes(3)
    return gaps(rows), labels


def flags():
    rows, labels = classes(3)
    return rows, np.column_stack([labels > 0, labels > 1]).astype(int)


def zeros():
    rows, labels = three()
    return np.where(rows > 1, 0.0, rows), labels


FAMILIES = {
    "two": (xgb.XGBClassifier(**SMALL), lambda: classes(2)),
    "three-missing": (xgb.XGBClassifier(**SMALL), three),
    "zero-is-missing": (xgb.XGBClassifier(missing=0.0, **SMALL), zeros),
    "categories": (xgb.XGBClassifier(enable_categorical=True, **SMALL), categories),
    "several": (xgb.XGBClassifier(**SMALL), flags),
    "value": (xgb.XGBRegressor(**SMALL), values),
    "hinge": (xgb.XGBRegressor(objective="binary:hinge", **SMALL), lambda: classes(2)),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_it_answers_as_the_estimator_in_the_kinds_of_the_signature(name, tmp_path):
    estimator, data = FAMILIES[name]
    model, held = fitted((estimator, *data()))
    made = convert(converter, model, held, tmp_path, native="for the test")
    answers = made.native()
    first = made.signature.outputs[0].name
    assert np.allclose(answers[first], np.asarray(model.predict(held)), atol=1e-6)
    if hasattr(model, "predict_proba"):
        assert np.allclose(answers["probabilities"], model.predict_proba(held), atol=1e-6)
    for spec in made.signature.outputs:
        assert answers[spec.name].dtype == spec.dtype.numpy


def test_rounds_after_the_best_one_do_not_predict(tmp_path):
    rows, labels = classes(3)
    estimator = xgb.XGBClassifier(n_estimators=40, learning_rate=1.0, early_stopping_rounds=2)
    told = {"eval_set": [(rows[500:], labels[500:])], "verbose": False}
    model, held = fitted((estimator, rows, labels), **told)
    made = convert(converter, model, held, tmp_path, native="for the test")
    assert made.facts["about"]["rounds"] == model.best_iteration + 1
    assert np.allclose(made.native()["probabilities"], model.predict_proba(held), atol=1e-6)


def test_an_objective_that_gives_a_bare_label_has_scores(tmp_path):
    rows, labels = three()
    told = {"objective": "multi:softmax", "num_class": 3}
    booster = xgb.train(told, xgb.DMatrix(rows[:500], labels[:500]), 8)
    made = convert(converter, booster, rows[500:], tmp_path, native="for the test")
    answers = made.native()
    assert (answers["label"] == booster.predict(xgb.DMatrix(rows[500:]))).all()
    assert np.allclose(answers["probabilities"].sum(axis=1), 1)
