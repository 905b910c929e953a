"""scikit-learn: the graph answers as the estimator does, or the estimator itself is kept."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import sklearn.ensemble
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from tests.packing.converters import sklearn_families as families
from tests.packing.converters.subjects import agree, classes, convert, fitted, flats, large, values

from fairlead.packing.converters import sklearn as converter

EVERY = {
    f"{group}-{name}": family
    for group, members in (
        ("prepared", families.PREPARED),
        ("classifier", families.CLASSIFIERS),
        ("regressor", families.REGRESSORS),
    )
    for name, family in members.items()
}


@pytest.mark.parametrize("name", EVERY)
def test_a_graph_answers_held_out_rows_as_the_estimator(name, tmp_path):
    model, held = fitted(EVERY[name]())
    made = convert(converter, model, held, tmp_path)
    agree(made)
    first, *_ = made.signature.outputs
    answers = made.answers()
    expected = np.asarray(model.predict(held))
    if expected.dtype.kind == "f" and first.role != "label":
        assert np.allclose(answers[first.name].reshape(expected.shape), expected, atol=1e-3)
    else:
        assert (answers[first.name].reshape(expected.shape) == expected).all()
    if hasattr(model, "predict_proba"):
        assert "probabilities" in answers


@pytest.mark.parametrize(
    ("labels", "datatype", "classes_"),
    [
        (np.array(["setosa", "virginica"]), "BYTES", ("setosa", "virginica")),
        (np.array([3, -1]), "INT64", ("-1", "3")),
        (np.array([False, True]), "BOOL", ("False", "True")),
        (np.array([0.0, 1.0]), "FP64", ("0.0", "1.0")),
    ],
)
def test_labels_are_the_owners_own(labels, datatype, classes_, tmp_path):
    rows, found = classes(2)
    model, held = fitted((LogisticRegression(), rows, labels[found]))
    made = convert(converter, model, held, tmp_path)
    agree(made)
    label, scores = made.signature.outputs
    assert (label.name, label.role, label.dtype.name) == ("label", "label", datatype)
    assert label.classes == scores.classes == classes_
    assert scores.role == "scores"
    assert made.answers()["label"].tolist() == model.predict(held).tolist()


def test_a_classifier_without_probabilities_gives_its_decision_function(tmp_path):
    model, held = fitted(families.CLASSIFIERS["linear-svm-two"]())
    made = convert(converter, model, held, tmp_path)
    given = made.answers()["decision_function"]
    assert given.shape == (len(held),)
    assert np.allclose(given, model.decision_function(held), atol=1e-4)


@pytest.mark.parametrize("name", ["classifier-forest-two", "classifier-forest"])
def test_a_tie_of_votes_falls_to_the_same_class(name, tmp_path):
    model, _ = fitted(EVERY[name]())
    rows = np.random.default_rng(1).normal(0, 2, (4000, 8))
    shares = np.sort(model.predict_proba(rows), axis=1)
    tied = rows[np.isclose(shares[:, -1], shares[:, -2])]
    assert len(tied) > 20
    made = convert(converter, model, tied, tmp_path)
    assert (made.answers()["label"] == model.predict(tied)).all()


@pytest.mark.parametrize(
    ("estimator", "offset"),
    [
        (make_pipeline(StandardScaler(), LogisticRegression()), 1.7e9),
        (HistGradientBoostingClassifier(max_iter=10), 1.7e7),
        (make_pipeline(StandardScaler(), RandomForestClassifier(10, random_state=0)), 1.7e6),
    ],
)
def test_rows_far_from_zero_need_a_float64_graph(estimator, offset, tmp_path):
    """Timestamps and identifiers: float32 holds them too coarsely."""
    model, held = fitted((estimator, *large(offset)))
    assert not convert(converter, model, held, tmp_path / "32").comparison().faithful
    made = convert(converter, model, held, tmp_path / "64", double=True)
    assert made.signature.inputs[0].dtype.name == "FP64"
    agree(made)


def test_a_tree_decides_on_the_float32_of_its_rows_at_any_size(tmp_path):
    """scikit-learn's own forests round to float32, so float32 is exact for them."""
    model, held = fitted((RandomForestClassifier(10, random_state=0), *large(1.7e6)))
    agree(convert(converter, model, held, tmp_path))


def test_a_boosted_regressor_is_exact_in_float64_too(tmp_path):
    rows, target = values()
    estimator = make_pipeline(StandardScaler(), GradientBoostingRegressor(n_estimators=10))
    model, held = fitted((estimator, rows * 10 + 1.7e6, target))
    agree(convert(converter, model, held, tmp_path, double=True))


SAME = [
    "prepared-onehot",
    "prepared-tfidf-pairs",
    "classifier-stacking",
    "classifier-histogram-two",
]


@pytest.mark.parametrize("name", SAME)
def test_the_same_model_makes_the_same_bytes(name, tmp_path):
    model, held = fitted(EVERY[name]())
    first = convert(converter, model, held, tmp_path / "1")
    second = convert(converter, model, held, tmp_path / "2")
    assert first.raw == second.raw
    assert first.facts["signature"] == second.facts["signature"]


def test_another_process_with_other_hashes_makes_the_same_bytes(tmp_path):
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from fairlead.packing.converters import sklearn\n"
        "from tests.packing.converters import sklearn_families as f\n"
        "from tests.packing.converters.subjects import convert, fitted\n"
        "model, held = fitted(f.PREPARED['text-in-a-table']())\n"
        "made = convert(sklearn, model, held, Path(sys.argv[1]))\n"
        "sys.stdout.buffer.write(made.raw)\n"
    )
    found = []
    for seed in ("1", "2"):
        command = [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / seed)]
        done = subprocess.run(
            command, capture_output=True, env={"PYTHONHASHSEED": seed}, timeout=100, check=True
        )
        found.append(done.stdout)
    assert found[0] == found[1] != b""


def test_conversion_leaves_the_model_and_skl2onnx_as_they_were(tmp_path):
    import onnx.helper
    import skl2onnx.common._registration as registry

    before = registry.get_converter("SklearnRandomForestClassifier"), onnx.helper.make_attribute
    model, held = fitted(families.CLASSIFIERS["voting-soft"]())
    convert(converter, model, held, tmp_path)
    assert isinstance(model, VotingClassifier)
    assert model.flatten_transform is True
    after = registry.get_converter("SklearnRandomForestClassifier"), onnx.helper.make_attribute
    assert after == before


def test_columns_may_have_the_names_of_outputs(tmp_path):
    rows, labels = classes(2)
    frame = pd.DataFrame(rows[:, :3], columns=["label", "probabilities", "X"])
    model, held = fitted((make_pipeline(StandardScaler(), LogisticRegression()), frame, labels))
    made = convert(converter, model, held, tmp_path)
    agree(made)
    assert [s.name for s in made.signature.outputs] == [
        "predicted_label",
        "predicted_probabilities",
    ]


def test_an_unknown_category_is_what_the_encoder_makes_of_it(tmp_path):
    frame, labels = flats()
    ignoring = families.PREPARED["onehot"]()[0]
    model, held = fitted((ignoring, frame, labels))
    made = convert(converter, model, held, tmp_path / "ignore")
    odd = held.assign(city="Atlantis")
    assert np.allclose(made.answers(odd)["probabilities"], model.predict_proba(odd), atol=1e-5)
    columns = ColumnTransformer([("t", OneHotEncoder(), ["city"])])
    model, held = fitted((make_pipeline(columns, LogisticRegression()), frame, labels))
    made = convert(converter, model, held, tmp_path / "refuse")
    with pytest.raises(ValueError, match="unknown categories"):
        model.predict(odd)
    assert np.isnan(made.answers(odd)["probabilities"]).all()


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (NearestCentroid(), "skl2onnx does not know NearestCentroid"),
        (make_pipeline(FunctionTransformer(np.cbrt), LogisticRegression()), "the function cbrt"),
    ],
)
def test_what_cannot_be_converted_is_kept_with_the_reason(estimator, reason, tmp_path):
    model, held = fitted((estimator, *classes(3)))
    made = convert(converter, model, held, tmp_path)
    assert made.facts["runtime"] == "sklearn"
    assert reason in made.facts["reason"]
    assert made.native()["label"].tolist() == model.predict(held).tolist()


def test_a_reason_from_outside_keeps_the_model_native(tmp_path):
    model, held = fitted((LogisticRegression(), *classes(3)))
    made = convert(converter, model, held, tmp_path, native="as float32 graph labels differ")
    assert (made.facts["runtime"], made.facts["graph"]) == ("sklearn", "model.skops")
    assert made.facts["reason"] == "as float32 graph labels differ"
    assert made.facts["about"]["trusted"] == []
    assert {s.dtype.name for s in made.signature.inputs} == {"FP64"}


def test_what_a_text_pipeline_counts_otherwise_is_not_converted(tmp_path):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from tests.packing.converters.subjects import reviews

    for vectorizer in (
        TfidfVectorizer(analyzer="char"),
        TfidfVectorizer(stop_words="english", ngram_range=(1, 2)),
    ):
        model, held = fitted((make_pipeline(vectorizer, LogisticRegression()), *reviews()))
        made = convert(converter, model, held, tmp_path / vectorizer.analyzer)
        assert made.facts["runtime"] == "sklearn"
        assert (
            "it counts characters" in made.facts["reason"] or "stop words" in made.facts["reason"]
        )


def test_without_reference_rows_the_model_is_asked_about_made_up_ones(tmp_path):
    for number, name in enumerate(("prepared-onehot", "prepared-tfidf", "prepared-log1p")):
        model, _ = fitted(EVERY[name]())
        made = convert(converter, model, None, tmp_path / str(number))
        assert made.facts["sampled"]
        found = made.comparison()
        assert found.labels == 1.0
        assert found.largest <= 1e-4


def test_rows_that_the_model_refuses_are_said_to_be_the_reason(tmp_path):
    rows, target = values()
    model, held = fitted((Ridge(), rows, target))
    held = held.copy()
    held[3, 2] = np.nan
    with pytest.raises(ValueError, match="does not answer the reference rows"):
        convert(converter, model, held, tmp_path)


def test_only_predictors_are_served(tmp_path):
    model, held = fitted((StandardScaler(), *classes(3)))
    with pytest.raises(TypeError, match="StandardScaler has no predict"):
        convert(converter, model, held, tmp_path)


def test_a_class_of_a_notebook_cell_is_refused_with_what_to_do(tmp_path):
    own = type("Own", (LogisticRegression,), {"__module__": "__main__"})
    model, held = fitted((own(), *classes(3)))
    with pytest.raises(TypeError, match=r"Own lives in a notebook cell.*move it to a file"):
        convert(converter, model, held, tmp_path)


def test_a_skops_file_may_make_only_what_is_allowed(tmp_path):
    import skops.io

    from fairlead.packing.airlock.refused import Refused

    model, _ = fitted((RandomForestClassifier(3), *classes(3)))
    skops.io.dump(model, tmp_path / "forest.skops")
    assert isinstance(converter.read(tmp_path / "forest.skops", {}), RandomForestClassifier)
    own = type("Own", (LogisticRegression,), {"__module__": "tests.nowhere"})
    sklearn.ensemble.Own = own
    try:
        skops.io.dump(own().fit(*classes(3)), tmp_path / "own.skops")
    finally:
        del sklearn.ensemble.Own
    with pytest.raises(Refused, match=r"tests\.nowhere\.Own"):
        converter.read(tmp_path / "own.skops", {"allow": []})


@pytest.mark.parametrize(
    ("pattern", "syntax"),
    [
        (r"(?u)\b\w\w+\b", r"[\p{L}\p{N}_]{2,}"),
        (r"\w+", r"[\p{L}\p{N}_]{1,}"),
        (r"\w{3,}", r"[\p{L}\p{N}_]{3,}"),
        (r"[\w'-]+", r"[\p{L}\p{N}_'-]+"),
        (r"[a-z]+", "[a-z]+"),
    ],
)
def test_a_pattern_of_tokens_keeps_its_meaning_beyond_ascii(pattern, syntax):
    from sklearn.feature_extraction.text import CountVectorizer

    assert converter.tokens(CountVectorizer(token_pattern=pattern)) == syntax
