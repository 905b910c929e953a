"""What a version predicted on its way into the outcome log; no prediction fails for it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from tests.models import spec
from tests.serving.parts import DOUBLE, Model, call, serve

from fairlead.core.decision import Verdicts
from fairlead.core.errors import Internal
from fairlead.core.package import Feedback
from fairlead.core.signature import Signature
from fairlead.serving.answered import Answered
from fairlead.serving.execute import execute
from fairlead.serving.outcomes import outcomes_of, source_of
from fairlead.usage.outcomes import OUTCOMES, read
from fairlead.usage.segments import segments

X = spec("x", "FP32", (-1, 2))
SCORES = spec("scores", "FP32", (-1, 3), role="scores", classes=("a", "b", "c"))
LABEL = spec("label", "BYTES", (-1,), role="label", classes=("a", "b", "c"))
NUMBER = spec("label", "INT64", (-1,), role="label")
VALUE = spec("value", "FP64", (-1, 1), role="value")


def keeping(state, *outputs, function=lambda x: x):
    """A served version with these outputs, which keeps its outcomes."""
    served = serve(Model(function), Signature((X,), outputs))
    served.package = replace(served.package, feedback=Feedback(outcomes=True))
    served.outcomes = outcomes_of(served.package, None, served.stats, state, "w")
    return served


def recorded(served, count, rows=1):
    calls = [call(served, *[[0.0, 0.0]] * rows) for _ in range(count)]
    for number, one in enumerate(calls):
        one.usage = number
    return calls


def kept(state):
    return [k for s in segments(state / OUTCOMES / "m" / "1") for _, k in read(s) if k is not None]


@pytest.mark.parametrize(
    ("output", "answer", "predicted"),
    [
        (SCORES, np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]], np.float32), [2.0, 0.0]),
        (LABEL, np.array(["b", "a"], object), [1.0, 0.0]),
        (LABEL, np.array([b"c", "nobody"], object), [2.0, math.nan]),
        (NUMBER, np.array([7, -1]), [7.0, -1.0]),
        (VALUE, np.array([[1.5], [2.5]]), [1.5, 2.5]),
    ],
)
def test_the_prediction_of_every_row_is_kept(tmp_path, output, answer, predicted):
    served = keeping(tmp_path, output)
    served.outcomes.note([Answered(recorded(served, 2), [], [], None, answer)])
    [found] = kept(tmp_path)
    assert [*found.sequences] == [0, 1]
    assert [*found.predicted] == pytest.approx(predicted, nan_ok=True)
    assert all(math.isnan(value) for value in found.confidence)
    assert [*found.decision] == [0, 0]


def test_confidence_and_decision_are_the_guards(tmp_path):
    served = keeping(tmp_path, VALUE)
    verdicts = Verdicts(np.array([0, 3], np.uint8), confidence=np.array([0.25, 0.75]))
    served.outcomes.note([Answered(recorded(served, 2), [], [], verdicts, np.zeros((2, 1)))])
    [found] = kept(tmp_path)
    assert ([*found.confidence], [*found.decision]) == ([0.25, 0.75], [0, 3])


def test_a_call_that_failed_left_or_was_not_recorded_leaves_no_outcome(tmp_path):
    served = keeping(tmp_path, VALUE)
    calls = recorded(served, 5, rows=2)
    calls[0].error, calls[2].gone, calls[3].usage = Internal("x"), True, -1
    served.outcomes.note([Answered(calls, [], [], None, np.arange(10.0).reshape(10, 1))])
    [found] = kept(tmp_path)
    assert [*found.sequences] == [1, 4]
    assert [*found.predicted] == [2.0, 3.0, 8.0, 9.0]


@pytest.mark.parametrize("answer", [None, np.zeros((3, 1)), np.array(["x", "y"], object)])
def test_an_answer_that_cannot_be_kept_is_told_once_and_counted(tmp_path, capsys, answer):
    served = keeping(tmp_path, VALUE)
    for _ in range(3):
        served.outcomes.note([Answered(recorded(served, 2), [], [], None, answer)])
    assert served.stats.outcomes_lost == 6
    assert capsys.readouterr().err.count("outcomes_lost") == 1
    assert kept(tmp_path) == []


def test_a_disk_that_takes_nothing_loses_outcomes_only_and_recovers(tmp_path, capsys):
    served = keeping(tmp_path, VALUE)
    (tmp_path / OUTCOMES).write_bytes(b"in the way")
    served.outcomes.note([Answered(recorded(served, 1), [], [], None, np.zeros((1, 1)))])
    assert served.stats.outcomes_lost == 1
    (tmp_path / OUTCOMES).unlink()
    served.outcomes.note([Answered(recorded(served, 1), [], [], None, np.ones((1, 1)))])
    assert [*kept(tmp_path)[0].predicted] == [1.0]
    assert capsys.readouterr().err.count("outcomes_lost") == 1


def test_the_prediction_is_computed_also_when_a_caller_asks_for_another_output(tmp_path):
    other = spec("other", "FP32", (-1, 2))
    served = keeping(
        tmp_path, other, VALUE, function=lambda x: (x, np.float64(x).sum(axis=1, keepdims=True))
    )
    one = call(served, [1.0, 2.0], [3.0, 4.0])
    one.encoder.outputs, one.encoder.specs = (0,), [other]
    [answered] = execute(served, [one])
    assert [array.tolist() for array in answered.outputs] == [[[1.0, 2.0], [3.0, 4.0]]]
    assert answered.predicted.tolist() == [[3.0], [7.0]]


def test_without_a_log_nothing_more_is_computed(tmp_path):
    served = serve(Model(), Signature((X,), (spec("other", "FP32", (-1, 2)), VALUE)))
    assert outcomes_of(served.package, None, served.stats, tmp_path, "w") is None
    assert served.source is None
    assert served.wanted((0,), served.source) == (0,)


@pytest.mark.parametrize(
    ("outputs", "source"),
    [
        ((LABEL, SCORES), 1),
        ((VALUE, LABEL), 1),
        ((VALUE,), 0),
        ((spec("scores", "FP32", (-1, 3), role="scores"), NUMBER), 1),
        ((spec("label", "BYTES", (-1,), role="label"),), None),
        ((spec("value", "FP32", (-1, 4), role="value"),), None),
        ((spec("y", "FP32", (-1, 2)),), None),
    ],
)
def test_the_output_that_says_most_with_one_prediction_per_row_is_the_source(outputs, source):
    assert source_of(Signature((X,), outputs)) == source


def test_a_model_whose_answers_cannot_be_joined_says_so_when_it_is_loaded(tmp_path, capsys):
    package = replace(serve(Model(), DOUBLE).package, feedback=Feedback(outcomes=True))
    assert outcomes_of(package, None, serve(Model()).stats, tmp_path, "w") is None
    assert "outcomes_impossible" in capsys.readouterr().err
