"""What TensorFlow Serving's protocols tell of a model: its signature and the states of versions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairlead.core.errors import FairleadError
from fairlead.core.signature import Signature, TensorSpec
from fairlead.serving.registry import LATEST, Registry

DTYPES = {
    "FP32": ("DT_FLOAT", 1), "FP64": ("DT_DOUBLE", 2), "INT32": ("DT_INT32", 3),
    "UINT8": ("DT_UINT8", 4), "INT16": ("DT_INT16", 5), "INT8": ("DT_INT8", 6),
    "BYTES": ("DT_STRING", 7), "INT64": ("DT_INT64", 9), "BOOL": ("DT_BOOL", 10),
    "UINT16": ("DT_UINT16", 17), "FP16": ("DT_HALF", 19), "UINT32": ("DT_UINT32", 22),
    "UINT64": ("DT_UINT64", 23),
}  # fmt: skip
"""Our datatypes as TensorFlow names and numbers them."""

STATES = {
    "waiting": ("START", 10), "loading": ("LOADING", 20), "warming": ("LOADING", 20),
    "ready": ("AVAILABLE", 30), "draining": ("UNLOADING", 40), "unloaded": ("END", 50),
    "failed": ("END", 50),
}  # fmt: skip
"""Our states as TensorFlow Serving names and numbers them."""
_OK, _UNKNOWN = ("OK", 0), ("UNKNOWN", 2)


def signature_def(signature: Signature, size: Callable[[int], Any] = str) -> dict[str, Any]:
    """A signature, as metadata tell of it. size: how dimensions are told."""
    return {
        "inputs": {spec.name: _info(spec, size) for spec in signature.inputs},
        "outputs": {spec.name: _info(spec, size) for spec in signature.outputs},
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }


def _info(spec: TensorSpec, size: Callable[[int], Any]) -> dict[str, Any]:
    dims = [{"size": size(dim), "name": ""} for dim in spec.shape]
    return {
        "dtype": DTYPES[spec.dtype.name][0],
        "tensor_shape": {"dim": dims, "unknown_rank": False},
        "name": f"{spec.name}:0",
    }


def status_of_model(registry: Registry, name: str, version: int) -> list[dict[str, Any]]:
    """The states of a model's versions, the newest first. Raises ModelNotFound."""
    known = registry.versions.get(name)
    if known is None or (version != LATEST and version not in known):
        raise not_found(registry, name, version)
    told: list[dict[str, Any]] = []
    for number in sorted(known, reverse=True):
        if version not in (LATEST, number):
            continue
        found = known[number]
        failed = found.state == "failed"
        status = {
            "error_code": (_UNKNOWN if failed else _OK)[0],
            "error_message": found.reason if failed else "",
        }
        state = STATES.get(found.state, STATES["waiting"])[0]
        told.append({"version": str(number), "state": state, "status": status})
    return told


def not_found(registry: Registry, name: str, version: int) -> FairleadError:
    """Why a model is not there, in the words that its clients look for."""
    error = registry.absence(name, version)
    which = f"Latest({name})" if version == LATEST else f"Specific({name}, {version})"
    return type(error)(f"Servable not found for request: {which}: {error.what}", fix=error.fix)
