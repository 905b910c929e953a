"""LightGBM: estimators and saved boosters, as graphs read off its text format or kept native."""

from __future__ import annotations

import sys

import lightgbm as lgb
import numpy as np
import pytest
from tests.packing.converters.boosters import categories, same_as
from tests.packing.converters.subjects import agree, classes, convert, fitted, gaps, large, values

from fairlead.packing.converters import lightgbm as converter

QUIET = {"n_estimators": 12, "verbose": -1}
BAGGED = {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1}


def two():
    rows, labels = classes(2, seed=1)
    return rows, np.array(["no", "yes"])[labels]


def three():
    rows, labels = classes(3)
    return gaps(rows), labels


def positive():
    rows, target = values()
    return rows, np.abs(target)


def share():
    rows, labels = classes(2, seed=1)
    return rows, labels.astype(float)


def holes():
    """Many zeros, which mean "missing"."""
    rows, target = values()
    return np.where(np.abs(rows) < 0.4, 0.0, rows.round(1)), target


def whole():
    rows, labels = classes(2, seed=1)
    kinds = np.random.default_rng(2).integers(0, 40, len(rows))
    return np.column_stack([rows, kinds]), labels


def classifier(**more):
    return lgb.LGBMClassifier(**QUIET, **more)


def regressor(**more):
    return lgb.LGBMRegressor(**QUIET, **more)


FAMILIES = {
    "two": (classifier(), two),
    "three-missing": (classifier(), three),
    "one-versus-rest": (classifier(objective="multiclassova"), three),
    "sharp-sigmoid": (classifier(sigmoid=2.0, is_unbalance=True), two),
    "dart": (classifier(boosting_type="dart"), three),
    "forest": (classifier(**BAGGED), three),
    "square": (regressor(), values),
    "absolute": (regressor(objective="l1"), values),
    "quantile": (regressor(objective="quantile", alpha=0.8), values),
    "poisson": (regressor(objective="poisson"), positive),
    "tweedie": (regressor(objective="tweedie"), positive),
    "share": (regressor(objective="cross_entropy"), share),
    "share-lambda": (regressor(objective="cross_entropy_lambda"), share),
    "forest-value": (regressor(**BAGGED), values),
    "zero-is-missing": (regressor(zero_as_missing=True), holes),
    "no-missing": (regressor(use_missing=False), values),
    "single-leaf": (regressor(min_child_samples=2000), values),
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
    model, held = fitted((lgb.LGBMRanker(**QUIET), rows, (target > 0).astype(int)), group=[100] * 5)
    made = convert(converter, model, held, tmp_path)
    agree(made)
    same_as(made, model, held)


def test_missing_values_are_zero_to_a_booster_that_knows_none(tmp_path):
    model, held = fitted((regressor(use_missing=False), *values()))
    agree(convert(converter, model, gaps(held), tmp_path))


def test_zeros_and_missing_values_are_one_where_the_booster_says_so(tmp_path):
    model, held = fitted((regressor(zero_as_missing=True), *holes()))
    made = convert(converter, model, held, tmp_path)
    empty = np.where(held == 0, np.nan, held)
    assert np.array_equal(made.answers(held)["prediction"], made.answers(empty)["prediction"])


def test_numbers_far_from_zero_need_a_float64_graph(tmp_path):
    model, held = fitted((regressor(), large(1.7e9)[0], values()[1]))
    assert not convert(converter, model, held, tmp_path / "32").comparison().faithful
    made = convert(converter, model, held, tmp_path / "64", double=True)
    assert {spec.dtype.name for spec in made.signature.inputs} == {"FP64"}
    agree(made)


def test_categories_are_sent_by_name(tmp_path):
    model, held = fitted((classifier(min_child_samples=5, cat_smooth=1), *categories()))
    made = convert(converter, model, held, tmp_path, double=True)
    agree(made)
    same_as(made, model, held)
    kinds = {spec.name: spec.dtype.name for spec in made.signature.inputs}
    assert kinds == {
        "age": "FP64",
        "rooms": "FP64",
        "owner": "BOOL",
        "city": "BYTES",
        "grade": "BYTES",
    }


def test_an_unknown_category_is_a_missing_one(tmp_path):
    model, held = fitted((classifier(min_child_samples=5, cat_smooth=1), *categories()))
    made = convert(converter, model, held, tmp_path)
    plain = held.astype({"city": object, "grade": object})
    odd, absent = plain.assign(city="Atlantis"), plain.assign(city=None)
    answers = made.answers(odd)["probabilities"]
    assert np.array_equal(answers, made.answers(absent)["probabilities"])


def test_counted_categories_are_taken_as_whole_numbers(tmp_path):
    model, held = fitted(
        (classifier(min_child_samples=5, cat_smooth=1), *whole()), categorical_feature=[8]
    )
    made = convert(converter, model, held, tmp_path)
    agree(made)
    held = held.copy()
    held[:, 8] += 0.6
    given = made.answers(held)["probabilities"]
    assert np.allclose(given, model.predict_proba(held), atol=1e-5)


def test_rounds_after_the_best_one_do_not_predict(tmp_path):
    rows, labels = classes(3)
    estimator = lgb.LGBMClassifier(n_estimators=60, learning_rate=1.0, verbose=-1)
    model, held = fitted(
        (estimator, rows, labels),
        eval_set=[(rows[500:], labels[500:])],
        callbacks=[lgb.early_stopping(2, verbose=False)],
    )
    assert model.best_iteration_ < 60
    made = convert(converter, model, held, tmp_path)
    agree(made)
    same_as(made, model, held)


@pytest.mark.parametrize(
    ("estimator", "data", "outputs"),
    [
        (classifier(), two, ["label", "probabilities"]),
        (classifier(), three, ["label", "probabilities"]),
        (regressor(), values, ["prediction"]),
    ],
)
def test_a_saved_booster_answers_as_the_estimator(estimator, data, outputs, tmp_path):
    model, held = fitted((estimator, *data()))
    model.booster_.save_model(tmp_path / "m.txt")
    made = convert(converter, converter.read(tmp_path / "m.txt", {}), held, tmp_path / "out")
    agree(made)
    assert [spec.name for spec in made.signature.outputs] == outputs
    if outputs == ["prediction"]:
        assert np.allclose(made.original["prediction"], model.predict(held))
    else:
        assert np.allclose(made.original["probabilities"], model.predict_proba(held))


def test_a_saved_booster_keeps_the_names_of_its_categories(tmp_path):
    model, held = fitted((classifier(min_child_samples=5, cat_smooth=1), *categories()))
    model.booster_.save_model(tmp_path / "m.txt")
    found = converter.read(tmp_path / "m.txt", {})
    made = convert(converter, found, held, tmp_path / "out", double=True)
    agree(made)
    assert np.allclose(made.original["probabilities"], model.predict_proba(held))


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (regressor(linear_tree=True), "its leaves hold linear models"),
        (regressor(reg_sqrt=True), "its objective regression sqrt is not known"),
    ],
)
def test_what_is_not_exact_is_kept_native_with_the_reason(estimator, reason, tmp_path):
    model, held = fitted((estimator, *values()))
    made = convert(converter, model, held, tmp_path)
    assert (made.facts["runtime"], made.facts["graph"]) == ("lightgbm", "model.txt")
    assert reason in made.facts["reason"]
    assert np.allclose(made.native()["prediction"], model.predict(held))


def test_without_rows_the_booster_is_asked_around_its_thresholds(tmp_path):
    for name, data in (("numbers", three), ("categories", categories)):
        model, _ = fitted((classifier(min_child_samples=5), *data()))
        made = convert(converter, model, None, tmp_path / name)
        assert made.facts["sampled"]
        agree(made)


def test_the_same_booster_makes_the_same_bytes(tmp_path):
    model, held = fitted((classifier(), *three()))
    first, second = (convert(converter, model, held, tmp_path / n) for n in "12")
    assert first.raw == second.raw
    assert first.facts["signature"] == second.facts["signature"]


def test_without_the_library_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(ImportError, match="pip install lightgbm"):
        converter.read(tmp_path / "m.txt", {})
