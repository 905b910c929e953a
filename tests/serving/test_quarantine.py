"""A call whose model's process died: tried once more, and kept out when it dies of it again."""

from __future__ import annotations

import asyncio
from math import inf
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.serving.parts import Model, call, serve, until

from fairlead.core.clock import now
from fairlead.core.errors import InputQuarantined, ModelCrashed
from fairlead.core.tensor import Tensor
from fairlead.serving import quarantine as quarantining
from fairlead.serving.batcher import Batcher, Plan
from fairlead.serving.execute import execute
from fairlead.serving.quarantine import KEPT_S, MOST, Quarantine, fingerprint, let_in

POISON = 666.0


class Mortal(Model):
    """Its process dies of a poisonous row, and as often as is asked for by itself."""

    def __init__(self, dies: int = 0, again_s: float = 0.1) -> None:
        super().__init__()
        self.dies, self.again_s, self.asked = dies, again_s, 0

    def predict(self, inputs: Any, outputs: Any) -> Any:
        self.asked += 1
        if self.dies or (np.asarray(inputs[0]) == POISON).any():
            self.dies -= self.dies > 0
            raise ModelCrashed("the model's process died on this call")
        return super().predict(inputs, outputs)


def soon(made: Any, left_s: float) -> Any:
    made.deadline = now() + left_s
    return made


def test_a_call_whose_process_was_killed_is_answered_by_the_next():
    served = serve(Mortal(dies=1))
    one = call(served, [1, 2])
    assert len(execute(served, [one])) == 1
    assert (one.error, served.model.asked, served.quarantine) == (None, 2, None)


def test_a_call_that_has_no_time_left_is_not_tried_again():
    served = serve(Mortal(dies=1, again_s=5.0))
    one = soon(call(served, [1, 2]), 4.0)
    assert execute(served, [one]) == []
    assert isinstance(one.error, ModelCrashed)
    assert served.model.asked == 1
    assert let_in(served, [call(served, [1, 2])]), "one death proves nothing"


def test_a_call_is_tried_again_once_and_then_kept_out(capsys):
    served = serve(Mortal())
    one = call(served, [POISON, 2])
    assert execute(served, [one]) == []
    assert isinstance(one.error, ModelCrashed)
    assert served.model.asked == 2
    again, other = call(served, [POISON, 2]), call(served, [3, 4])
    assert let_in(served, [again, other]) == [other]
    assert isinstance(again.error, InputQuarantined)
    assert "input_quarantined" in capsys.readouterr().err


def test_a_model_that_may_remember_is_not_asked_twice():
    served = serve(Mortal())
    one = call(served, [1, 2])
    told = SimpleNamespace(
        key="m/1",
        model=served.model,
        package=SimpleNamespace(takes=("parameters",)),
        quarantine=None,
    )
    assert not quarantining.crashed(cast("Any", told), [one])
    assert quarantining.crashed(served, [call(served, [1, 2])])


@given(st.integers(2, 40), st.data())
def test_neighbours_of_a_row_that_kills_are_answered_and_it_alone_is_kept_out(count, data):
    at = data.draw(st.integers(0, count - 1))
    served = serve(Mortal())
    calls = [call(served, [POISON if n == at else n, 0]) for n in range(count)]
    execute(served, calls)
    assert [n for n, one in enumerate(calls) if one.error is not None] == [at]
    assert let_in(served, [call(served, [n, 0]) for n in range(count)])
    assert not let_in(served, [call(served, [POISON, 0])])
    # The batch, its halves, and no more than one further attempt.
    assert served.model.asked <= 2 + 2 * int(np.ceil(np.log2(count)))


def test_an_input_that_is_answered_is_not_suspected_any_more():
    served = serve(Mortal(dies=1, again_s=1e9))
    execute(served, [call(served, [1, 2])])
    assert len(served.quarantine) == 1
    execute(served, [call(served, [1, 2])])
    assert len(served.quarantine) == 0


def test_what_is_kept_out_is_bounded_and_ends(monkeypatch):
    kept = Quarantine()
    for number in range(MOST + 10):
        kept.died(b"%d" % number, 2)
    assert len(kept) == MOST
    assert not kept.holds(b"0")
    assert kept.holds(b"%d" % MOST)
    later = now() + KEPT_S + 1.0
    monkeypatch.setattr(quarantining, "now", lambda: later)
    kept.sweep()
    assert len(kept) == 0
    assert not kept.holds(b"%d" % MOST)


_ARRAYS = st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=4)
_TEXTS = st.lists(st.text(max_size=3), min_size=1, max_size=3)


@given(_ARRAYS, _ARRAYS, _TEXTS, _TEXTS)
def test_a_fingerprint_is_that_of_equal_tensors_alone(left, right, words, others):
    def mark(numbers, texts):
        row = Tensor.of(np.array([numbers], np.float32))
        return fingerprint([row, Tensor.of(np.array(texts, object))])

    same = np.array(left, np.float32).tobytes() == np.array(right, np.float32).tobytes()
    assert mark(left, words) == mark(left, words)
    assert (mark(left, words) == mark(right, others)) == (same and words == others)


@pytest.mark.parametrize("array", [np.zeros((2, 2)), np.zeros((4, 1)), np.zeros(4, np.int64)])
def test_shape_and_type_are_part_of_it(array):
    base = fingerprint([Tensor.of(np.zeros((1, 4)))])
    assert fingerprint([Tensor.of(array)]) != base


def test_no_call_waits_too_long_for_a_process_that_is_away(monkeypatch):
    """What is not there is started; nobody has too much to do."""
    served = serve(Model())
    made = Batcher(
        served,
        Plan(inline=False, max_rows=8, slots=1),
        asyncio.new_event_loop(),
        lambda *_: None,
        max_queue=8,
        max_wait_s=1.0,
    )
    made._loop.close()
    for ready_since, since in ((inf, 0.0), (98.5, 99.0), (99.5, 0.0)):
        served.model.ready_since = ready_since
        assert made._since(100.0) == since
    del served.model.ready_since
    assert made._since(100.0) == 99.0


def test_inputs_are_looked_at_only_while_some_are_kept_out_or_suspected(monkeypatch):
    looked: list[int] = []

    def looking(inputs: Any) -> bytes:
        looked.append(1)
        return fingerprint(inputs)

    monkeypatch.setattr(quarantining, "fingerprint", looking)

    async def ask(served: Any, loop: asyncio.AbstractEventLoop) -> int:
        answered: list[Any] = []
        settle = lambda version, calls, answers: answered.extend(calls)  # noqa: E731
        batcher = Batcher(served, Plan(True, 8, 1), loop, settle, max_queue=9, max_wait_s=60.0)
        looked.clear()
        served.submit(call(served, [3, 4]))
        await until(lambda: bool(answered))
        assert answered[0].error is None
        batcher.close()
        return len(looked)

    async def test() -> None:
        loop = asyncio.get_running_loop()
        served = serve(Model())
        served.quarantine = Quarantine()
        assert await ask(served, loop) == 0
        mark = fingerprint(call(served, [POISON, 2]).inputs)
        served.quarantine.died(mark, 2)
        assert await ask(served, loop) == 2, "when it comes, and when the model has answered it"
        monkeypatch.setattr(quarantining, "now", lambda: now() + 2 * quarantining.KEPT_S)
        assert await ask(served, loop) == 0, "what was kept out is tried again by now"
        assert len(served.quarantine) == 0

    asyncio.run(test())
