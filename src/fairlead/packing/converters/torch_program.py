"""Exported programs of torch: what they take and give, made from modules, widened, to ONNX.

Standalone: the standard library, numpy and torch.
"""

from __future__ import annotations

import copy
import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from fairlead.packing.converters import samples, tensors
from fairlead.packing.converters.tensors import Subject, short
from fairlead.runtimes import torch as runtime

_KINDS = {
    "float32": "FP32", "float64": "FP64", "float16": "FP16", "bool": "BOOL",
    "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
    "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64",
}  # fmt: skip
_SIZED = ("view", "reshape", "expand", "_unsafe_view", "new_zeros", "new_ones", "new_full")
_SIZES_OF = ("zeros", "ones", "full", "empty", "rand", "randn")
_EXAMPLE_ROWS = 5
_MOST_INTEGER_INPUTS = 4
Call = Callable[[list[Any]], list[Any]]


def subject_of(program: Any, names: Sequence[str]) -> Subject:
    """What the program takes and gives. Raises ValueError for what no signature can say.

    names: the owner's names for its inputs, [] for forward's own.
    """
    slots = [s for s in runtime.user_inputs(program) if runtime.constant_of(s) is runtime.TENSOR]
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    for slot in slots:
        if type(slot.arg).__name__ != "TensorArgument":
            raise ValueError(f"input {slot.arg.name!r} is no tensor: only tensors can be sent")
    own = [str(slot.arg.name) for slot in slots]
    inputs = [
        _spec(name, values[slot.arg.name])
        for name, slot in zip(tensors.named(names, own), slots, strict=True)
    ]
    gives = [
        values[spec.arg.name]
        for spec in program.graph_signature.output_specs
        if spec.kind.name == "USER_OUTPUT" and type(spec.arg).__name__ == "TensorArgument"
    ]
    if not inputs or not gives:
        raise ValueError("the program has no tensor that goes in, or none that comes out")
    taken = {spec["name"] for spec in inputs}
    outputs = [
        _spec(name, value) for name, value in zip(_output_names(program, taken), gives, strict=True)
    ]
    bounds = _bounds(program)
    return Subject(
        inputs,
        outputs,
        runtime.program_call(program),
        _example_shapes(program, len(inputs)),
        [bounds.get(name, 0) for name in own],
    )


def _spec(name: str, value: Any) -> dict[str, Any]:
    kind = _KINDS.get(str(value.dtype).removeprefix("torch."))
    if kind is None:
        raise ValueError(f"{name!r} is {value.dtype}, which does not travel: cast it in forward()")
    shape = [d if isinstance(d, int) else -1 for d in value.shape]
    return {"name": name, "datatype": kind, "shape": shape}


def output_names(result: Any, taken: set[str]) -> list[str]:
    """`output`, `output_0`…, or the keys of a dict; never the name of an input."""
    pytree: Any = import_module("torch.utils._pytree")
    paths, _ = pytree.tree_flatten_with_path(result)
    keyed = any(hasattr(step, "key") or hasattr(step, "name") for path, _ in paths for step in path)
    found: list[str] = []
    for number, (path, _) in enumerate(paths):
        steps = [str(getattr(s, "key", getattr(s, "name", getattr(s, "idx", "")))) for s in path]
        plain = "output" if len(paths) == 1 else f"output_{number}"
        name = "_".join(steps) if keyed and all(steps) else plain
        found.append(name if name not in taken else f"output_{name}")
    return found


def _output_names(program: Any, taken: set[str]) -> list[str]:
    pytree: Any = import_module("torch.utils._pytree")
    spec = program.call_spec.out_spec
    names = output_names(pytree.tree_unflatten(list(range(spec.num_leaves)), spec), taken)
    given = [s for s in program.graph_signature.output_specs if s.kind.name == "USER_OUTPUT"]
    return [
        name
        for name, entry in zip(names, given, strict=True)
        if type(entry.arg).__name__ == "TensorArgument"
    ]


def _example_shapes(program: Any, count: int) -> list[Any]:
    """The shapes that it was exported with, where the archive holds them."""
    leaves = runtime.tensors_of(getattr(program, "example_inputs", None) or ())
    return [list(leaf.shape) for leaf in leaves] if len(leaves) == count else [None] * count


def _bounds(program: Any) -> dict[str, int]:
    """How many rows the embedding has that an input looks up, by the input's name."""
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    found: dict[str, int] = {}
    for node in program.graph.nodes:
        if str(node.target).startswith("aten.embedding") and len(node.args) > 1:
            table, ids = node.args[0], node.args[1]
            known = values.get(getattr(table, "name", ""))
            if known is not None and getattr(ids, "op", "") == "placeholder":
                bound = int(known.shape[0])
                found[ids.name] = min(found.get(ids.name, bound), bound)
    return found


# --- from a module --------------------------------------------------------------------------


def exported(module: Any, job: Mapping[str, Any]) -> tuple[Any, Call]:
    """The program of a module in evaluation mode, and the module itself as a function of arrays.

    The reference rows say what it takes. Raises ValueError without them.
    """
    torch: Any = import_module("torch")
    module = copy.deepcopy(module).cpu().eval()
    names = [p.name for p in inspect.signature(module.forward).parameters.values()]
    arguments = first_arguments(module, samples.given(dict(job)), len(names))
    rows = [a[np.arange(_EXAMPLE_ROWS) % len(a)] for a in arguments]
    sizes = tuple({0: torch.export.Dim.AUTO} for _ in rows)
    try:
        program = torch.export.export(module, _tensors(rows), dynamic_shapes=sizes)
        dynamic = subject_of(program, ()).batched
    except Exception:
        program, dynamic = None, False
    if not dynamic:
        try:
            program = torch.export.export(module, _tensors([a[:1] for a in rows]))
        except Exception as error:
            raise ValueError(f"torch.export cannot follow the module: {short(error)}") from error
    return program, runtime.script_call(module)


def first_arguments(module: Any, columns: Mapping[str, Any], most: int) -> list[Any]:
    """The reference rows as the arrays that a module takes, found by trying.

    Raises ValueError when there are none, or it takes them in no form.
    """
    if not columns:
        raise ValueError(
            "what a torch module takes is not written in it: give reference rows, or save it with "
            "torch.export.save(torch.export.export(model, (example,)), 'model.pt2')"
        )
    problem: Exception | None = None
    call = runtime.script_call(module)
    for arrays in _forms(columns, most, _precision(module)):
        for count in (2, 1):
            try:
                call([a[:count] for a in arrays])
            except Exception as error:
                problem = problem or error
                continue
            return arrays
    raise ValueError(f"the module does not take the reference rows: {_last_line(problem)}")


def _last_line(error: Exception | None) -> str:
    """TorchScript's errors are long; what went wrong stands last."""
    return str(error).strip().splitlines()[-1][:300]


def _forms(columns: Mapping[str, Any], most: int, precision: str) -> Iterator[list[Any]]:
    """Whole inputs or one table of all columns; whole numbers as numbers, then as they are."""
    arrays = list(columns.values())
    if len(arrays) > 1 and all(a.ndim == 1 for a in arrays) and (most == 1 or len(arrays) > most):
        arrays = [np.stack(arrays, axis=1)]
    elif len(arrays) == 1 and arrays[0].ndim == 1:
        arrays = [arrays[0][:, np.newaxis]]
    whole = [i for i, a in enumerate(arrays) if a.dtype.kind in "iu"][:_MOST_INTEGER_INPUTS]
    for kinds in itertools.product((precision, "i8"), repeat=len(whole)):
        chosen = dict(zip(whole, kinds, strict=True))
        yield [
            a.astype(chosen.get(i, precision if a.dtype.kind == "f" else a.dtype))
            for i, a in enumerate(arrays)
        ]


def _precision(module: Any) -> str:
    """float64 for a module with such weights, else float32."""
    kinds = {str(p.dtype) for p in module.parameters()}
    return "f8" if kinds == {"torch.float64"} else "f4"


def _tensors(arrays: Sequence[Any]) -> tuple[Any, ...]:
    torch: Any = import_module("torch")
    return tuple(torch.from_numpy(np.ascontiguousarray(a)) for a in arrays)


# --- from a fixed number of rows to any -----------------------------------------------------


def widened(program: Any, fixed: Subject, calls: Sequence[Any], found: Sequence[Any]) -> Any | None:
    """The program with a free first dimension, None if there is no exact one.

    Most people export with one example row, which fixes the number of rows at one. The wider
    program must answer the rows of `calls` as the fixed one did (`found`), however many rows it
    is asked at once.
    """
    size = _common_rows(fixed)
    if not size:
        return None
    torch: Any = import_module("torch")
    flat = [a.reshape(-1, *a.shape[2:]) for a in calls]
    truth = [a.reshape(-1, *a.shape[2:]) for a in found]
    examples = [a[np.arange(size + _EXAMPLE_ROWS) % len(a)] for a in flat]
    for rewrite in (False, True):
        try:
            module = runtime.unguarded(program)
            if rewrite:
                _free_sizes(module, size)
            positional, keyword, shapes = _arguments(program, examples)
            wide = torch.export.export(module, positional, keyword, dynamic_shapes=shapes)
            subject = subject_of(wide, ())
            if subject.batched and _exact(subject, flat, truth, size):
                return wide
        except Exception:  # noqa: S112 - whatever torch refuses leaves the program as it is
            continue
    return None


def _common_rows(subject: Subject) -> int:
    """The fixed first dimension that all inputs and outputs share, 0 if there is none."""
    firsts = {s["shape"][0] if s["shape"] else 0 for s in (*subject.inputs, *subject.outputs)}
    size = firsts.pop() if len(firsts) == 1 else 0
    return max(size, 0)


def _exact(subject: Subject, inputs: list[Any], truth: list[Any], size: int) -> bool:
    for count in sorted({1, 2, 3, size, 2 * size + 1, len(inputs[0])}):
        found = subject.call([a[:count] for a in inputs])
        if not tensors.close(found, [a[:count] for a in truth]):
            return False
    return True


def _arguments(program: Any, arrays: Sequence[Any]) -> tuple[Any, Any, Any]:
    """Arrays as the program's positional and keyword arguments, and their free dimensions."""
    torch: Any = import_module("torch")
    pytree: Any = import_module("torch.utils._pytree")
    given = iter(_tensors(arrays))
    leaves = [
        next(given) if runtime.constant_of(spec) is runtime.TENSOR else runtime.constant_of(spec)
        for spec in runtime.user_inputs(program)
    ]
    positional, keyword = pytree.tree_unflatten(leaves, program.call_spec.in_spec)
    free = {0: torch.export.Dim.AUTO}
    shapes = [free if isinstance(leaf, torch.Tensor) else None for leaf in leaves]
    first, second = pytree.tree_unflatten(shapes, program.call_spec.in_spec)
    names = list(inspect.signature(runtime.unguarded(program).forward).parameters)
    return positional, keyword, {**dict(zip(names, first, strict=False)), **second}


def _free_sizes(module: Any, size: int) -> None:
    """Lets reshapes that begin with the fixed number of rows begin with the input's own."""
    torch: Any = import_module("torch")
    graph = module.graph
    first = next(node for node in graph.nodes if node.op == "placeholder")
    last = [node for node in graph.nodes if node.op == "placeholder"][-1]
    with graph.inserting_after(last):
        count = graph.call_function(torch.ops.aten.sym_size.int, (first, 0))
    for node in graph.nodes:
        kind = str(node.target).removeprefix("aten.").split(".")[0]
        place = 1 if kind in _SIZED else 0 if kind in _SIZES_OF else None
        if place is None or len(node.args) <= place or not isinstance(node.args[place], list):
            continue
        shape = list(node.args[place])
        if shape and shape[0] == size:
            node.update_arg(place, [count, *shape[1:]])
    module.recompile()
