"""ONNX files as they are: ours, and a real one of another project, which ships with its package."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import magika
import numpy as np
import onnxruntime
import pandas as pd
import pytest
import sklearn.datasets
from magika.types.seekable import Seekable
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from tests.formats.parts import Case, assert_alike, exact, pack_all

PACKAGE = Path(magika.__file__).parent
SAMPLES = Path(sklearn.datasets.__file__).parent


# --- magika: what kind of file is this? -------------------------------------------------


@pytest.fixture(scope="module")
def detector() -> magika.Magika:
    return magika.Magika()


@pytest.fixture(scope="module")
def samples(detector) -> list[tuple[Path, list[int], Any]]:
    """Real files with the features that magika's own code makes of them, and its own answers."""
    files = [
        *sorted(PACKAGE.rglob("*.py")),
        *sorted(PACKAGE.rglob("*.json")),
        *sorted(SAMPLES.rglob("*.csv")),
        *sorted(SAMPLES.rglob("*.rst")),
        *sorted(SAMPLES.rglob("*.jpg")),
        *sorted(SAMPLES.rglob("*.gz")),
        *sorted(SAMPLES.glob("*.py")),
        *sorted(SAMPLES.glob("*.so")),
        Path(sys.executable),
    ]
    found = []
    for file in files:
        content = file.read_bytes()
        _, features = detector._get_result_or_features_from_seekable(Seekable(io.BytesIO(content)))
        if features is not None:
            own = detector.identify_bytes(content).prediction
            found.append((file, [*features.beg, *features.end], own))
    assert len(found) >= 50
    assert len({own.dl.label for _, _, own in found}) >= 6
    return found


@pytest.fixture(scope="module")
def client(serving):
    (graph,) = PACKAGE.rglob("model.onnx")
    return serving(graph, name="magika")


def assert_its_own(detector: magika.Magika, scores: Any, samples: Any, close: float = 1e-3) -> None:
    """The same label and score as its own package gives to each file.

    Its graph itself answers a file among others a little differently than alone.
    """
    labels = detector._target_labels_space
    assert np.shape(scores) == (len(samples), len(labels))
    for (file, _, own), row in zip(samples, scores, strict=True):
        best = int(np.argmax(row))
        assert str(labels[best]) == str(own.dl.label), file
        assert row[best] == pytest.approx(own.score, abs=close)


def test_magika_over_the_open_protocol_agrees_with_its_own_package(client, detector, samples):
    data = [number for _, features, _ in samples for number in features]
    tensor = {"name": "bytes", "shape": [len(samples), 2048], "datatype": "INT32", "data": data}
    answer = client.post("/v2/models/magika/infer", json={"inputs": [tensor]})
    (output,) = answer.json()["outputs"]
    assert output["name"] == "target_label"
    assert_its_own(detector, np.array(output["data"]).reshape(output["shape"]), samples)


def test_magika_by_rows_agrees_with_its_own_package(client, detector, samples):
    rows = [features for _, features, _ in samples]
    answer = client.post("/predict/magika", json={"rows": rows})
    assert answer.status_code == 200, answer.text[:300]
    scores = [row["target_label"] for row in answer.json()["predictions"]]
    assert_its_own(detector, scores, samples)


def test_magika_file_by_file_agrees_with_its_own_package(client, detector, samples):
    for sample in samples[::8]:
        answer = client.post("/predict/magika", json={"rows": [sample[1]]})
        scores = [row["target_label"] for row in answer.json()["predictions"]]
        assert_its_own(detector, scores, [sample], close=1e-6)


def test_magikas_own_example_works(client):
    about = client.get("/models/magika").json()
    assert client.post(about["predict"], json=about["example"]).status_code == 200


# --- graphs of people's own -------------------------------------------------------------


def flowers() -> tuple[pd.DataFrame, Any, Any]:
    data = load_iris(as_frame=True)
    rows = exact(data.data)
    names = np.array(["setosa", "versi color", "virginica"])[data.target]
    return rows, names, LogisticRegression(max_iter=1000).fit(rows.to_numpy(), names)


def case(**options: Any) -> Case:
    """A classifier exported by its owner, who names no column."""
    rows, _, model = flowers()

    def save(folder: Path) -> Path:
        graph = to_onnx(model, rows.to_numpy(np.float32)[:1], options={id(model): options})
        (folder / "model.onnx").write_bytes(graph.SerializeToString())
        return folder / "model.onnx"

    array = rows.to_numpy()
    return Case(
        save,
        rows,
        rows,
        labels=model.predict(array).tolist(),
        scores=model.predict_proba(array),
        classes=list(model.classes_),
    )


CASES = {"maps": lambda: case(zipmap=True), "tensors": lambda: case(zipmap=False)}


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    return {name: make() for name, make in CASES.items()}


@pytest.fixture(scope="module")
def packed(cases, serving, tmp_path_factory):
    return serving(pack_all(cases, tmp_path_factory.mktemp("onnx")))


@pytest.mark.parametrize("name", CASES)
def test_a_classifiers_graph_answers_as_its_estimator(packed, cases, name):
    """One that ends in a map for each row is made to end in a tensor."""
    assert_alike(packed, name, cases[name])


def test_a_graph_answers_as_onnxruntime_does_bit_for_bit(packed, cases, tmp_path):
    rows = cases["tensors"].rows
    graph = cases["tensors"].save(tmp_path)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (wanted,) = session.run(["probabilities"], {"X": rows.to_numpy(np.float32)})
    answer = packed.post("/predict/tensors", json={"rows": rows.to_numpy().tolist()})
    scores = [[*row["scores"].values()] for row in answer.json()["predictions"]]
    assert np.array_equal(np.array(scores, dtype=np.float32), wanted)
