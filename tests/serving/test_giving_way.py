"""Which models go after the others: those that are asked for more than they can give."""

from tests.serving.parts import Model, serve

from fairlead.serving.giving_way import LATELY_S, give_way
from fairlead.serving.served import Served

MOMENT = 1000.0


class Apart(Model):
    """A model in a process of its own, as far as it matters here."""

    last = False

    def give_way(self, last: bool) -> None:
        self.last = last


def one(name: str, *, pressed: bool = False, ago: float = 0.0) -> Served:
    """A version of which calls are refused, or not; it answered so many seconds ago."""
    served = serve(Apart(), name=name)
    served.pressed = (lambda call: None) if pressed else None
    served.stats.last = MOMENT - ago
    return served


def last(*every: Served) -> list[bool]:
    give_way(every, MOMENT)
    return [served.model.last for served in every]


def test_a_model_of_which_calls_are_refused_goes_after_those_that_answer():
    assert last(one("hot", pressed=True), one("quiet"), one("other")) == [True, False, False]


def test_of_two_such_models_both_do():
    assert last(one("a", pressed=True), one("b", pressed=True), one("c")) == [True, True, False]


def test_alone_it_keeps_its_place():
    assert last(one("hot", pressed=True)) == [False]
    assert last(one("hot", pressed=True), one("idle", ago=LATELY_S + 0.1)) == [False, False]


def test_it_takes_its_place_again_once_it_can_answer_all_or_is_alone():
    hot, quiet = one("hot", pressed=True), one("quiet")
    assert last(hot, quiet) == [True, False]
    hot.pressed = None
    assert last(hot, quiet) == [False, False]
    hot.pressed = lambda call: None
    assert last(hot, quiet) == [True, False]
    quiet.stats.last = 0.0
    assert last(hot, quiet) == [False, False]


def test_a_further_signature_has_its_own_queue_and_process():
    whole, further, quiet = one("m"), one("m", pressed=True), one("quiet")
    whole.add("embedding", further)
    assert last(whole, quiet) == [False, False]
    assert further.model.last


def test_a_model_in_this_process_has_no_place_to_give():
    inline = serve(Model(), name="inline")
    inline.pressed = lambda call: None
    inline.stats.last = MOMENT
    give_way([inline, one("quiet")], MOMENT)
