"""TorchScript modules: what they take and give, and their ONNX graph by torch's older exporter.

A TorchScript file names its inputs and says neither datatypes nor shapes, so the reference rows
must.

Standalone: the standard library, numpy and torch.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from fairlead.packing.converters import samples, tensors, torch_program
from fairlead.packing.converters.tensors import Subject
from fairlead.runtimes import torch as runtime

_OPSET = 18


def subject_of(module: Any, job: Mapping[str, Any]) -> Subject:
    """What the module takes and gives, by asking it the first reference rows.

    Raises ValueError without rows, or when it takes them in no form.
    """
    own = [a.name for a in module.forward.schema.arguments[1:] if not a.has_default_value()]
    arrays = torch_program.first_arguments(module, samples.given(dict(job)), len(own))
    names = tensors.named(list(job.get("input_names") or ()), own[: len(arrays)])
    call = runtime.script_call(module)
    first = -1 if _takes_any_number(call, arrays) else 1
    inputs = [_spec(name, array, first) for name, array in zip(names, arrays, strict=True)]
    found = call([a[:1] for a in arrays])
    given = torch_program.output_names(_result(module, arrays), set(names))
    outputs = [_spec(name, array, first) for name, array in zip(given, found, strict=True)]
    return Subject(inputs, outputs, call)


def _takes_any_number(call: Any, arrays: Sequence[Any]) -> bool:
    """Whether two rows give two rows of each output."""
    count = min(2, len(arrays[0]))
    try:
        return count == 2 and all(len(a) == count for a in call([a[:count] for a in arrays]))
    except (RuntimeError, TypeError):
        return False


def _spec(name: str, array: Any, first: int) -> dict[str, Any]:
    kind = next((k for k, v in tensors.NUMPY.items() if v != "O" and array.dtype == v), None)
    if kind is None:
        raise ValueError(f"{name!r} is {array.dtype}, which does not travel: cast it in forward()")
    shape = [first, *array.shape[1:]] if array.ndim else []
    return {"name": name, "datatype": kind, "shape": shape}


def _result(module: Any, arrays: Sequence[Any]) -> Any:
    torch: Any = import_module("torch")
    with torch.no_grad():
        return module(*[torch.from_numpy(a[:1].copy()) for a in arrays])


def graph(module: Any, subject: Subject, rows: Sequence[Any]) -> Any:
    """The module as an ONNX model. Raises whatever torch cannot convert."""
    torch: Any = import_module("torch")
    onnx: Any = import_module("onnx")
    specs = [*subject.inputs, *subject.outputs]
    names = [[s["name"] for s in part] for part in (subject.inputs, subject.outputs)]
    examples = [a[:2] if subject.batched else a[0] for a in rows]
    file = io.BytesIO()
    torch.onnx.export(
        module,
        tuple(torch.from_numpy(a.copy()) for a in examples),
        file,
        dynamo=False,
        opset_version=_OPSET,
        input_names=names[0],
        output_names=names[1],
        dynamic_axes={s["name"]: {0: "rows"} for s in specs} if subject.batched else None,
    )
    return onnx.load_from_string(file.getvalue())
