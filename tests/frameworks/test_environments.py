"""Models of other environments: each runs under the interpreter and libraries of its training.

Two further scikit-learn versions are installed once, into the folder of pytest's cache.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fairlead.cli.main import main as command

pytestmark = pytest.mark.timeout(600)

RECENT = sys.version_info >= (3, 14)
NEEDS = {
    "old": ["scikit-learn==1.7.2", "numpy==2.3.5", "scipy==1.16.3"]
    if RECENT
    else ["scikit-learn==1.5.2", "numpy==2.1.3", "scipy==1.14.1"],
    "newer": ["scikit-learn==1.8.0", "numpy==2.3.5", "scipy==1.16.3"]
    if RECENT
    else ["scikit-learn==1.7.2", "numpy==2.2.6", "scipy==1.15.3"],
}
"""What is installed in each environment beside skops; no converter, so models are kept native."""

TRAIN = """
import json, sys
import joblib, numpy, sklearn
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

rows, target = load_breast_cancer(return_X_y=True)
names = numpy.array(["malignant", "benign"])
model = make_pipeline(StandardScaler(), RandomForestClassifier(25, random_state=int(sys.argv[2])))
model.fit(rows[:400], names[target[:400]])
joblib.dump(model, sys.argv[1] + "/model.joblib")
numpy.savetxt(sys.argv[1] + "/rows.csv", rows[400:], delimiter=",", fmt="%.17g",
              header=",".join(f"c{i}" for i in range(30)), comments="")
told = {"version": sklearn.__version__, "rows": rows[400:].tolist(),
        "labels": model.predict(rows[400:]).tolist(),
        "scores": model.predict_proba(rows[400:]).tolist()}
json.dump(told, open(sys.argv[1] + "/own.json", "w"))
"""


def made(folder: Path, needs: list[str]) -> Path:
    """The interpreter of an environment with these libraries; made unless it is there."""
    python = folder / "bin/python"
    ready = folder / "ready.txt"
    if not ready.exists() or ready.read_text() != str(needs):
        venv.create(folder, with_pip=False, symlinks=True, clear=True)
        install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        # What is imported is compiled then: a tenth of it.
        more = ["--no-input", "--no-compile"]
        subprocess.run([*install, *more, *needs, "skops>=0.13"], check=True)
        ready.write_text(str(needs))
    return python


@pytest.fixture(scope="module")
def pythons(request) -> dict[str, Path]:
    """An interpreter for each version, and our own."""
    folder = request.config.cache.mkdir("environments")
    with ThreadPoolExecutor(2) as threads:
        found = threads.map(lambda name: made(folder / name, NEEDS[name]), NEEDS)
        return {**dict(zip(NEEDS, found, strict=True)), "current": Path(sys.executable)}


@pytest.fixture(scope="module")
def trained(pythons, tmp_path_factory) -> dict[str, tuple[Path, dict[str, Any]]]:
    """For each environment a folder with its trained file and rows, and its own answers."""
    folder = tmp_path_factory.mktemp("environments")
    found: dict[str, tuple[Path, dict[str, Any]]] = {}
    for number, (name, python) in enumerate(pythons.items()):
        home = folder / name
        home.mkdir()
        subprocess.run([str(python), "-c", TRAIN, str(home), str(number)], check=True)
        found[name] = home, json.loads((home / "own.json").read_text())
    return found


def words(name: str, home: Path, repository: Path, *more: str) -> list[str]:
    return [
        *("pack", str(home / "model.joblib"), "--name", name, "--repository", str(repository)),
        *("--reference", str(home / "rows.csv"), *more),
    ]


def without_guards(name: str, folder: Path) -> list[str]:
    """Every row is answered, also one that is unlike the training rows."""
    (folder / "words.toml").write_text('[guards]\nnovelty = "off"\n')
    into = ["--repository", str(folder / "models"), "--model-toml", str(folder / "words.toml")]
    return ["amend", name, *into]


@pytest.fixture(scope="module")
def client(pythons, trained, serving, tmp_path_factory):
    """All three in one server."""
    folder = tmp_path_factory.mktemp("served")
    for name, (home, _) in trained.items():
        needs = folder / f"{name}.txt"
        needs.write_text("\n".join(NEEDS.get(name, [])))
        other = ["--python", str(pythons[name]), "--requirements", str(needs)]
        more = other if name in NEEDS else []
        assert command(words(name, home, folder / "models", *more)) == 0
        assert command(without_guards(name, folder)) == 0
    return serving(folder / "models")


@pytest.mark.parametrize("name", ["old", "newer", "current"])
def test_each_version_answers_as_its_own_scikit_learn_does(client, trained, name):
    _, own = trained[name]
    answer = client.post(f"/predict/{name}", json={"rows": own["rows"]})
    assert answer.status_code == 200, answer.text
    found = answer.json()["predictions"]
    assert [row["label"] for row in found] == own["labels"]
    scores = [[row["scores"]["benign"], row["scores"]["malignant"]] for row in found]
    np.testing.assert_allclose(scores, own["scores"], rtol=0, atol=1e-12 if name in NEEDS else 1e-4)


def test_the_three_are_of_three_versions(client, trained):
    versions = {own["version"] for _, own in trained.values()}
    assert len(versions) == 3
    for name in NEEDS:
        about = client.get(f"/models/{name}").json()
        assert about["isolated"]
        assert "skl2onnx" in about["native_because"]


@pytest.mark.parametrize(
    ("needs", "id", "says"),
    [
        ("scikit-learn==9.9.9", "FRL-2104", "scikit-learn 9.9.9 is required"),
        ("absent-library==1.0", "FRL-2003", "absent-library is required and not installed"),
    ],
)
def test_an_environment_that_is_not_as_required_is_refused(
    pythons, trained, tmp_path, capfd, needs, id, says
):
    (tmp_path / "needs.txt").write_text(needs)
    more = ["--python", str(pythons["old"]), "--requirements", str(tmp_path / "needs.txt")]
    home, _ = trained["old"]
    assert command(words("old", home, tmp_path / "models", *more)) == 2
    said = capfd.readouterr().err
    assert said.startswith(f"fairlead: {id} ")
    assert says in said
    assert said.count("\n") == 1
    assert not (tmp_path / "models").exists()


def test_a_file_of_a_newer_version_than_the_interpreter_has_is_refused(
    pythons, trained, tmp_path, capfd
):
    home, own = trained["newer"]
    more = ["--python", str(pythons["old"])]
    assert command(words("newer", home, tmp_path / "models", *more)) == 2
    said = capfd.readouterr().err
    assert said.startswith("fairlead: FRL-2104 ")
    assert own["version"] in said


def test_an_interpreter_that_does_not_exist_is_refused(trained, tmp_path, capfd):
    home, _ = trained["old"]
    assert command(words("old", home, tmp_path / "models", "--python", "/no/such/python")) == 2
    assert "there is no interpreter /no/such/python" in capfd.readouterr().err
