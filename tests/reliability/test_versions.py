"""What is promised of versions and memory, in short; `make soak` runs the long forms."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.reliability import halves, many, soak, swaps


def check(part, *, but: str = "p99") -> None:
    """Every promise is kept; of the times so few calls say too little."""
    broken = [p.text for p in part.promises if not p.kept and but not in p.text]
    assert broken == [], part.lines


def test_versions_that_appear_under_load_fail_no_call():
    check(swaps.swaps(2, 80.0, seed=1))


def test_a_version_that_ends_before_the_next_is_seen_to_fail():
    check(swaps.dropping(50.0, seed=2))


def test_versions_that_are_half_written_never_answer():
    check(halves.halves(10, 40.0, seed=3))


def test_many_models_are_served_behind_a_budget_for_few():
    check(many.many(30, 5, 4, 90, seed=4), but="times the budget")


@pytest.mark.parametrize(("grows", "kept"), [(0.0, True), (30.0, False)])
def test_a_process_that_leaks_is_told_from_one_that_does_not(grows, kept):
    """The negative control of the soak: so many MiB an hour, under the noise of a real process."""
    seconds = np.arange(0, 3600, 5.0)
    noise = np.random.default_rng(5).normal(0, 0.2, len(seconds))
    _, most = soak.slope(seconds, 80 + grows * seconds / 3600 + noise)
    assert (most <= 1.0) is kept
