"""What a worker has seen of many rows: bounded, chosen before it is seen, at nobody's cost."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.models import spec
from tests.serving.parts import call, serve

from fairlead.core.decision import REJECTED, SERVED, WARNED, Verdicts
from fairlead.core.errors import CallerSuspended, ResourceExhausted
from fairlead.core.package import GuardChoice
from fairlead.core.signature import Column, Signature
from fairlead.guards import learn_drift, learn_novelty
from fairlead.guards.misuse import Block, learn_misuse
from fairlead.serving import guarding as guarding_module
from fairlead.serving import watching
from fairlead.serving.answered import Answered
from fairlead.serving.guarding import Guarding
from fairlead.serving.watching import Watch

NAMES = ("x[0]", "x[1]")


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).normal(size=(4000, 2))


@pytest.fixture(scope="module")
def guards(rows):
    table = {name: rows[:2000, i] for i, name in enumerate(NAMES)}
    novelty = learn_novelty(table)
    placed = novelty.space.place(table)
    return novelty, learn_drift(table), learn_misuse(placed, novelty.calibrated)


class World:
    """A watched version: real guards, calls of any caller, and the clock in our hands."""

    def __init__(self, guards, monkeypatch, later=False, **choice) -> None:
        """later: how strange rows are is left for the look, as where no caller is told it."""
        self.now, self.later = 1000.0, later
        monkeypatch.setattr(watching, "now", lambda: self.now)
        novelty, drift, misuse = guards
        self.novelty = novelty
        self.served = serve(None)
        signature = self.served.package.signature
        object.__setattr__(
            signature, "columns", tuple(Column(n, 0, i) for i, n in enumerate(NAMES))
        )
        self.woken = 0
        self.guarding = Guarding(
            signature, GuardChoice(**choice), None, novelty, None, None, drift, misuse
        )
        self.watch = Watch("m", 1, "folder", self.guarding, self.wake)

    def wake(self) -> None:
        self.woken += 1

    def answered(self, *parts) -> None:
        """Rows of several callers in one execution: (caller, rows)…"""
        calls = [call(self.served, *np.float32(rows), caller=caller) for caller, rows in parts]
        joined = np.concatenate([rows for _, rows in parts])
        if self.later:
            verdicts = self.guarding.before([joined], len(joined), [], told=False)
            assert verdicts.p_novel is None
        else:
            placed = self.novelty.space.place({n: joined[:, i] for i, n in enumerate(NAMES)})
            p_novel = self.novelty.p_of(self.novelty.scores_of(placed))
            verdicts = Verdicts(np.zeros(len(joined), np.uint8), p_novel=p_novel, placed=placed)
        self.watch.note([Answered(calls, [joined], [], verdicts)])

    def seen(self) -> dict:
        """Everything that waits is looked at: rows counted, p-values, and rows by caller."""
        while self.watch.look():
            pass
        messages = self.watch.messages()
        for message in messages:
            self.watch.sent(message)
        counted = [m for m in messages if m["kind"] == "seen"]
        looked = {
            m["caller"]: Block.from_json(m["block"]) for m in messages if m["kind"] == "looked"
        }
        json.dumps(messages)
        return {
            "chunks": [c["rows"] for m in counted for c in m["chunks"]],
            "p_values": sum(len(m["p_values"]) for m in counted),
            "callers": {caller: block.seen for caller, block in looked.items()},
            "new": {m["caller"]: m["new"] for m in messages if m["kind"] == "looked"},
        }


@pytest.fixture(params=["now", "later"])
def world(guards, monkeypatch, request):
    return World(guards, monkeypatch, later=request.param == "later")


def test_every_row_is_counted_once_and_by_its_caller(world, rows):
    world.answered(("a", rows[:3]), ("b", rows[3:4]), ("a", rows[4:9]))
    world.answered(("b", rows[9:10]))
    assert world.woken == 2
    found = world.seen()
    assert found["chunks"] == [10]
    assert found["p_values"] == 10
    assert found["callers"] == {"a": 8, "b": 2}
    assert world.seen() == {"chunks": [], "p_values": 0, "callers": {}, "new": {}}


def test_what_is_left_for_the_look_is_what_would_have_been_said_at_once(guards, monkeypatch, rows):
    told = []
    for later in (False, True):
        world = World(guards, monkeypatch, later=later)
        world.watch._random.bit_generator.state = np.random.PCG64(7).state
        world.answered(("a", rows[2000:3000]), ("b", rows[3000:3500] * 3.0))
        for start in range(0, 400, 50):
            # The allowances of the callers are nearly used up: of each execution a few rows.
            world.now += 0.1
            world.answered(("a", rows[start : start + 40]), ("b", rows[start + 40 : start + 50]))
        while world.watch.look():
            pass
        told.append(world.watch.messages())
    assert told[0] == told[1]
    assert {message["kind"] for message in told[0]} == {"seen", "looked"}


def test_a_row_is_judged_the_same_whether_or_not_its_caller_is_told(guards, monkeypatch, rows):
    guarding = World(guards, monkeypatch).guarding
    mixed = np.concatenate([rows[2000:2060], rows[2060:2070] * 9.0, rows[2070:2100]])
    for joined in (mixed, rows[:5], rows[5:6], rows[6:7] * 9.0):
        told = guarding.before([joined], len(joined), [])
        left = guarding.before([joined], len(joined), [], told=False)
        assert left.p_novel is None
        assert np.array_equal(left.codes, told.codes)
        assert (left.novel is None) == (told.novel is None)
        assert left.novel is None or np.array_equal(left.novel, told.novel)
        assert (left.worst, left.reasons, left.less) == (told.worst, told.reasons, told.less)
        assert np.array_equal(left.p_values(), told.p_novel)
        assert np.array_equal(left.placed, told.placed)


@pytest.mark.parametrize("told", [True, False])
def test_no_rows_are_judged_without_a_fault(guards, monkeypatch, rows, told):
    failed: list[str] = []
    monkeypatch.setattr(guarding_module, "log", lambda event, **_: failed.append(event))
    verdicts = World(guards, monkeypatch).guarding.before([rows[:0]], 0, [], told=told)
    assert (len(verdicts.codes), verdicts.worst, failed) == (0, 0, [])


def test_an_answer_without_rows_is_passed_over_and_the_others_are_noted(world, rows):
    world.answered(("a", rows[:0]))
    world.answered(("a", rows[:3]))
    assert world.seen()["callers"] == {"a": 3}


def test_a_call_without_rows_among_others_says_nothing_of_its_caller(world, rows):
    world.answered(("a", rows[:3]), ("b", rows[:0]))
    found = world.seen()
    assert (found["callers"], found["new"].keys()) == ({"a": 3}, {"a"})


def test_what_a_guard_failed_on_is_not_tried_again_where_nobody_expects_it(guards, monkeypatch):
    guarding = World(guards, monkeypatch).guarding
    verdicts = guarding.before([np.zeros(3)], 3, [], told=False)  # no table
    assert (verdicts.worst, verdicts.p_values()) == (WARNED, None)
    assert len(verdicts.part(0, 2).codes) == 2


def test_a_model_of_one_column_without_a_second_dimension_is_judged(monkeypatch):
    values = np.random.default_rng(0).normal(size=400)
    failed: list[str] = []
    monkeypatch.setattr(guarding_module, "log", lambda event, **_: failed.append(event))
    signature = Signature((spec("x", "FP32", (-1,)),), (spec("y", "FP32", (-1,)),))
    guarding = Guarding(signature, GuardChoice(), None, learn_novelty({"x": values}), None, None)
    for told in (True, False):
        verdicts = guarding.before([np.float32([0.0, 50.0])], 2, [], told=told)
        assert verdicts.codes.tolist() == [SERVED, REJECTED]
    assert failed == []


def test_a_large_request_is_looked_at_a_few_hundred_rows_at_a_time(world, rows):
    world.answered(("a", rows[:1000]))
    looks = 1
    while world.watch.look():
        looks += 1
    assert looks == 4
    assert world.seen()["chunks"] == [256, 256, 256, 232]


def test_what_it_counts_is_what_the_drift_guard_counts(world, rows, guards):
    world.answered(("a", rows[:700]))
    while world.watch.look():
        pass
    (message,) = (m for m in world.watch.messages() if m["kind"] == "seen")
    sums = [sum(np.array(c["counts"][i]) for c in message["chunks"]) for i in range(2)]
    whole = guards[1].count({name: rows[:700, i] for i, name in enumerate(NAMES)})
    assert [s.tolist() for s in sums] == [w.tolist() for w in whole]


def test_under_load_a_bounded_number_of_rows_a_second_is_looked_at(world, rows):
    for _ in range(40):
        world.answered(("a", rows[:1000]))
        while world.watch.look():
            pass
    found = world.seen()
    assert found["callers"]["a"] == watching.CALLER_BURST
    assert sum(found["chunks"]) <= watching.VERSION_BURST
    world.now += 1.0
    world.answered(("a", rows))
    found = world.seen()
    assert sum(found["chunks"]) == watching.VERSION_RATE
    assert found["callers"]["a"] == watching.CALLER_RATE


def test_a_flood_of_one_caller_does_not_hide_another(world, rows):
    for _ in range(30):
        world.answered(("flood", rows[:2000]))
        world.seen()
    world.answered(("flood", rows[:200]), ("thief", rows[200:203]))
    assert world.seen()["callers"] == {"thief": 3}


def test_what_waits_is_bounded_in_number_and_in_bytes(world, rows, monkeypatch):
    monkeypatch.setattr(watching, "_MOST_NOTED", 5)
    for _ in range(20):
        world.answered(("a", rows[:1]))
    assert world.seen()["callers"] == {"a": 3}  # two entries each, and one too many
    monkeypatch.setattr(watching, "_MOST_BYTES", 100)
    world.answered(("a", rows[:50]))
    world.answered(("a", rows[:50]))
    assert world.seen()["chunks"] == [6]


def test_without_a_bookkeeper_what_was_seen_stays_bounded(world, rows, monkeypatch):
    monkeypatch.setattr(watching, "_MOST_UNSENT", 3)
    for _ in range(10):
        world.answered(("a", rows[:200]))
        while world.watch.look():
            pass
    assert world.seen()["chunks"] == [200, 200, 200]


def test_callers_are_bounded_and_the_latest_are_kept(world, rows, monkeypatch):
    monkeypatch.setattr(watching, "MOST_CALLERS", 3)
    for caller in "abcdea":
        world.answered((caller, rows[:1]))
        world.seen()
    assert list(world.watch._callers) == ["d", "e", "a"]


def test_a_caller_is_new_until_its_past_has_been_asked_for(world, rows):
    world.answered(("a", rows[:1]))
    assert world.seen()["new"] == {"a": True}
    world.answered(("a", rows[1:2]))
    assert world.seen()["new"] == {"a": False}


def test_rows_that_other_workers_saw_count_as_seen_before(world, rows, monkeypatch):
    world.answered(("a", rows[:20]))
    while world.watch.look():
        pass
    places = next(m for m in world.watch.messages() if m["kind"] == "looked")["block"]["places"]
    other = World((world.novelty, world.watch._guarding.drift, world.watch._guarding.misuse),
                  monkeypatch)  # fmt: skip
    other.watch.remember("a", places)
    other.answered(("a", rows[:20] + 1e-7))
    while other.watch.look():
        pass
    (message,) = (m for m in other.watch.messages() if m["kind"] == "looked")
    assert message["block"]["copies"] >= 18


def test_a_guard_that_fails_is_said_once_and_harms_nobody(world, rows, monkeypatch, capsys):
    monkeypatch.setattr(world.watch._guarding, "counted", lambda *_: 1 / 0)
    for _ in range(3):
        world.answered(("a", rows[:1]))
        while world.watch.look():
            pass
    assert capsys.readouterr().err.count("guard_failed") == 1


def test_nobody_is_watched_for_misuse_where_the_owner_turned_it_off(guards, monkeypatch, rows):
    world = World(guards, monkeypatch, misuse="off")
    world.answered(("a", rows[:5]))
    found = world.seen()
    assert found["chunks"] == [5]
    assert found["callers"] == {}


@pytest.mark.parametrize("response", ["log", "coarse", "label"])
def test_these_responses_refuse_nobody(guards, monkeypatch, response):
    world = World(guards, monkeypatch, misuse=response)
    world.watch.told({"suspects": {"thief": {}}})
    world.watch.restrain("thief")


def test_a_suspended_caller_is_refused_and_only_it(guards, monkeypatch):
    world = World(guards, monkeypatch, misuse="suspend")
    world.watch.told({"suspects": {"thief": {}}})
    world.watch.restrain("client")
    with pytest.raises(CallerSuspended, match="copying or probing"):
        world.watch.restrain("thief")
    world.watch.told({})
    world.watch.restrain("thief")


def test_a_slowed_caller_is_answered_once_a_second(guards, monkeypatch):
    world = World(guards, monkeypatch, misuse="slow")
    world.watch.told({"suspects": {"thief": {}}})
    answered = 0
    for _ in range(100):
        world.now += 0.1
        try:
            world.watch.restrain("thief")
        except ResourceExhausted:
            continue
        answered += 1
    assert answered in (10, 11)


def test_what_is_on_its_way_is_never_sent_again_and_what_is_not_is_kept(world, rows):
    world.answered(("a", rows[:3]), ("b", rows[3:5]))
    while world.watch.look():
        pass
    first, *rest = world.watch.messages()
    world.watch.sent(first)
    assert world.watch.messages() == rest != []
    world.answered(("a", rows[5:6]))
    found = world.seen()
    assert found["chunks"] == [1]
    assert found["callers"] == {"a": 4, "b": 2}


def test_while_nobody_takes_it_no_more_is_kept_than_fits(guards, rows, monkeypatch):
    world = World((guards[0], None, guards[2]), monkeypatch)
    monkeypatch.setattr(watching, "MOST_CALLERS", 5)
    for number in range(80):
        world.now += 60.0
        world.answered((f"caller {number}", rows[:500]))
        while world.watch.look():
            pass
    found = world.seen()
    assert found["p_values"] <= watching._MOST_UNSENT * watching.AT_ONCE + watching.AT_ONCE
    assert len(found["callers"]) == 5


def test_what_waits_for_the_bookkeeper_fits_one_message(guards, rows, monkeypatch):
    monkeypatch.setattr(watching, "_MOST_CELLS", 3 * sum(w.bins for w in guards[1].watched))
    world = World(guards, monkeypatch)
    for _ in range(10):
        world.answered(("a", rows[:256]))
        while world.watch.look():
            pass
    assert world.seen()["chunks"] == [256] * 3
