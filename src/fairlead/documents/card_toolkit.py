"""A model card as Google's Model Card Toolkit reads it: a subset of its schema 0.0.2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fairlead.documents.card_text import where

Card = Mapping[str, Any]

_ADDRESS = re.compile(r"https?://[^\s<>\"{}|\\^`]+\Z", re.ASCII)


def toolkit(card: Card) -> dict[str, Any]:
    """The card with the toolkit's names. What nobody has said is left out."""
    said = {word["key"]: word["text"] for one in card["sections"] for word in one["words"]}
    lines = {key: [line for line in text.splitlines() if line] for key, text in said.items()}
    details: dict[str, Any] = {
        "name": card["model"],
        "overview": said["purpose"],
        "owners": [
            {"name": name} | ({"contact": said["contact"]} if said["contact"] else {})
            for name in lines["owners"]
        ],
        "version": _version(card),
        "licenses": [{"identifier": said["licence"]}] if said["licence"] else [],
        "references": [{"reference": one} for one in lines["references"] if _ADDRESS.match(one)],
        "citations": [{"citation": said["citation"]}] if said["citation"] else [],
    }
    considerations: dict[str, Any] = {
        "users": _described(lines["users"]),
        "use_cases": _described(
            [*lines["purpose"], *(f"Out of scope: {one}" for one in lines["out_of_scope"])]
        ),
        "limitations": _described([*lines["limitations"], *card["limitations"]]),
        "tradeoffs": _described(lines["tradeoffs"]),
        "ethical_considerations": [{"name": one} for one in lines["ethics"]],
    }
    return {
        "schema_version": "0.0.2",
        "model_details": _filled(details),
        "model_parameters": _filled(_parameters(card, said)),
        "quantitative_analysis": {"performance_metrics": _metrics(card)},
        "considerations": _filled(considerations),
    }


def _filled(found: Card) -> dict[str, Any]:
    return {key: value for key, value in found.items() if value}


def _described(lines: list[str]) -> list[dict[str, str]]:
    return [{"description": line} for line in lines]


def _version(card: Card) -> dict[str, str]:
    told = {"name": str(card["version"])}
    return told | ({"date": str(card["packed"])[:10]} if card["packed"] else {})


def _parameters(card: Card, said: Mapping[str, str]) -> dict[str, Any]:
    trained: Card = card["trained"]
    data = [{"name": "training data", "description": said["training_data"]}]
    rows: Card | None = card["measured"].get("evaluation")
    if rows:
        described = f"{rows['rows']} labelled rows that were held out, SHA-256 {rows['sha256']}"
        words = said["evaluation_data"]
        told = f"{words}\n{described}" if words else described
        data.append({"name": "evaluation rows", "description": told})
    return {
        "model_architecture": " ".join(
            str(trained[key]) for key in ("framework", "class") if trained.get(key)
        ),
        "data": [one for one in data if one["description"]],
        "input_format_map": _formats(card["inputs"]),
        "output_format_map": _formats(card["outputs"]),
    }


def _formats(specs: Any) -> list[dict[str, str]]:
    return [{"key": s["name"], "value": f"{s['datatype']} {s['shape']}"} for s in specs]


def _metrics(card: Card) -> list[dict[str, Any]]:
    measured: Card = card["measured"]
    found = [_metric(one["name"], one) for one in measured.get("metrics", ())]
    slices: Card = measured.get("slices") or {"slices": (), "pairs": ()}
    for one in (*slices["slices"], *slices["pairs"]):
        found.append(_metric(measured["headline"], one) | {"slice": where(one["of"])})
    return found


def _metric(name: str, one: Card) -> dict[str, Any]:
    told: dict[str, Any] = {"type": name, "value": str(one["value"])}
    if one["low"] is not None and one["high"] is not None:
        bounds = {"lower_bound": str(one["low"]), "upper_bound": str(one["high"])}
        told["confidence_interval"] = bounds
    return told
