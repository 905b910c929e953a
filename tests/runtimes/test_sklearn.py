"""scikit-learn estimators kept native: skops files, exact types, the owner's own rows."""

from __future__ import annotations

import numpy as np
import pytest
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import ClassifierChain
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from skops.io.exceptions import UntrustedTypesFoundException
from tests.packing.converters.subjects import classes, convert, fitted, flats, reviews, values

from fairlead.packing.converters import sklearn as converter
from fairlead.runtimes import sklearn as runtime


def table():
    frame, labels = flats(missing=True)
    text = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    )
    parts = [
        ("n", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "rooms"]),
        ("b", "passthrough", ["owner"]),
        ("t", text, ["city", "grade"]),
    ]
    return make_pipeline(ColumnTransformer(parts), LogisticRegression()), frame, labels


def by_position():
    frame, labels = flats()
    parts = [("n", StandardScaler(), [0, 1]), ("t", OneHotEncoder(), [3])]
    model = make_pipeline(ColumnTransformer(parts), LogisticRegression())
    return model, frame.to_numpy(dtype=object), labels


def two_targets():
    rows, labels = classes(3)
    return rows, np.column_stack([labels > 0, labels > 1]).astype(int)


FAMILIES = {
    "array": lambda: (LogisticRegression(), *classes(3)),
    "frame": lambda: (LogisticRegression(), flats()[0][["age", "rooms", "owner"]], flats()[1]),
    "table": table,
    "by-position": by_position,
    "texts": lambda: (make_pipeline(TfidfVectorizer(), MultinomialNB()), *reviews()),
    "value": lambda: (LinearRegression(), *values()),
    "truth": lambda: (KNeighborsClassifier(), classes(2)[0], classes(2)[1] == 1),
    "several": lambda: (RandomForestClassifier(3, random_state=0), *two_targets()),
    "chain": lambda: (ClassifierChain(LogisticRegression()), *two_targets()),
}


def kept(tmp_path, family):
    model, held = fitted(family)
    return model, held, convert(converter, model, held, tmp_path, native="for the test")


@pytest.mark.parametrize("name", FAMILIES)
def test_it_answers_as_the_estimator_in_the_kinds_of_the_signature(name, tmp_path):
    model, held, made = kept(tmp_path, FAMILIES[name]())
    answers = made.native()
    first = made.signature.outputs[0].name
    assert answers[first].tolist() == model.predict(held).tolist()
    for spec in made.signature.outputs:
        assert answers[spec.name].dtype == spec.dtype.numpy
        assert answers[spec.name].shape[1:] == spec.shape[1:]
    if hasattr(model, "predict_proba") and name != "several":
        assert np.allclose(answers["probabilities"], model.predict_proba(held))


def test_only_the_outputs_that_are_wanted_are_computed(tmp_path, monkeypatch):
    _, held, made = kept(tmp_path, FAMILIES["array"]())
    asked = []
    for method in ("predict", "predict_proba"):
        real = getattr(LogisticRegression, method)
        monkeypatch.setattr(
            LogisticRegression,
            method,
            lambda self, rows, name=method, real=real: (asked.append(name), real(self, rows))[1],
        )
    about = made.facts["about"] | {"signature": made.facts["signature"]}
    predict = runtime.load(tmp_path, "model.skops", about)
    (scores,) = predict([held.astype(np.float64)], [1])
    assert scores.shape == (len(held), 3)
    assert asked == ["predict_proba"]
    assert len(predict([held.astype(np.float64)], [1, 0, 0])) == 3


def test_missing_text_reaches_the_estimator_as_missing(tmp_path):
    model, held, made = kept(tmp_path, table())
    odd = held.assign(city=np.nan, grade=np.nan)
    assert np.allclose(made.native(odd)["probabilities"], model.predict_proba(odd))


def test_a_type_that_was_not_trusted_when_it_was_packed_is_not_made(tmp_path):
    _, _, made = kept(tmp_path, (RandomForestClassifier(2), *classes(2)))
    about = made.facts["about"]
    assert about["trusted"] == skops.io.get_untrusted_types(file=tmp_path / "model.skops") != []
    with pytest.raises(UntrustedTypesFoundException):
        runtime.load(
            tmp_path, "model.skops", about | {"trusted": [], "signature": made.facts["signature"]}
        )


def test_a_forest_predicts_in_one_thread(tmp_path):
    model = RandomForestClassifier(2, n_jobs=-1)
    _, held, made = kept(tmp_path, (make_pipeline(StandardScaler(), model), *classes(2)))
    assert made.native()["label"].shape == (len(held),)
    about = made.facts["about"] | {"signature": made.facts["signature"]}
    predict = runtime.load(tmp_path, "model.skops", about)
    inner = dict(zip(predict.__code__.co_freevars, predict.__closure__, strict=True))
    assert inner["model"].cell_contents.steps[-1][1].n_jobs == 1
