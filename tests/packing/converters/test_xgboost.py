"""XGBoost: estimators and saved boosters, as graphs read off its own JSON or kept native."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from tests.packing.converters.boosters import categories, same_as
from tests.packing.converters.subjects import agree, classes, convert, fitted, gaps, large, values

from fairlead.packing.converters import xgboost as converter

SMALL = {"n_estimators": 12, "max_depth": 4}


def two():
    return classes(2, seed=1)


def three():
    rows, labels = classes(3)
    return gaps(rows), labels


def positive():
    rows, target = values()
    return rows, np.abs(target).round()


def both():
    rows, target = values()
    return rows, np.column_stack([target, 2 * target])


def flags():
    rows, labels = classes(3)
    return rows, np.column_stack([labels > 0, labels > 1]).astype(int)


def zeros():
    rows, labels = three()
    return np.where(rows > 1, 0.0, rows), labels


def regressor(**more):
    return xgb.XGBRegressor(**SMALL, **more)


FAMILIES = {
    "two": (xgb.XGBClassifier(**SMALL), two),
    "three-missing": (xgb.XGBClassifier(**SMALL), three),
    "several": (xgb.XGBClassifier(**SMALL), flags),
    "dart": (xgb.XGBClassifier(booster="dart", rate_drop=0.4, **SMALL), three),
    "linear": (xgb.XGBClassifier(booster="gblinear", n_estimators=12), lambda: classes(3)),
    "forest": (xgb.XGBRFClassifier(n_estimators=8), three),
    "zero-is-missing": (xgb.XGBClassifier(missing=0.0, **SMALL), zeros),
    "square": (regressor(), values),
    "absolute": (regressor(objective="reg:absoluteerror"), values),
    "logistic": (regressor(objective="reg:logistic"), two),
    "poisson": (regressor(objective="count:poisson"), positive),
    "gamma": (regressor(objective="reg:gamma"), lambda: (values()[0], positive()[1] + 1)),
    "tweedie": (regressor(objective="reg:tweedie"), positive),
    "quantiles": (
        regressor(objective="reg:quantileerror", quantile_alpha=[0.1, 0.9]),
        values,
    ),
    "several-values": (regressor(), both),
    "forest-value": (xgb.XGBRFRegressor(n_estimators=8), values),
    "far-from-zero": (regressor(), lambda: large(1.7e9)),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_graph_answers_held_out_rows_as_the_estimator(name, tmp_path):
    estimator, data = FAMILIES[name]
    model, held = fitted((estimator, *data()))
    made = convert(converter, model, held, tmp_path)
    agree(made)
    same_as(made, model, held)


def test_a_ranker_gives_its_scores(tmp_path):
    rows, target = values()
    model, held = fitted((xgb.XGBRanker(**SMALL), rows, (target > 0).astype(int)), group=[100] * 5)
    made = convert(converter, model, held, tmp_path)
    agree(made)
    same_as(made, model, held)


@pytest.mark.parametrize("one_hot", [1, 10], ids=["sets", "one-hot"])
def test_categories_are_sent_by_name(one_hot, tmp_path):
    estimator = xgb.XGBClassifier(enable_categorical=True, max_cat_to_onehot=one_hot, **SMALL)
    model, held = fitted((estimator, *categories()))
    made = convert(converter, model, held, tmp_path)
    agree(made)
    same_as(made, model, held)
    kinds = {spec.name: spec.dtype.name for spec in made.signature.inputs}
    assert kinds == {
        "age": "FP32",
        "rooms": "FP32",
        "owner": "BOOL",
        "city": "BYTES",
        "grade": "BYTES",
    }


def test_an_unknown_category_is_a_missing_one(tmp_path):
    estimator = xgb.XGBClassifier(enable_categorical=True, **SMALL)
    model, held = fitted((estimator, *categories()))
    made = convert(converter, model, held, tmp_path)
    plain = held.astype({"city": object, "grade": object})
    odd, absent = plain.assign(city="Atlantis"), plain.assign(city=None)
    answers = made.answers(odd)["probabilities"]
    assert np.array_equal(answers, made.answers(absent)["probabilities"])


def test_categories_that_were_counted_before_are_taken_as_counts(tmp_path):
    rows, labels = classes(2, seed=1)
    rows = np.column_stack([rows[:, 0], np.random.default_rng(2).integers(0, 9, len(rows))])
    told = {"feature_names": ["a", "kind"], "feature_types": ["q", "c"], "enable_categorical": True}
    data = xgb.DMatrix(rows[:500], labels[:500], **told)
    booster = xgb.train({"objective": "binary:logistic", "max_cat_to_onehot": 1}, data, 8)
    made = convert(converter, booster, rows[500:], tmp_path / "counts")
    agree(made)
    odd = rows[500:] + np.array([0, 0.4])
    given = booster.predict(xgb.DMatrix(odd, **told))
    assert np.allclose(made.answers(odd)["probabilities"][:, 1], given, atol=1e-5)
    names = pd.DataFrame({"a": rows[500:, 0], "kind": "oak"})
    with pytest.raises(ValueError, match="not kept the names of the categories of 'kind'"):
        convert(converter, booster, names, tmp_path / "names")


def test_categories_beyond_ascii_are_read_off_the_reference_rows(tmp_path):
    """XGBoost keeps them cut by characters out of bytes."""
    cities = ("Bergen", "Oslo", "Zürich")
    estimator = xgb.XGBClassifier(enable_categorical=True, **SMALL)
    model, held = fitted((estimator, *categories(cities)))
    made = convert(converter, model, held, tmp_path / "all")
    agree(made)
    same_as(made, model, held)
    with pytest.raises(ValueError, match="'city' in part only"):
        convert(converter, model, held[held["city"] != "Zürich"], tmp_path / "some")


def test_rounds_after_the_best_one_do_not_predict(tmp_path):
    rows, labels = classes(3)
    estimator = xgb.XGBClassifier(n_estimators=60, learning_rate=1.0, early_stopping_rounds=2)
    model, held = fitted(
        (estimator, rows, labels), eval_set=[(rows[500:], labels[500:])], verbose=False
    )
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    made = convert(converter, model, held, tmp_path / "object")
    agree(made)
    same_as(made, model, held)
    model.save_model(tmp_path / "m.json")
    again = convert(converter, converter.read(tmp_path / "m.json", {}), held, tmp_path / "file")
    assert again.raw == made.raw


@pytest.mark.parametrize("ending", ["json", "ubj"])
def test_a_saved_estimator_is_read_as_that_estimator(ending, tmp_path):
    model, held = fitted((xgb.XGBClassifier(**SMALL), *three()))
    path = tmp_path / f"m.{ending}"
    model.save_model(path)
    found = converter.read(path, {})
    assert isinstance(found, xgb.XGBClassifier)
    made = convert(converter, found, held, tmp_path / "out")
    agree(made)
    same_as(made, model, held)
    assert made.facts["class"] == "xgboost.XGBClassifier"


@pytest.mark.parametrize(
    ("objective", "data", "classes_"),
    [
        ("binary:logistic", two, ("0", "1")),
        ("multi:softprob", three, ("0", "1", "2")),
        ("multi:softmax", three, ("0", "1", "2")),
    ],
)
def test_a_bare_booster_that_tells_classes_apart_gives_label_and_scores(
    objective, data, classes_, tmp_path
):
    rows, labels = data()
    told = {"objective": objective} | ({"num_class": 3} if "multi" in objective else {})
    booster = xgb.train(told, xgb.DMatrix(rows[:500], labels[:500]), 8)
    booster.save_model(tmp_path / "m.json")
    found = converter.read(tmp_path / "m.json", {})
    assert isinstance(found, xgb.Booster)
    made = convert(converter, found, rows[500:], tmp_path / "out")
    agree(made)
    label, scores = made.signature.outputs
    assert label.classes == scores.classes == classes_
    given = booster.predict(xgb.DMatrix(rows[500:]))
    if objective == "multi:softmax":
        assert (made.answers()["label"] == given).all()
    else:
        column = given if given.ndim == 1 else given[:, 1]
        assert np.allclose(made.answers()["probabilities"][:, 1], column, atol=1e-5)


def test_a_bare_booster_of_a_value_gives_it(tmp_path):
    rows, target = values()
    booster = xgb.train({}, xgb.DMatrix(rows[:500], target[:500]), 8)
    made = convert(converter, booster, rows[500:], tmp_path)
    agree(made)
    given = booster.predict(xgb.DMatrix(rows[500:]))
    assert np.array_equal(made.original["prediction"], given)


@pytest.mark.parametrize(
    ("estimator", "data", "reason"),
    [
        (regressor(multi_strategy="multi_output_tree"), both, "a value for each target"),
        (regressor(objective="binary:hinge"), two, "objective binary:hinge is not known"),
    ],
)
def test_what_is_not_exact_is_kept_native_with_the_reason(estimator, data, reason, tmp_path):
    model, held = fitted((estimator, *data()))
    made = convert(converter, model, held, tmp_path)
    assert (made.facts["runtime"], made.facts["graph"]) == ("xgboost", "model.ubj")
    assert reason in made.facts["reason"]
    given = made.native()["prediction"]
    assert np.allclose(given, model.predict(held).reshape(given.shape), atol=1e-6)


def test_without_rows_the_booster_is_asked_around_its_thresholds(tmp_path):
    for name, data in (("numbers", three), ("categories", categories)):
        model, _ = fitted((xgb.XGBClassifier(enable_categorical=True, **SMALL), *data()))
        made = convert(converter, model, None, tmp_path / name)
        assert made.facts["sampled"]
        agree(made)


def test_the_same_booster_makes_the_same_bytes(tmp_path):
    model, held = fitted((xgb.XGBClassifier(**SMALL), *three()))
    first = convert(converter, model, held, tmp_path / "1")
    second = convert(converter, model, held, tmp_path / "2", double=True)
    assert first.raw == second.raw
    assert first.facts["signature"] == second.facts["signature"]


def test_the_names_of_a_frame_are_the_columns(tmp_path):
    frame, labels = categories()
    frame = frame[["age", "owner"]].astype({"owner": float})
    model, held = fitted((xgb.XGBClassifier(**SMALL), frame, labels))
    (one,) = convert(converter, model, held, tmp_path).signature.inputs
    assert (one.columns, one.missing) == (("age", "owner"), True)


def test_an_array_gets_the_owners_names_or_plain_ones(tmp_path):
    model, held = fitted((xgb.XGBClassifier(**SMALL), *three()))
    (plain,) = convert(converter, model, held, tmp_path / "1").signature.inputs
    assert plain.columns[:2] == ("x0", "x1")
    names = [f"n{i}" for i in range(8)]
    made = convert(converter, model, held, tmp_path / "2", input_names=names)
    assert made.signature.inputs[0].columns == tuple(names)


def test_without_the_library_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(ImportError, match="pip install xgboost"):
        converter.read(tmp_path / "m.json", {})
