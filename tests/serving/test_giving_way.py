"""Which models go after the others: those that are asked for more than they can give."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from tests.serving.parts import Model, serve

from fairlead.serving.giving_way import LATELY_S, give_way
from fairlead.serving.served import Served

MOMENT = 1000.0


class Apart(Model):
    """A model in a process of its own. heard: whether the system hears of a change."""

    def __init__(self) -> None:
        super().__init__()
        self.last = self.busy = False
        self.may_wait = self.heard = True
        self.said: list[bool] = []

    def give_way(self, last: bool) -> bool:
        self.said.append(last)
        if self.heard:
            self.last = last
        return self.last == last


@dataclass
class Queue:
    """A version's queue."""

    served: Served
    waiting: int = 0

    @property
    def model(self) -> Apart:
        return self.served.model


def one(name: str, *, pressed: bool = False, ago: float = 0.0) -> Queue:
    """A version of which calls are refused, or not; it answered so many seconds ago."""
    served = serve(Apart(), name=name)
    served.pressed = (lambda call: None) if pressed else None
    served.stats.last = MOMENT - ago
    return Queue(served, 5 if pressed else 0)


def last(*queues: Queue) -> list[bool]:
    give_way(queues, [queue.served for queue in queues], MOMENT)
    return [queue.model.last for queue in queues]


def test_a_model_of_which_calls_are_refused_goes_after_those_that_answer():
    assert last(one("hot", pressed=True), one("quiet"), one("other")) == [True, False, False]


def test_of_two_such_models_one_goes_after_the_other_has():
    """The system hears of one change at a time."""
    queues = one("a", pressed=True), one("b", pressed=True), one("c")
    assert last(*queues) == [True, False, False]
    assert last(*queues) == [True, True, False]


def test_alone_it_keeps_its_place():
    assert last(one("hot", pressed=True)) == [False]
    assert last(one("hot", pressed=True), one("idle", ago=LATELY_S + 0.1)) == [False, False]


def test_another_version_of_it_is_no_other_model():
    assert last(one("m", pressed=True), one("m")) == [False, False]


def test_versions_that_are_compared_keep_their_places():
    hot = one("hot", pressed=True)
    hot.served.trial = object()
    assert last(hot, one("quiet")) == [False, False]


def test_it_takes_its_place_again_once_it_can_answer_all_or_is_alone():
    hot, quiet = one("hot", pressed=True), one("quiet")
    assert last(hot, quiet) == [True, False]
    hot.served.pressed = None
    assert last(hot, quiet) == [False, False]
    hot.served.pressed = lambda call: None
    assert last(hot, quiet) == [True, False]
    quiet.served.stats.last = 0.0
    assert last(hot, quiet) == [False, False]


def test_one_of_which_nobody_waits_takes_its_place_again_though_the_next_call_is_looked_at():
    hot, quiet = one("hot", pressed=True), one("quiet")
    assert last(hot, quiet) == [True, False]
    hot.waiting = 0
    assert last(hot, quiet) == [False, False]


def test_a_version_that_is_being_replaced_takes_its_place_again():
    """Nobody would tell it anything once it is gone, and what waits for it is to be answered."""
    hot, quiet = one("hot", pressed=True), one("quiet")
    assert last(hot, quiet) == [True, False]
    give_way([hot, quiet], [quiet.served], MOMENT)
    assert not hot.model.last


def test_one_that_would_be_taken_for_hung_keeps_its_place():
    hot, quiet = one("hot", pressed=True), one("quiet")
    assert last(hot, quiet) == [True, False]
    hot.model.may_wait = False
    assert last(hot, quiet) == [False, False]


def test_a_further_signature_has_its_own_queue_and_process():
    whole, further, quiet = one("m"), one("m", pressed=True), one("quiet")
    whole.served.add("embedding", further.served)
    give_way([whole, further, quiet], [whole.served, quiet.served], MOMENT)
    assert [whole.model.last, further.model.last] == [False, True]


def test_a_model_in_this_process_has_no_place_to_give():
    inline = Queue(serve(Model(), name="inline"), 5)
    inline.served.stats.last, inline.served.pressed = MOMENT, lambda call: None
    hot = one("hot", pressed=True)
    give_way([inline, hot, one("quiet")], [inline.served, hot.served], MOMENT)
    assert hot.model.last, "the inline one answers"


def test_nobody_goes_last_while_somebody_waits_to_be_heard_who_goes_back():
    """Else who has to go back would be starved by those who come and go."""
    hot, back, quiet = one("hot", pressed=True), one("back", pressed=True), one("quiet")
    last(back, quiet)
    back.served.pressed = None
    back.model.heard = False
    assert last(hot, back, quiet) == [False, True, False]
    back.model.heard = True
    assert last(hot, back, quiet) == [True, False, False]


def test_who_is_in_the_middle_of_a_call_goes_back_first():
    order: list[str] = []
    queues = [one(name) for name in ("a", "b", "c")]
    for queue in queues:
        name = queue.served.package.name
        queue.model.give_way = lambda last, name=name: order.append(name) or True
    queues[1].model.busy = True
    last(*queues)
    assert order == ["b", "a", "c"]


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()), max_size=6),
    st.integers(0, 5),
)
def test_whatever_they_are_asked_at_most_one_more_goes_last_and_none_that_may_not(facts, beats):
    queues: list[Queue] = []
    for number, (pressed, may_wait, was_last, heard) in enumerate(facts):
        queue = one(f"m{number}", pressed=pressed)
        queue.model.may_wait, queue.model.last, queue.model.heard = may_wait, was_last, heard
        queues.append(queue)
    for _ in range(beats):
        before = [queue.model.last for queue in queues]
        after = last(*queues)
        came = [now and not was for now, was in zip(after, before, strict=True)]
        assert sum(came) <= 1
        for queue, now_last, new in zip(queues, after, came, strict=True):
            wants = queue.waiting and queue.model.may_wait and len(queues) > 1
            assert not new or wants
            assert wants or not now_last or not queue.model.heard
