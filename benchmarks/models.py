"""The small models: trained on data that scikit-learn ships, packed as an owner packs them."""

from __future__ import annotations

import json
import shutil
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fairlead
from benchmarks.places import BODIES, PACKED
from fairlead.packages.read import open_package

Rows = NDArray[np.float32]

BOOSTING, GUARDED, FOREST = "boosting", "guarded", "forest"
OUTPUT = "probabilities"


@cache
def data() -> tuple[Rows, Any]:
    """breast_cancer: 569 rows of 30 features, and their labels."""
    datasets: Any = import_module("sklearn.datasets")
    rows, labels = datasets.load_breast_cancer(return_X_y=True)
    return rows.astype(np.float32), labels


@cache
def trained(name: str) -> Any:
    """A fitted estimator, always the same."""
    return {BOOSTING: boosting, GUARDED: boosting, FOREST: forest}[name]()


def boosting() -> Any:
    """StandardScaler and 100 boosted trees of depth 3."""
    ensemble: Any = import_module("sklearn.ensemble")
    pipeline: Any = import_module("sklearn.pipeline")
    scaling: Any = import_module("sklearn.preprocessing")
    model = pipeline.make_pipeline(
        scaling.StandardScaler(), ensemble.GradientBoostingClassifier(random_state=0)
    )
    return model.fit(*data())


def forest() -> Any:
    """100 trees, one after the other in one thread."""
    ensemble: Any = import_module("sklearn.ensemble")
    return ensemble.RandomForestClassifier(100, random_state=0).fit(*data())


@cache
def packed(name: str) -> Path:
    """The folder of the packed model; without rows no guard is learnt.

    The rows are those of training: how fast the guards are does not depend on what they promise.
    Of the labels one in 25 is wrong, or no answer would ever be unsure.
    """
    if name != GUARDED:
        return _pack(name, trained(name))
    rows, labels = data()
    told = labels.copy()
    told[::25] = 1 - told[::25]
    return _pack(name, trained(name), reference=rows, evaluation=(rows, told), error_goal=0.2)


@cache
def packed_graph(name: str, graph: Path) -> Path:
    """The folder of a packed ONNX file."""
    return _pack(name, graph)


def _pack(name: str, model: Any, **more: Any) -> Path:
    """Packs in every run, so that what is measured is what packing writes now."""
    shutil.rmtree(PACKED / name, ignore_errors=True)
    return fairlead.pack(model, name=name, repository=PACKED, **more).folder


def graph_of(package: Path) -> Path:
    """The ONNX graph of a package."""
    return package / "graph" / "model.onnx"


def oip_body(name: str, rows: NDArray[Any], wire: str, tensor: str, output: str) -> Path:
    """A file with an Open Inference Protocol request for `rows`, asking for one output."""
    inputs = [
        {"name": tensor, "shape": list(rows.shape), "datatype": wire, "data": plain(rows.ravel())}
    ]
    return _body(f"{name}.oip.json", {"inputs": inputs, "outputs": [{"name": output}]})


def columns_body(name: str, package: Path, rows: NDArray[Any]) -> Path:
    """A file with the same rows as lists by column, asking for the same output."""
    names = [column.name for column in open_package(package).signature.columns]
    pairs = zip(names, rows.T, strict=True)
    columns = {n: plain(cells) for n, cells in pairs}
    return _body(f"{name}.columns.json", {"columns": columns, "outputs": [OUTPUT]})


def instances_body(name: str, rows: NDArray[Any]) -> Path:
    """A file with the same rows as {"instances": [[...]]}."""
    return _body(f"{name}.instances.json", {"instances": [plain(row) for row in rows]})


def plain(values: NDArray[Any]) -> list[Any]:
    """Numbers as JSON says them: float32 by its shortest decimal."""
    return [float(f"{v:.7g}") if isinstance(v, float) else v for v in values.tolist()]


def _body(name: str, content: dict[str, Any]) -> Path:
    BODIES.mkdir(parents=True, exist_ok=True)
    path = BODIES / name
    path.write_text(json.dumps(content, separators=(",", ":")))
    return path
