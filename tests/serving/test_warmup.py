"""Warm-up: the first predictions choose how a version is run, and refuse what cannot answer."""

from __future__ import annotations

import numpy as np
import pytest
from tests.models import spec
from tests.serving.parts import DOUBLE, Model, serve

from fairlead.core.errors import LoadFailed, ModelError
from fairlead.core.package import Package
from fairlead.core.signature import Signature
from fairlead.serving import warmup
from fairlead.serving.batcher import INLINE_LIMIT_S
from fairlead.serving.warmup import example_inputs, warm

EXAMPLE = {"inputs": [{"name": "x", "data": [1.0, 2.0], "shape": [1, 2]}]}
FLAT = Signature((spec("x", "FP32", (2, 2)),), (spec("y", "FP32", (2, 2)),))


class Clock:
    """Time that only the model spends."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(warmup, "now", made)
    return made


def plan(clock, once: float, per_row: float, *, signature=DOUBLE, **facts):
    """The plan for a model that spends `once` and `per_row` seconds."""

    def predict(x):
        clock.now += once + per_row * len(x)
        return x * 2

    package = _package(signature, **facts)
    return warm(package, Model(predict), {})


def _package(signature=DOUBLE, isolated=False, **limits) -> Package:
    made = serve(Model(), signature, **limits).package
    return Package(
        made.name, 1, made.folder, "test", isolated, "g", signature, {}, limits=made.limits
    )


def test_a_cheap_model_runs_inline_and_joins_what_the_loop_can_afford(clock):
    found = plan(clock, once=140e-6, per_row=50e-6)
    assert (found.inline, found.slots) == (True, 1)
    each = (140e-6 + 8 * 50e-6) / 8
    assert found.max_rows == int(INLINE_LIMIT_S / each) == 74


def test_a_batch_is_never_larger_than_the_owner_allows(clock):
    assert plan(clock, once=100e-6, per_row=0).max_rows == 256
    assert plan(clock, once=100e-6, per_row=0, max_batch=7).max_rows == 7


def test_a_dear_model_runs_in_threads_with_full_batches(clock):
    found = plan(clock, once=INLINE_LIMIT_S, per_row=1e-6)
    assert (found.inline, found.max_rows) == (False, 256)
    assert found.slots >= 1


def test_the_owner_may_say_how_many_executions_there_are_at_once(clock):
    dear = plan(clock, once=INLINE_LIMIT_S, per_row=1e-6, threads=3)
    assert (dear.inline, dear.slots) == (False, 3)
    cheap = plan(clock, once=140e-6, per_row=50e-6, threads=3)
    assert (cheap.inline, cheap.slots) == (False, 3)
    alone = plan(clock, once=140e-6, per_row=50e-6, threads=1)
    assert (alone.inline, alone.slots) == (True, 1)
    assert plan(clock, once=INLINE_LIMIT_S, per_row=1e-6, threads=1).slots == 1
    assert plan(clock, once=10e-6, per_row=0, isolated=True, threads=3).slots == 1


def test_rows_are_not_joined_where_joining_saves_nothing(clock):
    assert plan(clock, once=0, per_row=100e-6).max_rows == 1
    assert plan(clock, once=0, per_row=10e-3).max_rows == 1


@pytest.mark.parametrize("best", [1, 2, 4])
def test_as_many_rows_are_joined_as_make_each_of_them_cheaper(clock, best):
    def predict(x):
        clock.now += 10e-3 * (1 + 1 / min(len(x), best) + max(0, len(x) - best)) * len(x)
        return x * 2

    assert warm(_package(), Model(predict), {}).max_rows == best


def test_rows_of_a_dear_model_do_not_wait_long_for_each_other_in_a_batch(clock):
    assert plan(clock, once=9e-3, per_row=2e-3).max_rows == 20
    assert plan(clock, once=100e-3, per_row=20e-3).max_rows == 8


def test_a_model_without_rows_is_never_joined(clock):
    assert plan(clock, once=100e-6, per_row=0, signature=FLAT).max_rows == 1


def test_an_isolated_model_has_one_slot_and_never_runs_inline(clock):
    found = plan(clock, once=10e-6, per_row=0, isolated=True)
    assert (found.inline, found.slots) == (False, 1)


def test_a_model_that_an_input_can_prolong_never_runs_inline(clock):
    def predict(x):
        clock.now += 1e-6
        return x * 2

    model = Model(predict)
    assert warm(_package(), model, {}).inline
    model.endless = True
    assert not warm(_package(), model, {}).inline


def test_warm_up_ends_also_when_a_prediction_takes_seconds(clock):
    model = Model(lambda x: setattr(clock, "now", clock.now + 2) or x * 2)
    warm(_package(), model, {})
    assert model.batches == [1] * 6


# --- the example --------------------------------------------------------------------------


def broken(x):
    raise ModelError("not today")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (broken, "not today"),
        (lambda x: x[:, :1], "has shape"),
        (lambda x: x.astype(np.float64), "is of float64"),
        (lambda x: x * np.nan, "NaN"),
    ],
)
def test_a_model_that_cannot_answer_its_own_example_is_not_served(answer, says):
    with pytest.raises(LoadFailed, match="does not answer its own example") as caught:
        warm(_package(), Model(answer), EXAMPLE)
    assert says in caught.value.what


@pytest.mark.parametrize("signature", [DOUBLE, FLAT])
def test_a_model_that_does_not_take_zeros_may_still_be_good(signature):
    found = warm(_package(signature), Model(broken), {})
    assert not found.inline
    assert found.max_rows == (256 if signature.batched else 1)


def test_a_model_whose_answer_to_zeros_is_no_number_is_still_measured():
    with np.errstate(divide="ignore"):
        assert warm(_package(), Model(np.log), {}).inline


def test_the_example_is_one_row_of_the_right_types():
    signature = Signature(
        (spec("a", "FP32", (-1, 2)), spec("b", "INT64", (-1, 1)), spec("c", "BYTES", (-1, -1))),
        DOUBLE.outputs,
    )
    given = {
        "inputs": [
            {"name": "a", "data": [1, 2, 3, 4], "shape": [2, 2]},
            {"name": "c", "data": ["x", "y"], "shape": [1, 2]},
        ]
    }
    a, b, c = example_inputs(signature, given)
    assert (a.tolist(), a.dtype) == ([[1.0, 2.0]], np.float32)
    assert (b.tolist(), b.dtype) == ([[0]], np.int64)
    assert (c.tolist(), c.dtype) == ([["x", "y"]], object)
    a, b, c = example_inputs(signature, {})
    assert (a.tolist(), b.tolist(), c.tolist()) == ([[0.0, 0.0]], [[0]], [[""]])
