"""Python functions and classes: the owner's source file, called with arrays of rows.

Standalone: the standard library, numpy, and whatever the owner's file imports.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def load(
    folder: Path, graph: str, about: dict[str, Any]
) -> Callable[[list[Any], list[int]], list[Any]]:
    """The callable `about["object"]` of the source file `graph`, with arrays by column name."""
    call = find(folder / graph, str(about["object"]))
    signature = about["signature"]
    names = [spec["name"] for spec in signature["inputs"]]
    wanted = [spec["name"] for spec in signature["outputs"]]

    def predict(inputs: list[Any], outputs: list[int]) -> list[Any]:
        found = answers(call, dict(zip(names, inputs, strict=True)))
        return [found[wanted[position]] for position in outputs]

    return predict


def find(source: Path, name: str) -> Callable[..., Any]:
    """A function, or the `predict` of an instance of a class, from a source file.

    Raises AttributeError or TypeError saying what the file lacks, and what the file raises.
    """
    spec = importlib.util.spec_from_file_location("fairlead_packed_model", source)
    if spec is None or spec.loader is None:
        raise TypeError(f"{source.name} is not a Python source file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    found: Any = getattr(module, name, None)
    if found is None:
        raise AttributeError(f"{source.name} defines no {name!r}")
    if inspect.isclass(found):
        found = found().predict
    elif not inspect.isroutine(found) and hasattr(found, "predict"):
        found = found.predict
    if not callable(found):
        raise TypeError(f"{name!r} in {source.name} is neither a function nor has it a predict")
    return found


def answers(call: Callable[..., Any], columns: dict[str, Any]) -> dict[str, Any]:
    """Calls the owner's function and gives its outputs as arrays by name.

    A function of one parameter gets all columns as a dict of arrays; one of several gets a column
    for each parameter, by name. It returns one array ("output") or a dict of arrays.
    """
    parameters = list(inspect.signature(call).parameters)
    if len(parameters) == 1 and parameters != list(columns):
        result = call(columns)
    else:
        missing = [name for name in parameters if name not in columns]
        if missing:
            raise TypeError(f"the function takes {missing[0]!r}, which is no column of the rows")
        result = call(**{name: columns[name] for name in parameters})
    named = result if isinstance(result, dict) else {"output": result}
    return {str(name): _array(value) for name, value in named.items()}


def _array(value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype.kind in "US":
        return array.astype(object)
    return array.astype(np.float64) if array.dtype == np.longdouble else array
