"""What is foretold and measured is compared as `python -m benchmarks.costs.predicted` says."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.costs.compared import Cell, calm, missed, shown
from benchmarks.costs.predicted import LOADS, foretold, traces
from benchmarks.costs.sending import GOOD, LOST, Answers, Lines
from tests import models
from tests.costs.samples import profile

from fairlead.costs.arrivals import dispersion_of
from fairlead.costs.simulation import worker_of
from fairlead.profiling import requests


def cell(told: float, found: float, refused: tuple[float, float] = (0.0, 0.0)) -> Cell:
    made = Cell("m", "10%", calls=100, slower=[1.0, 1.0, 1.5], slip_s=[1e-4, 0.1, 1e-4])
    for figure in ("p50", "p95", "p99"):
        made.foretold[figure] = made.rescaled[figure] = [told, told, 99.0]
        made.measured[figure] = [found, found, 99.0]
    made.foretold["refused"], made.measured["refused"] = ([share] * 3 for share in refused)
    made.rescaled["refused"] = [refused[0]] * 3
    return made


def test_medians_are_compared_and_what_is_not_within_the_bound_is_named():
    assert missed([cell(0.124, 0.1), cell(0.08, 0.1)]) == []
    assert missed([cell(0.13, 0.1)]) == [f"m, 10%: {p} +30%" for p in ("p50", "p95", "p99")]
    assert "1 of 4 figures within 25%" in shown([cell(0.13, 0.1)])


def test_a_round_counts_as_calm_where_neither_executions_nor_requests_were_held_up():
    assert calm([cell(0.1, 0.1)]) == (4, 4)
    assert calm([cell(0.13, 0.1)]) == (1, 4)


def test_hardly_any_refused_is_as_good_as_none_but_some_are_not():
    assert missed([cell(0.1, 0.1, (0.001, 0.0))]) == []
    assert missed([cell(0.1, 0.1, (0.0, 0.002))]) == ["m, 10%: refused -100%"]


def test_a_figure_that_was_not_measured_is_missed():
    assert missed([cell(0.1, float("nan"))]) != []


def test_calls_come_at_five_rates_and_in_two_bursty_traces():
    made = traces(500.0, 20.0, seed=1)
    assert [trace.load for trace in made] == [*LOADS, 0.5, 0.5]
    for trace in made[:5]:
        assert len(trace.times) / trace.seconds == pytest.approx(trace.load * 500, rel=0.15)
    calm, bursty = (dispersion_of(trace.times) for trace in made[-2:])
    assert bursty > 1.8 * calm
    worker = worker_of(profile(0.002, 0.002, inline=True, max_rows=1))
    told = foretold(traces(1 / worker.call_each_s, 20.0, 1)[-1], profile(0.002, 0.002), 1)
    assert told.refused_share > 0, "it is meant to be more than can be answered"


def test_every_request_is_sent_when_it_is_due_and_its_answer_counted(serving, tmp_path):
    package = models.total(tmp_path)
    client = serving(tmp_path)
    port = client.base_url.port
    times = np.linspace(0, 0.3, 40).tolist()
    good = requests.rest(package.name, {"a": 1, "b": 2, "c": 3})
    lines = Lines(port, 4)
    try:
        for asked, status in ((good, GOOD), (requests.rest("unknown", {}), 404)):
            answers = lines.send(times, asked)
            assert answers.status == [status] * len(times)
            assert min(answers.slips) >= 0, "nothing leaves before its time"
            assert min(answers.took) > 0
    finally:
        lines.close()


def test_only_good_answers_have_a_time():
    answers = Answers([0.1, 0.2, 9.0], [GOOD, GOOD, 503])
    assert answers.quantile(0.5) == 0.1
    assert answers.quantile(0.99) == 0.2
    assert answers.refused == pytest.approx(1 / 3)
    assert Answers([9.0], [LOST]).quantile(0.5) == float("inf")
