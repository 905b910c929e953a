"""The registry: who may use which version now, and why not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.serving.parts import DOUBLE, Model, call, serve

from fairlead.core.errors import LabelUnassignable, LabelUnknown, ModelNotFound, ModelNotReady
from fairlead.core.package import CardChoice, Limits, Package
from fairlead.serving.registry import FAILED, LATEST, LOADING, READY, Registry, Served, release


def served(version: int, name: str = "m") -> Served:
    package = Package(name, version, serve(Model()).package.folder, "test", False, "g", DOUBLE, {})
    return Served(package, Model(), {})


def registry(*versions: int) -> Registry:
    """A registry that knows these versions of m; none is loaded."""
    made = Registry()
    for version in versions:
        made.know("m", version, None, LOADING)
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
    known.withdraw("m", keep=[2])
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
    known.withdraw("m", keep=[2])
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
    with pytest.raises(LabelUnassignable, match="version 7 of model m"):
        known.label("m", {"canary": 3, "other": 7})
    assert known.get("m", canary) is second
    with pytest.raises(LabelUnknown, match="Unrecognized servable version label: other"):
        known.labelled("other")
    assert sorted(s.package.version for s in known.served()) == [1, 2, 3]


def test_a_label_whose_version_has_ended_says_so_and_one_that_is_taken_away_is_unknown():
    known = registry(1, 2)
    known.know("n", 1, None, READY)
    known.publish(served(1))
    known.publish(served(2))
    known.label("m", {"canary": 1})
    canary, stable = known.labelled("canary"), known.labelled("stable")
    known.withdraw("m", keep=[2])
    assert isinstance(known.absence("m", canary), ModelNotReady)
    assert "draining" in known.absence("m", canary).what
    known.label("m", {})
    for model in ("m", "n"):
        assert isinstance(known.absence(model, canary), LabelUnknown)
    assert known.lease("m", stable).package.version == 2
    known.withdraw("m")
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
            answering = {n for n in answering if n <= number}
            known.withdraw("m", keep=range(number + 1))
        assert known.newest("m", LATEST) == max(answering, default=0)
        assert known.newest("m", known.labelled("stable")) == max(answering, default=0)


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
