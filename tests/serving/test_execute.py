"""Execution: joined rows are answered as if alone, and a bad one never fails its neighbours."""

from __future__ import annotations

from math import ceil, inf, log2, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models import spec
from tests.serving.parts import DOUBLE, Model, call, serve

from fairlead.core.access import anybody
from fairlead.core.clock import now
from fairlead.core.errors import (
    BadParameter,
    ModelBadAnswer,
    ModelError,
    ModelHung,
    NotFinite,
    Overloaded,
)
from fairlead.core.signature import Signature
from fairlead.serving.execute import drop_late, execute

BAD = 666.0


def raising(x):
    """Fails as a whole when any of its rows is bad."""
    if (x == BAD).any():
        raise ValueError("a bad row")
    return x * 2


def answers(results) -> dict:
    """What each answered call got, by identity."""
    found = {}
    for calls, _, outputs, *_ in results:
        start = 0
        for one in calls:
            found[id(one)] = [output[start : start + one.rows].tolist() for output in outputs]
            start += one.rows
    return found


@given(st.lists(st.integers(1, 5), min_size=1, max_size=20))
def test_each_call_gets_the_rows_that_it_would_get_alone(sizes):
    served = serve(Model())
    calls = [call(served, *[[n, 10 * k] for k in range(size)]) for n, size in enumerate(sizes)]
    found = answers(execute(served, calls))
    for n, (one, size) in enumerate(zip(calls, sizes, strict=True)):
        assert found[id(one)] == [[[2.0 * n, 20.0 * k] for k in range(size)]]
        assert one.error is None
    assert served.model.batches == [sum(sizes)]


@given(st.integers(1, 64), st.data())
def test_one_bad_call_costs_itself_only_and_few_executions(count, data):
    served = serve(Model(raising))
    bad = data.draw(st.integers(0, count - 1))
    calls = [call(served, [BAD if n == bad else n, 0]) for n in range(count)]
    found = answers(execute(served, calls))
    for n, one in enumerate(calls):
        if n == bad:
            assert isinstance(one.error, ModelError)
            assert id(one) not in found
        else:
            assert one.error is None
            assert found[id(one)] == [[[2.0 * n, 0.0]]]
    assert len(served.model.batches) - 1 <= 2 * ceil(log2(count))


@given(st.lists(st.booleans(), min_size=1, max_size=32))
def test_any_mix_of_good_and_bad_calls_is_told_apart(goods):
    served = serve(Model(raising))
    calls = [call(served, [n if good else BAD, 0]) for n, good in enumerate(goods)]
    found = answers(execute(served, calls))
    assert [one.error is None for one in calls] == goods
    assert [id(one) in found for one in calls] == goods


def test_a_row_that_is_not_a_number_costs_only_its_own_call_and_never_reaches_the_model():
    served = serve(Model())
    calls = [call(served, [1, 2]), call(served, [1, 2], [3, nan]), call(served, [inf, 0])]
    found = answers(execute(served, calls))
    assert list(found) == [id(calls[0])]
    assert isinstance(calls[1].error, NotFinite)
    assert (calls[1].error.row, calls[1].error.where) == (1, "row 1, position (1,)")
    assert isinstance(calls[2].error, NotFinite)
    assert served.model.batches == [1]


def test_the_column_of_a_missing_value_is_named():
    signature = Signature((spec("x", "FP32", (-1, 2), columns=("age", "income")),), DOUBLE.outputs)
    served = serve(Model(), signature)
    one = call(served, [1, 2], [nan, 2])
    assert execute(served, [one]) == []
    assert one.error is not None
    assert one.error.where == "row 1, column 'age'"


def test_a_model_that_takes_missing_values_gets_them():
    signature = Signature((spec("x", "FP32", (-1, 2), missing=True),), DOUBLE.outputs)
    served = serve(Model(lambda x: np.nan_to_num(x)), signature)
    one = call(served, [nan, 2])
    assert answers(execute(served, [one])) == {id(one): [[[0.0, 2.0]]]}


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64"])
def test_large_finite_numbers_are_not_taken_for_infinite(datatype):
    """Their squares overflow; the quick check must look again, without a warning."""
    signature = Signature((spec("x", datatype, (-1, 2)),), (spec("y", datatype, (-1, 2)),))
    served = serve(Model(lambda x: x), signature)
    largest = float(np.finfo(signature.inputs[0].dtype.numpy).max)
    one = call(served, [largest, -largest])
    assert answers(execute(served, [one])) == {id(one): [[[largest, -largest]]]}


# --- what a model may not answer ----------------------------------------------------------


def _nan_for_bad(x):
    y = x * 2
    y[x == BAD] = nan
    return y


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda x: x[:-1], "has shape"),
        (lambda x: np.concatenate([x, x]), "has shape"),
        (lambda x: x[:, :1], "has shape"),
        (lambda x: x.reshape(-1), "has shape"),
        (lambda x: x[..., None], "has shape"),
        (lambda x: np.float32(1).reshape(()), "has shape"),
        (lambda x: [], "0 outputs instead of 1"),
        (lambda x: [x, x, x], "3 outputs instead of 1"),
        (lambda x: x.astype(np.float64), "is of float64, not FP32"),
        (lambda x: x.astype(np.int32), "is of int32, not FP32"),
        (lambda x: x.astype(object), "is of object, not FP32"),
        (lambda x: x * nan, "NaN or infinity"),
        (lambda x: x + inf, "NaN or infinity"),
    ],
)
def test_an_answer_that_is_not_of_the_signature_is_refused(answer, says):
    served = serve(_Whole(answer))
    one = call(served, [1, 2], [3, 4])
    assert execute(served, [one]) == []
    assert isinstance(one.error, ModelBadAnswer)
    assert says in one.error.what


class _Whole(Model):
    """Answers with everything that its function gives, whatever was asked for."""

    def predict(self, inputs, outputs):
        answer = self.function(*inputs)
        return answer if isinstance(answer, list) else [answer]


def test_a_row_answered_with_nan_costs_only_its_own_call():
    served = serve(Model(_nan_for_bad))
    calls = [call(served, [n if n != 3 else BAD, 0]) for n in range(8)]
    found = answers(execute(served, calls))
    assert [isinstance(one.error, ModelBadAnswer) for one in calls] == [n == 3 for n in range(8)]
    assert len(found) == 7


def test_an_output_that_may_be_missing_may_be_nan():
    signature = Signature(DOUBLE.inputs, (spec("y", "FP32", (-1, 2), missing=True),))
    served = serve(Model(lambda x: x * nan), signature)
    one = call(served, [1, 2])
    assert len(execute(served, [one])) == 1


@pytest.mark.parametrize("text", [np.array([["a"]], object), np.array([["a"]]), np.array([[b"a"]])])
def test_text_may_come_in_any_of_numpys_kinds(text):
    signature = Signature(DOUBLE.inputs, (spec("y", "BYTES", (-1, 1)),))
    served = serve(Model(lambda x: text), signature)
    one = call(served, [1, 2])
    assert len(execute(served, [one])) == 1
    assert one.error is None


def test_a_model_without_rows_is_held_to_its_whole_shape():
    signature = Signature((spec("x", "FP32", (2, 2)),), (spec("y", "FP32", (-1, 2)),))
    served = serve(Model(), signature)
    good = call(served, [1, 2], [3, 4])
    assert answers(execute(served, [good]))[id(good)]
    served = serve(Model(lambda x: x[:, :1]), signature)
    bad = call(served, [1, 2], [3, 4])
    assert execute(served, [bad]) == []
    assert isinstance(bad.error, ModelBadAnswer)


def test_what_a_model_raises_is_told_by_its_kind_and_not_by_its_words():
    """The text of a foreign exception may hold anything, also another caller's values."""
    served = serve(Model(raising))
    one = call(served, [BAD, 0])
    execute(served, [one])
    assert isinstance(one.error, ModelError)
    assert one.error.what == "the model failed: ValueError"


# --- time ---------------------------------------------------------------------------------


def test_what_cannot_be_made_an_input_costs_only_its_own_call():
    served = serve(Model())
    calls = [call(served, [n, n]) for n in range(8)]

    def prepare(joined, rows):
        if calls[5] in joined:
            raise BadParameter("this is no picture")
        return [np.array([[7, 7]] * rows, np.float32)]

    for one in calls:
        one.prepare = prepare
    answered = [one for answer in execute(served, calls) for one in answer.calls]
    assert answered == [one for one in calls if one is not calls[5]]
    assert isinstance(calls[5].error, BadParameter)


def test_every_prediction_begins_its_time_budget_anew():
    begun: list[int] = []

    def hanging(x):
        if (x == BAD).any():
            raise ModelHung("too long")
        return x

    served = serve(Model(hanging))
    calls = [call(served, [n if n != 2 else BAD, 0]) for n in range(4)]
    found = answers(execute(served, calls, lambda: begun.append(len(served.model.batches))))
    assert [isinstance(one.error, ModelHung) for one in calls] == [False, False, True, False]
    assert len(found) == 3
    assert begun == list(range(len(served.model.batches)))


def test_a_call_whose_deadline_passes_while_its_batch_is_halved_is_not_tried_again():
    served = serve(Model(raising))
    late, bad = call(served, [1, 1]), call(served, [BAD, 1])

    def expire(x):
        late.deadline = now() - 1
        return raising(x)

    served.model.function = expire
    assert execute(served, [late, bad]) == []
    assert late.error is not None
    assert late.error.name == "DEADLINE_EXCEEDED"
    assert isinstance(bad.error, ModelError)
    assert served.model.batches == [2, 1]


def test_late_abandoned_and_too_long_queued_calls_are_told_apart():
    served = serve(Model())
    moment = now()
    fine, late, gone, stale = (call(served, [1, 1]) for _ in range(4))
    late.deadline = moment - 0.001
    gone.gone = True
    stale.received = moment - 2
    assert drop_late([fine, late, gone, stale], moment, moment - 1) == [fine]
    assert late.error is not None
    assert late.error.name == "DEADLINE_EXCEEDED"
    assert "left while the call was waiting" in str(gone.error), "a loss of ours it is not"
    assert isinstance(stale.error, Overloaded)
    assert "waited 2.0 s" in stale.error.what


def test_the_time_spent_is_shared_out_by_rows():
    served = serve(Model())
    one, three = call(served, [1, 1]), call(served, [1, 1], [2, 2], [3, 3])
    execute(served, [one, three])
    assert one.compute_ns > 0
    assert three.compute_ns == 3 * one.compute_ns


def test_a_call_that_the_model_failed_on_was_executed():
    """Else whoever knows rows on which it fails, or hangs, computes without any limit."""
    served = serve(Model(raising))
    bad = call(served, [BAD, 1])
    execute(served, [bad])
    assert isinstance(bad.error, ModelError)
    assert bad.compute_ns > 0


def test_calls_of_one_caller_that_are_too_late_after_a_failure_were_executed():
    def expire(x):
        one.deadline = two.deadline = 0.0
        return raising(x)

    served = serve(Model(expire))
    one, two = call(served, [BAD, 1]), call(served, [BAD, 2])
    execute(served, [one, two])
    assert [each.error.name for each in (one, two)] == ["DEADLINE_EXCEEDED"] * 2
    assert one.compute_ns > 0
    assert two.compute_ns > 0


def test_who_shared_a_batch_with_anothers_bad_row_and_is_too_late_pays_nothing():
    def expire(x):
        mine.deadline = 0.0
        return raising(x)

    served = serve(Model(expire))
    mine, theirs = call(served, [1, 1]), call(served, [BAD, 2])
    theirs.caller = anybody("192.0.2.1")
    execute(served, [mine, theirs])
    assert mine.error.name == "DEADLINE_EXCEEDED"
    assert mine.compute_ns == 0
    assert theirs.compute_ns > 0


def test_what_took_less_than_a_nanosecond_a_row_was_executed(monkeypatch):
    monkeypatch.setattr("fairlead.serving.execute.perf_counter_ns", lambda: 5)
    served = serve(Model())
    one = call(served, *[[n, n] for n in range(100)])
    execute(served, [one])
    assert one.compute_ns == 100
