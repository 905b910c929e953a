"""What a trained file is and needs, before anything in it runs.

Bytes are read, never objects made: an ONNX graph and a SavedModel are walked, a booster's header
is parsed, a pickle is read by the inert reader in the airlock.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fairlead.packing import booster_files, formats, onnx_file, saved_model
from fairlead.packing.airlock import child
from fairlead.packing.airlock.process import Airlock
from fairlead.packing.airlock.refused import printable
from fairlead.packing.from_file import size_of
from fairlead.packing.python_file import look as look_python

_HARMLESS = ("builtins", "collections", "copyreg", "datetime", "numpy", "scipy", "_codecs")
_RUNTIME_BYTES = 60 << 20
"""What onnxruntime and a worker take before any model is loaded, as measured."""
_FRAMEWORKS = {
    "sklearn": "scikit-learn",
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
    "catboost": "CatBoost",
}
"""Whose object a file holds, by the package of its class."""
_SHOWN = 20
_MOST_LINE = 2000
_WORST = ("refuse", "unknown", "drift", "match")


def inspect(given: str, airlock: Airlock) -> dict[str, Any]:
    """The facts of a trained file, as `fairlead inspect --json` prints them.

    format, framework, path, bytes;
    trained_with, here: {library: version}; verdict: "match", "drift", "refuse" or "unknown";
    model: its class in words; parameters: count of numbers, of nodes in trees, or None;
    inputs, outputs: as far as the file names them; opset: {domain: version} of an ONNX graph;
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
    facts |= _looks(airlock)[file.format](file)
    if file.format in (formats.PICKLE, formats.SKOPS):
        facts["framework"] = _FRAMEWORKS.get(facts["model"].partition(".")[0], "unknown")
    facts["here"], facts["verdict"] = _compared(facts)
    weights = int(facts.pop("weight_bytes", 0)) or facts["bytes"]
    facts["memory_bytes"] = _RUNTIME_BYTES + 2 * weights
    return facts


def _looks(airlock: Airlock) -> dict[str, Callable[[formats.TrainedFile], dict[str, Any]]]:
    return {
        formats.ONNX: _onnx,
        formats.PICKLE: lambda file: _objects(airlock.look(file.path)),
        formats.SKOPS: lambda file: _objects(airlock.look(file.path, formats.SKOPS)),
        formats.XGBOOST: lambda file: booster_files.xgboost(file.path),
        formats.LIGHTGBM: lambda file: booster_files.lightgbm(file.path),
        formats.CATBOOST: lambda file: booster_files.catboost(file.path),
        formats.TORCH_EXPORT: _torch,
        formats.TORCHSCRIPT: _torchscript,
        formats.SAVEDMODEL: lambda file: saved_model.look(file.path),
        formats.PYTHON: lambda file: look_python(file.path, file.object),
    }


def _compared(facts: dict[str, Any]) -> tuple[dict[str, str], str]:
    """What is installed of what it was trained with, and whether that reads it."""
    here: dict[str, str] = {}
    verdicts: set[str] = set()
    for name, trained in facts["trained_with"].items():
        try:
            here[name] = version(name)
        except PackageNotFoundError:
            verdicts.add("refuse" if name == "scikit-learn" else "unknown")
            continue
        verdict = child.verdict(trained, here[name])
        # Only objects depend on the library that they were objects of; the rest is data.
        objects = facts["format"] in (formats.PICKLE, formats.SKOPS)
        verdicts.add("drift" if verdict == "refuse" and not objects else verdict)
    return here, next((worst for worst in _WORST if worst in verdicts), "unknown")


def _onnx(file: formats.TrainedFile) -> dict[str, Any]:
    found = onnx_file.read(file.path.read_bytes())
    onnx_file.check_external(found, file.path.parent)
    kinds = len(found.operators)
    by = f", written by {found.producer}" if found.producer else ""
    return {
        "model": f"graph of {sum(found.operators.values())} nodes, {kinds} kinds{by}",
        "parameters": found.parameters,
        "weight_bytes": found.weight_bytes,
        "inputs": found.inputs,
        "outputs": found.outputs,
        "opset": found.opsets,
        "classes": found.classes,
        "code": {"holds": bool(found.foreign), "touches": [], "refused": found.foreign},
    }


def _objects(found: dict[str, Any]) -> dict[str, Any]:
    """A pickle or skops file, by what the airlock's look tells."""
    named = [printable(".".join(pair)) for pair in found["names"]]
    steps = " -> ".join(found["steps"])
    touches = sorted({n for n in named if n.partition(".")[0] not in _HARMLESS})
    columns = found["feature_names"] or found["features"]
    return {
        "model": found["class"] + (f" ({steps})" if steps else ""),
        "trained_with": found["versions"],
        "parameters": found["elements"],
        "weight_bytes": found["bytes"],
        "inputs": [{"columns": columns}] if columns else [],
        "outputs": [{"classes": found["classes"]}] if found["classes"] else [],
        "code": {"holds": True, "touches": touches, "refused": found["refused"]},
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
    lines = [
        f"{Path(str(facts['path'])).name}: {facts['framework']} ({facts['format']})",
        f"  model       {facts['model'] or 'unknown until packed'}",
        f"  size        {_amount(facts['bytes'])} on disk, at least "
        f"{_amount(facts['memory_bytes'])} in memory once served",
    ]
    if facts["parameters"] is not None:
        lines.append(f"  parameters  {facts['parameters']:,}")
    if facts["opset"]:
        shown = ", ".join(f"{d or 'ai.onnx'} {v}" for d, v in facts["opset"].items())
        lines.append(f"  opset       {shown}")
    elif facts["trained_with"] or facts["format"] != formats.PYTHON:
        lines.append(f"  versions    {_versions(facts)}")
    lines += [f"  input       {_tensor(i)}" for i in facts["inputs"][:_SHOWN]]
    if len(facts["inputs"]) > _SHOWN:
        lines.append(f"              and {len(facts['inputs']) - _SHOWN} more")
    lines += [f"  output      {_tensor(o)}" for o in facts["outputs"][:_SHOWN]]
    if facts.get("classes"):
        lines.append(f"  classes     {_several(facts['classes'])}")
    # What a file says of itself may hold anything.
    return [printable(line, _MOST_LINE) for line in [*lines, *_code(facts)]]


def _code(facts: dict[str, Any]) -> list[str]:
    """Whether it holds code, what that touches, and what would be refused."""
    code = facts["code"]
    touches, refused = code["touches"], code["refused"]
    if facts["format"] == formats.PYTHON:
        return [f"  code        it is code; it imports {_several(touches) or 'nothing'}"]
    if facts["format"] == formats.TORCHSCRIPT:
        return [
            f"  code        it is code: {_several(touches)}",
            "  refused     unless fairlead pack is told --allow-code",
        ]
    if not code["holds"]:
        return ["  code        none: it is data"]
    lines = [f"  code        {_several(touches)}"]
    if facts["format"] in (formats.PICKLE, formats.SKOPS):
        count = f"{len(touches)} object" + ("" if len(touches) == 1 else "s")
        lines = [f"  code        it names {count} beyond plain values"]
        lines += [f"                {name}" for name in touches[:_SHOWN]]
        if len(touches) > _SHOWN:
            lines.append(f"                and {len(touches) - _SHOWN} more")
        if refused:
            advice = "to be allowed by fairlead pack --allow, if you know them to be harmless"
            return [*lines, f"  refused     {_several(refused)}: {advice}"]
    return lines + ([f"  refused     {_several(refused)}"] if refused else [])


def _several(values: list[Any]) -> str:
    shown = ", ".join(map(str, values[:_SHOWN]))
    return f"{shown} and {len(values) - _SHOWN} more" if len(values) > _SHOWN else shown


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
        return f"{len(columns)} columns: {_several(columns)}"
    if "classes" in value:
        return f"classes {_several(value['classes'])}"
    if not value["datatype"]:
        return f"{value['name']}: no tensor; a map for each row becomes one when it is packed"
    return f"{value['name']}: {value['datatype']} {value['shape'] or ''}"


def _amount(count: int) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count //= 1024
    return f"{count} GiB"
