"""Python functions and classes: the owner's source file, called with arrays of rows.

Standalone: the standard library, numpy, and whatever the owner's file imports.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

_NUMPY = {
    "BOOL": "?", "BYTES": "O", "FP16": "f2", "FP32": "f4", "FP64": "f8",
    "INT8": "i1", "INT16": "i2", "INT32": "i4", "INT64": "i8",
    "UINT8": "u1", "UINT16": "u2", "UINT32": "u4", "UINT64": "u8",
}  # fmt: skip


def load(
    folder: Path, graph: str, about: dict[str, Any]
) -> Callable[[list[Any], list[int]], list[Any]]:
    """The callable `about["object"]` of the source file `graph`, with arrays by column name."""
    signature = about["signature"]
    names = [spec["name"] for spec in signature["inputs"]]
    specs = signature["outputs"]
    call = caller(find(folder / graph, str(about["object"])), names)

    def predict(inputs: list[Any], outputs: list[int]) -> list[Any]:
        found = call(dict(zip(names, inputs, strict=True)))
        return [_promised(found, specs[position]) for position in outputs]

    return predict


def _promised(found: dict[str, Any], spec: dict[str, Any]) -> Any:
    """An output by name, widened to the datatype that was packed where no value can change."""
    array = found.get(spec["name"])
    if array is None:
        raise ValueError(f"the function gave no output {spec['name']!r} this time")
    wanted = np.dtype(_NUMPY[spec["datatype"]])
    if array.dtype != wanted and wanted.kind != "O" and np.can_cast(array.dtype, wanted, "safe"):
        return array.astype(wanted)
    return array


def find(source: Path, name: str) -> Callable[..., Any]:
    """A function, or the `predict` of an instance of a class, from a source file.

    Raises ValueError saying what the file lacks, and what the file raises.
    """
    spec = importlib.util.spec_from_file_location("fairlead_packed_model", source)
    if spec is None or spec.loader is None:
        raise ValueError(f"{source.name} is not a Python source file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    found: Any = getattr(module, name, None)
    if found is None:
        raise ValueError(f"{source.name} defines no {name!r}")
    model: Any = found() if inspect.isclass(found) else found
    if not inspect.isroutine(model):
        model = getattr(model, "predict", model)
    if not callable(model):
        raise ValueError(f"{name!r} in {source.name} is neither a function nor has it a predict")
    return model


def caller(
    call: Callable[..., Any], columns: Sequence[str]
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The owner's function as one from arrays by column to arrays by output.

    A function whose parameters are names of columns gets those; one with a single parameter of
    another name gets all columns as a dict of arrays. It returns one array ("output"), or a dict
    or DataFrame of them. Raises ValueError for any other parameter without a default.
    """
    known = inspect.signature(call).parameters.values()
    named = [p for p in known if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    required = [p.name for p in named if p.default is p.empty]
    if any(p.kind == p.VAR_KEYWORD for p in known):
        return lambda given: _named(call(**given))
    if len(required) == 1 and required[0] not in columns:
        return lambda given: _named(call(given))
    unknown = [name for name in required if name not in columns]
    if unknown:
        raise ValueError(f"the function takes {unknown[0]!r}, which is no column of the rows")
    wanted = [p.name for p in named if p.name in columns]
    if any(p.kind == p.POSITIONAL_ONLY for p in named):
        return lambda given: _named(call(*[given[name] for name in wanted]))
    return lambda given: _named(call(**{name: given[name] for name in wanted}))


def _named(result: Any) -> dict[str, Any]:
    if hasattr(result, "columns") and hasattr(result, "iloc"):
        return {str(name): _array(result[name]) for name in result.columns}
    if issubclass(type(result), Mapping):
        return {str(name): _array(value) for name, value in result.items()}
    return {"output": _array(result)}


def _array(value: Any) -> Any:
    array: Any = np.asarray(value)
    if array.dtype.kind in "UST":
        return array.astype(object)
    return array.astype(np.float64) if array.dtype == np.longdouble else array
