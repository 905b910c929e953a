"""Cards of models that never were, with every section filled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fairlead.core.datatypes import DTYPES
from fairlead.core.package import FileFact, Package
from fairlead.core.signature import Signature, TensorSpec
from fairlead.documents.card_facts import Known
from fairlead.documents.card_words import KNOWN
from fairlead.guards.contract import Contract, Rule

WORDS = {word.key: f"What is said of {word.key}." for word in KNOWN}


def entry(column: str, value: str, share: float, **more: Any) -> dict[str, Any]:
    low, high = share - 0.05, share + 0.05
    return {
        "of": [[column, value]], "n": 100, "value": share, "low": low, "high": high, "few": False,
    } | more  # fmt: skip


def groups(text: str) -> dict[str, Any]:
    """Two groups, of which the first is chosen half as often."""
    rate = {"value": 0.4, "low": 0.3, "high": 0.5, "n": 100}
    told = [
        {
            "group": name,
            "n": 100,
            "few": False,
            "headline": rate,
            "selection_rate": {**rate, "value": value},
            "true_positive_rate": rate,
            "false_positive_rate": None,
        }
        for name, value in ((text, 0.4), ("m", 0.8))
    ]
    gap = {"value": 0.4, "low": 0.3, "high": 0.5, "lowest": text, "highest": "m"}
    return {
        "column": "sex",
        "favourable": text,
        "groups": told,
        "gaps": {"selection_rate": gap},
        "four_fifths": {"value": 0.5, "low": 0.4, "high": 0.6, "kept": False},
    }


def slices(text: str) -> dict[str, Any]:
    """Slices of two columns, of which one is worse."""
    worst = entry("region", text, 0.6)
    young = entry("age", "up to 30", 0.85)
    return {
        "overall": 0.8,
        "slices": [worst, young, entry("age", "missing", 0.5, few=True)],
        "pairs": [entry("age", "up to 30", 0.7, of=[["age", "up to 30"], ["region", text]])],
        "worst": worst | {"worse": True},
        "compared": 3,
        "left_out": 0,
    }


def confidence(text: str) -> dict[str, Any]:
    """What is said of how sure the answers are."""
    bins = [
        {
            "low": low, "high": low + 0.1, "n": 50, "confidence": low + 0.05,
            "accuracy": low, "from": low - 0.1, "to": low + 0.05,
        }
        for low in (0.5, 0.9)
    ]  # fmt: skip
    promised = {"promised": 0.9, "reached": 0.8, "low": 0.75, "high": 0.85, "n": 300}
    return {
        "confusion": {"classes": [text, "b"], "table": [[100, 30], [30, 140]]},
        "reliability": {
            "raw": {"ece": 0.08, "bins": bins},
            "calibrated": {"method": "temperature", "ece": 0.01, "bins": bins},
        },
        "risk_coverage": {
            "augrc": 0.05, "at_random": 0.1, "points": [[0.1, 0.0], [0.5, 0.1], [1.0, 0.2]],
        },
        "sets": [promised | {"mean_size": 1.2}],
    }  # fmt: skip


def statistics(text: str = "west", **more: Any) -> dict[str, Any]:
    """A card.json. text: a category, a group and a class."""
    metric = {"value": 0.8, "low": 0.75, "high": 0.85, "n": 300, "better": "higher"}
    return {
        "format": 1,
        "identity": {
            "parameters": 15, "weight_bytes": 60, "opset": {"": 20}, "operators": {":MatMul": 1},
            "producer": text,
        },
        "performance": "measured",
        "evaluation": {
            "rows": 300, "of": 300, "target": text, "columns": 2, "sha256": "ab" * 32,
        },
        "task": "classification",
        "headline": "accuracy",
        "metrics": [
            metric | {"name": "accuracy", "interval": "wilson"},
            metric | {"name": "auc", "value": 0.9, "low": None, "high": None, "interval": "delong"},
        ],
        "baseline": {"name": "accuracy", "value": 0.5, "answer": text},
        **confidence(text),
        "slices": slices(text),
        "groups": [groups(text)],
        "novelty": {
            "n": 300, "novel": 0.02, "low": 0.01, "high": 0.04, "false_alarm_rate": 0.01,
            "in_sample": False, "histogram": [15] * 20,
        },
        "robustness": [
            {
                "disturbance": words, "n": 300, "value": value, "refused": 0.1,
                "answered": {"n": 270, "value": value},
            }
            for words, value in (("none", 0.8), ("noise", 0.7))
        ],
    } | more  # fmt: skip


def known(text: str = "west", words: Any = None, **more: Any) -> Known:
    """All that a card is made of. text: what somebody chose, wherever somebody may choose."""
    x = TensorSpec(text or "x", DTYPES["FP32"], (-1, 2), columns=(text or "a", "age"))
    label = TensorSpec("label", DTYPES["BYTES"], (-1,), role="label", classes=("a", "b"))
    package = Package(
        "m",
        3,
        Path("m/3"),
        "onnx",
        False,
        "graph/model.onnx",
        Signature((x,), (label,)),
        {"graph/model.onnx": FileFact(10, "cd" * 32), "guards/novelty.npz": FileFact(1, "0")},
        trained={"framework": text, "class": text, "file": text, "format": "pickle"},
        environment={"versions": {"numpy": "2.0"}},
        words={"words": WORDS if words is None else words, "units": {"age": text}},
    )
    rules = [
        Rule(text or "a", "category", choices=(text, "east"), seen={"missing": 0.0}),
        Rule("age", "integer", seen={"missing": 0.1, "minimum": 18.0, "maximum": 80.0}),
    ]
    given: dict[str, Any] = {
        "statistics": statistics(text),
        "measured": {
            "packed": "2026-11-26T10:00:00+00:00",
            "fairlead": "0.1.0",
            "profile": {
                "one": {"rows": 1, "calls": 100, "p50_ms": 0.01, "p99_ms": 0.02},
                "batch": {"rows": 64, "calls": 100, "p50_ms": 0.05, "p99_ms": 2.0},
                "rows_per_s": 1e6, "load_s": 0.01, "memory_bytes": 1 << 20,
                "cpu_s_per_1000_rows": 0.001, "machine": text,
            },
        },
        "contract": Contract(rules, 500),
        "example": {"rows": [{text: text, "age": 30}]},
        "live": {
            "since": "2026-11-26T11:00:00+00:00", "requests": 10, "rows": 20,
            "decisions": {"serve": 18, "warn": 2},
            "latency": {"p50_ms": 1.0, "p99_ms": 5.0},
            "drift": {"verdict": "1 of 2 columns moved", "more": text},
        },
    }  # fmt: skip
    return Known(package, **(given | more))
