"""CatBoost models kept native, such as those that count categories themselves."""

from __future__ import annotations

import catboost as cb
import numpy as np
import pytest
from tests.packing.converters.subjects import classes, convert, fitted, flats, reviews, values

from fairlead.packing.converters import catboost as converter

QUIET = {"iterations": 8, "verbose": 0, "allow_writing_files": False}


def flat():
    frame, labels = flats()
    return frame.assign(owner=frame["owner"].astype(float)), labels


def words():
    texts, labels = reviews()
    return flat()[0][["age"]].assign(review=texts), labels


def flags():
    rows, labels = classes(3)
    return rows, np.column_stack([labels > 0, labels > 1]).astype(int)


FAMILIES = {
    "categories": (cb.CatBoostClassifier(cat_features=["city", "grade", "rooms"], **QUIET), flat),
    "texts": (cb.CatBoostClassifier(text_features=["review"], **QUIET), words),
    "numbers": (cb.CatBoostClassifier(**QUIET), lambda: classes(3)),
    "several": (cb.CatBoostClassifier(loss_function="MultiLogloss", **QUIET), flags),
    "value": (cb.CatBoostRegressor(**QUIET), values),
    "uncertain": (cb.CatBoostRegressor(loss_function="RMSEWithUncertainty", **QUIET), values),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_it_answers_as_the_estimator_in_the_kinds_of_the_signature(name, tmp_path):
    estimator, data = FAMILIES[name]
    model, held = fitted((estimator, *data()))
    made = convert(converter, model, held, tmp_path, native="for the test")
    answers = made.native()
    first = made.signature.outputs[0].name
    expected = np.asarray(model.predict(held))
    if expected.dtype.kind == "f":
        assert np.allclose(answers[first], expected)
    else:
        assert answers[first].tolist() == expected.reshape(answers[first].shape).tolist()
        assert np.allclose(answers["probabilities"], model.predict_proba(held))
    for spec in made.signature.outputs:
        assert answers[spec.name].dtype == spec.dtype.numpy
