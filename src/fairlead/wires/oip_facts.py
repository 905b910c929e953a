"""What this protocol tells of server and models, as plain data for JSON and for protobuf."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fairlead.core.access import Caller
from fairlead.core.clock import now, wall_ns
from fairlead.core.signature import TensorSpec
from fairlead.core.version import __version__
from fairlead.serving.admission import known_models
from fairlead.serving.registry import LATEST, Registry
from fairlead.serving.served import Served
from fairlead.serving.states import READY
from fairlead.wires.oip_decisions import added_by

EXTENSIONS = (
    "classification",
    "model_repository",
    "model_configuration",
    "binary_tensor_data",
    "parameters",
    "statistics",
)
"""Of Triton's extensions, those that are implemented."""

Counts = Callable[[], Mapping[str, Any]]
"""What all workers have counted: `stats` by "model/version"."""

_STATES = {READY: "READY", "loading": "LOADING", "warming": "LOADING", "draining": "UNLOADING"}


def server_facts() -> dict[str, Any]:
    """Name, version and extensions of the server."""
    return {"name": "fairlead", "version": __version__, "extensions": list(EXTENSIONS)}


def found(registry: Registry, name: str, version: int) -> Served:
    """The version that answers. Raises why none does."""
    served = registry.get(name, version)
    if served is None:
        raise registry.absence(name, version)
    return served


def model_facts(registry: Registry, name: str, version: int) -> dict[str, Any]:
    """The metadata of a model. Raises ModelNotFound, ModelNotReady."""
    served = found(registry, name, version)
    known = registry.versions[name]
    ready = [str(v) for v in sorted(known) if known[v].state == READY]
    signature = served.package.signature
    return {
        "name": name,
        "versions": ready if version == LATEST else [str(version)],
        "platform": platform(served),
        "inputs": [_tensor(spec) for spec in signature.inputs],
        "outputs": [_tensor(spec) for spec in (*signature.outputs, *added_by(served).values())],
    }


def platform(served: Served) -> str:
    """What runs a model, as this protocol names it."""
    runtime = served.package.runtime
    return "onnxruntime_onnx" if runtime == "onnx" else f"fairlead_{runtime}"


def config_facts(registry: Registry, name: str, version: int) -> dict[str, Any]:
    """The configuration of a model as Triton tells it. Raises ModelNotFound, ModelNotReady."""
    served = found(registry, name, version)
    package = served.package
    batched = package.signature.batched
    facts: dict[str, Any] = {
        "name": name,
        "platform": platform(served),
        "backend": "onnxruntime" if package.runtime == "onnx" else package.runtime,
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": package.limits.max_rows if batched else 0,
        "input": [_declared(spec, batched) for spec in package.signature.inputs],
        "output": [_declared(spec, batched) for spec in package.signature.outputs],
        "model_transaction_policy": {"decoupled": package.decoupled},
    }
    if batched:
        facts["dynamic_batching"] = {"preferred_batch_size": [package.limits.max_batch]}
    return facts


def _declared(spec: TensorSpec, batched: bool) -> dict[str, Any]:
    kind = "STRING" if spec.dtype.is_text else spec.dtype.name
    dims = spec.shape[1:] if batched else spec.shape
    return {"name": spec.name, "data_type": f"TYPE_{kind}", "dims": list(dims)}


def statistics(
    registry: Registry, counts: Counts, caller: Caller, name: str = "", version: int = LATEST
) -> dict[str, Any]:
    """What the versions have done since the server started, in all its workers.

    name: "" for every model that the caller may know of. Raises ModelNotFound, ModelNotReady.
    """
    counted = counts()["stats"]
    if name and name not in registry.versions:
        raise registry.absence(name, version)
    told: list[dict[str, Any]] = []
    for model in [name] if name else known_models(registry, caller):
        for number in sorted(registry.versions[model]):
            served = registry.get(model, number)
            if served is not None and version in (LATEST, number):
                told.append(_statistics(served, counted.get(served.key, {})))
    if name and not told:
        raise registry.absence(name, version)
    return {"model_stats": told}


def _statistics(served: Served, stats: Mapping[str, Any]) -> dict[str, Any]:
    outcomes: Mapping[str, int] = stats.get("outcomes", {})
    good = outcomes.get("ok", 0)
    failed = sum(outcomes.values()) - good
    compute = stats.get("compute_ns", 0)
    whole = int(stats.get("total", 0.0) * 1e9)
    batches = stats.get("batches", 0)
    nothing = {"count": 0, "ns": 0}
    last = served.stats.last
    return {
        "name": served.package.name,
        "version": str(served.package.version),
        "last_inference": int(wall_ns() / 1e6 - (now() - last) * 1000) if last else 0,
        "inference_count": stats.get("rows", 0),
        "execution_count": batches,
        "inference_stats": {
            "success": {"count": good, "ns": whole},
            "fail": {"count": failed, "ns": 0},
            "queue": {"count": good, "ns": max(0, whole - compute)},
            "compute_input": nothing,
            "compute_infer": {"count": good, "ns": compute},
            "compute_output": nothing,
            "cache_hit": nothing,
            "cache_miss": nothing,
        },
        "response_stats": {},
        "batch_stats": [],
        "memory_usage": [],
    }


def index(registry: Registry, caller: Caller, ready: bool) -> list[dict[str, str]]:
    """Every version that the caller may know of, with its state; ready: only those that answer."""
    told: list[dict[str, str]] = []
    for name in known_models(registry, caller):
        for number, version in sorted(registry.versions[name].items()):
            state = _STATES.get(version.state, "UNAVAILABLE")
            if ready and state != "READY":
                continue
            entry = {"name": name, "version": str(number), "state": state}
            told.append(entry | ({"reason": version.reason} if version.reason else {}))
    return told


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.dtype.name, "shape": list(spec.shape)}
