"""The built wheel in a fresh environment without extras: it serves, and names what it lacks."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import httpx
import joblib
import lightgbm
import numpy as np
import pytest
import xgboost
from catboost import CatBoostRegressor
from sklearn.linear_model import LogisticRegression

from tests import models

ROOT = Path(__file__).parents[1]
ROWS = np.random.default_rng(0).normal(size=(60, 3))
TRUTH = (ROWS[:, 0] > 0).astype(int)

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", str(ROOT)]
    subprocess.run([*build, "--wheel-dir", str(folder)], check=True)
    (made,) = folder.glob("fairlead-*.whl")
    return made


@pytest.fixture(scope="module")
def home(wheel, tmp_path_factory) -> Path:
    """A folder with an environment that holds the wheel and what it must have, no more."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = str(folder / "venv/bin/python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-input"]
    subprocess.run([*install, "--no-compile", str(wheel)], check=True)
    return folder


def fairlead(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The installed command, in an environment of its own."""
    return subprocess.run(
        [str(home / "venv/bin/fairlead"), *words],
        capture_output=True,
        text=True,
        cwd=home,
        env={"PATH": os.defpath, "HOME": str(home)},
        timeout=120,
    )


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert all(n.startswith(("fairlead/", "fairlead-")) for n in names)
    assert {"fairlead/py.typed", "fairlead/packing/airlock/allowed.txt"} <= set(names)
    tables = {f"fairlead/costs/tables/{name}.csv" for name in ("machines", "meters", "grid")}
    assert tables <= set(names)
    assert not any(n.endswith((".pth", ".pyc")) or "/tests/" in n for n in names)
    source = {p.relative_to(ROOT / "src").as_posix() for p in (ROOT / "src").rglob("*.py")}
    assert source <= set(names)
    assert any(n.endswith("licenses/LICENSE") for n in names)


def test_the_command_is_there(home):
    done = fairlead(home, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "fairlead COMMAND" in done.stdout


def test_an_onnx_file_is_served_by_its_path(home):
    package = models.total(home / "made")
    (home / "sums.onnx").write_bytes(package.graph_path.read_bytes())
    server = subprocess.Popen(
        [str(home / "venv/bin/fairlead"), "serve", "sums.onnx", "--port", "0", "--workers", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=home,
        env={"PATH": os.defpath, "HOME": str(home)},
    )
    try:
        assert server.stdout
        lines = iter(server.stdout.readline, "")
        url = next(line.split()[1] for line in lines if line.startswith("  at http"))
        answer = httpx.post(f"{url}/predict/sums", json={"rows": [[1, 2, 3], [4, 5, 6]]})
        assert [row["value"] for row in answer.json()["predictions"]] == [6, 15]
    finally:
        server.terminate()
        server.communicate(timeout=60)
    assert server.returncode == 0


def test_a_python_function_needs_nothing_more(home):
    (home / "model.py").write_text("def predict(a, b): return a + b * 1.0\n")
    (home / "rows.csv").write_text("a,b\n1.5,2.5\n3.5,4.5\n")
    into = ["--name", "sum", "--repository", "packed"]
    done = fairlead(home, "pack", "model.py:predict", *into, "--reference", "rows.csv")
    assert done.returncode == 0, done.stderr
    assert "compare" in done.stdout


def joblib_file(home: Path) -> str:
    joblib.dump(LogisticRegression().fit(ROWS, TRUTH), home / "model.joblib")
    return "model.joblib"


def xgboost_file(home: Path) -> str:
    xgboost.XGBClassifier(n_estimators=2).fit(ROWS, TRUTH).save_model(home / "model.ubj")
    return "model.ubj"


def lightgbm_file(home: Path) -> str:
    data = lightgbm.Dataset(ROWS, TRUTH)
    booster = lightgbm.train({"objective": "binary", "verbose": -1}, data, 2)
    booster.save_model(home / "model.txt")
    return "model.txt"


def catboost_file(home: Path) -> str:
    model = CatBoostRegressor(iterations=2, verbose=False, allow_writing_files=False)
    model.fit(ROWS, TRUTH).save_model(str(home / "model.cbm"))
    return "model.cbm"


def torch_file(home: Path) -> str:
    with zipfile.ZipFile(home / "model.pt2", "w") as archive:
        archive.writestr("model/archive_format", "pt2")
        archive.writestr("model/models/model.json", "{}")
    return "model.pt2"


def tensorflow_file(home: Path) -> str:
    (home / "saved").mkdir()
    (home / "saved/saved_model.pb").write_bytes(b"\x08\x01")
    return "saved"


@pytest.mark.parametrize(
    ("write", "extra"),
    [
        (joblib_file, "sklearn"),
        (xgboost_file, "xgboost"),
        (lightgbm_file, "lightgbm"),
        (catboost_file, "catboost"),
        (torch_file, "torch"),
        (tensorflow_file, "tensorflow"),
    ],
)
def test_a_file_of_a_framework_that_is_absent_names_the_extra(home, write, extra):
    done = fairlead(home, "pack", write(home), "--name", "m", "--repository", "none")
    assert done.returncode == 2
    assert done.stderr.startswith("fairlead: FRL-2003 ")
    assert f"pip install 'fairlead[{extra}]'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (home / "none").exists()


@pytest.mark.parametrize("write", [joblib_file, xgboost_file, lightgbm_file, catboost_file])
def test_a_file_of_a_framework_that_is_absent_can_be_looked_at(home, write):
    done = fairlead(home, "inspect", write(home))
    assert (done.returncode, done.stderr) == (0, "")
    assert "size" in done.stdout


def test_rows_in_parquet_name_the_extra(home):
    (home / "rows.parquet").write_bytes(b"PAR1")
    into = ["--name", "m", "--repository", "none", "--reference", "rows.parquet"]
    done = fairlead(home, "pack", "sums.onnx", *into)
    assert "pip install 'fairlead[parquet]'" in done.stderr
