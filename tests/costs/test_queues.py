"""`python -m benchmarks.costs.queues` without Ciw: queues of which all is known exactly."""

from __future__ import annotations

import pytest
from benchmarks.costs.queues import BOUND, CALLS, CASES, Case, judge, lines

SEED = 1
EXACT = [case for case in CASES if case.exact is not None]


def title(case: Case) -> str:
    return f"{case.name} at {case.load:.0%}: {case.of[0]}"


@pytest.mark.parametrize("case", EXACT, ids=title)
def test_the_simulation_gives_what_theory_gives(case):
    found = judge(case, CALLS, SEED, ciw=False)
    assert found.worst <= BOUND, lines([found], CALLS)[-1]


def test_at_least_twelve_cases_are_known_exactly():
    assert len(EXACT) >= 12
