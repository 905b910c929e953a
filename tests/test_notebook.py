"""`fairlead.pack` and `fairlead.serve`, as people use them in a notebook or a script."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fairlead
from fairlead import errors
from fairlead.core.package import GuardChoice
from fairlead.packing.pack import read_measured

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def people() -> tuple[pd.DataFrame, pd.Series, Any]:
    """Rows with text, their labels, and a pipeline fitted on them."""
    data = load_diabetes(as_frame=True, scaled=False)
    rows = data.data[["age", "bmi"]].astype(np.float32).astype(float)
    rows["sex"] = data.data["sex"].map({1.0: "female", 2.0: "male"})
    labels = pd.Series(np.where(data.target > 140, "fast", "slow"))
    table = make_column_transformer((StandardScaler(), ["age", "bmi"]), (OneHotEncoder(), ["sex"]))
    return rows, labels, make_pipeline(table, LogisticRegression()).fit(rows, labels)


@pytest.fixture(scope="module")
def flowers() -> tuple[Any, Any, Any]:
    rows, labels = load_iris(return_X_y=True)
    rows = rows.astype(np.float32)
    return rows, labels, LogisticRegression(max_iter=1000).fit(rows, labels)


def test_goals_are_given_as_words_of_the_guards_and_answered_at_once(flowers, tmp_path):
    rows, labels, model = flowers
    steps: dict[str, str] = {}
    package = fairlead.pack(
        model,
        name="flowers",
        repository=tmp_path,
        evaluation=(rows, labels),
        novelty="warn",
        error_goal=0.05,
        say=lambda step, result: steps.update({step: result}),
    )
    assert package.guards == GuardChoice("warn", error_goal=0.05)
    assert "of the evaluation rows are answered" in steps["goal"]
    assert 0.9 < read_measured(package)["goal"]["coverage"] < 1.0
    with pytest.raises(errors.PackageInvalid, match="error_goal must be between 0 and 1"):
        fairlead.pack(model, name="flowers", repository=tmp_path, error_goal=0)


def test_a_fitted_pipeline_takes_its_names_and_types_from_the_frame(people, tmp_path, serving):
    rows, labels, model = people
    steps: list[tuple[str, str]] = []
    package = fairlead.pack(
        model,
        name="people",
        repository=tmp_path,
        reference=rows[:300],
        evaluation=(rows[300:], labels[300:]),
        say=lambda step, result: steps.append((step, result)),
    )
    assert (package.name, package.version) == ("people", 1)
    assert [c.name for c in package.signature.columns] == ["age", "bmi", "sex"]
    assert package.trained["format"] == "object"
    measured = read_measured(package)
    assert measured["evaluation"]["rows"] == len(rows) - 300
    assert measured["evaluation"]["accuracy"] == pytest.approx(
        model.score(rows[300:], labels[300:])
    )
    told = ["convert", "compare", "evaluate", "write"]
    assert [step for step, _ in steps if step in told] == told
    answer = serving(tmp_path).post("/predict/people", json={"rows": rows.to_dict("records")})
    assert [p["label"] for p in answer.json()["predictions"]] == model.predict(rows).tolist()


def test_no_pickle_is_made_of_the_object(people, tmp_path):
    """An object that cannot be pickled can be packed."""
    rows, _, model = people
    model.not_for_pickle = lambda: None
    try:
        with pytest.raises(Exception, match="pickle"):
            joblib.dump(model, tmp_path / "model.joblib")
        fairlead.pack(model, name="m", repository=tmp_path / "models", reference=rows)
    finally:
        del model.not_for_pickle


@pytest.mark.parametrize(
    "reference",
    [
        lambda rows, folder: rows,
        lambda rows, folder: rows.tolist(),
        lambda rows, folder: {f"c{i}": rows[:, i] for i in range(4)},
        lambda rows, folder: pd.DataFrame(rows, columns=["a", "b", "c", "d"]),
        lambda rows, folder: _csv(rows, folder),
        lambda rows, folder: str(_csv(rows, folder)),
        lambda rows, folder: None,
    ],
    ids=["array", "list", "columns", "frame", "path", "path as text", "none"],
)
def test_reference_rows_come_in_every_form(flowers, tmp_path, reference):
    rows, labels, model = flowers
    package = fairlead.pack(
        model,
        name="flowers",
        repository=tmp_path / "models",
        reference=reference(rows, tmp_path),
        evaluation=(rows, labels) if reference(rows, tmp_path) is None else None,
    )
    assert len(package.signature.columns) == 4
    assert read_measured(package)["comparison"]["labels"] == 1.0


def _csv(rows: Any, folder: Path) -> Path:
    pd.DataFrame(rows, columns=["a", "b", "c", "d"]).to_csv(folder / "rows.csv", index=False)
    return folder / "rows.csv"


def test_a_trained_file_is_packed_by_its_path(flowers, tmp_path):
    rows, _, model = flowers
    joblib.dump(model, tmp_path / "model.joblib")
    package = fairlead.pack(
        tmp_path / "model.joblib", name="m", repository=tmp_path / "models", reference=rows
    )
    assert package.trained["file"] == "model.joblib"


def test_a_version_can_be_chosen_and_is_never_overwritten(flowers, tmp_path):
    rows, _, model = flowers
    first = fairlead.pack(model, name="m", repository=tmp_path, reference=rows, version=7)
    assert first.version == 7
    assert fairlead.pack(model, name="m", repository=tmp_path, reference=rows).version == 8
    with pytest.raises(errors.VersionExists):
        fairlead.pack(model, name="m", repository=tmp_path, reference=rows, version=7)


def test_evaluation_rows_are_kept_as_evidence_unless_told_not_to(flowers, tmp_path):
    rows, labels, model = flowers
    for kept in (True, False):
        package = fairlead.pack(
            model, name="m", repository=tmp_path, evaluation=(rows, labels), evidence=kept
        )
        assert any(name.startswith("evidence/") for name in package.files) == kept


# --- functions --------------------------------------------------------------------------


@pytest.fixture
def module(tmp_path, monkeypatch) -> Any:
    """A module of people's own, imported from a file."""
    source = """
        import numpy as np
        def double(x):
            return x * 2.0
        class Model:
            def predict(self, x):
                return x * 3.0
        def outer():
            def inner(x):
                return x
            return inner
        small = lambda x: x
    """
    (tmp_path / "functions_of_mine.py").write_text(dedent(source))
    monkeypatch.syspath_prepend(tmp_path)
    import functions_of_mine

    yield functions_of_mine
    del sys.modules["functions_of_mine"]


@pytest.mark.parametrize("name", ["double", "Model"])
def test_a_function_or_class_of_a_file_is_packed_as_its_source(module, tmp_path, name):
    package = fairlead.pack(
        getattr(module, name),
        name="m",
        repository=tmp_path / "models",
        reference={"x": [1.0, 2.0]},
    )
    assert (package.runtime, package.isolated) == ("python", True)
    assert "class Model" in package.graph_path.read_text()


def test_a_function_without_a_file_of_its_own_is_refused_with_how_to_move_it(module, tmp_path):
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec("def predict(x):\n    return x", namespace)  # as a notebook's cell does
    for function in (module.outer(), namespace["predict"]):
        with pytest.raises(errors.BadUsage) as refused:
            fairlead.pack(function, name="m", repository=tmp_path, reference={"x": [1.0]})
        assert "notebook cell" in refused.value.what
        assert f"from model import {function.__name__}" in refused.value.fix


def test_a_lambda_is_refused(module, tmp_path):
    with pytest.raises(errors.BadUsage, match="a lambda has no name"):
        fairlead.pack(module.small, name="m", repository=tmp_path, reference={"x": [1.0]})


# --- errors -----------------------------------------------------------------------------


class Mine(ClassifierMixin, BaseEstimator):
    """An estimator of people's own."""

    def fit(self, rows, labels):
        self.classes_ = np.unique(labels)
        self.n_features_in_ = rows.shape[1]
        return self

    def predict(self, rows):
        return np.full(len(rows), self.classes_[0])


@pytest.mark.parametrize(
    ("model", "more", "kind", "says"),
    [
        (None, {"name": "no/name"}, errors.BadUsage, "cannot name a model"),
        (None, {"reference": [[1.0, 2.0]]}, errors.FairleadError, "4"),
        (None, {"reference": "absent.csv"}, errors.FileUnreadable, "absent.csv"),
        (None, {"reference": [[1.0, "a", 2.0, 3.0]] * 2}, errors.FairleadError, ""),
        (None, {"evaluation": "abc"}, errors.BadUsage, "must be a pair"),
        (None, {"evaluation": ([[1.0] * 4], [1, 2])}, errors.BadUsage, "1 rows and 2 labels"),
        (None, {"evaluation": ([[1.0] * 4], [[1, 2]])}, errors.BadUsage, "have 2 columns"),
        (None, {"python": "/usr/bin/python3"}, errors.BadUsage, "converted where it is"),
        (LogisticRegression(), {}, errors.ConversionFailed, "not fitted"),
        (StandardScaler().fit([[1.0] * 4]), {}, errors.ConversionFailed, "no predict"),
        (object(), {}, errors.BadUsage, "cannot be packed"),
        (7, {}, errors.BadUsage, "cannot be packed"),
        ("absent.joblib", {}, errors.FileUnreadable, "absent.joblib"),
        (Mine().fit(np.ones((2, 4)), [0, 1]), {}, errors.ConversionFailed, "No module named"),
    ],
)
def test_what_is_wrong_is_a_fairlead_error_and_nothing_is_written(
    flowers, tmp_path, model, more, kind, says
):
    rows, _, fitted = flowers
    told = {"name": "m", "repository": tmp_path / "models", "reference": rows} | more
    with pytest.raises(kind) as failed:
        fairlead.pack(fitted if model is None else model, **told)
    assert says in failed.value.line()
    written = list((tmp_path / "models").rglob("*")) if (tmp_path / "models").exists() else []
    assert [path for path in written if path.is_file()] == []


def test_an_error_of_the_model_itself_is_the_cause(flowers, tmp_path):
    class Broken(Ridge):
        def predict(self, rows):
            raise RuntimeError("broken inside")

    rows, labels, _ = flowers
    model = Broken().fit(rows, labels)
    with pytest.raises(errors.ConversionFailed, match="broken inside") as failed:
        fairlead.pack(model, name="m", repository=tmp_path, reference=rows)
    assert isinstance(failed.value.__cause__, RuntimeError)


def test_packing_needs_no_framework_that_the_model_is_not_of(tmp_path):
    """torch and TensorFlow are found by name, not by looking."""
    program = """
        import sys
        class Never:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in ("torch", "tensorflow"):
                    raise SystemExit(f"{name} was imported")
        import numpy as np
        from sklearn.linear_model import Ridge
        model = Ridge().fit(np.ones((3, 2)), [1, 2, 3])
        sys.meta_path.insert(0, Never())
        import fairlead
        try:
            fairlead.pack(model, name="m", repository=sys.argv[1], reference=np.ones((3, 2)))
        except fairlead.FairleadError as error:
            print(error.line())
        else:
            print("packed")
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(program), str(tmp_path)], capture_output=True, text=True
    )
    assert (done.stdout, done.returncode) == ("packed\n", 0), done.stderr


SCRIPT = """
import json, sys, urllib.request
from pathlib import Path
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
import fairlead

rows, labels = load_iris(return_X_y=True, as_frame=True)
model = RandomForestClassifier(10, random_state=0).fit(rows, labels)
package = fairlead.pack(model, name="iris", repository="models", reference=rows,
                        evaluation=(rows, labels))
with fairlead.serve("models", port=0, workers=1) as server:
    request = urllib.request.Request(
        f"{server.url}/predict/iris", json.dumps(rows.iloc[0].to_dict()).encode(),
        {"content-type": "application/json"})
    answer = json.load(urllib.request.urlopen(request))
print(json.dumps({"packed": package.version, "answered": answer}))
"""


def test_a_script_that_packs_and_serves_can_be_run_again(tmp_path):
    for run in (1, 2):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        told = json.loads(done.stdout)
        assert told["packed"] == run
        assert told["answered"]["version"] == run
        assert told["answered"]["predictions"][0]["label"] == 0
