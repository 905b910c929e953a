"""`fairlead inspect`: what a trained file is, with nothing in it run."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests import models

from fairlead.cli.main import main


class Touches:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    package = models.classifier(tmp_path / "made")
    (tmp_path / "model.onnx").write_bytes(package.graph_path.read_bytes())
    rows = np.arange(40.0).reshape(20, 2)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, np.arange(20) % 2)
    joblib.dump(model, tmp_path / "model.joblib")
    (tmp_path / "trap.pkl").write_bytes(pickle.dumps(Touches(tmp_path / "touched")))
    (tmp_path / "trap.py").write_text(
        "import os\nos.mkdir('touched')\ndef predict(age, plan):\n    return age\n"
    )
    (tmp_path / "cut.onnx").write_bytes(package.graph_path.read_bytes()[:200])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(capsys, *words: str) -> str:
    assert main(["inspect", *words]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def test_a_graph_says_what_goes_in_and_out(folder, capsys):
    said = lines(capsys, "model.onnx")
    assert said.startswith("model.onnx: ONNX (onnx)\n")
    for fact in ("x: FP32 [-1, 4]", "scores: FP32 [-1, 3]", "opset", "none: it is data"):
        assert fact in said


def test_a_pickle_says_what_it_holds_and_was_trained_with(folder, capsys):
    said = lines(capsys, "model.joblib")
    assert "StandardScaler -> LogisticRegression" in said
    assert f"scikit-learn {sklearn.__version__}, here {sklearn.__version__}: match" in said
    assert "sklearn.linear_model._logistic.LogisticRegression" in said
    assert "2 columns" in said


@pytest.mark.parametrize(
    ("file", "names"), [("trap.pkl", "posix.mkdir"), ("trap.py:predict", "os")]
)
def test_nothing_in_the_file_is_run(folder, capsys, file, names):
    assert names in lines(capsys, file)
    assert not (folder / "touched").exists()


def test_what_would_be_refused_is_said(folder, capsys):
    facts = json.loads(lines(capsys, "trap.pkl", "--json"))
    assert facts["code"]["refused"] == ["posix.mkdir"]


@pytest.mark.parametrize("file", ["model.onnx", "model.joblib", "trap.py:predict"])
def test_json_is_one_object_with_the_same_facts(folder, capsys, file):
    facts = json.loads(lines(capsys, file, "--json"))
    assert facts["bytes"] > 0
    assert facts["memory_bytes"] > facts["bytes"]
    assert facts["code"]["holds"] == (file != "model.onnx")


@pytest.mark.parametrize(
    ("words", "id", "says"),
    [
        (["absent"], "FRL-2001", "No such file"),
        (["cut.onnx"], "FRL-2101", "damaged"),
        (["made"], "FRL-2002", "saved_model.pb"),
        (["trap.py"], "FRL-2002", "Say which: trap.py:predict"),
        (["trap.py:other"], "FRL-2002", "It defines: predict"),
        ([], "FRL-2004", "See `fairlead inspect --help`"),
        (["model.onnx", "--nonsense"], "FRL-2004", "See `fairlead inspect --help`"),
        (["model.onnx", "--config", "absent.toml"], "FRL-2001", "absent.toml"),
    ],
)
def test_what_cannot_be_looked_at_is_one_line(folder, capsys, words, id, says):
    assert main(["inspect", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"fairlead: {id} ")
    assert says in said.err
    assert said.err.count("\n") == 1
