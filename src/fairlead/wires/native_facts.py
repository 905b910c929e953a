"""What is told of a model to people and to our own client: what it takes, gives and limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.serving.disclosing import discreet_alarms
from fairlead.serving.registry import LATEST, Registry
from fairlead.serving.served import Served
from fairlead.wires.native_examples import example_row, example_tensors


def versions_of(registry: Registry, name: str) -> list[dict[str, Any]]:
    """Every version of a model with its state, and why where there is a reason."""
    listed: list[dict[str, Any]] = []
    for number, version in sorted(registry.versions[name].items()):
        entry: dict[str, Any] = {"version": number, "state": version.state}
        listed.append(entry | ({"reason": version.reason} if version.reason else {}))
    return listed


def described(registry: Registry, name: str, version: int = LATEST) -> dict[str, Any]:
    """A model and the version that answers, or its versions alone while none does.

    Raises ModelNotFound.
    """
    if name not in registry.versions:
        raise registry.absence(name, version)
    about: dict[str, Any] = {"name": name, "versions": versions_of(registry, name)}
    served = registry.get(name, version)
    if served is not None:
        package = served.package
        about |= {
            "version": package.version,
            "runtime": package.runtime,
            "isolated": package.isolated,
            "guards": served.guarding.about if served.guarding else "unlearnt",
            "standing": standing_of(served),
            "inputs": [s.to_json() for s in package.signature.inputs],
            "outputs": [s.to_json() for s in package.signature.outputs],
            "columns": [c.name for c in package.signature.columns],
            "limits": {"max_rows": package.limits.max_rows},
            "words": package.words.get("words", {}),
            **_labels(served),
            **_taken(served),
            **_example(served),
            "infer": f"/v2/models/{name}/infer",
        }
        if package.reason:
            kept = "isolated_because" if package.runtime == "onnx" else "native_because"
            about[kept] = package.reason
    return about


def _labels(served: Served) -> dict[str, Any]:
    """The owner's names of labels, where there are any."""
    labels = served.package.words.get("labels")
    return {"labels": labels} if labels else {}


def _taken(served: Served) -> dict[str, Any]:
    """What is taken beside tensors, and the inputs of a row that holds it."""
    preparing = served.preparing
    if preparing is None:
        return {}
    sent = [spec.to_json() for spec in preparing.public.inputs]
    return {"takes": preparing.described, "sent": sent}


def standing_of(served: Served) -> dict[str, Any]:
    """How its guards stand now, over all workers; who is suspected is the owner's to know."""
    told: Mapping[str, Any] = served.watch.standing if served.watch is not None else {}
    found = {key: value for key, value in told.items() if key != "suspects"}
    if "drift" in found:
        level, alarms = served.package.guards.disclosure, found["drift"]["alarms"]
        alarms = discreet_alarms(level, served.private, alarms)
        found["drift"] = {**found["drift"], "alarms": alarms}
    return found | ({"suspects": len(served.suspects)} if told else {})


def _example(served: Served) -> dict[str, Any]:
    """A request that really works: rows for /predict, or whole tensors for /v2."""
    package = served.package
    if package.signature.batched:
        return {
            "example": {"rows": [example_row(served)]},
            "predict": f"/predict/{package.name}",
        }
    return {"example": {"inputs": example_tensors(served)}}
