"""Python functions and classes: the owner's source file, called with arrays of rows.

Standalone: the standard library, numpy, and whatever the owner's file imports.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_NUMPY = {
    "BOOL": "?", "BYTES": "O", "FP16": "f2", "FP32": "f4", "FP64": "f8",
    "INT8": "i1", "INT16": "i2", "INT32": "i4", "INT64": "i8",
    "UINT8": "u1", "UINT16": "u2", "UINT32": "u4", "UINT64": "u8",
}  # fmt: skip


TAKES = ("parameters", "sequence")
"""What a function gets beside columns, by keyword-only parameters of these names."""


class Run(NamedTuple):
    """Where a call stands in a sequence of calls: what a function gets as `sequence`.

    id: as the caller gave it, a number or text; "" for a call that stands alone. start, end:
    whether the sequence begins and ends with this call.
    """

    id: int | str = ""
    start: bool = True
    end: bool = True


def load(folder: Path, graph: str, about: dict[str, Any]) -> Callable[..., Any]:
    """The callable `about["object"]` of the source file `graph`, with arrays by column name.

    It takes inputs, positions of outputs and what else the caller says, {"parameters": ...,
    "sequence": [id, start, end]}, and gives arrays, or an iterator of arrays.
    """
    signature = about["signature"]
    names = [spec["name"] for spec in signature["inputs"]]
    specs = signature["outputs"]
    call = caller(find(folder / graph, str(about["object"])), names)

    def predict(
        inputs: list[Any], outputs: list[int], said: Mapping[str, Any] | None = None
    ) -> Any:
        def fitted(found: dict[str, Any]) -> list[Any]:
            return [_promised(found, specs[position]) for position in outputs]

        found = call(dict(zip(names, inputs, strict=True)), said or {})
        return _each(found, fitted) if hasattr(found, "__next__") else fitted(found)

    return predict


def _each(found: Generator[dict[str, Any]], fitted: Callable[..., Any]) -> Iterator[Any]:
    with closing(found):
        for answer in found:
            yield fitted(answer)


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


def taken(call: Callable[..., Any], columns: Sequence[str]) -> list[str]:
    """Which of TAKES a function takes."""
    known = inspect.signature(call).parameters.values()
    only = [p.name for p in known if p.kind == p.KEYWORD_ONLY]
    return [name for name in TAKES if name in only and name not in columns]


def caller(call: Callable[..., Any], columns: Sequence[str]) -> Callable[..., Any]:
    """The owner's function as one from arrays by column to arrays by output.

    A function whose parameters are names of columns gets those; one with a single parameter of
    another name gets all columns as a dict of arrays. It returns one array ("output"), or a dict
    or DataFrame of them; or it gives many such answers, as a generator does, and then what is
    returned here is an iterator of dicts. What is said beside the columns (TAKES) comes as a
    second argument. Raises ValueError for any other parameter without a default.
    """
    more = taken(call, columns)
    known = inspect.signature(call).parameters.values()
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    named = [p for p in known if p.kind not in kinds and p.name not in more]
    required = [p.name for p in named if p.default is p.empty]
    wanted: Sequence[str] = [p.name for p in named if p.name in columns]
    whole = len(required) == 1 and required[0] not in columns
    if any(p.kind == p.VAR_KEYWORD for p in known):
        wanted, whole = columns, False
    unknown = [name for name in required if name not in columns]
    if unknown and not whole and wanted is not columns:
        raise ValueError(f"the function takes {unknown[0]!r}, which is no column of the rows")
    by_place = any(p.kind == p.POSITIONAL_ONLY for p in named)

    def asked(given: dict[str, Any], said: Mapping[str, Any] | None = None) -> Any:
        beside = _said(more, said or {})
        if whole:
            return _answers(call(given, **beside))
        if by_place:
            return _answers(call(*[given[name] for name in wanted], **beside))
        return _answers(call(**{name: given[name] for name in wanted}, **beside))

    return asked


def _said(more: Sequence[str], said: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments beside the columns."""
    found: dict[str, Any] = {}
    if "parameters" in more:
        found["parameters"] = dict(said.get("parameters", {}))
    if "sequence" in more:
        found["sequence"] = Run(*said.get("sequence", ()))
    return found


def _answers(result: Any) -> Any:
    """One answer as a dict of arrays, or an iterator of such dicts."""
    if hasattr(result, "__next__"):
        return _own(result)
    return _named(result)


def _own(result: Any) -> Generator[dict[str, Any]]:
    """A generator's answers; closing this closes it, so that it can tidy up."""
    try:
        for one in result:
            yield _named(one)
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()


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
