"""`fairlead pack`, as a user sees it: steps while it works, one line when it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from tests import models

from fairlead.cli.main import main
from fairlead.core.package import GuardChoice
from fairlead.packages.read import open_package, verify

ROWS = "length,width,height,weight\n5,1,2,0.5\n1,5,2,0.5\n1,1,5,0.5\n"
LABELLED = "length,width,height,weight,colour\n5,1,2,0.5,0\n1,5,2,0.5,1\n-9,1,5,0.5,1\n"
FILES = {
    "rows.csv": ROWS,
    "labelled.csv": LABELLED,
    "short.csv": "length,width,height\n5,1,2\n",
    "text.csv": "length,width,height,weight\n5,1,2,big\n",
    "ragged.csv": "length,width,height,weight\n5,1,2,1\n5,1,2\n",
    "twice.csv": "length,length,height,weight\n5,1,2,1\n",
    "empty.csv": "length,width,height,weight\n",
    "rows.xlsx": "no",
    "rows.npz": "no",
    "rows.jsonl": '{"length": 1}\n{"width": 1}\n',
    "broken.toml": "[airlock]\nallow = 3\n",
    "nothing.bin": "what is this",
    "empty.onnx": "",
}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working folder with a trained file and rows of every kind of wrongness."""
    package = models.classifier(tmp_path / "made")
    (tmp_path / "model.onnx").write_bytes(package.graph_path.read_bytes())
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pack(*words: str) -> int:
    return main(["pack", "model.onnx", "--name", "m", "--repository", "models", *words])


def test_it_says_each_step_and_how_to_serve(folder, capsys):
    truth = (np.arange(60) % 2).astype(int)
    rows = np.stack([truth + 0.1, np.arange(60) / 60], axis=1)
    joblib.dump(LogisticRegression().fit(rows, truth), folder / "model.joblib")
    table = "\n".join(f"{a},{b},{c}" for (a, b), c in zip(rows, truth, strict=True))
    (folder / "all.csv").write_text("a,b,truth\n" + table)
    words = ["pack", "model.joblib", "--name", "m", "--repository", "models"]
    assert main([*words, "--evaluation", "all.csv", "--target", "truth"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    steps = [line.split()[0] for line in said.out.splitlines()]
    told = ["read", "convert", "compare", "evaluate", "write", "Serve"]
    assert [step for step in steps if step in told] == told
    assert "labels equal 100.00%" in said.out
    assert "60 rows: accuracy 1" in said.out
    assert said.out.endswith("Serve it: fairlead serve models\n")


def test_what_it_writes_is_a_whole_package(folder, capsys):
    assert pack("--reference", "rows.csv") == 0
    package = open_package(folder / "models/m/1")
    verify(package)
    assert [c.name for c in package.signature.columns] == ["length", "width", "height", "weight"]
    assert [path.name for path in (folder / "models/m").iterdir()] == ["1"]


def test_versions_follow_each_other_and_one_can_be_named(folder, capsys):
    assert [pack(), pack("--version", "7"), pack()] == [0, 0, 0]
    assert sorted(p.name for p in (folder / "models/m").iterdir()) == ["1", "7", "8"]


def test_json_is_one_object_and_nothing_else(folder, capsys):
    words = ["--reference", "rows.csv", "--evaluation", "labelled.csv", "--target", "colour"]
    assert pack("--json", *words) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["name"], told["version"], told["runtime"]) == ("m", 1, "onnx")
    assert told["evaluation"]["rows"] == 3
    assert Path(told["folder"]).is_dir()


def test_evaluation_rows_are_kept_unless_told_not_to(folder, capsys):
    words = ["--evaluation", "labelled.csv", "--target", "colour"]
    assert pack(*words) == 0
    assert pack(*words, "--no-evidence") == 0
    assert (folder / "models/m/1/evidence").is_dir()
    assert not (folder / "models/m/2/evidence").exists()


def test_what_the_guards_do_is_chosen_when_packing_and_written_into_model_toml(folder, capsys):
    words = ["--reference", "rows.csv", "--novelty", "warn", "--false-alarm-rate", "0.05"]
    assert pack(*words, "--error-goal", "0.02", "--assurance", "0.99") == 0
    package = open_package(folder / "models/m/1")
    assert package.guards == GuardChoice("warn", 0.05, error_goal=0.02, assurance=0.99)
    goal = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("goal"))
    assert "CANNOT BE KEPT (at most 0.02 wrong, with 0.99 assurance)" in goal
    assert pack(*words, "--error-goal", "0.02", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["goal"]["threshold"], told["goal"]["error_goal"]) == (None, 0.02)


@pytest.mark.parametrize(
    ("words", "id", "says"),
    [
        (["--version", "0"], "FRL-2004", "--version must be 1 or more"),
        (["--version", "one"], "FRL-2004", "--version"),
        (["--nonsense"], "FRL-2004", "See `fairlead pack --help`"),
        (["--evaluation", "labelled.csv"], "FRL-2004", "go together"),
        (["--target", "colour"], "FRL-2004", "go together"),
        (["--evaluation", "labelled.csv", "--target", "color"], "FRL-2106", "weight, colour"),
        (["--reference", "absent.csv"], "FRL-2001", "absent.csv"),
        (["--reference", "rows.xlsx"], "FRL-2106", "Use .csv, .parquet, .npz or .jsonl"),
        (["--reference", "rows.npz"], "FRL-2106", "NPZ cannot be read"),
        (["--reference", "rows.jsonl"], "FRL-2106", "line 2"),
        (["--reference", "short.csv"], "FRL-2106", "column"),
        (["--reference", "text.csv"], "FRL-2106", "'weight' holds text"),
        (["--reference", "ragged.csv"], "FRL-2106", "row 1 has 3 cells, the header has 4"),
        (["--reference", "twice.csv"], "FRL-2106", "'length' is given twice"),
        (["--reference", "empty.csv"], "FRL-2106", "there are no rows"),
        (["--input-names", "a"], "FRL-2004", "Leave --input-names out"),
        (["--requirements", "absent.txt"], "FRL-2001", "absent.txt"),
        (["--python", "/no/such/python"], "FRL-2004", "no interpreter /no/such/python"),
        (["--config", "absent.toml"], "FRL-2001", "absent.toml"),
        (["--config", "broken.toml"], "FRL-2005", "airlock.allow"),
        (["--novelty", "stop"], "FRL-2201", "novelty must be one of reject, abstain, warn"),
        (["--false-alarm-rate", "0"], "FRL-2201", "false_alarm_rate must be between 0 and 1"),
        (["--false-alarm-rate", "1%"], "FRL-2004", "--false-alarm-rate"),
        (["--error-goal", "2"], "FRL-2201", "error_goal must be between 0 and 1"),
        (["--assurance", "0.4"], "FRL-2201", "assurance must be from 0.5 up to 1"),
        (["--name", "no/name"], "FRL-2004", "cannot name a model"),
        (["--repository", "rows.csv"], "FRL-2001", "cannot be written"),
    ],
)
def test_what_cannot_be_taken_is_one_line_and_nothing_is_written(folder, capsys, words, id, says):
    assert pack(*words) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"fairlead: {id} ")
    assert says in said
    assert said.count("\n") == 1
    assert "Errno" not in said
    assert not any(p.is_file() for p in (folder / "models").rglob("*"))


@pytest.mark.parametrize(
    ("file", "id", "says"),
    [
        ("absent.onnx", "FRL-2001", "No such file"),
        ("nothing.bin", "FRL-2002", "Known: ONNX, joblib"),
        ("empty.onnx", "FRL-2002", "empty"),
        (".", "FRL-2002", "saved_model.pb"),
    ],
)
def test_a_file_that_is_no_model_says_so(folder, capsys, file, id, says):
    assert main(["pack", file, "--name", "m", "--repository", "models"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"fairlead: {id} ")
    assert says in said
    assert said.count("\n") == 1
    assert not (folder / "models").exists()


def test_a_version_that_is_there_is_not_touched(folder, capsys):
    assert pack() == 0
    before = {p: p.read_bytes() for p in (folder / "models").rglob("*") if p.is_file()}
    assert pack("--version", "1") == 2
    assert "Leave --version out" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in (folder / "models").rglob("*") if p.is_file()} == before


def test_settings_of_the_airlock_come_from_the_file_or_the_flag(folder, capsys):
    """A pickle of an object that no list knows is refused, and packed once it is allowed."""
    (folder / "tool.py").write_text("")
    truth = np.arange(20) % 2
    model = LogisticRegression().fit(truth[:, None] * 1.0, truth)
    model.note = Path("an object that is none of scikit-learn's")
    joblib.dump(model, folder / "model.joblib")
    words = ["pack", "model.joblib", "--name", "m", "--repository", "models"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("fairlead: FRL-2101 ")
    allow = next(w.rstrip(",.") for w in said.split() if w.startswith("pathlib."))
    assert f"--allow {allow}" in said
    assert main([*words, "--allow", allow]) == 0
    (folder / "fairlead.toml").write_text(f'[airlock]\nallow = ["{allow}"]\n')
    assert main(words) == 0
