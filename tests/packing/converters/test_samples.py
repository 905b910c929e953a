"""The inputs that fit an estimator, and rows for them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tests.packing.converters.subjects import classes, fitted, flats, gaps, reviews

from fairlead.packing.converters import samples


def job(path, columns, **more):
    plain = {n: v.astype(str) if v.dtype.kind == "O" else v for n, v in columns.items()}
    np.savez(path / "r.npz", **plain)
    return {"rows": str(path / "r.npz"), "columns": list(columns), **more}


def text(*values):
    return np.array(values, dtype=object)


def numbers():
    return fitted((make_pipeline(StandardScaler(), LogisticRegression()), *classes(2)))[0]


def table(**more):
    frame, labels = flats(**more)
    parts = [
        ("n", SimpleImputer(), ["age"]),
        ("s", StandardScaler(), ["rooms"]),
        ("t", OneHotEncoder(handle_unknown="ignore"), ["owner", "city", "grade"]),
    ]
    model = make_pipeline(ColumnTransformer(parts), LogisticRegression())
    return fitted((model, frame, labels))[0]


def row(**more):
    columns = {
        "age": np.array([40.0]),
        "rooms": np.array([3]),
        "owner": np.array([True]),
        "city": text("Oslo"),
        "grade": text("a"),
    }
    return columns | more


def test_plain_numbers_are_one_input():
    plan, rows = samples.prepare(numbers(), {})
    (spec,) = plan.inputs
    assert plan.kind == "matrix"
    assert (spec["name"], spec["datatype"], spec["shape"]) == ("X", "FP32", [-1, 8])
    assert spec["columns"] == list(rows) == [f"x{i}" for i in range(8)]
    assert "missing" not in spec


def test_the_owner_may_name_the_input_or_its_columns():
    plan, _ = samples.prepare(numbers(), {"input_names": ["features"]})
    assert plan.inputs[0]["name"] == "features"
    names = list("abcdefgh")
    plan, _ = samples.prepare(numbers(), {"input_names": names})
    assert plan.inputs[0]["columns"] == names


def test_columns_of_the_rows_name_those_of_an_array(tmp_path):
    given = {f"width {i}": np.ones(3) for i in range(8)}
    plan, rows = samples.prepare(numbers(), job(tmp_path, given))
    assert plan.names == list(rows) == list(given)
    assert not plan.frame


def test_a_table_has_an_input_per_column_of_the_kind_that_its_encoder_knows(tmp_path):
    plan, rows = samples.prepare(table(), job(tmp_path, row()))
    kinds = {s["name"]: s["datatype"] for s in plan.inputs}
    assert kinds == {
        "age": "FP32",
        "rooms": "FP32",
        "owner": "BOOL",
        "city": "BYTES",
        "grade": "BYTES",
    }
    assert plan.frame
    frame = samples.for_model(rows, plan)
    assert frame.to_dict("records") == [
        {"age": 40.0, "rooms": 3, "owner": True, "city": "Oslo", "grade": "a"}
    ]


def test_missing_is_taken_where_the_model_itself_takes_it():
    """Asked of the model: its imputed column takes NaN, the scaled one does not."""
    plan, _ = samples.prepare(table(), {})
    assert [s["name"] for s in plan.inputs if s.get("missing")] == ["age"]
    rows, labels = classes(3)
    model, _ = fitted((HistGradientBoostingClassifier(max_iter=2), gaps(rows), labels))
    plan, _ = samples.prepare(model, {})
    assert plan.inputs[0]["missing"] is True


def test_numbers_of_a_table_by_name_are_one_input_that_is_taken_apart():
    frame, labels = flats()
    parts = ColumnTransformer([("s", StandardScaler(), ["age", "rooms"])])
    model, _ = fitted((make_pipeline(parts, LogisticRegression()), frame[["age", "rooms"]], labels))
    plan, _ = samples.prepare(model, {})
    assert (plan.kind, plan.apart) == ("matrix", True)


def test_a_column_of_yes_and_no_makes_inputs_of_a_plain_table(tmp_path):
    frame, labels = flats()
    frame = frame[["age", "owner"]]
    model, _ = fitted((RandomForestClassifier(2), frame, labels))
    given = {"age": np.array([1.0, 2.0]), "owner": np.array([True, False])}
    plan, _ = samples.prepare(model, job(tmp_path, given))
    assert (plan.kind, plan.apart) == ("columns", False)
    assert [s["datatype"] for s in plan.inputs] == ["FP32", "BOOL"]


@pytest.mark.parametrize(
    ("column", "given", "becomes"),
    [
        ("city", np.array([7]), ["7"]),
        ("city", np.array([7.0]), ["7"]),
        ("city", np.array([np.nan]), [""]),
        ("owner", np.array([1]), [True]),
        ("owner", text("False"), [False]),
        ("age", np.array([3]), [3]),
    ],
)
def test_reference_values_become_what_the_model_knows(column, given, becomes, tmp_path):
    _, rows = samples.prepare(table(), job(tmp_path, row(**{column: given})))
    assert rows[column].tolist() == becomes


@pytest.mark.parametrize(
    ("column", "given", "message"),
    [
        ("age", text("forty"), "column 'age' holds text, and the model takes numbers"),
        ("owner", text("perhaps"), "column 'owner' holds text, and the model takes true or false"),
        ("owner", np.array([2]), "column 'owner' holds other values than true or false"),
    ],
)
def test_reference_values_that_cannot_are_refused_by_column(column, given, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        samples.prepare(table(), job(tmp_path, row(**{column: given})))


def test_extra_columns_are_left_and_absent_ones_named(tmp_path):
    _, rows = samples.prepare(table(), job(tmp_path, row(id=np.array([1]))))
    assert list(rows) == ["age", "rooms", "owner", "city", "grade"]
    absent = row(other=np.array([1]), more=np.array([2]))
    del absent["city"]
    with pytest.raises(ValueError, match="the rows have no column 'city'"):
        samples.prepare(table(), job(tmp_path, absent))
    with pytest.raises(ValueError, match="the rows have 3 columns, the model takes 8 features"):
        samples.prepare(numbers(), job(tmp_path, {n: np.ones(2) for n in "abc"}))


def test_empty_text_reaches_the_model_as_missing_where_it_means_that(tmp_path):
    plan, rows = samples.prepare(table(missing=True), job(tmp_path, row(city=text(""))))
    assert plan.empty == ("city", "grade")
    assert pd.isna(samples.for_model(rows, plan)["city"][0])
    plan, rows = samples.prepare(table(), job(tmp_path, row(city=text(""))))
    assert plan.empty == ()
    assert samples.for_model(rows, plan)["city"][0] == ""


def test_texts_are_one_input_of_text(tmp_path):
    model, _ = fitted((make_pipeline(TfidfVectorizer(), MultinomialNB()), *reviews()))
    given = {"id": np.array([1]), "review": text("good")}
    plan, rows = samples.prepare(model, job(tmp_path, given))
    assert plan.inputs == [{"name": "review", "datatype": "BYTES", "shape": [-1]}]
    assert samples.for_model(rows, plan) == ["good"]
    plan, rows = samples.prepare(model, {})
    assert plan.names == ["text"]
    words = set(model.steps[0][1].vocabulary_)
    assert all(set(line.split()) <= words for line in rows["text"])


def test_made_up_rows_are_the_same_every_time_and_of_known_values():
    model = table()
    first, second = (samples.prepare(model, {})[1] for _ in "12")
    assert all((first[n] == second[n]).all() for n in first)
    assert set(first["city"]) == {"Bergen", "Oslo", "Zürich"}
    assert set(first["owner"]) == {True, False}
    assert (first["age"].astype(np.float32) == first["age"]).all()


def test_arrays_for_files_hold_no_objects():
    found = samples.for_file({"a": text("x", "yy"), "b": np.array([1.0])})
    assert [found["a"].dtype.kind, found["b"].dtype.kind] == ["U", "f"]
