"""Boosters inside scikit-learn pipelines and ensembles."""

from __future__ import annotations

import numpy as np
import pytest
from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, OrdinalEncoder
from tests.packing.converters.subjects import (
    agree,
    classes,
    convert,
    fitted,
    flats,
    gaps,
    reviews,
    values,
)
from xgboost import XGBClassifier, XGBRegressor

from fairlead.packing.converters import booster_steps
from fairlead.packing.converters import sklearn as converter

XGB = {"n_estimators": 10}
LGB = {"n_estimators": 10, "verbose": -1}
CB = {"iterations": 10, "verbose": 0, "allow_writing_files": False}


def scaled(estimator):
    return make_pipeline(MaxAbsScaler(), estimator)


def table(encoder, estimator):
    columns = ColumnTransformer(
        [("t", encoder, ["city", "grade"]), ("n", "passthrough", ["age", "rooms"])]
    )
    return make_pipeline(columns, estimator)


def numbered(data):
    rows, labels = data
    return rows, np.unique(labels, return_inverse=True)[1]


def missing():
    rows, labels = classes(3)
    return gaps(rows), labels


MEMBERS = [
    ("a", LogisticRegression(max_iter=500)),
    ("b", XGBClassifier(**XGB)),
    ("c", LGBMClassifier(**LGB)),
]
DENSE = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
FAMILIES = {
    "xgboost": (scaled(XGBClassifier(**XGB)), missing),
    "xgboost-value": (scaled(XGBRegressor(**XGB)), values),
    "xgboost-table": (table(DENSE, XGBClassifier(**XGB)), lambda: numbered(flats())),
    "xgboost-texts": (
        make_pipeline(TfidfVectorizer(), XGBClassifier(**XGB)),
        lambda: numbered(reviews()),
    ),
    "lightgbm": (scaled(LGBMClassifier(**LGB)), missing),
    "lightgbm-value": (scaled(LGBMRegressor(**LGB)), values),
    "lightgbm-table": (table(OneHotEncoder(), LGBMClassifier(**LGB)), flats),
    "lightgbm-texts": (make_pipeline(TfidfVectorizer(), LGBMClassifier(**LGB)), reviews),
    "catboost": (scaled(CatBoostClassifier(**CB)), missing),
    "catboost-value": (scaled(CatBoostRegressor(**CB)), values),
    "catboost-table": (table(OrdinalEncoder(), CatBoostClassifier(**CB)), flats),
    "calibrated": (CalibratedClassifierCV(LGBMClassifier(**LGB), cv=3), lambda: classes(3)),
    "calibrated-xgboost": (CalibratedClassifierCV(XGBClassifier(**XGB), cv=3), lambda: classes(3)),
    "voting": (VotingClassifier(MEMBERS, voting="soft"), lambda: classes(3)),
    "stacking": (StackingClassifier(MEMBERS, cv=3), lambda: classes(3)),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_graph_answers_held_out_rows_as_the_pipeline(name, tmp_path):
    estimator, data = FAMILIES[name]
    model, held = fitted((estimator, *data()))
    made = convert(converter, model, held, tmp_path, double=name.endswith("table"))
    agree(made)
    if hasattr(model, "predict_proba"):
        assert made.answers()["label"].tolist() == np.ravel(model.predict(held)).tolist()


def test_what_a_sparse_encoder_leaves_out_is_missing_to_xgboost(tmp_path):
    columns = ColumnTransformer([("t", OneHotEncoder(), ["city", "grade", "rooms"])])
    estimator = make_pipeline(columns, XGBClassifier(**XGB))
    model, held = fitted((estimator, *numbered(flats())))
    agree(convert(converter, model, held, tmp_path))
    assert not hasattr(model.steps[-1][1], booster_steps.SPARSE)


def test_the_versions_of_the_libraries_inside_are_noted(tmp_path):
    model, held = fitted((scaled(LGBMClassifier(**LGB)), *classes(2)))
    found = convert(converter, model, held, tmp_path).facts["versions"]
    assert {"scikit-learn", "numpy", "lightgbm"} <= set(found)
    assert "xgboost" not in found
