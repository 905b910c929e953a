"""torch models to ONNX: exported programs, modules and TorchScript; kept native where that fails.

An archive of torch.export (.pt2) is operators and tensors, and is read as such. TorchScript is
code: it is read only where the owner allows it. A pickled module or a state_dict is never read.

Standalone: it runs in the airlock, perhaps under another interpreter, with the standard library,
numpy, torch, onnx and onnxscript only.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fairlead.packing.converters import (
    graphs,
    pt2,
    tensor_graphs,
    tensors,
    torch_program,
    torch_script,
)
from fairlead.packing.converters.tensors import Subject, quiet, short

RUNTIME = "torch"
PROGRAM, SCRIPT = "model.pt2", "model.pt"
_VERSIONS = ("torch", "numpy")
HOW = (
    "save it with torch.export.save(torch.export.export(model.eval(), (example,), dynamic_shapes="
    "({0: torch.export.Dim.AUTO},)), 'model.pt2')"
)
"""What to do with a torch file that is no exported program."""


def read(path: Path, job: dict[str, Any]) -> Any:
    """An exported program, or a TorchScript module where job["allow_code"] is true.

    Raises ValueError saying what the file is and how to save it instead.
    """
    torch: Any = import_module("torch")
    kind = kind_of(path)
    if kind == "script":
        if not job.get("allow_code"):
            raise ValueError(
                f"it is TorchScript, which is code: {HOW}, or trust it with --allow-code"
            )
        with quiet():
            return torch.jit.load(str(path), map_location="cpu").eval()
    if kind != "program":
        raise ValueError(f"it is {kind}: {HOW}")
    pt2.check(path)
    with quiet(), pt2.tensors_only():
        return torch.export.load(str(path))


def kind_of(path: Path) -> str:
    """ "program", "script", or in words what else a file with torch's endings holds."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return "no torch archive, or one pickled by an old torch"
    if any(n.endswith("archive_format") or n == "serialized_exported_program.json" for n in names):
        return "program"
    if any("/code/" in n for n in names):
        return "script"
    return "a pickled module or a state_dict, which cannot be served without its code"


def convert(model: Any, job: dict[str, Any], out: Path) -> dict[str, Any]:
    """Writes the graph, or the native model, and the module's own answers into `out`.

    model: an ExportedProgram, a ScriptModule or any other nn.Module.
    """
    torch: Any = import_module("torch")
    with quiet():
        if isinstance(model, torch.jit.ScriptModule):
            return _convert_script(model, job, out)
        return _convert_program(model, job, out)


def _convert_program(model: Any, job: dict[str, Any], out: Path) -> dict[str, Any]:
    torch: Any = import_module("torch")
    program, call = model, None
    if not isinstance(model, torch.export.ExportedProgram):
        program, call = torch_program.exported(model, job)
    names = list(job.get("input_names") or ())
    subject = torch_program.subject_of(program, names)
    original = replace(subject, call=call or subject.call)
    rows, found = tensors.asked(original, job)
    changed = call is not None
    if not original.batched:
        wide = torch_program.widened(program, original, rows, found)
        if wide is not None:
            program, changed = wide, True
            subject = torch_program.subject_of(wide, [s["name"] for s in original.inputs])
            rows, found = (
                [a.reshape(-1, *a.shape[2:]) for a in arrays] for arrays in (rows, found)
            )
            _same_names(subject, original)
    tensors.save(subject, rows, found, out)

    def keep() -> str:
        if changed or not job.get("path"):
            torch.export.save(program, str(out / PROGRAM))
        else:
            shutil.copyfile(str(job["path"]), out / PROGRAM)
        return PROGRAM

    facts = _facts(model, job, subject)
    return _finish(facts, job, out, lambda: _program_graph(program), keep, "program")


def _same_names(subject: Subject, original: Subject) -> None:
    """The wider program's inputs and outputs under the names of the fixed one."""
    for mine, theirs in zip(subject.inputs, original.inputs, strict=True):
        mine |= {k: theirs[k] for k in ("name", "columns") if k in theirs}
    for mine, theirs in zip(subject.outputs, original.outputs, strict=True):
        mine["name"] = theirs["name"]


def _convert_script(model: Any, job: dict[str, Any], out: Path) -> dict[str, Any]:
    torch: Any = import_module("torch")
    subject = torch_script.subject_of(model, job)
    rows, found = tensors.asked(subject, job)
    tensors.save(subject, rows, found, out)

    def keep() -> str:
        if job.get("path"):
            shutil.copyfile(str(job["path"]), out / SCRIPT)
        else:
            torch.jit.save(model, str(out / SCRIPT))
        return SCRIPT

    facts = _facts(model, job, subject)
    return _finish(
        facts, job, out, lambda: torch_script.graph(model, subject, rows), keep, "script"
    )


def _finish(
    facts: dict[str, Any],
    job: dict[str, Any],
    out: Path,
    graph: Callable[[], Any],
    keep: Callable[[], str],
    kind: str,
) -> dict[str, Any]:
    """Writes the ONNX graph if there is a right one, else the native model with the reason."""
    reason = str(job.get("native") or "")
    if job.get("double"):
        reason = "as float32 graph it does not answer as the module does"
    if not reason:
        try:
            (out / graphs.GRAPH).write_bytes(tensor_graphs.fitted(graph(), facts["signature"]))
            return facts
        except Exception as error:
            reason = f"it cannot be converted to ONNX: {short(error)}"
    return facts | {"runtime": RUNTIME, "graph": keep(), "reason": reason, "about": {"kind": kind}}


def _program_graph(program: Any) -> Any:
    """The program as an ONNX model with torch's own names."""
    torch: Any = import_module("torch")
    return torch.onnx.export(program, dynamo=True, verbose=False).model_proto


def _facts(model: Any, job: dict[str, Any], subject: Subject) -> dict[str, Any]:
    return {
        "runtime": "onnx",
        "graph": graphs.GRAPH,
        "reason": "",
        "signature": subject.signature,
        "sampled": not job.get("rows"),
        "about": {},
        "framework": "torch",
        "class": f"{type(model).__module__}.{type(model).__qualname__}",
        "versions": _versions(_VERSIONS),
    }


def _versions(names: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
