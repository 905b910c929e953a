"""The lifecycle, model-checked: whatever comes and goes, what is good answers and memory ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fairlead.serving.lifecycle import (
    END,
    FIRST_RETRY_S,
    FORGET,
    IN_MEMORY,
    LAST_RETRY_S,
    LOAD,
    Standing,
    Step,
    Wanted,
    backoff_s,
    chosen,
    next_due,
    steps,
)
from fairlead.serving.states import DRAINING, FAILED, LOADING, READY, UNLOADED, WAITING, WARMING

STATES = (WAITING, LOADING, WARMING, READY, DRAINING, UNLOADED, FAILED)
VERSIONS = st.integers(1, 6)
WANTED = st.builds(
    Wanted,
    found=st.dictionaries(VERSIONS, st.sampled_from("ab"), max_size=6),
    newest=st.integers(0, 3),
    only=st.lists(VERSIONS, max_size=2, unique=True).map(tuple),
    also=st.frozensets(VERSIONS, max_size=2),
    ended=st.booleans(),
    asleep=st.booleans(),
)
STANDINGS = st.dictionaries(
    VERSIONS,
    st.builds(
        Standing,
        state=st.sampled_from(STATES),
        stamp=st.sampled_from("ab"),
        failures=st.integers(0, 5),
        due=st.floats(0, 10),
    ),
    max_size=6,
)


def after(states: dict[int, Standing], step: Step, wanted: Wanted) -> dict[int, Standing]:
    """The states once a step is begun."""
    left = dict(states)
    if step.act == FORGET:
        del left[step.version]
    elif step.act == END:
        left[step.version] = replace(left[step.version], state=DRAINING)
    else:
        left[step.version] = Standing(LOADING, wanted.found[step.version])
    return left


@given(WANTED, STANDINGS, st.floats(0, 10))
def test_only_what_can_be_is_ever_done(wanted, states, moment):
    for step in steps(wanted, states, moment):
        state = states[step.version].state if step.version in states else None
        if step.act == LOAD:
            assert step.version in wanted.found
            assert state in (None, WAITING, UNLOADED, FAILED)
        elif step.act == END:
            assert state == READY
        else:
            assert step.version not in wanted.found
            assert state in (WAITING, UNLOADED, FAILED)


@given(WANTED, STANDINGS, st.floats(0, 10))
def test_at_most_one_version_is_loaded_at_a_time_and_one_beyond_those_that_are_wanted(
    wanted, states, moment
):
    loads = [step for step in steps(wanted, states, moment) if step.act == LOAD]
    assert len(loads) <= 1
    if loads:
        assert not any(s.state in (LOADING, WARMING) for s in states.values())
        held = sum(s.state in IN_MEMORY for s in states.values())
        assert held <= len(chosen(wanted, states))


@given(WANTED, STANDINGS, st.floats(0, 10))
def test_the_last_version_that_answers_does_not_end_unless_nothing_is_wanted_or_found(
    wanted, states, moment
):
    ending = {step.version for step in steps(wanted, states, moment) if step.act == END}
    ready = {v for v, s in states.items() if s.state == READY}
    if ready and ending == ready:
        assert wanted.ended or not wanted.found


@given(WANTED, STANDINGS, st.floats(0, 10))
def test_once_the_steps_are_begun_none_of_them_is_said_again(wanted, states, moment):
    before = steps(wanted, states, moment)
    left = states
    for step in before:
        left = after(left, step, wanted)
    assert not set(before) & set(steps(wanted, left, moment))


@given(WANTED, STANDINGS, st.floats(0, 10))
def test_what_is_asleep_or_ended_is_not_loaded(wanted, states, moment):
    for quiet in (replace(wanted, asleep=True), replace(wanted, ended=True)):
        assert all(step.act != LOAD for step in steps(quiet, states, moment))
        assert next_due(quiet, states) is None


def test_an_older_version_stands_in_for_one_that_cannot_be_loaded():
    wanted = Wanted({1: "a", 2: "a", 3: "a"})
    failed = {3: Standing(FAILED, "a", 1, due=9.0)}
    assert chosen(wanted, failed) == [2]
    assert steps(wanted, failed, 0.0) == [Step(LOAD, 2)]
    assert steps(wanted, failed | {2: Standing(READY, "a")}, 0.0) == []
    assert next_due(wanted, failed) == 9.0


def test_a_version_that_failed_is_tried_again_when_it_is_due_and_at_once_when_its_files_change():
    failed = {1: Standing(READY, "a"), 2: Standing(FAILED, "a", 1, due=9.0)}
    assert steps(Wanted({1: "a", 2: "a"}), failed, 8.9) == []
    assert steps(Wanted({1: "a", 2: "a"}), failed, 9.0) == [Step(LOAD, 2)]
    assert steps(Wanted({1: "a", 2: "b"}), failed, 0.0) == [Step(LOAD, 2)]


def test_an_older_version_that_is_not_wanted_any_more_is_not_tried_again():
    states = {1: Standing(FAILED, "a", 1, due=1.0), 2: Standing(READY, "a")}
    assert steps(Wanted({1: "a", 2: "a"}), states, 99.0) == []
    assert next_due(Wanted({1: "a", 2: "a"}), states) is None


def test_a_version_answers_until_the_one_in_its_place_does():
    wanted = Wanted({1: "a", 2: "a"})
    assert steps(wanted, {1: Standing(READY), 2: Standing(WARMING)}, 0.0) == []
    assert steps(wanted, {1: Standing(READY), 2: Standing(READY)}, 0.0) == [Step(END, 1)]


def test_what_a_label_points_to_stays():
    wanted = Wanted({1: "a", 2: "a"}, also={1})
    assert steps(wanted, {1: Standing(READY), 2: Standing(READY)}, 0.0) == []


def test_what_the_repository_holds_no_more_ends_and_is_forgotten():
    states = {1: Standing(READY), 2: Standing(UNLOADED), 3: Standing(FAILED)}
    assert steps(Wanted({}), states, 0.0) == [Step(FORGET, 2), Step(FORGET, 3), Step(END, 1)]


def test_versions_that_are_all_wanted_are_loaded_one_after_the_other_newest_first():
    wanted = Wanted({1: "a", 2: "a", 3: "a"}, newest=0)
    assert steps(wanted, {}, 0.0) == [Step(LOAD, 3)]
    assert steps(wanted, {3: Standing(LOADING)}, 0.0) == []
    assert steps(wanted, {3: Standing(READY)}, 0.0) == [Step(LOAD, 2)]


@pytest.mark.parametrize(("failures", "seconds"), [(1, 1.0), (2, 2.0), (7, 60.0), (10**6, 60.0)])
def test_a_version_is_left_alone_longer_each_time_it_fails_up_to_a_minute(failures, seconds):
    assert backoff_s(failures) == seconds
    assert FIRST_RETRY_S <= backoff_s(failures) <= LAST_RETRY_S


class World(RuleBasedStateMachine):
    """A repository that changes at any moment, and a manager that does what it is told.

    good: whether the files of a version can be loaded, by version and stamp.
    """

    def __init__(self) -> None:
        super().__init__()
        self.wanted = Wanted({})
        self.states: dict[int, Standing] = {}
        self.good: dict[tuple[int, str], bool] = {}
        self.moment = 0.0
        self.answered = False
        self.serial = 0

    def _begin(self) -> None:
        for step in steps(self.wanted, self.states, self.moment):
            self.states = after(self.states, step, self.wanted)

    @rule(version=VERSIONS, good=st.booleans())
    def commit(self, version, good):
        self.serial += 1
        self.good[version, str(self.serial)] = good
        self.wanted = replace(self.wanted, found={**self.wanted.found, version: str(self.serial)})

    @precondition(lambda self: len(self.wanted.found) > 1)
    @rule(data=st.data())
    def delete(self, data):
        found = dict(self.wanted.found)
        del found[data.draw(st.sampled_from(sorted(found)))]
        self.wanted = replace(self.wanted, found=found)

    @rule()
    def act(self):
        self._begin()

    @rule()
    def time_passes(self):
        self.moment += LAST_RETRY_S

    @rule()
    def loads_and_drains_end(self):
        self._end_all()

    def _end_all(self) -> None:
        for version, standing in [*self.states.items()]:
            if standing.state == LOADING:
                if self.good[version, standing.stamp]:
                    self.states[version] = replace(standing, state=READY)
                else:
                    due = self.moment + backoff_s(standing.failures + 1)
                    self.states[version] = Standing(FAILED, standing.stamp, 1, due)
            elif standing.state == DRAINING:
                self.states[version] = Standing(UNLOADED, standing.stamp)

    @invariant()
    def a_model_that_answered_goes_on_answering(self):
        ready = any(s.state == READY for s in self.states.values())
        assert ready or not self.answered
        self.answered = ready

    most_beyond = 1

    @invariant()
    def memory_is_bounded(self):
        """Where the newest is wanted: it, and the one that it follows."""
        held = sum(s.state in IN_MEMORY for s in self.states.values())
        assert held <= 1 + self.most_beyond

    def teardown(self):
        """Left alone, everything comes to rest, and what is good and wanted answers."""
        for _ in range(40):
            self.moment += LAST_RETRY_S
            self._begin()
            self._end_all()
        ready = {v for v, s in self.states.items() if s.state == READY}
        sound = {v for v, s in self.wanted.found.items() if self.good[v, s]}
        if sound:
            best = sorted(sound, reverse=True)[: self.wanted.newest or None]
            assert set(best) <= ready | {v for v in best if v < min(ready)}
            assert {v for v in self.wanted.also if v in sound} <= ready
            assert len(ready) <= len(chosen(self.wanted, self.states))
            assert not self.wanted.newest or max(ready) >= max(best)
        else:
            assert not self.wanted.found or ready or not self.answered


class Policies(World):
    """The same, while operators change what they want."""

    most_beyond = 12

    @rule(newest=st.integers(0, 3))
    def choose(self, newest):
        self.wanted = replace(self.wanted, newest=newest, only=())

    @rule(also=st.frozensets(VERSIONS, max_size=2))
    def label(self, also):
        self.wanted = replace(self.wanted, also=also)


for machine in (World, Policies):
    machine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestWorld, TestPolicies = World.TestCase, Policies.TestCase
