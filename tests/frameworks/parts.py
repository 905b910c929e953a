"""What these tests share: convert, and answer by the graph or the native model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.core.signature import Signature
from fairlead.packing.compare import DIFFERENCE, Comparison, compare
from fairlead.packing.faithful import load_graph
from fairlead.packing.rows import Table, inputs_of


@dataclass
class Converted:
    """What a converter made of a model, in the folder `out`."""

    facts: dict[str, Any]
    out: Path

    @property
    def signature(self) -> Signature:
        return Signature.from_json(self.facts["signature"])

    @property
    def shapes(self) -> dict[str, list[int]]:
        """Shapes of all inputs and outputs by name."""
        signature = self.facts["signature"]
        return {s["name"]: s["shape"] for s in (*signature["inputs"], *signature["outputs"])}

    @property
    def rows(self) -> Table:
        with np.load(self.out / "rows.npz", allow_pickle=False) as arrays:
            return Table({n: _objects(arrays[n]) for n in arrays.files})

    @property
    def graph(self) -> bytes:
        assert self.facts["runtime"] == "onnx", self.facts["reason"]
        return (self.out / self.facts["graph"]).read_bytes()

    def predict(self, *inputs: Any) -> list[Any]:
        """The answers of what will be served: the graph by onnxruntime, or the native model."""
        signature, facts = self.signature, self.facts
        arrays = [
            np.asarray(a, s.dtype.numpy) for a, s in zip(inputs, signature.inputs, strict=True)
        ]
        wanted = list(range(len(signature.outputs)))
        if facts["runtime"] == "onnx":
            return load_graph("model", signature, self.graph).predict(arrays, wanted)
        runtime: Any = import_module(f"fairlead.runtimes.{facts['runtime']}")
        about = {**facts["about"], "signature": facts["signature"]}
        return runtime.load(self.out, facts["graph"], about)(arrays, wanted)

    def comparison(self) -> Comparison:
        """As `fairlead pack` compares: the graph's answers and the original's, on rows.npz."""
        with np.load(self.out / "original.npz", allow_pickle=False) as arrays:
            original = {n: arrays[n] for n in arrays.files}
        model = load_graph("model", self.signature, self.graph)
        inputs = inputs_of(self.rows, self.signature)
        return compare(model, self.signature, inputs, original, sampled=self.facts["sampled"])


def convert(framework: str, model: Any, out: Path, **job: Any) -> Converted:
    """Converts a model, or the file that a Path names, into a new folder below `out`."""
    converter: Any = import_module(f"fairlead.packing.converters.{framework}")
    folder = out / f"converted-{len(list(out.glob('converted-*')))}"
    folder.mkdir()
    if isinstance(model, Path):
        job["path"] = str(model)
        model = converter.read(model, job)
    return Converted(converter.convert(model, job, folder), folder)


def rows_file(path: Path, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Reference rows as a job tells of them."""
    np.savez(path, **columns)
    return {"rows": str(path), "columns": list(columns)}


def close(mine: Sequence[Any], theirs: Sequence[Any]) -> bool:
    """Whether answers are equal within what `fairlead pack` accepts."""
    return len(mine) == len(theirs) and all(
        a.shape == b.shape and np.allclose(a, b, rtol=DIFFERENCE, atol=DIFFERENCE)
        for a, b in zip(mine, theirs, strict=True)
    )


def wire(arrays: Mapping[str, Any], types: Mapping[str, str]) -> dict[str, Any]:
    """Arrays as an Open Inference Protocol request."""
    return {
        "inputs": [
            {
                "name": name,
                "shape": list(a.shape),
                "datatype": types[name],
                "data": a.reshape(-1).tolist(),
            }
            for name, a in arrays.items()
        ]
    }


def unwired(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs of an Open Inference Protocol answer, as arrays by name."""
    return {o["name"]: np.array(o["data"]).reshape(o["shape"]) for o in answer["outputs"]}


def _objects(array: Any) -> Any:
    return array.astype(object) if array.dtype.kind == "U" else array
