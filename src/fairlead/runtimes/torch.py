"""torch models kept as they are: exported programs (.pt2), and TorchScript.

Standalone: the standard library, numpy and torch. Nothing here runs in the worker.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

Call = Callable[[list[Any]], list[Any]]
"""Arrays in input order to arrays in output order."""


def load(
    folder: Path, graph: str, about: dict[str, Any]
) -> Callable[[list[Any], list[int]], list[Any]]:
    """The model of `graph`; about["kind"] is "program" or "script"."""
    torch: Any = import_module("torch")
    path = str(folder / graph)
    if about["kind"] == "script":
        call = script_call(torch.jit.load(path, map_location="cpu").eval())
    else:
        call = program_call(torch.export.load(path))

    def predict(inputs: list[Any], outputs: list[int]) -> list[Any]:
        found = call(inputs)
        return [found[position] for position in outputs]

    return predict


def program_call(program: Any) -> Call:
    """An exported program as a function of arrays.

    More rows than the program was exported for are asked in parts.
    """
    pytree: Any = import_module("torch.utils._pytree")
    module = unguarded(program)
    slots = [constant_of(spec) for spec in user_inputs(program)]
    most = _most_rows(program)

    def call(arrays: list[Any]) -> list[Any]:
        count = len(arrays[0]) if most else 0
        if count <= most:
            return once(arrays)
        parts = [once([a[i : i + most] for a in arrays]) for i in range(0, count, most)]
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    def once(arrays: list[Any]) -> list[Any]:
        given = iter(arrays)
        leaves = [_tensor(next(given)) if slot is TENSOR else slot for slot in slots]
        positional, named = pytree.tree_unflatten(leaves, program.call_spec.in_spec)
        return _answer(module, positional, named)

    return call


def _most_rows(program: Any) -> int:
    """The bound of the program's free first dimension, 0 for none."""
    taken = {spec.arg.name for spec in user_inputs(program)}
    values = [n.meta.get("val") for n in program.graph.nodes if n.name in taken]
    firsts = {str(value.shape[0]) for value in values if getattr(value, "shape", ())}
    bounds = [str(r.upper) for s, r in program.range_constraints.items() if str(s) in firsts]
    return min((int(bound) for bound in bounds if bound.isdecimal()), default=0)


def script_call(module: Any) -> Call:
    """A TorchScript module, or any other module, as a function of arrays in order."""

    def call(arrays: list[Any]) -> list[Any]:
        return _answer(module, [_tensor(a) for a in arrays], {})

    return call


TENSOR = object()
"""Stands for an input that is a tensor and no constant."""


def user_inputs(program: Any) -> list[Any]:
    """What a caller of the program gives, in order; parameters and buffers left out."""
    specs = program.graph_signature.input_specs
    return [spec for spec in specs if spec.kind.name == "USER_INPUT"]


def constant_of(spec: Any) -> Any:
    """The value that an input was exported with, TENSOR for a tensor."""
    return getattr(spec.arg, "value", None) if _is_constant(spec) else TENSOR


def _is_constant(spec: Any) -> bool:
    return type(spec.arg).__name__ == "ConstantArgument"


def unguarded(program: Any) -> Any:
    """The program's module, with no check of sizes but the bounds of free dimensions.

    The signature has checked the shapes, where this torch can leave that out.
    """
    try:
        return program.module(check_guards=False)
    except TypeError:
        return program.module()


def tensors_of(result: Any) -> list[Any]:
    """The tensors in whatever a module returned, in order."""
    torch: Any = import_module("torch")
    pytree: Any = import_module("torch.utils._pytree")
    return [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, torch.Tensor)]


def _answer(module: Any, positional: Any, named: Any) -> list[Any]:
    torch: Any = import_module("torch")
    with torch.no_grad():
        result = module(*positional, **named)
    return [leaf.detach().cpu().numpy() for leaf in tensors_of(result)]


def _tensor(array: Any) -> Any:
    """A tensor with its own memory where torch would otherwise see a read-only array."""
    torch: Any = import_module("torch")
    flat = np.ascontiguousarray(array).reshape(array.shape)
    return torch.from_numpy(flat if flat.flags.writeable else flat.copy())
