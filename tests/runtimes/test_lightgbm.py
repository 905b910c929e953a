"""LightGBM boosters kept native."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest
from tests.packing.converters.boosters import categories
from tests.packing.converters.subjects import classes, convert, fitted, gaps, values

from fairlead.packing.converters import lightgbm as converter

QUIET = {"n_estimators": 8, "verbose": -1}


def text():
    rows, labels = classes(2)
    return gaps(rows), np.array(["no", "yes"])[labels]


def floats():
    rows, labels = classes(2)
    return rows, labels.astype(float)


FAMILIES = {
    "text": (lgb.LGBMClassifier(**QUIET), text),
    "three": (lgb.LGBMClassifier(**QUIET), lambda: classes(3)),
    "floats": (lgb.LGBMClassifier(**QUIET), floats),
    "categories": (lgb.LGBMClassifier(min_child_samples=5, **QUIET), categories),
    "value": (lgb.LGBMRegressor(**QUIET), values),
    "linear-leaves": (lgb.LGBMRegressor(linear_tree=True, **QUIET), values),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_it_answers_as_the_estimator_in_the_kinds_of_the_signature(name, tmp_path):
    estimator, data = FAMILIES[name]
    model, held = fitted((estimator, *data()))
    made = convert(converter, model, held, tmp_path, native="for the test")
    answers = made.native()
    first = made.signature.outputs[0]
    if first.role == "label":
        assert answers[first.name].tolist() == model.predict(held).tolist()
        assert np.allclose(answers["probabilities"], model.predict_proba(held))
    else:
        assert np.allclose(answers[first.name], model.predict(held))
    for spec in made.signature.outputs:
        assert answers[spec.name].dtype == spec.dtype.numpy
