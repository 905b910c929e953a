"""Images, tokens and texts through real packages and a real server, not only the library.

The images are the digits of scikit-learn at 16 x 16 pixels, read by a small convolutional network
(filters by chance, two trained layers) that shows its hidden layer. The tokens are pieces of the
words of docstrings as numbers; the texts are the docstrings, read by a linear classifier.
"""

from __future__ import annotations

import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.datasets import load_digits
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

import fairlead
from benchmarks.guards.mixed import SCRIPTS, foreign, made_texts, real_texts
from benchmarks.guards.novelty import RATE, promise
from benchmarks.report import Part, table

_BATCH = 200
_LENGTH = 64
_SHOWN_ONLY = ("another tokenizer",)
"""The same ids in other places: twenty tokens at 1 % do not always tell."""

_REJECT = "reject"

Rows = dict[str, Any]


def run(splits: int, seed: int = 0) -> Part:
    """Every kind of bad row, in several splits into reference rows and others."""
    sources = {"images": _images, "tokens": _tokens, "texts": _texts}
    lines: list[str] = [f"seeds {seed} to {seed + splits - 1}; rejected by a served package"]
    promises: list[Any] = []
    for name, make in sources.items():
        found: dict[str, list[float]] = {}
        variance = 0.0
        for one in range(seed, seed + splits):
            with tempfile.TemporaryDirectory() as folder:
                rows = make(Path(folder), one)
                shares, aside = _rejected(Path(folder), name, rows)
                variance += RATE * (1 - RATE) * (1 / len(rows["good"]) + 1 / aside) / splits**2
                for kind, share in shares.items():
                    found.setdefault(kind, []).append(share)
        means = {kind: float(np.mean(shares)) for kind, shares in found.items()}
        false = means.pop("good")
        shown = [name, f"{100 * false:.1f} %", *(f"{k} {100 * v:.0f}" for k, v in means.items())]
        lines += ["", *table(("rows", "false alarms", *("caught",) * len(means)), [shown])]
        error = float(np.sqrt(variance))
        promises.append(promise(f"served {name}: false alarms", RATE + 2 * error, false, most=True))
        promises += [
            promise(f"served {name}: {kind} caught", 0.95, share)
            for kind, share in means.items()
            if kind not in _SHOWN_ONLY
        ]
    return Part("Images, tokens and texts through a server", lines, {}, promises)


def _rejected(folder: Path, model: str, rows: Rows) -> tuple[dict[str, float], float]:
    """The share of rows that the served model rejects, by kind; and how many rows calibrate it."""
    server = fairlead.serve(folder / "models", port=0, workers=1, state=folder / "state")
    try:
        with httpx.Client(base_url=server.url, timeout=60) as client:
            guards = client.get(f"/models/{model}").json()["guards"]
            aside = 1 / guards["novelty"]["smallest_rate"] - 1
            return {kind: _share(client, model, some) for kind, some in rows.items()}, aside
    finally:
        server.stop()


def _share(client: httpx.Client, model: str, rows: Any) -> float:
    decisions: list[str] = []
    for start in range(0, len(rows), _BATCH):
        body = [{"x": row} for row in np.asarray(rows[start : start + _BATCH]).tolist()]
        answer = client.post(f"/predict/{model}", json=body)
        answer.raise_for_status()
        decisions += [row["decision"] for row in answer.json()["predictions"]]
    return float(np.mean([decision == _REJECT for decision in decisions]))


# --- images -----------------------------------------------------------------------------


def _images(folder: Path, seed: int) -> Rows:
    found = load_digits()
    random = np.random.default_rng(seed)
    order = random.permutation(len(found.images))
    pictures = np.kron(found.images / 16.0, np.ones((2, 2)))[order, None].astype(np.float32)
    cut = len(pictures) * 6 // 10
    train, good = pictures[:cut], pictures[cut:]
    _network(folder / "images.onnx", train, found.target[order][:cut], seed)
    fairlead.pack(
        folder / "images.onnx", name="images", repository=folder / "models", reference={"x": train}
    )
    return {
        "good": good,
        "inverted": 1 - good,
        "black": np.zeros_like(good[:20]),
        "white": np.ones_like(good[:20]),
        "noise": random.random(good.shape),
        "other source": foreign(good[:, 0].shape, random)[:, None],
        "bytes for shares": good * 255,
    }


def _network(path: Path, images: Any, labels: Any, seed: int) -> None:
    """Writes x -> probabilities, hidden: eight filters, means of squares, two trained layers."""
    filters = np.random.default_rng(seed).normal(size=(8, 1, 3, 3))
    windows = sliding_window_view(np.pad(images[:, 0], ((0, 0), (1, 1), (1, 1))), (3, 3), (1, 2))
    flows = np.maximum(np.einsum("nhwij,kij->nkhw", windows, filters[:, 0]), 0)
    flat = flows.reshape(len(images), 8, 4, 4, 4, 4).mean(axis=(3, 5)).reshape(len(images), -1)
    fitted = MLPClassifier((32,), random_state=seed, max_iter=2000).fit(flat, labels)
    weights = {"w": filters, "w1": fitted.coefs_[0], "b1": fitted.intercepts_[0],
               "w2": fitted.coefs_[1], "b2": fitted.intercepts_[1]}  # fmt: skip
    node: Any = import_module("onnx.helper").make_node
    nodes = [
        node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        node("Relu", ["c"], ["r"]),
        node("AveragePool", ["r"], ["p"], kernel_shape=[4, 4], strides=[4, 4]),
        node("Flatten", ["p"], ["f"]),
        node("Gemm", ["f", "w1", "b1"], ["g"]),
        node("Relu", ["g"], ["hidden"]),
        node("Gemm", ["hidden", "w2", "b2"], ["z"]),
        node("Softmax", ["z"], ["probabilities"], axis=1),
    ]
    outputs = {"probabilities": 10, "hidden": 32}
    _write(path, nodes, ("FLOAT", [1, 16, 16]), outputs, weights)


def _write(
    path: Path,
    nodes: list[Any],
    given: tuple[str, list[Any]],
    outputs: dict[str, int],
    weights: Any,
) -> None:
    onnx: Any = import_module("onnx")
    helper: Any = import_module("onnx.helper")
    arrays: Any = import_module("onnx.numpy_helper")
    element, shape = given
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info("x", getattr(onnx.TensorProto, element), [None, *shape])],
        [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [None, w])
         for n, w in outputs.items()],
        [arrays.from_array(v.astype(np.int64 if v.dtype.kind == "i" else np.float32), n)
         for n, v in weights.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 18)]
    path.write_bytes(
        helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    )


# --- tokens and texts -------------------------------------------------------------------


def _parted(seed: int) -> tuple[list[str], list[str], Any]:
    random = np.random.default_rng(seed)
    lines = real_texts()
    given = [lines[i] for i in random.permutation(len(lines))]
    cut = len(given) * 7 // 10
    return given[:cut], given[cut:], random


def _pieces(line: str) -> list[str]:
    """Parts of words of up to three letters, as a tokenizer has few and common ones."""
    words = line.lower().split()
    return [word[i : i + 3] for word in words for i in range(0, len(word), 3)]


def _tokens(folder: Path, seed: int) -> Rows:
    train, test, random = _parted(seed)
    pieces = sorted({piece for line in real_texts() for piece in _pieces(line)})
    places = {piece: place + 3 for place, piece in enumerate(pieces)}

    def ids(lines: list[str]) -> Any:
        found = np.zeros((len(lines), _LENGTH), np.int64)
        for row, line in enumerate(lines):
            known = [places[piece] for piece in _pieces(line)][:_LENGTH]
            found[row, : len(known)] = known
        return found

    node: Any = import_module("onnx.helper").make_node
    graph = folder / "tokens.onnx"
    nodes = [
        node("Cast", ["x"], ["f"], to=1),
        node("Unsqueeze", ["f", "place"], ["u"]),
        node("GlobalAveragePool", ["u"], ["m"]),
        node("Flatten", ["m"], ["value"]),
    ]
    _write(graph, nodes, ("INT64", [None]), {"value": 1}, {"place": np.array([1])})
    fairlead.pack(graph, name="tokens", repository=folder / "models", reference={"x": ids(train)})
    good = ids(test)
    mixed = np.where(good > 0, random.permutation(len(pieces) + 3)[good] + 3, 0)
    return {
        "good": good,
        "another tokenizer": mixed,
        "10 x length": np.tile(good, (1, 10)),
        "a loop": np.repeat(good[:100, :1], _LENGTH, axis=1),
        "ids beyond all": np.where(good > 0, good + 30_000, 0),
    }


def _texts(folder: Path, seed: int) -> Rows:
    train, test, random = _parted(seed)
    labels = ["matrix" in line or "array" in line for line in train]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(train, labels)
    fairlead.pack(
        model, name="texts", repository=folder / "models", reference={"x": np.array(train, object)}
    )
    scripts = [line for letters in SCRIPTS.values() for line in made_texts(random, letters, 50)]
    return {
        "good": test,
        "another script": scripts,
        "10 x length": [" ".join([line] * 10) for line in test],
    }
