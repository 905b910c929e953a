"""As few machines as reach the goal, and what is asked about them next."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.costs.samples import profile

from fairlead.core.errors import GoalImpossible
from fairlead.costs.capacity import MOST_OF_A_DAY, Goal, Machines, Planner
from fairlead.costs.simulation import Bounds
from fairlead.costs.text import capacity_text
from fairlead.costs.traffic import traffic_of


def planner(text: str = "100/s, steady", **more) -> Planner:
    machines = Machines(workers=2, cores=2, faster=more.pop("faster", 1.0))
    return Planner(profile(), traffic_of(text), machines, calls=4000, **more)


def test_the_goal_is_reached_and_would_not_be_with_a_machine_less():
    answer = planner("400/s, steady").plan(Goal(0.3))
    assert answer.replicas >= 2
    assert answer.seen.p99_s <= 0.3
    assert answer.seen.refused <= 0.001
    without = answer.without_one
    assert without is not None
    assert without.p99_s > 0.3 or without.refused > 0.001
    assert answer.headroom >= 1


def test_one_to_spare_keeps_the_goal_when_one_dies():
    answer = planner().plan(Goal(0.3, spare=True))
    assert answer.replicas == planner().plan(Goal(0.3)).replicas + 1
    assert answer.without_one is not None
    assert answer.without_one.p99_s <= 0.3


def test_bursty_traffic_needs_more_machines_than_steady_traffic_of_the_same_mean():
    steady = planner("20/s, steady").plan(Goal(0.2))
    bursty = planner("20/s, bursty 200").plan(Goal(0.2))
    assert bursty.safe_per_s / bursty.replicas < steady.safe_per_s / steady.replicas


def test_a_machine_twice_as_fast_is_needed_half_as_often():
    slow, fast = planner().plan(Goal(0.4)), planner(faster=2.0).plan(Goal(0.4))
    assert fast.replicas == pytest.approx(slow.replicas / 2, abs=1)


def test_a_machine_that_was_slow_at_times_is_planned_for_as_it_was_then():
    machines = Machines(workers=2, cores=2)
    seen = replace(profile(), unsteady=1.4)
    answer = Planner(seen, traffic_of("400/s, steady"), machines, calls=4000).plan(Goal(0.3))
    slow = planner("400/s, steady", faster=1 / 1.4).plan(Goal(0.3))
    assert (answer.replicas, answer.safe_per_s) == (slow.replicas, slow.safe_per_s)
    assert "calls take 1.4 times as long as usual" in capacity_text(answer)
    assert answer.to_json()["slower_than_usual"] == 1.4
    with pytest.raises(GoalImpossible, match="on this machine at its slowest"):
        Planner(seen, traffic_of("1/s"), machines).plan(Goal(0.03))
    assert "times as long as usual" not in capacity_text(slow)


@pytest.mark.parametrize(
    "goal", [Goal(0.03), Goal(0.0), Goal(float("nan")), Goal(1.0, refused=1.0)]
)
def test_a_goal_that_no_machine_reaches_is_refused(goal):
    with pytest.raises(GoalImpossible):
        planner().plan(goal)


def test_a_goal_is_held_against_a_call_that_is_alone():
    with pytest.raises(GoalImpossible, match="alone takes 60"):
        planner().plan(Goal(0.05))


@given(st.floats(0.01, 2000), st.floats(0.1, 2))
@settings(max_examples=10, deadline=None)
def test_more_traffic_never_needs_fewer_machines(per_s, p99_s):
    each = [
        planner(f"{rate:.4f}/s, steady").plan(Goal(p99_s)).replicas for rate in (per_s, 3 * per_s)
    ]
    assert each[0] <= each[1]


def test_the_same_seed_gives_the_same_plan():
    one, other = (json.dumps(planner().plan(Goal(0.3)).to_json()) for _ in range(2))
    assert one == other


def test_a_plan_can_be_told_as_json_also_where_nothing_is_answered():
    told = planner("0.5/s", bounds=Bounds(timeout_s=0.2)).plan(Goal(0.3)).to_json()
    assert told["goal"]["p99_s"] == 0.3
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_a_quiet_day_is_simulated_and_a_busy_one_is_not():
    run = planner("100/hour, open 8-18, steady").elastic(Goal(0.3), 0)
    assert run is not None
    assert 0 < run.paid_s < 86400
    assert run.cold > 0
    assert planner(f"{MOST_OF_A_DAY + 1}/day, steady").elastic(Goal(0.3), 0) is None
