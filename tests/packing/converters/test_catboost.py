"""CatBoost: estimators and saved models, as graphs read off its own JSON or kept native."""

from __future__ import annotations

import sys

import catboost as cb
import numpy as np
import pytest
from tests.packing.converters.boosters import same_as
from tests.packing.converters.subjects import agree, classes, convert, fitted, flats, gaps, values

from fairlead.packing.converters import catboost as converter

QUIET = {"iterations": 15, "verbose": 0, "allow_writing_files": False}


def labelled(*labels):
    def data():
        rows, found = classes(len(labels), seed=1)
        return gaps(rows), np.array(labels)[found]

    return data


def positive():
    rows, target = values()
    return rows, np.abs(target)


def both():
    rows, target = values()
    return rows, np.column_stack([target, 2 * target])


def flags():
    rows, labels = classes(3)
    return rows, np.column_stack([labels > 0, labels > 1]).astype(int)


def classifier(**more):
    return cb.CatBoostClassifier(**QUIET, **more)


def regressor(**more):
    return cb.CatBoostRegressor(**QUIET, **more)


FAMILIES = {
    "text": (classifier(), labelled("no", "yes")),
    "whole": (classifier(), labelled(7, 3, 5)),
    "truth": (classifier(), labelled(False, True)),
    "fractions": (classifier(), labelled(0.5, 1.5)),
    "one-versus-rest": (classifier(loss_function="MultiClassOneVsAll"), labelled(0, 1, 2)),
    "missing-is-large": (classifier(nan_mode="Max"), labelled(0, 1, 2)),
    "by-leaf": (classifier(grow_policy="Lossguide"), labelled(0, 1, 2)),
    "by-depth": (classifier(grow_policy="Depthwise", depth=3), labelled(0, 1)),
    "several": (classifier(loss_function="MultiLogloss"), flags),
    "square": (regressor(), values),
    "absolute": (regressor(loss_function="MAE"), values),
    "deep": (regressor(depth=9), values),
    "poisson": (regressor(loss_function="Poisson"), positive),
    "tweedie": (regressor(loss_function="Tweedie:variance_power=1.5"), positive),
    "several-values": (regressor(loss_function="MultiRMSE"), both),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_graph_answers_held_out_rows_as_the_estimator(name, tmp_path):
    estimator, data = FAMILIES[name]
    model, held = fitted((estimator, *data()))
    made = convert(converter, model, held, tmp_path)
    agree(made)
    same_as(made, model, held)


@pytest.mark.parametrize("name", ["text", "several", "square", "poisson"])
def test_a_saved_model_answers_as_the_estimator(name, tmp_path):
    estimator, data = FAMILIES[name]
    model, held = fitted((estimator, *data()))
    model.save_model(str(tmp_path / "m.cbm"))
    made = convert(converter, converter.read(tmp_path / "m.cbm", {}), held, tmp_path / "out")
    agree(made)
    same_as(made, model, held)


def test_a_model_that_counts_categories_itself_is_kept_native(tmp_path):
    frame, labels = flats()
    frame = frame.assign(owner=frame["owner"].astype(float))
    model, held = fitted((classifier(cat_features=["city", "grade", "rooms"]), frame, labels))
    made = convert(converter, model, held, tmp_path)
    assert (made.facts["runtime"], made.facts["graph"]) == ("catboost", "model.cbm")
    assert "it has categorical features" in made.facts["reason"]
    kinds = {spec.name: spec.dtype.name for spec in made.signature.inputs}
    assert kinds == {
        "age": "FP64",
        "rooms": "INT64",
        "owner": "FP64",
        "city": "BYTES",
        "grade": "BYTES",
    }
    answers = made.native()
    assert answers["label"].tolist() == model.predict(held).tolist()
    assert np.allclose(answers["probabilities"], model.predict_proba(held))


def test_a_loss_that_is_not_known_is_kept_native_and_predicts_as_the_estimator(tmp_path):
    model, held = fitted((regressor(loss_function="RMSEWithUncertainty"), *values()))
    made = convert(converter, model, held, tmp_path)
    assert "its loss RMSEWithUncertainty is not known" in made.facts["reason"]
    assert np.allclose(made.native()["prediction"], model.predict(held))


def test_the_names_of_a_frame_are_the_columns(tmp_path):
    frame, labels = flats()
    model, held = fitted((classifier(), frame[["age", "rooms"]], labels))
    (one,) = convert(converter, model, held, tmp_path).signature.inputs
    assert (one.columns, one.missing) == (("age", "rooms"), True)


def test_without_rows_the_model_is_asked_around_its_borders(tmp_path):
    model, _ = fitted((classifier(), *labelled("no", "yes")()))
    made = convert(converter, model, None, tmp_path)
    assert made.facts["sampled"]
    agree(made)


def test_the_same_model_makes_the_same_bytes(tmp_path):
    model, held = fitted((classifier(), *labelled(0, 1, 2)()))
    first, second = (convert(converter, model, held, tmp_path / n) for n in "12")
    assert first.raw == second.raw


def test_without_the_library_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "catboost", None)
    with pytest.raises(ImportError, match="pip install catboost"):
        converter.read(tmp_path / "m.cbm", {})
