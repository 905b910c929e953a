"""The inert reader: it says what a file holds, and makes nothing of it."""

from __future__ import annotations

import io
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn import compose, datasets, linear_model, pipeline, preprocessing
from sklearn.model_selection import GridSearchCV
from tests.packing.airlock import hostile

from fairlead.packing.airlock import inert
from fairlead.packing.airlock.refused import Refused

X, Y = datasets.load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])
PROTOCOLS = [2, 3, 4, 5, "joblib", ("zlib", 3)]


def looked(tmp_path: Path, given: Any, protocol: Any = 4) -> dict[str, Any]:
    path = tmp_path / "model.pkl"
    if isinstance(given, bytes):
        path.write_bytes(given)
    elif isinstance(protocol, int):
        path.write_bytes(pickle.dumps(given, protocol))
    else:
        joblib.dump(given, path, compress=protocol if protocol != "joblib" else 0)
    facts = inert.look(path)
    assert json.loads(json.dumps(facts)) == {**facts, "names": [list(n) for n in facts["names"]]}
    return facts


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_it_tells_class_versions_features_classes_and_sizes(tmp_path, protocol):
    import sklearn

    model = linear_model.RidgeClassifier().fit(X, NAMES[Y])
    facts = looked(tmp_path, model, protocol)
    assert facts["class"] == "sklearn.linear_model._ridge.RidgeClassifier"
    assert facts["versions"] == {"scikit-learn": sklearn.__version__}
    assert facts["features"] == 4
    assert facts["elements"] >= 3 * 4 + 3
    assert facts["bytes"] >= 8 * (3 * 4 + 3)
    assert ("sklearn.linear_model._ridge", "RidgeClassifier") in facts["names"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("labels", [Y, NAMES[Y], Y == 0, Y * 2.0, NAMES[Y].astype(object)])
def test_it_tells_the_classes_of_every_type(tmp_path, protocol, labels):
    model = linear_model.Perceptron().fit(X, labels)
    assert looked(tmp_path, model, protocol)["classes"] == np.unique(labels).tolist()


def test_it_tells_steps_and_columns_of_a_pipeline(tmp_path):
    import pandas

    frame = pandas.DataFrame(X, columns=["a", "b", "c", "städte"])
    table = compose.make_column_transformer((preprocessing.StandardScaler(), list(frame)))
    model = pipeline.make_pipeline(table, linear_model.RidgeClassifier()).fit(frame, Y)
    facts = looked(tmp_path, model)
    assert facts["steps"] == ["ColumnTransformer", "RidgeClassifier"]
    assert facts["feature_names"] == ["a", "b", "c", "städte"]
    search = GridSearchCV(model, {"ridgeclassifier__alpha": [1, 2]}, cv=2).fit(frame, Y)
    facts = looked(tmp_path, search)
    assert facts["class"].endswith("GridSearchCV")
    assert facts["steps"] == ["ColumnTransformer", "RidgeClassifier"]
    assert facts["feature_names"] == ["a", "b", "c", "städte"]
    assert facts["classes"] == [0, 1, 2]


def test_nothing_named_is_imported_or_called(tmp_path):
    canary = tmp_path / "canary"
    for title, (raw, _) in hostile.corpus(str(canary)).items():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("builtins.__import__", None)
            try:
                inert.InertReader(io.BytesIO(raw)).load()
            except (Refused, TypeError, ValueError, EOFError, AttributeError, IndexError, KeyError):
                assert not title.startswith("os.system")
            except pickle.UnpicklingError:
                pass
    assert not canary.exists()
    assert "pty" not in sys.modules


@pytest.mark.parametrize(
    "title", ["os.system by REDUCE", "os.system by INST", "os.system in a nested tuple",
              "joblib with objects", "joblib's wrapper around a pickle", "pickled by protocol 0"]
)  # fmt: skip
def test_what_an_attack_names_is_told(tmp_path, title):
    raw, culprit = hostile.corpus("CANARY")[title]
    try:
        names = looked(tmp_path, raw)["names"]
    except EOFError:
        reader = inert.InertReader(io.BytesIO(raw))
        with pytest.raises(EOFError):
            reader.load()
        names = sorted(reader.names)
    assert tuple(culprit.rsplit(".", 1)) in names


ODD = {
    "a number of many digits": {"n_features_in_": 1 << 200_000},
    "a number that is a truth": {"n_features_in_": True},
    "a negative number": {"n_features_in_": -4},
    "a version that is a list": {"_sklearn_version": [1, 9]},
    "a version with control characters": {"_sklearn_version": "1.9\x1b[2J"},
    "classes that are no array": {"classes_": "abc"},
    "classes of every kind": {
        "classes_": np.array([1j, b"\xff", 1 << 300, np.nan, {}, None, "a\n"], object)
    },
    "classes that are numbers beyond JSON": {"classes_": np.array([np.nan, np.inf, 1.0])},
    "names that are numbers": {"feature_names_in_": np.array([1, 2])},
    "steps that are no pairs": {"steps": [1, (), ("a",), {"b": 2}]},
}  # fmt: skip


@pytest.mark.parametrize("title", ODD)
def test_an_odd_state_is_told_as_far_as_it_can_be(tmp_path, title):
    model = linear_model.Ridge()
    model.__dict__.update(ODD[title])
    raw = pickle.dumps(model, 2)
    facts = looked(tmp_path, raw)
    assert facts["class"] == "sklearn.linear_model._ridge.Ridge"
    assert facts["features"] is None
    shown = json.dumps([facts["versions"], facts["classes"], facts["feature_names"]])
    assert "\\u001b" not in shown
    assert "\\n" not in shown.replace("\\\\n", "")


def test_an_array_that_claims_too_much_is_refused_at_the_end_of_the_file(tmp_path):
    raw, _ = hostile.corpus("CANARY")["joblib's wrapper of bytes that are not there"]
    with pytest.raises(Refused, match="shorter"):
        looked(tmp_path, raw)


def test_sizes_that_are_claimed_and_not_held_are_bounded(tmp_path):
    wide = hostile.array(hostile.element("f8"), (1 << 47, 1 << 47, 1 << 47), b"")
    facts = looked(tmp_path, hostile.file(wide))
    assert facts["elements"] == facts["bytes"] == 1 << 48


def test_more_names_than_any_model_has_are_refused(tmp_path):
    code = b"".join(hostile.name("a", f"b{n}") + b"0" for n in range(10_001))
    with pytest.raises(Refused, match="more objects"):
        looked(tmp_path, hostile.file(code + b"N"))


def test_extension_codes_are_refused_and_references_outside_are_notes(tmp_path):
    with pytest.raises(Refused, match="extension"):
        looked(tmp_path, hostile.file(b"\x82\x01"))
    assert looked(tmp_path, hostile.file(b"Pid\n"))["class"] == "."


def test_deep_and_shared_values_end(tmp_path):
    assert looked(tmp_path, hostile.file(b"]" * 100_000 + b"a" * 99_999))["class"] == "list"
    doubled = b"]q\x00" + b"".join(
        b"0](h" + bytes([n]) + b"h" + bytes([n]) + b"eq" + bytes([n + 1]) for n in range(60)
    )
    assert looked(tmp_path, hostile.file(doubled))["class"] == "list"
