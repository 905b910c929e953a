"""What a trained file is and needs, before anything in it runs.

Bytes are read, never objects made: an ONNX graph and a SavedModel are walked, a booster's header
is parsed, a pickle is read by the inert reader in the airlock.
"""

from __future__ import annotations

import json
import re
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fairlead.core.errors import UnsafeFile
from fairlead.packing import formats, onnx_file, saved_model
from fairlead.packing.airlock import child
from fairlead.packing.airlock.process import Airlock
from fairlead.packing.from_file import size_of
from fairlead.packing.python_file import look as look_python

_HEAD = 1 << 20
_NUMBER = re.compile(rb'num_feature"?[^0-9]{1,6}(\d{1,9})')
_HARMLESS = ("builtins", "collections", "copyreg", "datetime", "numpy", "scipy", "_codecs")
_RUNTIME_BYTES = 60 << 20
"""What onnxruntime and a worker take before any model is loaded, as measured."""


def inspect(given: str, airlock: Airlock) -> dict[str, Any]:
    """The facts of a trained file, as `fairlead inspect --json` prints them.

    format, framework, path, bytes;
    trained_with, here: {library: version}; verdict: "match", "drift", "refuse" or "unknown";
    model: its class in words; parameters: count or None;
    inputs, outputs: as far as the file names them;
    code: {"holds": bool, "touches": [names], "refused": [names the airlock does not allow]};
    memory_bytes: at least this much once served.
    Raises FormatUnknown, UnsafeFile, FileUnreadable.
    """
    file = formats.detect(given)
    facts: dict[str, Any] = {
        "path": given,
        "format": file.format,
        "framework": formats.FRAMEWORKS[file.format],
        "bytes": size_of(file.path),
        "model": "",
        "trained_with": {},
        "parameters": None,
        "inputs": [],
        "outputs": [],
        "opset": None,
        "code": {"holds": False, "touches": [], "refused": []},
    }
    look = {
        formats.ONNX: _onnx,
        formats.PICKLE: lambda f: _pickle(f, airlock),
        formats.SKOPS: _skops,
        formats.XGBOOST: _xgboost,
        formats.LIGHTGBM: _lightgbm,
        formats.CATBOOST: lambda f: {"model": "CatBoost model"},
        formats.TORCH_EXPORT: _torch,
        formats.TORCHSCRIPT: _torchscript,
        formats.SAVEDMODEL: lambda f: saved_model.look(f.path),
        formats.PYTHON: lambda f: look_python(f.path, f.object),
    }[file.format]
    facts |= look(file)
    facts["here"], facts["verdict"] = _compared(facts)
    weights = int(facts.pop("weight_bytes", 0)) or facts["bytes"]
    facts["memory_bytes"] = _RUNTIME_BYTES + 2 * weights
    return facts


def _compared(facts: dict[str, Any]) -> tuple[dict[str, str], str]:
    here: dict[str, str] = {}
    verdicts: set[str] = set()
    for name, trained in facts["trained_with"].items():
        try:
            here[name] = version(name)
            verdicts.add(child.verdict(trained, here[name]))
        except PackageNotFoundError:
            verdicts.add("refuse" if name == "scikit-learn" else "unknown")
    for worst in ("refuse", "unknown", "drift", "match"):
        if worst in verdicts:
            return here, worst
    return here, "unknown"


def _onnx(file: formats.TrainedFile) -> dict[str, Any]:
    found = onnx_file.read(file.path.read_bytes())
    onnx_file.check_external(found, file.path.parent)
    kinds = len(found.operators)
    return {
        "model": f"graph of {sum(found.operators.values())} nodes, {kinds} kinds",
        "parameters": found.parameters,
        "weight_bytes": found.weight_bytes,
        "inputs": found.inputs,
        "outputs": found.outputs,
        "opset": found.opsets,
        "classes": found.classes,
        "code": {"holds": bool(found.foreign), "touches": [], "refused": found.foreign},
    }


def _pickle(file: formats.TrainedFile, airlock: Airlock) -> dict[str, Any]:
    found = airlock.look(file.path)
    named = [str(n).replace(" ", ".", 1) for n in found["names"]]
    steps = " -> ".join(found["steps"])
    touches = sorted({n for n in named if n.partition(".")[0] not in _HARMLESS})
    columns = found["feature_names"] or found["features"]
    inputs = [{"columns": columns}] if columns else []
    outputs = [{"classes": found["classes"]}] if found["classes"] else []
    return {
        "model": found["class"] + (f" ({steps})" if steps else ""),
        "trained_with": found["versions"],
        "parameters": found["elements"],
        "weight_bytes": found["bytes"],
        "inputs": inputs,
        "outputs": outputs,
        "code": {"holds": True, "touches": touches, "refused": found["refused"]},
    }


def _skops(file: formats.TrainedFile) -> dict[str, Any]:
    """The classes that a skops file names; it is data, but makes objects of them."""
    with zipfile.ZipFile(file.path) as archive, archive.open("schema.json") as schema:
        tree = json.loads(schema.read(64 << 20))
    names: set[str] = set()
    waiting: list[Any] = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if "__class__" in item and "__module__" in item:
                names.add(f"{item['__module__']}.{item['__class__']}")
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    touches = sorted(n for n in names if n.partition(".")[0] not in _HARMLESS)
    return {
        "model": f"{tree.get('__module__', '')}.{tree.get('__class__', '')}",
        "code": {"holds": True, "touches": touches, "refused": []},
    }


def _xgboost(file: formats.TrainedFile) -> dict[str, Any]:
    """From the JSON's learner, or by its key in the binary form."""
    with file.path.open("rb") as handle:
        raw = handle.read(_HEAD)
    found = _NUMBER.search(raw)
    facts: dict[str, Any] = {"model": "XGBoost booster"}
    if raw.lstrip()[1:2] in (b'"', b"\n", b" "):
        try:
            learner = json.loads(file.path.read_bytes())
            facts["trained_with"] = {"xgboost": ".".join(map(str, learner["version"]))}
            names = learner["learner"].get("feature_names") or []
            facts["model"] += f" ({learner['learner']['objective']['name']})"
            count = int(learner["learner"]["learner_model_param"]["num_feature"])
            return facts | {"inputs": [{"columns": names or count}]}
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UnsafeFile(f"the booster's JSON is damaged: {type(error).__name__}") from None
    return facts | ({"inputs": [{"columns": int(found[1])}]} if found else {})


def _lightgbm(file: formats.TrainedFile) -> dict[str, Any]:
    with file.path.open("rb") as handle:
        lines = handle.read(_HEAD).decode("utf-8", "replace").splitlines()
    head = dict(line.partition("=")[::2] for line in lines[:30] if "=" in line)
    return {
        "model": f"LightGBM booster ({head.get('objective', 'unknown objective')})",
        "inputs": [{"columns": head.get("feature_names", "").split()}],
    }


def _torch(file: formats.TrainedFile) -> dict[str, Any]:
    with zipfile.ZipFile(file.path) as archive:
        weights = [e for e in archive.infolist() if "/weights/" in e.filename]
    held = sum(e.file_size for e in weights)
    return {"model": f"exported program, {len(weights)} weight files", "weight_bytes": held}


def _torchscript(file: formats.TrainedFile) -> dict[str, Any]:
    with zipfile.ZipFile(file.path) as archive:
        names = [e.filename.partition("/")[2] for e in archive.infolist()]
    code = sorted(n for n in names if n.startswith("code/") and n.endswith(".py"))
    return {
        "model": "TorchScript module",
        "code": {"holds": True, "touches": code, "refused": ["TorchScript code (--allow-code)"]},
    }


def summary(facts: dict[str, Any]) -> list[str]:
    """The facts as lines for people."""
    code = facts["code"]
    lines = [
        f"{Path(str(facts['path'])).name}: {facts['framework']} ({facts['format']})",
        f"  model       {facts['model'] or 'unknown until packed'}",
        f"  size        {_amount(facts['bytes'])} on disk, at least "
        f"{_amount(facts['memory_bytes'])} in memory once served",
    ]
    if facts["parameters"] is not None:
        lines.append(f"  parameters  {facts['parameters']:,}")
    lines.append(f"  versions    {_versions(facts)}")
    if facts["opset"]:
        shown = ", ".join(f"{d or 'ai.onnx'} {v}" for d, v in facts["opset"].items())
        lines.append(f"  opset       {shown}")
    lines += [f"  input       {_tensor(i)}" for i in facts["inputs"]]
    lines += [f"  output      {_tensor(o)}" for o in facts["outputs"]]
    if not code["holds"]:
        lines.append("  code        none: it is data")
    else:
        lines.append(f"  code        names {len(code['touches'])} objects beyond plain values")
        lines += [f"                {name}" for name in code["touches"][:20]]
    if code["refused"]:
        lines.append(f"  refused     {', '.join(code['refused'][:10])}")
    return lines


def _versions(facts: dict[str, Any]) -> str:
    if not facts["trained_with"]:
        return "the file does not say"
    parts = [
        f"{name} {trained}, here {facts['here'].get(name, 'absent')}"
        for name, trained in facts["trained_with"].items()
    ]
    return f"{'; '.join(parts)}: {facts['verdict']}"


def _tensor(value: dict[str, Any]) -> str:
    if "columns" in value:
        columns = value["columns"]
        if isinstance(columns, int):
            return f"{columns} columns"
        shown = ", ".join(columns[:12])
        return f"{len(columns)} columns: {shown}{', ...' if len(columns) > 12 else ''}"
    if "classes" in value:
        return "classes " + ", ".join(map(str, value["classes"][:12]))
    shape = "" if value.get("shape") is None else value["shape"]
    return f"{value['name']}: {value['datatype'] or 'not a tensor'} {shape}"


def _amount(count: int) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count = int(count / 1024)
    return f"{count} GiB"
