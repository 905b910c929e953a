"""The simulated worker against Ciw, a simulator of queues by others: the same calls to both."""

from __future__ import annotations

import pytest
from benchmarks.costs.queues import BOUND, CASES, Case, judge, lines
from tests.oracles.parts import MARKS

pytestmark = MARKS
CALLS, SEED = 200_000, 1
KNOWN = [case for case in CASES if case.known_to_ciw]


def title(case: Case) -> str:
    return f"{case.name} at {case.load:.0%}: {case.of[0]}"


@pytest.mark.parametrize("case", KNOWN, ids=title)
def test_the_simulation_gives_what_ciw_gives(case):
    found = judge(case, CALLS, SEED, ciw=True)
    assert found.ciw is not None
    assert found.ours == pytest.approx(found.ciw, rel=BOUND), lines([found], CALLS)[-1]


def test_at_least_twelve_cases_are_known_to_ciw():
    assert len(KNOWN) >= 12
