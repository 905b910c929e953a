"""The registry: who may use which version now, and why not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.serving.parts import DOUBLE, Model, call, serve

from fairlead.core.call import Call, Reply, Route
from fairlead.core.errors import (
    LabelUnknown,
    MemoryTooSmall,
    ModelAsleep,
    ModelNotFound,
    ModelNotReady,
)
from fairlead.core.package import CardChoice, Limits, Package, RolloutChoice
from fairlead.serving.registry import LATEST, Registry, has_every_model
from fairlead.serving.served import Served, release
from fairlead.serving.states import FAILED, LOADING, READY
from fairlead.serving.trial import Trial


def served(version: int, name: str = "m") -> Served:
    package = Package(name, version, serve(Model()).package.folder, "test", False, "g", DOUBLE, {})
    return Served(package, Model(), {})


def registry(*versions: int) -> Registry:
    """A registry that knows these versions of m; none is loaded."""
    made = Registry()
    for version in versions:
        made.mark("m", version, LOADING)
    return made


@given(st.lists(st.integers(1, 9), min_size=1, unique=True))
def test_the_newest_ready_version_answers_in_whatever_order_they_become_ready(versions):
    known = registry(*versions)
    ready: list[int] = []
    for version in versions:
        known.publish(served(version))
        ready.append(version)
        assert known.lease("m", LATEST).package.version == max(ready)
        assert known.lease("m", version).package.version == version
    assert sorted(s.package.version for s in known.served()) == sorted(versions)


def test_how_long_a_body_may_be_is_known_of_the_versions_that_answer():
    known = registry(1, 2)
    bodies = known.bodies
    own = served(1)
    own.package = replace(own.package, limits=Limits(max_body_mib=3))
    known.publish(own)
    places = (1, LATEST, known.labelled("stable"))
    assert bodies == {("m", place): 3 << 20 for place in places}
    known.publish(served(2))
    assert bodies == {("m", 1): 3 << 20}
    known.withdraw("m", 1)
    assert bodies == {}


def test_what_a_card_lacks_is_known_of_the_versions_whose_owner_requires_more():
    known = registry(1, 2)
    gated = known.gated
    own = served(1)
    words = {"words": {"purpose": "x"}}
    own.package = replace(own.package, card=CardChoice(required=0.5), words=words)
    known.publish(own)
    places = (1, LATEST, known.labelled("stable"))
    assert {*gated} == {("m", place) for place in places}
    assert "purpose" not in gated["m", 1]
    assert gated["m", 1][0] == "users"
    known.publish(served(2))
    assert {*gated} == {("m", 1)}
    known.withdraw("m", 1)
    assert gated == {}


def test_a_card_that_says_enough_holds_nothing_back():
    known = registry(1)
    own = served(1)
    words = {"words": {"purpose": "x"}}
    own.package = replace(own.package, card=CardChoice(required=1 / 15), words=words)
    known.publish(own)
    assert known.gated == {}


def test_publishing_makes_a_version_ready_and_again_replaces_it():
    known = registry(1)
    known.publish(served(1))
    assert known.versions["m"][1].state == READY
    again = served(1)
    known.publish(again)
    assert known.lease("m", 1) is again
    assert known.lease("m", LATEST) is again
    assert known.served() == [again]


def test_labels_point_to_versions_that_answer_and_stay_with_them():
    known = registry(1, 2, 3)
    first, second = served(1), served(2)
    known.publish(first)
    known.publish(second)
    stable = known.labelled("stable")
    assert known.get("m", stable) is second
    known.label("m", {"canary": 2, "stable": 1})
    canary = known.labelled("canary")
    assert (known.get("m", stable), known.get("m", canary)) == (first, second)
    known.publish(served(3))
    assert (known.get("m", stable), known.get("m", canary)) == (first, second)
    assert known.lease("m", LATEST).package.version == 3
    with pytest.raises(LabelUnknown, match="Unrecognized servable version label: other"):
        known.labelled("other")
    assert sorted(s.package.version for s in known.served()) == [1, 2, 3]


def test_a_label_whose_version_has_ended_says_so_and_one_that_is_taken_away_is_unknown():
    known = registry(1, 2)
    known.mark("n", 1, READY)
    known.publish(served(1))
    known.publish(served(2))
    known.label("m", {"canary": 1})
    canary, stable = known.labelled("canary"), known.labelled("stable")
    known.withdraw("m", 1)
    assert isinstance(known.absence("m", canary), ModelNotReady)
    assert "draining" in known.absence("m", canary).what
    known.label("m", {})
    for model in ("m", "n"):
        assert isinstance(known.absence(model, canary), LabelUnknown)
    assert known.lease("m", stable).package.version == 2
    known.withdraw("m", 2)
    assert isinstance(known.absence("m", stable), ModelNotReady)
    assert isinstance(known.absence("nobody", canary), ModelNotFound)


@given(
    st.lists(st.tuples(st.sampled_from("pw"), st.integers(1, 5)), max_size=20),
)
def test_what_answers_for_the_model_is_its_newest_version_after_any_changes(changes):
    known = registry(*range(1, 6))
    answering: set[int] = set()
    for kind, number in changes:
        if kind == "p":
            known.publish(served(number))
            answering.add(number)
        else:
            for ended in [n for n in answering if n > number]:
                known.withdraw("m", ended)
            answering = {n for n in answering if n <= number}
        assert known.newest("m", LATEST) == max(answering, default=0)
        assert known.newest("m", known.labelled("stable")) == max(answering, default=0)


def test_the_version_that_operators_chose_answers_and_no_other_in_its_place():
    known = registry(1, 2, 3)
    for number in (1, 3):
        known.publish(served(number))
    known.label("m", {"candidate": 3}, default=1)
    stable = known.labelled("stable")
    assert [known.newest("m", place) for place in (LATEST, stable)] == [1, 1]
    known.withdraw("m", 1)
    for place in (LATEST, stable):
        assert known.get("m", place) is None
        assert "is draining" in known.absence("m", place).what
    assert known.newest("m", known.labelled("candidate")) == 3
    known.label("m", {})
    assert known.newest("m", LATEST) == 3


def test_what_answered_before_the_record_was_heard_does_not_go_on_in_its_place():
    known = registry(3, 4)
    known.publish(served(4))
    known.label("m", {}, default=3)
    assert known.get("m", LATEST) is None
    known.publish(served(3))
    assert known.newest("m", LATEST) == 3


def test_what_answers_goes_on_until_the_version_that_is_chosen_can():
    known = registry(3, 4)
    known.publish(served(4))
    known.label("m", {})
    known.label("m", {}, default=3)
    assert known.newest("m", LATEST) == 4
    known.publish(served(3))
    assert known.newest("m", LATEST) == 3


def test_nothing_is_assigned_any_more_to_a_version_that_ends():
    known = registry(1, 2)
    stable, candidate = served(1), served(2)
    for one in (stable, candidate):
        known.publish(one)
    candidate.package = replace(candidate.package, rollout=RolloutChoice("canary", 1.0))
    known.label("m", {"candidate": 2}, default=1)
    stable.trial = candidate.trial = Trial("r", stable, candidate, "w")
    one = Call(Route("predict", lambda error: Reply(500, b""), model="m"), 0.0, 9.0, 0, True, print)
    assert known.take(one) is candidate
    known.withdraw("m", 2)
    assert known.take(one) is stable


def test_a_model_that_sleeps_is_woken_by_who_asks_and_told_of_once_it_answers():
    known = registry(1, 2)
    woken: list[str] = []
    known.waking.wake = woken.append
    known.sleep("m", {2})
    assert known.answers("m", LATEST)
    assert known.answers("m", 2)
    assert not known.answers("m", 1)
    known.check("m", LATEST)
    with pytest.raises(ModelAsleep) as caught:
        known.lease("m", 2)
    heard: list[int] = []
    caught.value.wait(lambda: heard.append(known.newest("m", LATEST)))
    assert woken == ["m", "m"]
    known.publish(served(2))
    assert heard == [2]
    known.sleep("m", ())
    assert isinstance(known.absence("m", 1), ModelNotReady)
    assert type(known.absence("m", 1)) is ModelNotReady


def test_a_model_for_which_there_will_never_be_memory_says_so():
    known = registry(1)
    fault = MemoryTooSmall("it takes 9 MiB")
    known.mark("m", 1, FAILED, "it takes 9 MiB")
    known.blame("m", 1, fault)
    assert known.absence("m", LATEST) is fault
    known.publish(served(1))
    known.withdraw("m", 1)
    assert type(known.absence("m", LATEST)) is ModelNotReady


def test_only_what_was_promised_is_missed():
    known = registry(1)
    known.promise()
    known.mark("n", 1, FAILED)
    promised = {key: known.versions[key][1].promised for key in "mn"}
    assert promised == {"m": True, "n": False}
    states = {
        "m/1": {"state": READY, "promised": True},
        "n/1": {"state": FAILED, "promised": False},
    }
    assert has_every_model(states)
    states["n/1"]["promised"] = True
    assert not has_every_model(states)


def test_a_lease_is_counted_until_it_is_given_back():
    known = registry(1)
    known.publish(served(1))
    first, second = known.lease("m", 1), known.lease("m", LATEST)
    assert first is second
    assert first.leases == 2
    release(first)
    release(second)
    assert first.leases == 0
    assert known.get("m", 1) is first
    assert first.leases == 0, "looking is not holding"


@pytest.mark.parametrize(
    ("model", "version", "error", "says"),
    [
        ("absent", LATEST, ModelNotFound, "no model 'absent' is served here"),
        ("m", 7, ModelNotFound, "has no version 7. Known: 1, 2, 10"),
        ("m", 1, ModelNotReady, "'m' is loading"),
        ("m", 2, ModelNotReady, "'m' is failed: out of luck"),
        ("m", LATEST, ModelNotReady, "'m' is loading"),
    ],
)
def test_why_a_version_does_not_answer_is_said(model, version, error, says):
    known = registry(10, 1, 2)
    known.mark("m", 2, FAILED, "out of luck")
    for ask in (known.lease, lambda *what: (_ for _ in ()).throw(known.absence(*what))):
        with pytest.raises(error) as caught:
            ask(model, version)
        assert says in caught.value.line()


def test_a_version_refuses_calls_until_it_has_a_batcher():
    fresh = served(1)
    with pytest.raises(ModelNotReady):
        fresh.submit(call(fresh, [1, 1]))


def test_what_a_wire_derives_is_made_once():
    made: list[Served] = []

    def derive(of: Served) -> str:
        made.append(of)
        return "derived"

    fresh = served(1)
    assert [fresh.derived("wire", derive) for _ in range(3)] == ["derived"] * 3
    assert made == [fresh]
