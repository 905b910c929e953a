"""Metrics: both texts are valid to the letter, labels are bounded, and every answer is counted."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import models
from tests.serving.parts import Model, call, serve

from fairlead.core import errors
from fairlead.core.errors import ModelError
from fairlead.serving.observe import BUCKETS, Stats, exposition, quantile
from fairlead.serving.status import merge
from fairlead.usage.journal import Columns

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = rf'{_NAME}="(?:[^"\\\n]|\\["\\n])*"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{({_LABEL}(?:,{_LABEL})*)\}})? (\S+)")
_META = re.compile(rf"# (HELP|TYPE) ({_NAME}) (.+)")
_SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
}


def parse(text: str, *, openmetrics: bool) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Samples by name, of a text that is strictly valid; asserts where it is not.

    Both formats: every family is described once, its samples stand together below and are of its
    type; no sample is given twice; numbers are numbers. OpenMetrics ends with `# EOF` and names a
    counter's family without `_total`.
    """
    assert text.endswith("\n")
    lines = text.split("\n")[:-1]
    if openmetrics:
        assert lines.pop() == "# EOF"
    samples: dict[str, list[tuple[dict[str, str], float]]] = {}
    kinds: dict[str, str] = {}
    helped: set[str] = set()
    family = ""
    for line in lines:
        if line.startswith("#"):
            match = _META.fullmatch(line)
            assert match, line
            what, family, rest = match.groups()
            if what == "HELP":
                assert family not in helped, f"{family} is described twice"
                helped.add(family)
            else:
                assert family in helped, f"{family} has a type before its description"
                assert family not in kinds, f"{family} has two types"
                kinds[family] = rest
            continue
        match = _SAMPLE.fullmatch(line)
        assert match, line
        name, raw, value = match.groups()
        kind = kinds[family]
        stem = family.removesuffix("_total") if kind == "counter" else family
        assert openmetrics is False or kind != "counter" or family == stem
        assert name in [stem + suffix for suffix in _SUFFIXES[kind]], f"{name} below {family}"
        pairs = re.findall(rf'({_NAME})="((?:[^"\\\n]|\\["\\n])*)"', raw or "")
        labels = dict(pairs)
        assert len(labels) == len(pairs), f"a label is given twice: {line}"
        number = float(value)
        assert kind == "gauge" or (number >= 0 and math.isfinite(number))
        assert labels not in [known for known, _ in samples.get(name, [])], f"twice: {line}"
        samples.setdefault(name, []).append((labels, number))
    assert helped == set(kinds)
    _check_histograms(samples, [f for f, kind in kinds.items() if kind == "histogram"])
    return samples


def _check_histograms(samples, families) -> None:
    for family in families:
        series: dict[tuple, list[tuple[float, float]]] = {}
        for labels, value in samples.get(f"{family}_bucket", []):
            key = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
            series.setdefault(key, []).append((float(labels["le"]), value))
        for key, buckets in series.items():
            assert [le for le, _ in buckets] == sorted(le for le, _ in buckets)
            assert [n for _, n in buckets] == sorted(n for _, n in buckets)
            assert buckets[-1][0] == math.inf
            assert (dict(key), buckets[-1][1]) in samples[f"{family}_count"]
            assert any(labels == dict(key) for labels, _ in samples[f"{family}_sum"])


def page(**more) -> dict:
    return {"models": {}, "stats": {}, "refusals": {}, "connections": 0, "queued": 0} | more


def used() -> Stats:
    """The counts of a version that answered two calls and failed one."""
    served = serve(Model())
    stats = Stats()
    calls = [call(served, [1, 2]) for _ in range(3)]
    calls[1].error = ModelError("no")
    stats.batch(Columns([1, 2, 3], [10] * 3, [20] * 3, [10**6] * 3, [0, 1, 0], [0] * 3))
    stats.answered(calls, calls[0].received + 0.003)
    stats.refuse("OVERLOADED")
    return stats


@pytest.mark.parametrize("openmetrics", [False, True])
def test_the_text_is_valid_and_says_what_was_counted(openmetrics):
    pages = [
        page(
            models={"m/1": {"state": "ready"}, "m/2": {"state": "failed"}},
            stats={"m/1": used().to_json()},
            refusals={"HEAD_INVALID": 2},
            connections=3,
            queued=1,
        ),
        page(models={"m/1": {"state": "loading"}}, stats={"m/1": used().to_json()}, connections=4),
    ]
    samples = parse(
        exposition(pages, merge(pages), {}, openmetrics=openmetrics), openmetrics=openmetrics
    )
    m1 = {"model": "m", "version": "1"}
    assert sorted(samples["fairlead_calls_total"], key=str) == sorted(
        [
            ({**m1, "outcome": "ok"}, 4),
            ({**m1, "outcome": "MODEL_ERROR"}, 2),
            ({**m1, "outcome": "OVERLOADED"}, 2),
        ],
        key=str,
    )
    assert samples["fairlead_refusals_total"] == [({"outcome": "HEAD_INVALID"}, 2)]
    assert samples["fairlead_rows_total"] == [(m1, 12)]
    assert samples["fairlead_decisions_total"] == [({**m1, "decision": "serve"}, 8)]
    assert samples["fairlead_batches_total"] == [(m1, 2)]
    assert samples["fairlead_request_bytes_total"] == [(m1, 60)]
    assert samples["fairlead_response_bytes_total"] == [(m1, 120)]
    assert samples["fairlead_compute_seconds_total"] == [(m1, 0.006)]
    assert samples["fairlead_latency_seconds_count"] == [(m1, 6)]
    assert samples["fairlead_connections"] == [({}, 7)]
    assert samples["fairlead_queued"] == [({}, 1)]
    assert samples["fairlead_workers"] == [({}, 2)]
    assert samples["fairlead_model_ready"] == [(m1, 1), ({"model": "m", "version": "2"}, 0)]


def test_a_row_that_failed_has_no_decision_but_one_that_a_guard_refused_has():
    """Three calls: answered, failed by the model, refused by a guard; no total goes below zero."""
    stats = Stats()
    stats.batch(Columns([1, 2, 4], [0] * 3, [0] * 3, [0] * 3, [0, 1, 1], [0, 0, 3]))
    stats.decided({"serve": 1, "reject": 4})
    assert stats.decisions == {"serve": 1, "reject": 4}


@pytest.mark.parametrize("openmetrics", [False, True])
def test_a_server_that_has_done_nothing_has_a_valid_text_too(openmetrics):
    for pages in ([], [page()]):
        text = exposition(pages, merge(pages), {}, openmetrics=openmetrics)
        parse(text, openmetrics=openmetrics)


@given(st.floats(0, 30))
def test_a_latency_falls_into_the_first_bucket_that_holds_it(spent):
    stats = Stats()
    one = call(serve(Model()), [1, 2])
    stats.answered([one], one.received + spent)
    measured = (one.received + spent) - one.received
    index = stats.seconds.index(1)
    assert sum(stats.seconds) == 1
    assert index == len(BUCKETS) or measured <= BUCKETS[index]
    assert index == 0 or measured > BUCKETS[index - 1]


def test_the_labels_are_models_versions_and_words_of_ours_whatever_callers_send(serving, tmp_path):
    """Ten thousand different wrong requests leave as many time series as ten."""
    models.total(tmp_path)
    client = serving(tmp_path)

    def series() -> set[tuple]:
        samples = parse(client.get("/metrics").text, openmetrics=False)
        return {(n, *sorted(labels.items())) for n, found in samples.items() for labels, _ in found}

    def misbehave(number: int) -> None:
        client.get(f"/secret{number}")
        client.get(f"/models/who{number}")
        client.post(f"/predict/who{number}", json={})
        client.post("/predict/total", json={f"odd{number}": 1})
        client.post("/predict/total", json={"a": number, "b": 2, "c": 3})
        client.post(f"/v2/models/total/versions/{number}/infer", json={})
        client.request("BREW", "/models", headers={f"x-{number}": str(number)})

    misbehave(1)
    before = series()
    for number in range(2, 60):
        misbehave(number)
    assert series() == before
    names = {error.name for error in errors.CATALOGUE.values()} | {"ok"}
    outcomes = {dict(s[1:]).get("outcome", "ok") for s in before}
    assert outcomes <= names
    assert {key for s in before for key, _ in s[1:]} <= {
        "model", "version", "outcome", "decision", "le", "process", "why",
    }  # fmt: skip


def test_the_accept_header_chooses_the_text(serving, tmp_path):
    models.total(tmp_path)
    client = serving(tmp_path)
    plain = client.get("/metrics")
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    parse(plain.text, openmetrics=False)
    open_ = client.get("/metrics", headers={"accept": "application/openmetrics-text;version=1.0.0"})
    assert open_.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    parse(open_.text, openmetrics=True)


def test_every_answer_is_counted_once(serving, tmp_path):
    models.total(tmp_path)
    client = serving(tmp_path)

    def calls() -> float:
        samples = parse(client.get("/metrics").text, openmetrics=False)
        return sum(n for _, n in samples.get("fairlead_calls_total", []))

    before = calls()
    for number in range(20):
        client.post("/predict/total", json={"a": number, "b": 2, "c": 3 if number % 2 else "x"})
    assert calls() - before == 20


def test_a_quantile_of_latency_is_read_from_the_buckets():
    none = [0] * (len(BUCKETS) + 1)
    assert quantile(none, 0.5) is None
    assert quantile([10, *none[1:]], 0.5) == pytest.approx(0.05e-3)
    assert quantile([*none[:-1], 5], 0.99) == 10.0
    half = [5, 0, 0, 5, *none[4:]]
    assert quantile(half, 0.5) == pytest.approx(0.1e-3)
    assert 0.5e-3 < (quantile(half, 0.99) or 0) <= 1e-3
