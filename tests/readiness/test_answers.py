"""Every question: the facts with which it passes, and those with which it does not.

A question that is missing from the table fails the suite, so that none can only pass.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.costs.samples import profile
from tests.readiness.facts import GOOD, MEASURED, PACKAGE, but, guards, words

from fairlead.core.datatypes import DTYPES
from fairlead.core.package import FileFact, Payloads
from fairlead.core.preparation import Picture, Text
from fairlead.core.signature import Signature, TensorSpec
from fairlead.readiness.facts import (
    EXPOSURES,
    FAIL,
    OWNER,
    PASS,
    WARN,
    Facts,
    Finding,
    KeyFact,
    Lighter,
    Question,
)
from fairlead.readiness.report import GROUPS

QUESTIONS: dict[str, Question] = {q.id: q for group in GROUPS.values() for q in group}
GIB = 1 << 30
GRAVE = {"laptop": PASS, "internal": WARN, "internet": FAIL}
MILD = {"laptop": PASS, "internal": WARN, "internet": WARN}
ALWAYS_FAILS = dict.fromkeys(EXPOSURES, FAIL)
ALWAYS_WARNS = dict.fromkeys(EXPOSURES, WARN)
ALWAYS_ASKS = dict.fromkeys(EXPOSURES, OWNER)


def keys(**changes: Any) -> tuple[KeyFact, ...]:
    return (KeyFact(**{"name": "shop", "priced": True, **changes}),)


PICTURE, TEXT = Picture("x", "image", (8, 8)), Text("x", "text", "vocab.txt")
LIGHT = Lighter(size=15_000, median_s=0.05, difference=0.01)
HEAVY = Lighter(size=49_000, median_s=0.19, difference=float("inf"))
SIX = ("users", "factors", "tradeoffs", "limitations", "ethics", "consent")
NO_FILES = {"graph/model.onnx": FileFact(1, "0" * 64)}
VECTOR = Signature(
    PACKAGE.signature.inputs,
    (TensorSpec("y", DTYPES["FP32"], (-1, 2)),),
)

TABLE: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    # id, what is changed, and the verdict for each exposure
    ("server-starts", {"doors__refused": "FRL-2006 no keys"}, ALWAYS_FAILS),
    ("host-exposure", {"doors__inside": True}, MILD),
    ("host-exposure", {}, {"laptop": WARN, "internal": PASS, "internet": PASS}),
    ("encryption", {"doors__tls": False}, GRAVE),
    ("certificate", {"doors__ends": -3.0}, ALWAYS_FAILS),
    ("certificate", {"doors__ends": 3.0}, ALWAYS_WARNS),
    (
        "administration",
        {"doors__admin_inside": False},
        {"laptop": WARN, "internal": WARN, "internet": FAIL},
    ),
    ("example-answered", {"measured__answered": False}, ALWAYS_WARNS),
    ("example-answered", {"measured__real": False}, MILD),
    ("valid-rows", {"measured__guards": guards(contract=None)}, GRAVE),
    ("answers-finite", {"measured__finite": False}, ALWAYS_FAILS),
    ("answers-finite", {"measured__finite": False, "measured__real": False}, ALWAYS_WARNS),
    (
        "rows-limit",
        {"measured__rows_per_s": 10.0},
        {"laptop": WARN, "internal": FAIL, "internet": FAIL},
    ),
    ("rows-limit", {"package__limits__time_budget_s": 0.75}, ALWAYS_WARNS),
    ("body-limit", {"machine__free": 1 << 20}, GRAVE),
    (
        "body-limit",
        {"package__limits__max_rows": 10},
        {"laptop": PASS, "internal": PASS, "internet": WARN},
    ),
    ("request-timeout", {"measured__slow_s": 31.0}, ALWAYS_FAILS),
    ("request-timeout", {"measured__slow_s": 15.0}, ALWAYS_WARNS),
    ("request-timeout", {"measured__slow_s": 200.0}, ALWAYS_FAILS),
    ("callers-known", {"callers__keys": (), "callers__closed": False}, GRAVE),
    ("callers-known", {"callers__guest": "key_0123456789abcdef"}, MILD),
    ("callers-allowed", {"callers__keys": keys(allows=False)}, ALWAYS_FAILS),
    ("callers-allowed", {"callers__keys": ()}, ALWAYS_FAILS),
    ("keys-end", {"callers__keys": keys(ends=False)}, MILD),
    ("keys-narrow", {"callers__keys": keys(admin=True)}, GRAVE),
    ("keys-narrow", {"callers__keys": keys(everything=True)}, MILD),
    ("purpose", {"package__words": words(purpose="")}, ALWAYS_ASKS),
    ("out-of-scope", {"package__words": words(out_of_scope="TODO")}, ALWAYS_ASKS),
    ("contact", {"package__words": words(contact=" ")}, GRAVE),
    ("licence", {"package__words": words(licence="")}, GRAVE),
    ("card-complete", {"package__words": {}}, GRAVE),
    ("card-complete", {"package__words": words(**dict.fromkeys(SIX, ""))}, MILD),
    ("units", {"package__words": {"units": {"length": "cm"}}}, MILD),
    ("accuracy-known", {"evaluation": {}}, {"laptop": WARN, "internal": WARN, "internet": FAIL}),
    ("usage-recorded", {"record__writable": False}, ALWAYS_FAILS),
    ("usage-recorded", {"record__free": GIB}, ALWAYS_WARNS),
    (
        "usage-recorded",
        {"record__free": 1 << 20},
        {"laptop": WARN, "internal": FAIL, "internet": FAIL},
    ),
    (
        "records-private",
        {"record__private": False},
        {"laptop": WARN, "internal": WARN, "internet": FAIL},
    ),
    ("usage-durable", {"record__durable": False}, MILD),
    ("true-labels", {"package__feedback__outcomes": False}, MILD),
    ("drift-watched", {"package__files": NO_FILES}, GRAVE),
    ("backup", {"record__backup": None}, MILD),
    ("prices", {"callers__prices": ()}, MILD),
    ("prices", {"package__expect__cost": "Free."}, GRAVE),
    ("tenants-priced", {"callers__keys": keys(priced=False)}, GRAVE),
    ("misuse-watched", {"package__guards__misuse": "off"}, GRAVE),
    ("misuse-watched", {"package__files": NO_FILES}, GRAVE),
    (
        "misuse-answered",
        {"package__guards__misuse": "log"},
        {"laptop": PASS, "internal": PASS, "internet": WARN},
    ),
    ("disclosure", {"package__guards__disclosure": "full"}, GRAVE),
    (
        "usage-limits",
        {"package__limits__usage": (), "callers__keys": keys(limited=False)},
        GRAVE,
    ),
    ("usage-limits", {"package__limits__usage": (), "callers__keys": ()}, GRAVE),
    ("payloads-kept", {"package__payloads": Payloads(0.1, {"length": "plain"})}, MILD),
    ("package-size", {"record__free": 1000}, ALWAYS_FAILS),
    ("memory", {"machine__memory": 100 << 20}, ALWAYS_FAILS),
    ("memory", {"machine__memory": 200 << 20}, ALWAYS_WARNS),
    ("memory", {"machine__beside": 8 * GIB}, ALWAYS_FAILS),
    ("memory", {"measured__base": 0}, ALWAYS_WARNS),
    ("memory", {"profile": profile(peak_bytes=5 << 30)}, ALWAYS_FAILS),
    ("workers", {"machine__workers": 3}, ALWAYS_WARNS),
    ("loads", {"measured": None, "broken": "the graph has no such operator"}, ALWAYS_FAILS),
    ("load-time", {"measured__load_s": 30.0}, ALWAYS_WARNS),
    ("load-time", {"measured__load_s": 300.0}, ALWAYS_FAILS),
    ("load-mode", {"measured__locks": {"files": True, "network": False}}, GRAVE),
    ("throughput", {"package__expect__requests_per_second": 1e5}, ALWAYS_FAILS),
    ("throughput", {"package__expect__requests_per_second": 15_000}, ALWAYS_WARNS),
    (
        "throughput",
        {"package__expect__requests_per_second": 0.0, "measured__rows_per_s": 1.0},
        ALWAYS_WARNS,
    ),
    ("latency", {"measured__slow_s": 0.2}, ALWAYS_FAILS),
    ("latency", {"measured__slow_s": 0.08}, ALWAYS_WARNS),
    ("latency", {"package__expect__latency_ms": 0.0, "measured__slow_s": 2.0}, ALWAYS_WARNS),
    ("expected-traffic", {"package__expect__latency_ms": 0.0}, ALWAYS_ASKS),
    ("expected-traffic", {"package__expect__requests_per_second": 0.0}, ALWAYS_ASKS),
    ("request-size", {"measured__request_bytes": 5_000_000}, MILD),
    (
        "request-size",
        {"measured__request_bytes": 5_000_000, "package__expect__callers_mbit": 1.0},
        GRAVE | {"internal": FAIL},
    ),
    ("answer-size", {"measured__answer_bytes": 5_000_000}, MILD),
    (
        "answer-size",
        {"measured__answer_bytes": 5_000, "package__expect__rows_per_request": 10_000},
        GRAVE | {"internal": FAIL},
    ),
    ("link", {"measured__answer_bytes": 2_000_000}, MILD),
    ("novelty-guard", {"package__guards__novelty": "off"}, GRAVE),
    ("novelty-guard", {"measured__guards": guards(novelty=None)}, GRAVE),
    ("novelty-guard", {"package__guards__novelty": "shadow"}, MILD),
    ("strange-rows", {"measured__strange": (0, 0, 2)}, GRAVE),
    ("strange-rows", {"measured__strange": (0, 2, 2)}, MILD),
    ("strange-rows", {"measured__strange": (0, 0, 0)}, MILD),
    ("usual-rows", {"measured__passes": "reject"}, ALWAYS_FAILS),
    ("usual-rows", {"measured__passes": "warn"}, ALWAYS_WARNS),
    ("confidence-goal", {"measured__guards": guards(confidence=None)}, GRAVE),
    ("confidence-goal", {"measured__guards": guards(confidence={"rows": 99})}, GRAVE),
    (
        "confidence-goal",
        {
            "measured__guards": guards(
                confidence=MEASURED.guards["confidence"] | {"threshold": None}
            )
        },
        ALWAYS_FAILS,
    ),
    (
        "answers-given",
        {"measured__guards": guards(confidence=MEASURED.guards["confidence"] | {"coverage": 0.2})},
        ALWAYS_WARNS,
    ),
    (
        "answers-given",
        {"measured__guards": guards(confidence=MEASURED.guards["confidence"] | {"coverage": 0.0})},
        ALWAYS_FAILS,
    ),
    ("running-cost", {"measured__cpu_s": 4000.0}, ALWAYS_WARNS),
    ("monthly-cost", {"planned__cheapest": ""}, ALWAYS_WARNS),
    ("monthly-cost", {"planned__stale": True}, ALWAYS_WARNS),
    ("monthly-cost", {"planned": None, "profile": None}, MILD),
    ("right-machine", {"planned": None, "profile": None}, MILD),
    ("right-machine", {"planned__p99_s": None, "planned__why": "too slow"}, ALWAYS_FAILS),
    ("right-machine", {"planned__machines": 3}, {**ALWAYS_WARNS, "internet": FAIL}),
    ("right-machine", {"planned__headroom": 1.1}, ALWAYS_WARNS),
    ("cost-stated", {"package__expect__cost": ""}, ALWAYS_ASKS),
    ("lighter-variant", {"measured__median_s": 0.2, "measured__lighter": LIGHT}, ALWAYS_WARNS),
    ("lighter-variant", {"measured__median_s": 0.2}, ALWAYS_WARNS),
    ("lighter-variant", {"measured__model": GIB, "package__runtime": "torch"}, ALWAYS_WARNS),
    ("framework-free", {"package__runtime": "python"}, MILD),
]  # fmt: skip
"""Changes to facts with which every question passes, and what each question then comes to."""

ALSO_PASS: list[tuple[str, dict[str, Any]]] = [
    ("host-exposure", {"doors__inside": True, "doors__proxied": True}),
    ("encryption", {"doors__tls": False, "doors__elsewhere": True}),
    ("certificate", {"doors__ends": None}),
    ("body-limit", {"package__limits__max_rows": 10, "package__limits__max_body_mib": 64}),
    ("body-limit", {"package__limits__max_rows": 10, "bounds__chosen": True}),
    ("valid-rows", {"measured__guards": {}, "package__preparations": (PICTURE, TEXT)}),
    ("valid-rows", {"measured__guards": {}, "package__signature": Signature((), ())}),
    ("callers-known", {"callers__keys": (), "callers__closed": False, "doors__platform": True}),
    ("callers-known", {"callers__keys": (), "callers__identities": True}),
    ("callers-allowed", {"callers__keys": (), "callers__closed": False}),
    ("callers-allowed", {"callers__keys": (), "callers__identities": True}),
    ("keys-end", {"callers__keys": ()}),
    ("units", {"package__signature": Signature((), VECTOR.outputs)}),
    ("accuracy-known", {"evaluation": {"rows": 9, "mean_absolute_error": 1.5}}),
    ("usage-durable", {"record__durable": False, "callers__prices": ()}),
    ("backup", {"record__backup": None, "callers__closed": False, "callers__prices": ()}),
    ("prices", {"callers__prices": (), "package__expect__cost": ""}),
    ("tenants-priced", {"callers__keys": keys(priced=False), "callers__prices": ()}),
    ("usage-limits", {"package__limits__usage": ()}),
    ("usage-limits", {"package__limits__usage": (), "bounds__usage": ("requests=9/second",)}),
    ("payloads-kept", {"package__payloads": Payloads(0.1, {"length": "hash"})}),
    ("load-mode", {"measured__locks": {"files": True, "network": True}}),
    ("load-mode", {"measured__inline": False}),
    ("throughput", {"package__expect__requests_per_second": 0.0}),
    ("latency", {"package__expect__latency_ms": 0.0}),
    ("link", {"package__expect__requests_per_second": 0.0}),
    ("confidence-goal", {"measured__guards": {"intervals": {"coverage": 0.9}}}),
    ("confidence-goal", {"measured__guards": {}, "package__signature": VECTOR}),
    ("answers-given", {"measured__guards": {}}),
    ("lighter-variant", {"measured__lighter": LIGHT}),
    ("lighter-variant", {"measured__median_s": 0.2, "measured__lighter": HEAVY}),
]
"""Other facts with which a question passes, whoever is to reach the model."""


def found(id_: str, facts: Facts) -> Finding:
    return QUESTIONS[id_].answer(facts)


def test_every_question_stands_in_the_table():
    assert {id_ for id_, _, _ in TABLE} == set(QUESTIONS)


def test_there_are_at_least_25_questions_in_15_groups_each_with_an_id_of_its_own():
    assert len(QUESTIONS) >= 25
    assert len(GROUPS) == 15
    assert sum(map(len, GROUPS.values())) == len(QUESTIONS)
    assert all(q.asks.endswith("?") for q in QUESTIONS.values())


@pytest.mark.parametrize("id_", QUESTIONS)
def test_a_question_passes_when_all_is_in_order(id_):
    answer = found(id_, GOOD)
    assert (answer.verdict, answer.fix) == (PASS, "")
    assert answer.measured


@pytest.mark.parametrize(("id_", "changes"), ALSO_PASS)
def test_a_question_passes_also_with_these_facts(id_, changes):
    for exposure in ("internal", "internet"):
        assert found(id_, but(GOOD, exposure=exposure, **changes)).verdict == PASS


@pytest.mark.parametrize(("id_", "changes", "verdicts"), TABLE)
def test_a_question_that_is_not_in_order_says_so_and_what_helps(id_, changes, verdicts):
    for exposure, verdict in verdicts.items():
        answer = found(id_, but(GOOD, exposure=exposure, **changes))
        assert answer.verdict == verdict, exposure
        assert bool(answer.fix) == (verdict != PASS) or id_ == "server-starts"
        assert answer.measured


def test_nothing_is_worse_for_fewer_people_but_an_address_that_all_can_reach():
    order = [PASS, WARN, OWNER, FAIL]
    for id_, changes, _ in TABLE:
        if id_ == "host-exposure" and not changes:
            continue
        each = [
            order.index(found(id_, but(GOOD, exposure=e, **changes)).verdict) for e in EXPOSURES
        ]
        assert each == sorted(each), id_


def test_only_what_cannot_be_measured_is_left_to_the_owner():
    asked = {id_ for id_, _, verdicts in TABLE if OWNER in verdicts.values()}
    assert asked == {"purpose", "out-of-scope", "expected-traffic", "cost-stated"}


def test_what_is_left_to_the_owner_stands_beside_what_was_measured():
    facts = but(GOOD, package__expect__cost="", package__expect__latency_ms=0.0)
    assert "50 ms of processor time for 1,000 rows" in found("cost-stated", facts).measured
    assert "requests/s, 260 µs for the slowest" in found("expected-traffic", facts).measured
