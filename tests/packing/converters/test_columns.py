"""What an estimator knows of its columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from tests.packing.converters.subjects import classes, fitted, flats, reviews

from fairlead.packing.converters import columns

NAMES = ["age", "rooms", "owner", "city", "grade"]


def learnt(estimator, missing=False):
    model, _ = fitted((estimator, *flats(missing)))
    return columns.learn(model, NAMES)


def table(*parts, remainder="drop"):
    return make_pipeline(ColumnTransformer([*parts], remainder=remainder), LogisticRegression())


def test_an_encoder_tells_categories_and_their_kind():
    found = learnt(table(("t", OneHotEncoder(), ["rooms", "owner", "city"])))
    assert found["city"].categories == ["Bergen", "Oslo", "Zürich"]
    kinds = {name: found[name].datatype for name in NAMES}
    assert kinds == {"age": "", "rooms": "INT64", "owner": "BOOL", "city": "BYTES", "grade": ""}


@pytest.mark.parametrize(
    "chosen",
    [
        ["city", "grade"],
        [3, 4],
        slice("city", "grade"),
        slice(3, 5),
        [False, False, False, True, True],
        make_column_selector(pattern="city|grade"),
    ],
    ids=["names", "numbers", "slice of names", "slice", "mask", "selector"],
)
def test_a_choice_of_columns_is_understood_however_it_is_written(chosen):
    found = learnt(table(("t", OneHotEncoder(), chosen)))
    assert [n for n in NAMES if found[n].categories] == ["city", "grade"]


def test_empty_text_means_missing_where_a_step_knows_missing_text():
    text = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    found = learnt(
        table(("i", text, ["city"]), ("e", OrdinalEncoder(encoded_missing_value=-1), ["grade"])),
        missing=True,
    )
    assert [n for n in NAMES if found[n].empty] == ["city", "grade"]
    assert found["grade"].categories == ["a", "b", "c"]
    assert found["city"].datatype == "BYTES"
    plain = learnt(table(("e", OneHotEncoder(), ["city", "grade"])))
    assert not any(one.empty for one in plain.values())


def test_a_column_is_followed_through_steps_that_keep_it():
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    found = learnt(table(("n", numbers, ["age"])), missing=True)
    assert found["age"].centre == pytest.approx(40, abs=2)
    assert found["age"].spread == pytest.approx(12, abs=2)


def test_thresholds_of_trees_tell_where_numbers_lie():
    rows, labels = classes(2)
    model, _ = fitted((RandomForestClassifier(5, random_state=0), rows * 10 + 1000, labels))
    found = columns.learn(model, [str(i) for i in range(8)])
    assert all(950 < one.centre < 1050 for one in found.values())


def test_histogram_boosting_knows_its_categories():
    frame, labels = flats()
    frame = pd.DataFrame({"age": frame["age"], "rooms": frame["rooms"].astype(float)})
    estimator = HistGradientBoostingClassifier(max_iter=2, categorical_features=["rooms"])
    model, _ = fitted((estimator, frame, labels))
    found = columns.learn(model, ["age", "rooms"])
    assert found["age"].categories is None
    assert found["rooms"].categories == [float(i) for i in range(1, 9)]


@pytest.mark.parametrize(
    ("estimator", "wants"),
    [
        (make_pipeline(TfidfVectorizer(), MultinomialNB()), True),
        (make_pipeline(FeatureUnion([("a", CountVectorizer())]), MultinomialNB()), True),
        (
            GridSearchCV(
                make_pipeline(CountVectorizer(), MultinomialNB()),
                {"multinomialnb__alpha": [1.0]},
                cv=2,
            ),
            True,
        ),
        (
            CalibratedClassifierCV(make_pipeline(CountVectorizer(), MultinomialNB()), cv=2),
            True,
        ),
        (
            VotingClassifier([("a", make_pipeline(CountVectorizer(), MultinomialNB()))]),
            True,
        ),
    ],
)
def test_a_model_of_texts_is_told_from_one_of_tables(estimator, wants):
    model, _ = fitted((estimator, *reviews()))
    assert columns.wants_texts(model) is wants
    assert not columns.wants_texts(RandomForestClassifier(2).fit(*classes(2)))


def test_a_vectorizer_in_a_table_makes_its_column_text():
    frame, labels = flats()
    words = table(("w", TfidfVectorizer(analyzer="char"), "city"), ("n", "passthrough", ["age"]))
    model, _ = fitted((words, frame, labels))
    assert not columns.wants_texts(model)
    assert columns.selects_by_name(model)
    assert columns.learn(model, NAMES)["city"].datatype == "BYTES"
    assert columns.groups(model, NAMES) == [["city"], ["age"], ["rooms", "owner", "grade"]]


def test_pipelines_inside_an_ensemble_are_not_taken_for_lists_of_steps():
    frame, labels = flats()
    voters = [(n, table(("t", OneHotEncoder(), ["city", "rooms"]))) for n in "ab"]
    model, _ = fitted((VotingClassifier(voters), frame, labels))
    assert columns.selects_by_name(model)
    found = columns.learn(model, NAMES)
    assert [n for n in NAMES if found[n].categories] == ["rooms", "city"]


def test_every_estimator_inside_is_found_once():
    model, _ = fitted((VotingClassifier([("a", LogisticRegression())]), *classes(2)))
    kinds = [type(part).__name__ for part in columns.parts(model)]
    assert sorted(kinds) == [
        "LabelEncoder",
        "LogisticRegression",
        "LogisticRegression",
        "VotingClassifier",
    ]


def test_missing_is_none_or_nan():
    assert columns.is_missing(None)
    assert columns.is_missing(np.nan)
    assert not any(columns.is_missing(v) for v in ("", "nan", 0, 0.0, False))
