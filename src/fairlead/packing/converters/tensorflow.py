"""SavedModels to ONNX, by tf2onnx; kept native where that fails.

A SavedModel is a graph of TensorFlow's operators. One that reads or writes files, or calls back
into Python, is served only where the owner allows code.

Standalone: it runs in the airlock, perhaps under another interpreter, with the standard library,
numpy, tensorflow, tf2onnx and onnx only.
"""

from __future__ import annotations

import copy
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.packing.converters import graphs, tensor_graphs, tensors
from fairlead.packing.converters.tensors import Refused, Subject, quiet, short
from fairlead.runtimes import tensorflow as runtime

RUNTIME = "tensorflow"
FOLDER = "saved_model"
DEFAULT = "serving_default"
SAME, ROWS, OTHER = "same", "rows", "other"
"""What a further signature is to the one that is converted: another name of it, one that takes the
same inputs, neither."""
_OPSET = 18
_VERSIONS = ("tensorflow", "numpy")
_KINDS = {
    "float32": "FP32", "float64": "FP64", "float16": "FP16", "bool": "BOOL", "string": "BYTES",
    "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
    "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64",
}  # fmt: skip
_OUTSIDE = frozenset(
    ("ReadFile", "WriteFile", "MatchingFiles", "PyFunc", "PyFuncStateless", "EagerPyFunc")
)
"""Operators that reach outside the graph."""

_INEXACT = frozenset(("StringNormalizer",))
"""TensorFlow changes the case of ASCII letters only, ONNX that of every letter."""


@dataclass(frozen=True)
class Saved:
    """A loaded SavedModel: its folder, TensorFlow's object, the signature that is served."""

    folder: Path
    loaded: Any
    function: str


def read(path: Path, job: dict[str, Any]) -> Saved:
    """The SavedModel in a folder; job["signature"] names the signature, else the default one.

    Raises ValueError for other Keras files, saying how to write a SavedModel.
    """
    if not path.is_dir():
        raise ValueError(
            "it is no SavedModel folder: load it where it was trained and write one by "
            "model.export('folder')"
        )
    if not job.get("allow_code"):
        _check(path)
    return _opened(path, str(job.get("signature") or ""))


def _opened(path: Path, asked: str) -> Saved:
    tf: Any = import_module("tensorflow")
    with quiet():
        loaded = tf.saved_model.load(str(path))
    known = sorted(loaded.signatures)
    if not known:
        raise ValueError(
            "the SavedModel has no signature: write it by model.export('folder'), or "
            "tf.saved_model.save(module, 'folder', signatures=module.function)"
        )
    function = asked or (DEFAULT if DEFAULT in known or len(known) > 1 else known[0])
    if function not in known:
        raise ValueError(
            f"the SavedModel has no signature {function!r}, it has {', '.join(known)}: name one "
            "with --signature"
        )
    return Saved(path, loaded, function)


def _check(path: Path) -> None:
    """Raises Refused for a graph with operators that reach outside it."""
    protobuf: Any = import_module("tensorflow.core.protobuf.saved_model_pb2")
    saved = protobuf.SavedModel()
    try:
        saved.ParseFromString((path / "saved_model.pb").read_bytes())
    except Exception as error:
        raise ValueError(f"saved_model.pb is damaged: {error}") from error
    for part in saved.meta_graphs:
        nodes = [
            *part.graph_def.node,
            *(n for f in part.graph_def.library.function for n in f.node_def),
        ]
        outside = sorted({node.op for node in nodes} & _OUTSIDE)
        if outside:
            raise Refused(
                f"its graph reaches outside itself by {', '.join(outside)}: take that out, or "
                "trust it with --allow-code"
            )


def convert(model: Any, job: dict[str, Any], out: Path) -> dict[str, Any]:
    """Writes the graph, or the SavedModel itself, and its own answers into `out`.

    model: a Saved; or from a notebook a Keras model or a tf.Module, which is saved first.
    """
    with quiet():
        saved = model if isinstance(model, Saved) else _saved(model, job, out)
        subject, own = _subject(saved, list(job.get("input_names") or ()))
        rows, found = tensors.asked(subject, job)
        tensors.save(subject, rows, found, out)
        facts = _facts(model, job, subject)
        facts["signatures"] = _further(saved, (subject, own), rows, found)
        reason = str(job.get("native") or "")
        if job.get("double"):
            reason = "as float32 graph it does not answer as the SavedModel does"
        if not reason:
            try:
                graph = _graph(saved, own)
                raw = tensor_graphs.fitted(graph, facts["signature"], _INEXACT)
                (out / graphs.GRAPH).write_bytes(raw)
                return facts
            except Exception as error:
                reason = f"it cannot be converted to ONNX: {short(error)}"
    if saved.folder != out / FOLDER:
        shutil.copytree(saved.folder, out / FOLDER)
    about = {"function": saved.function, "inputs": own[0], "outputs": own[1]}
    return facts | {"runtime": RUNTIME, "graph": FOLDER, "reason": reason, "about": about}


def _saved(model: Any, job: Mapping[str, Any], out: Path) -> Saved:
    """A model of a notebook as a SavedModel in `out`."""
    tf: Any = import_module("tensorflow")
    if hasattr(model, "export"):
        model.export(str(out / FOLDER), verbose=False)
    else:
        tf.saved_model.save(model, str(out / FOLDER))
    return _opened(out / FOLDER, str(job.get("signature") or ""))


def _subject(saved: Saved, names: Sequence[str]) -> tuple[Subject, tuple[list[str], list[str]]]:
    """What the signature takes and gives, and its own names of both, in order."""
    called = saved.loaded.signatures[saved.function]
    takes: Mapping[str, Any] = called.structured_input_signature[1]
    gives: Mapping[str, Any] = called.structured_outputs
    own = sorted(takes, key=_natural), sorted(gives, key=_natural)
    if not all(own):
        raise ValueError(f"signature {saved.function!r} has no tensor that goes in, or comes out")
    shown = tensors.named(names, own[0])
    inputs = [_spec(name, takes[key]) for name, key in zip(shown, own[0], strict=True)]
    outputs = [_spec(key if key not in shown else f"output_{key}", gives[key]) for key in own[1]]
    call = runtime.signature_call(saved.loaded, saved.function, *own)
    return Subject(inputs, outputs, call), own


def _further(
    saved: Saved, first: tuple[Subject, Any], rows: Sequence[Any], found: Sequence[Any]
) -> dict[str, str]:
    """The other signatures by name, and what each is to the first one.

    Another name of the first takes and gives the same, and has the very same answers to the rows.
    """
    known = {saved.function: SAME} if saved.function != DEFAULT else {}
    for name in sorted(saved.loaded.signatures):
        if name in (saved.function, DEFAULT) or name.startswith("__"):
            continue
        known[name] = OTHER
        # One that cannot be read is told of when it is packed.
        with suppress(ValueError):
            subject, own = _subject(replace(saved, function=name), ())
            if own[0] == first[1][0] and _shapes(subject.inputs) == _shapes(first[0].inputs):
                same = own[1] == first[1][1] and _answers_same(subject, rows, found)
                known[name] = SAME if same else ROWS
    return known


def _shapes(specs: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [(spec["datatype"], spec["shape"]) for spec in specs]


def _answers_same(subject: Subject, rows: Sequence[Any], found: Sequence[Any]) -> bool:
    try:
        mine = tensors.answers(subject, rows)
    except Exception:
        return False
    return all(
        a.dtype == b.dtype and a.shape == b.shape and bool(((a == b) | ((a != a) & (b != b))).all())
        for a, b in zip(mine, found, strict=True)
    )


def _natural(name: str) -> list[Any]:
    """output_2 before output_10: what stands in a SavedModel has no order of its own."""
    return [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", name)]


def _spec(name: str, value: Any) -> dict[str, Any]:
    kind = _KINDS.get(value.dtype.name)
    if kind is None:
        raise ValueError(f"{name!r} is {value.dtype.name}, which does not travel: cast it")
    if value.shape.rank is None:
        raise ValueError(f"how many dimensions {name!r} has is open: save it with a fixed rank")
    shape = [-1 if d is None else int(d) for d in value.shape]
    return {"name": name, "datatype": kind, "shape": shape}


def _graph(saved: Saved, own: tuple[list[str], list[str]]) -> Any:
    """The signature as an ONNX model, its inputs and outputs in our order."""
    tf: Any = import_module("tensorflow")
    loader: Any = import_module("tf2onnx.tf_loader")
    tfonnx: Any = import_module("tf2onnx.tfonnx")
    optimizer: Any = import_module("tf2onnx.optimizer")
    frozen, inputs, outputs, tables, names = loader.from_saved_model(
        str(saved.folder),
        None,
        None,
        "serve",
        [saved.function],
        return_initialized_tables=True,
        return_tensors_to_rename=True,
    )
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen, name="")
        made = tfonnx.process_tf_graph(
            graph,
            opset=_OPSET,
            input_names=inputs,
            output_names=outputs,
            initialized_tables={name: _sorted(*table) for name, table in tables.items()},
            tensors_to_rename=names,
        )
        model = optimizer.optimize_graph(made).make_model("fairlead")
    for values, order in ((model.graph.input, own[0]), (model.graph.output, own[1])):
        found = {value.name: value for value in values}
        if sorted(found) != sorted(order):
            raise ValueError(f"the graph has {', '.join(sorted(found))}, not {', '.join(order)}")
        ordered: list[Any] = [copy.deepcopy(found[name]) for name in order]
        del values[:]
        values.extend(ordered)
    return model


def _sorted(keys: Any, values: Any) -> tuple[Any, Any]:
    """A lookup table in the order of its keys; TensorFlow gives it in the order of a hash."""
    order = np.argsort(keys, kind="stable")
    return keys[order], values[order]


def _facts(model: Any, job: Mapping[str, Any], subject: Subject) -> dict[str, Any]:
    return {
        "runtime": "onnx",
        "graph": graphs.GRAPH,
        "reason": "",
        "signature": subject.signature,
        "sampled": not job.get("rows"),
        "about": {},
        "framework": "tensorflow",
        "class": _class(model),
        "versions": _versions(),
    }


def _class(model: Any) -> str:
    named = model.__class__
    return "SavedModel" if named is Saved else f"{named.__module__}.{named.__qualname__}"


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
