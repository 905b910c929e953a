"""Facts of a model about which everything is in order, and a way to change one of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from fairlead.core.allowance import parse_limits
from fairlead.core.datatypes import DTYPES
from fairlead.core.package import (
    Expectation,
    Feedback,
    FileFact,
    GuardChoice,
    Limits,
    Package,
    Payloads,
)
from fairlead.core.signature import Signature, TensorSpec
from fairlead.documents.card_words import KNOWN
from fairlead.guards.files import DRIFT, MISUSE
from fairlead.readiness.facts import Callers, Doors, Facts, KeyFact, Measured, Planned, Record

MEASURED = Measured(
    load_s=0.5,
    base=60 << 20,
    model=20 << 20,
    median_s=1e-4,
    slow_s=2e-4,
    rows_per_s=20_000,
    batch=64,
    cpu_s=0.05,
    request_bytes=1000,
    answer_bytes=50,
    real=True,
    answered=True,
    finite=True,
    passes="serve",
    strange=(2, 0, 2),
    inline=True,
    slots=1,
    guards={
        "contract": {"columns": 2, "rows": 500},
        "novelty": {"false_alarm_rate": 0.01},
        "confidence": {
            "error_goal": 0.02,
            "assurance": 0.95,
            "threshold": 0.8,
            "coverage": 0.9,
        },
    },
)

PACKAGE = Package(
    name="iris",
    version=3,
    folder=Path("models/iris/3"),
    runtime="onnx",
    isolated=False,
    graph="graph/model.onnx",
    signature=Signature(
        (TensorSpec("x", DTYPES["FP32"], (-1, 2), columns=("length", "width")),),
        (TensorSpec("label", DTYPES["BYTES"], (-1,), role="label", classes=("a", "b")),),
    ),
    files={
        "graph/model.onnx": FileFact(50_000, "0" * 64),
        DRIFT: FileFact(1000, "0" * 64),
        MISUSE: FileFact(1000, "0" * 64),
    },
    trained={"file": "iris.joblib"},
    words={
        "words": {word.key: f"words about {word.key}" for word in KNOWN},
        "units": {"length": "cm", "width": "cm"},
    },
    limits=Limits(usage=parse_limits(["rows=100000/minute"])),
    guards=GuardChoice(misuse="slow", error_goal=0.02),
    feedback=Feedback(outcomes=True),
    payloads=Payloads(),
    expect=Expectation(requests_per_second=50, latency_ms=100, cost="the house pays"),
)

GOOD = Facts(
    exposure="internet",
    package=PACKAGE,
    doors=Doors(host="0.0.0.0", inside=False, tls=True, ends=90.0),
    callers=Callers(
        keys=(KeyFact(name="shop", plan="gold@1", priced=True),), closed=True, prices=("gold@1",)
    ),
    record=Record(durable=True, backup=2.0),
    measured=MEASURED,
    evaluation={"rows": 200, "accuracy": 0.95},
    planned=Planned(
        taken="2026-11-26",
        p99_s=0.02,
        machines=1,
        headroom=4.0,
        cheapest="vm aws/c7g.large",
        monthly=53.0,
        per_million=0.4,
        prices="2026-11-26",
    ),
)


def but(facts: Any, **changes: Any) -> Any:
    """The same facts with some changed: `but(GOOD, doors__tls=False)`."""
    for path, value in changes.items():
        first, _, rest = path.partition("__")
        inner = but(getattr(facts, first), **{rest: value}) if rest else value
        facts = replace(facts, **{first: inner})
    return facts


def words(**changes: str) -> dict[str, Any]:
    """The sections of model.toml with other words of the owner."""
    return {**PACKAGE.words, "words": {**PACKAGE.words["words"], **changes}}


def guards(**changes: Any) -> dict[str, Any]:
    """What the guards say of themselves, with other parts; None leaves one out."""
    told = {**MEASURED.guards, **changes}
    return {name: about for name, about in told.items() if about is not None}
