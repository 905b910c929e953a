"""XGBoost, LightGBM and CatBoost in their own files: they answer as their libraries do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import catboost
import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.formats.parts import Case, assert_alike, exact, pack_all

pytestmark = pytest.mark.timeout(600)

TAKEN = 60
TREES = {"n_estimators": 25, "max_depth": 4, "random_state": 0}


def split(load: Any) -> tuple[pd.DataFrame, Any, pd.DataFrame]:
    """Training rows, their truth, and rows that the model has not seen; always the same.

    Without spaces in the names of columns, which LightGBM's own file would change.
    """
    data = load(as_frame=True)
    order = np.random.default_rng(0).permutation(len(data.data))
    rows = exact(data.data).rename(columns=lambda name: name.replace(" ", "_"))
    train, test = order[TAKEN:], order[:TAKEN]
    return rows.iloc[train], data.target.to_numpy()[train], rows.iloc[test]


def saved(model: Any, name: str) -> Any:
    def save(folder: Path) -> Path:
        model.save_model(str(folder / name))
        return folder / name

    return save


def in_joblib(model: Any) -> Any:
    def save(folder: Path) -> Path:
        joblib.dump(model, folder / "model.joblib")
        return folder / "model.joblib"

    return save


def classifier(model: Any, load: Any, save: Any, **more: Any) -> Case:
    """A classifier of the scikit-learn kind; its file knows classes as numbers."""
    train, truth, test = split(load)
    model.fit(train, truth)
    classes = [str(c) for c in range(int(truth.max()) + 1)]
    labels = np.ravel(model.predict(test)).tolist()
    return Case(save(model), test, train, labels, model.predict_proba(test), None, classes, **more)


def regressor(model: Any, save: Any, **more: Any) -> Case:
    train, truth, test = split(load_diabetes)
    model.fit(train, truth)
    return Case(save(model), test, train, values=model.predict(test), **more)


def with_gaps() -> Case:
    """Boosters send missing values their own way through the trees."""
    train, truth, test = split(load_breast_cancer)
    holes = np.random.default_rng(1)
    train = train.mask(holes.random(train.shape) < 0.2)
    test = test.mask(holes.random(test.shape) < 0.2)
    model = xgboost.XGBClassifier(**TREES).fit(train, truth)
    labels, scores = model.predict(test).tolist(), model.predict_proba(test)
    return Case(saved(model, "model.json"), test, train, labels, scores, None, ["0", "1"])


def lightgbm_classifier(**more: Any) -> Any:
    return lightgbm.LGBMClassifier(verbose=-1, **TREES, **more)


def lightgbm_saved(model: Any) -> Any:
    return saved(model.booster_, "model.txt")


def catboost_model(kind: Any) -> Any:
    return kind(
        iterations=25, depth=4, random_seed=0, verbose=False, allow_writing_files=False,
        thread_count=1,
    )  # fmt: skip


CASES = {
    "xgb-json": lambda: classifier(
        xgboost.XGBClassifier(**TREES), load_breast_cancer, lambda m: saved(m, "model.json")
    ),
    "xgb-ubj": lambda: classifier(
        xgboost.XGBClassifier(**TREES), load_iris, lambda m: saved(m, "model.ubj"), kind="parquet"
    ),
    "xgb-gaps": with_gaps,
    "xgb-regression": lambda: regressor(
        xgboost.XGBRegressor(**TREES), lambda m: saved(m, "model.ubj")
    ),
    "xgb-pipeline": lambda: classifier(
        make_pipeline(StandardScaler(), xgboost.XGBClassifier(**TREES)),
        load_breast_cancer,
        in_joblib,
    ),
    "lgb-joblib": lambda: classifier(lightgbm_classifier(), load_iris, in_joblib),
    "lgb-binary": lambda: classifier(lightgbm_classifier(), load_breast_cancer, lightgbm_saved),
    "lgb-many": lambda: classifier(lightgbm_classifier(), load_iris, lightgbm_saved, kind="npz"),
    "lgb-regression": lambda: regressor(
        lightgbm.LGBMRegressor(verbose=-1, **TREES), lightgbm_saved
    ),
    "cat-binary": lambda: classifier(
        catboost_model(catboost.CatBoostClassifier),
        load_breast_cancer,
        lambda m: saved(m, "model.cbm"),
    ),
    "cat-many": lambda: classifier(
        catboost_model(catboost.CatBoostClassifier), load_iris, lambda m: saved(m, "model.cbm")
    ),
    "cat-regression": lambda: regressor(
        catboost_model(catboost.CatBoostRegressor), lambda m: saved(m, "model.cbm")
    ),
}


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    return {name: make() for name, make in CASES.items()}


@pytest.fixture(scope="module")
def client(cases, serving, tmp_path_factory):
    return serving(pack_all(cases, tmp_path_factory.mktemp("boosters")))


@pytest.mark.parametrize("name", CASES)
def test_it_answers_as_its_library_does(client, cases, name):
    assert_alike(client, name, cases[name])


@pytest.mark.parametrize("name", CASES)
def test_it_is_served_as_a_graph(client, name):
    about = client.get(f"/models/{name}").json()
    assert about["runtime"] == "onnx", about.get("native_because")


@pytest.mark.parametrize("name", CASES)
def test_its_own_example_works(client, name):
    about = client.get(f"/models/{name}").json()
    assert client.post(about["predict"], json=about["example"]).status_code == 200
