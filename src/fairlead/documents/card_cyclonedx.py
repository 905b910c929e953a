"""A model card as a machine-learning bill of materials: CycloneDX 1.6."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from fairlead.documents.card_text import where

Card = Mapping[str, Any]

_SPDX = (
    "Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MPL-2.0", "GPL-2.0-only",
    "GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later", "LGPL-2.1-only", "LGPL-3.0-only",
    "AGPL-3.0-only", "AGPL-3.0-or-later", "EUPL-1.2", "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0",
    "CC-BY-NC-4.0", "Unlicense", "BSL-1.0", "Zlib",
)  # fmt: skip
"""SPDX identifiers that are written as such; other licences are told by name."""

_MOST_SLICES = 200


def cyclonedx(card: Card) -> dict[str, Any]:
    """The card as a CycloneDX 1.6 document: the model, its data and its libraries.

    The same document for the same card, so its serial number is made of the model's own hashes.
    """
    identity = f"fairlead:{card['model']}:{card['version']}:{card['graph_sha256']}"
    metadata: dict[str, Any] = {
        "tools": {"components": [_tool(card)]},
        "component": _model(card),
    }
    if card["packed"]:
        metadata["timestamp"] = card["packed"]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, identity)}",
        "version": 1,
        "metadata": metadata,
        "components": [*_data(card), *_libraries(card)],
    }


def _tool(card: Card) -> dict[str, Any]:
    tool = {"type": "application", "name": "fairlead"}
    return tool | ({"version": str(card["fairlead"])} if card["fairlead"] else {})


def _model(card: Card) -> dict[str, Any]:
    model: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": card["model"],
        "version": str(card["version"]),
        "modelCard": {
            "modelParameters": _parameters(card),
            "quantitativeAnalysis": {"performanceMetrics": _metrics(card)},
            "considerations": _considerations(card),
            "properties": _properties(card),
        },
    }
    said = _words(card)
    if said["purpose"]:
        model["description"] = said["purpose"]
    if said["licence"]:
        known = said["licence"] in _SPDX
        model["licenses"] = [{"license": {"id" if known else "name": said["licence"]}}]
    if said["owners"]:
        model["authors"] = [{"name": line} for line in said["owners"].splitlines()]
    if card["graph_sha256"]:
        model["hashes"] = [{"alg": "SHA-256", "content": card["graph_sha256"]}]
    return model


def _words(card: Card) -> dict[str, str]:
    return {word["key"]: word["text"] for one in card["sections"] for word in one["words"]}


def _parameters(card: Card) -> dict[str, Any]:
    measured: Card = card["measured"]
    trained: Card = card["trained"]
    kind = " ".join(str(trained[k]) for k in ("framework", "class") if trained.get(k))
    told: dict[str, Any] = {
        "inputs": [{"format": _tensor(spec)} for spec in card["inputs"]],
        "outputs": [{"format": _tensor(spec)} for spec in card["outputs"]],
    }
    if measured.get("task"):
        told["task"] = measured["task"]
        told["datasets"] = [{"ref": "evaluation-rows"}]
    if kind:
        told["modelArchitecture"] = kind
    return told


def _tensor(spec: Card) -> str:
    shape = ", ".join(str(size) for size in spec["shape"])
    return f"{spec['name']}: {spec['datatype']} [{shape}]"


def _metrics(card: Card) -> list[dict[str, Any]]:
    measured: Card = card["measured"]
    found = [_metric(one["name"], one) for one in measured.get("metrics", ())]
    slices: Card = measured.get("slices") or {"slices": (), "pairs": ()}
    for one in [*slices["slices"], *slices["pairs"]][:_MOST_SLICES]:
        found.append(_metric(measured["headline"], one) | {"slice": where(one["of"])})
    return found


def _metric(name: str, one: Card) -> dict[str, Any]:
    told: dict[str, Any] = {"type": name, "value": f"{one['value']}"}
    if one["low"] is not None and one["high"] is not None:
        told["confidenceInterval"] = {
            "lowerBound": f"{one['low']}",
            "upperBound": f"{one['high']}",
        }
    return told


def _considerations(card: Card) -> dict[str, Any]:
    said = _words(card)
    told: dict[str, Any] = {
        "users": _lines(said["users"]),
        "useCases": [
            *_lines(said["purpose"]),
            *(f"Out of scope: {line}" for line in _lines(said["out_of_scope"])),
        ],
        "technicalLimitations": [*_lines(said["limitations"]), *card["limitations"]],
        "performanceTradeoffs": _lines(said["tradeoffs"]),
        "ethicalConsiderations": [{"name": line} for line in _lines(said["ethics"])],
        "fairnessAssessments": [
            {"groupAtRisk": f"{one['column']}: {gap['lowest']}", "harms": _harm(one, gap)}
            for one in card["measured"].get("groups", ())
            if (gap := one["gaps"].get("selection_rate"))
        ],
    }
    return {key: value for key, value in told.items() if value}


def _harm(one: Card, gap: Card) -> str:
    return (
        f"selection rate for {one['favourable']} lower by {gap['value']} than of {gap['highest']} "
        f"(95 % interval {gap['low']} to {gap['high']})"
    )


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _properties(card: Card) -> list[dict[str, str]]:
    """What the format has no place for, under names of our own."""
    identity: Card = card["measured"].get("identity") or {}
    found = card["completeness"]
    told = {
        "fairlead:performance": card["performance"],
        "fairlead:completeness": str(found["score"]),
        "fairlead:not-stated": ", ".join(found["missing"]),
        "fairlead:parameters": str(identity.get("parameters", "")),
        "fairlead:producer": str(identity.get("producer", "")),
        "fairlead:runtime": str(card["runtime"]),
        "fairlead:reproduce": card["reproduce"],
    }
    return [{"name": name, "value": value} for name, value in told.items() if value]


def _data(card: Card) -> list[dict[str, Any]]:
    told: Card | None = card["measured"].get("evaluation")
    if not told:
        return []
    return [
        {
            "type": "data",
            "bom-ref": "evaluation-rows",
            "name": "evaluation rows",
            "description": f"{told['rows']} labelled rows that were held out",
            "hashes": [{"alg": "SHA-256", "content": told["sha256"]}],
            "data": [{"type": "dataset", "name": "evaluation rows"}],
        }
    ]


def _libraries(card: Card) -> list[dict[str, Any]]:
    return [
        {
            "type": "library",
            "bom-ref": f"library:{name}",
            "name": name,
            "version": str(version),
            "purl": f"pkg:pypi/{name.lower().replace('_', '-')}@{version}",
        }
        for name, version in sorted(card["libraries"].items())
    ]
