"""Python functions: nothing is converted; the reference rows say what goes in and comes out.

Standalone: it runs in the airlock, perhaps under another interpreter.
"""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.packing.converters import samples
from fairlead.runtimes import python as runtime

SOURCE = "model.py"
_KINDS = {"b": "BOOL", "i": "INT64", "f": "FP64", "O": "BYTES"}
_OUT = {"b": "BOOL", "i": "INT64", "u": "INT64", "f": "FP64", "O": "BYTES"}


def read(path: Path, job: dict[str, Any]) -> Any:
    """The function or instance that job["object"] names in a source file."""
    return runtime.find(path, str(job["object"]))


def convert(model: Any, job: dict[str, Any], out: Path) -> dict[str, Any]:
    """Copies the source and calls the function once on all reference rows. Raises ValueError."""
    if not job.get("rows"):
        raise ValueError(
            "a Python function needs reference rows, which say what it takes: give --reference"
        )
    columns = {name: _plain(values) for name, values in samples.given_rows(job).items()}
    count = len(next(iter(columns.values())))
    answers = runtime.answers(model, columns)
    outputs: list[dict[str, Any]] = []
    for name, array in answers.items():
        if array.ndim < 1 or len(array) != count:
            raise ValueError(
                f"output {name!r} has shape {list(array.shape)} for {count} rows: the function "
                "must return one entry per row"
            )
        role = {"role": "label"} if array.dtype.kind == "O" else {}
        kind = _OUT.get(array.dtype.kind)
        if kind is None:
            raise ValueError(f"output {name!r} holds {array.dtype}: return numbers or text")
        outputs.append({"name": name, "datatype": kind, "shape": [-1, *array.shape[1:]], **role})
    inputs: list[dict[str, Any]] = []
    for name, values in columns.items():
        spec: dict[str, Any] = {
            "name": name,
            "datatype": _KINDS[values.dtype.kind],
            "shape": [-1, *values.shape[1:]],
        }
        missing = values.dtype.kind == "f" and bool(np.isnan(values).any())
        inputs.append(spec | ({"missing": True} if missing else {}))
    shutil.copyfile(str(job["path"]), out / SOURCE)
    np.savez(out / "rows.npz", **samples.for_file(columns))
    np.savez(out / "original.npz", **samples.for_file(answers))
    return {
        "runtime": "python",
        "graph": SOURCE,
        "reason": "it is a Python function",
        "sampled": False,
        "framework": "python",
        "class": str(job["object"]),
        "versions": {"numpy": version("numpy")},
        "about": {"object": str(job["object"])},
        "signature": {"format": 1, "inputs": inputs, "outputs": outputs},
    }


def _plain(values: Any) -> Any:
    kind = {"f": np.float64, "i": np.int64, "u": np.int64, "b": np.bool_}.get(values.dtype.kind)
    return values.astype(kind) if kind is not None else values.astype(object)
