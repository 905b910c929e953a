"""SavedModels kept as they are: one signature function, called with tensors.

Standalone: the standard library, numpy and tensorflow. Nothing here runs in the worker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

Call = Callable[[list[Any]], list[Any]]
"""Arrays in input order to arrays in output order."""


def load(
    folder: Path, graph: str, about: dict[str, Any]
) -> Callable[[list[Any], list[int]], list[Any]]:
    """The signature about["function"] of the SavedModel folder `graph`.

    about["inputs"], about["outputs"]: the function's own names, in the order of the signature.
    """
    tf: Any = import_module("tensorflow")
    with suppress(RuntimeError):
        # As with graphs, parallelism comes from several runs at once.
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    loaded = tf.saved_model.load(str(folder / graph))
    call = signature_call(loaded, about["function"], about["inputs"], about["outputs"])

    def predict(inputs: list[Any], outputs: list[int]) -> list[Any]:
        found = call(inputs)
        return [found[position] for position in outputs]

    return predict


def signature_call(
    loaded: Any, function: str, inputs: Sequence[str], outputs: Sequence[str]
) -> Call:
    """A signature of a loaded SavedModel as a function of arrays; text goes and comes as str."""
    tf: Any = import_module("tensorflow")
    called = loaded.signatures[function]
    types = {name: spec.dtype for name, spec in called.structured_input_signature[1].items()}

    def call(arrays: list[Any], keep: Any = loaded) -> list[Any]:
        # The variables live as long as `keep`, the loaded object; the function alone drops them.
        given = {
            name: tf.constant(a.tolist() if a.dtype.kind == "O" else a, types[name], a.shape)
            for name, a in zip(inputs, arrays, strict=True)
        }
        found = called(**given)
        return [_array(found[name].numpy()) for name in outputs]

    return call


def _array(value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype.kind not in "OS":
        return array
    texts = [v.decode("utf-8", "replace") for v in array.reshape(-1).tolist()]
    found: Any = np.empty(len(texts), dtype=object)
    found[:] = texts
    return found.reshape(array.shape)
