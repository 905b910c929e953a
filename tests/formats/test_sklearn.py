"""scikit-learn in each of its files: served as ONNX or native, it answers as scikit-learn does."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler
from sklearn.svm import SVC
from tests.formats.parts import Case, assert_alike, exact, pack_all

pytestmark = pytest.mark.timeout(600)

TAKEN = 60


def split(rows: pd.DataFrame, target: Any) -> tuple[pd.DataFrame, Any, pd.DataFrame]:
    """Training rows, their labels, and rows that the model has not seen; always the same."""
    order = np.random.default_rng(0).permutation(len(rows))
    rows = exact(rows)
    train, test = order[TAKEN:], order[:TAKEN]
    return rows.iloc[train], np.asarray(target)[train], rows.iloc[test]


def classifier(model: Any, save: Any, rows: pd.DataFrame, target: Any, **more: Any) -> Case:
    """A fitted classifier and its own answers; trained on an array when `bare`."""
    train, labels, test = split(rows, target)
    bare = more.pop("bare", False)
    model.fit(train.to_numpy() if bare else train, labels)
    asked = test.to_numpy() if bare else test
    scores = model.predict_proba(asked) if hasattr(model, "predict_proba") else None
    return Case(
        lambda folder: save(model, folder),
        test,
        train,
        labels=model.predict(asked).tolist(),
        scores=scores,
        classes=[str(c) for c in model.classes_],
        **more,
    )


def regressor(model: Any, save: Any, rows: pd.DataFrame, target: Any, **more: Any) -> Case:
    train, values, test = split(rows, target)
    model.fit(train, values)
    return Case(lambda folder: save(model, folder), test, train, values=model.predict(test), **more)


def in_joblib(model: Any, folder: Path) -> Path:
    joblib.dump(model, folder / "model.joblib", compress=3)
    return folder / "model.joblib"


def in_pickle(model: Any, folder: Path) -> Path:
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    return folder / "model.pkl"


def in_skops(model: Any, folder: Path) -> Path:
    skops.io.dump(model, folder / "model.skops")
    return folder / "model.skops"


def cancer() -> tuple[pd.DataFrame, Any]:
    data = load_breast_cancer(as_frame=True)
    return data.data, data.target.map(dict(enumerate(data.target_names)))


def flowers() -> tuple[pd.DataFrame, Any]:
    data = load_iris(as_frame=True)
    return data.data, data.target


def progression() -> tuple[pd.DataFrame, Any]:
    data = load_diabetes(as_frame=True, scaled=False)
    return data.data, data.target


def people() -> tuple[pd.DataFrame, Any]:
    """Diabetes patients with two columns of text; is the progression above the median?"""
    rows, target = progression()
    rows = rows.assign(
        sex=rows["sex"].map({1.0: "female", 2.0: "male"}),
        weight=pd.cut(rows["bmi"], [0, 23, 28, 99], labels=["low", "mid", "hig'h ü"]).astype(str),
    )
    return rows, np.where(target > target.median(), "fast", "slow")


def gaps() -> tuple[pd.DataFrame, Any]:
    """The same with every seventh number missing."""
    rows, target = people()
    holes = np.random.default_rng(1).random(rows.shape) < 1 / 7
    numbers = [rows[c].dtype == float for c in rows.columns]
    return rows.mask(holes & np.array(numbers)), target


def sentences() -> tuple[pd.DataFrame, Any]:
    """Lines of three descriptions that scikit-learn ships; which data set do they describe?"""
    lines, names = [], []
    for name, load in (("wine", load_wine), ("cancer", load_breast_cancer), ("flowers", load_iris)):
        for line in load().DESCR.splitlines():
            if len(line.split()) > 2:
                lines.append(line.strip())
                names.append(name)
    return pd.DataFrame({"text": lines}), np.array(names)


def texts() -> Case:
    rows, target = sentences()
    train, labels, test = split(rows, target)
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000))
    model.fit(train["text"].tolist(), labels)
    asked = test["text"].tolist()
    return Case(
        lambda folder: in_joblib(model, folder),
        test,
        train,
        labels=model.predict(asked).tolist(),
        scores=model.predict_proba(asked),
        classes=list(model.classes_),
        kind="jsonl",
    )


def mixed(last: Any) -> Any:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    text = OneHotEncoder(handle_unknown="ignore")
    return make_pipeline(
        make_column_transformer(
            (numbers, make_column_selector(dtype_include=float)), (text, ["sex", "weight"])
        ),
        last,
    )


CASES = {
    "logistic": lambda: classifier(
        make_pipeline(StandardScaler(), LogisticRegression()), in_joblib, *cancer()
    ),
    "forest": lambda: classifier(
        RandomForestClassifier(40, random_state=0), in_pickle, *flowers(), bare=True, kind="npz"
    ),
    "machine": lambda: classifier(
        make_pipeline(StandardScaler(), SVC()), in_skops, *cancer(), kind="parquet"
    ),
    "network": lambda: classifier(
        make_pipeline(
            StandardScaler(), MLPClassifier((8,), solver="lbfgs", max_iter=2000, random_state=0)
        ),
        in_pickle,
        *flowers(),
    ),
    "neighbours": lambda: classifier(KNeighborsClassifier(), in_joblib, *flowers(), bare=True),
    "mixed": lambda: classifier(
        mixed(LogisticRegression(max_iter=1000)), in_joblib, *people(), kind="parquet"
    ),
    "gaps": lambda: classifier(
        mixed(RandomForestClassifier(30, random_state=0)), in_skops, *gaps(), kind="jsonl"
    ),
    "text": texts,
    "boosting": lambda: classifier(
        HistGradientBoostingClassifier(max_iter=30, random_state=0),
        in_joblib,
        *(gaps()[0].drop(columns=["sex", "weight"]), gaps()[1]),
    ),
    "regression": lambda: regressor(
        make_pipeline(StandardScaler(), Ridge()), in_joblib, *progression()
    ),
    "boosted": lambda: regressor(
        GradientBoostingRegressor(n_estimators=50, random_state=0), in_pickle, *progression()
    ),
    "histogram": lambda: regressor(
        HistGradientBoostingRegressor(max_iter=30, random_state=0), in_skops, *progression()
    ),
    "spline": lambda: regressor(
        make_pipeline(SplineTransformer(n_knots=4), Ridge()), in_joblib, *progression()
    ),
    "kernel": lambda: classifier(
        mixed(make_pipeline(Nystroem(n_components=20, random_state=0), LogisticRegression())),
        in_pickle,
        *gaps(),
    ),
}
NATIVE = {"spline", "kernel"}
"""Steps for which no conversion exists."""


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    return {name: make() for name, make in CASES.items()}


@pytest.fixture(scope="module")
def client(cases, serving, tmp_path_factory):
    return serving(pack_all(cases, tmp_path_factory.mktemp("sklearn")))


@pytest.mark.parametrize("name", CASES)
def test_it_answers_as_scikit_learn_does(client, cases, name):
    assert_alike(client, name, cases[name])


@pytest.mark.parametrize("name", CASES)
def test_only_what_cannot_be_converted_is_kept_native(client, name):
    about = client.get(f"/models/{name}").json()
    assert about["isolated"] == (name in NATIVE)
    assert ("native_because" in about) == (name in NATIVE)


@pytest.mark.parametrize("name", CASES)
def test_its_own_example_works(client, name):
    about = client.get(f"/models/{name}").json()
    answer = client.post(about["predict"], json=about["example"])
    assert answer.status_code == 200
    assert len(answer.json()["predictions"]) == 1
