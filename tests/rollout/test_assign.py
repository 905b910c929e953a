"""Which version serves a call: the share is kept, callers stay, and every worker says the same."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.guards.bounds import at_least
from fairlead.rollout.assign import GROUPS, Drawn, Kept

SHARES = st.floats(0.01, 0.5)
_UNLIKELY = 1e-9


def likely(seen: int, count: int, share: float) -> bool:
    """Whether so many of so many are no surprise at this share."""
    more, less = at_least(count, seen, share), at_least(count, count - seen, 1 - share)
    return min(more, less) > _UNLIKELY


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_candidate_serves_its_share_of_calls(share):
    drawn = Drawn("a rollout", "worker 1", share)
    assert likely(sum(drawn.candidate() for _ in range(20_000)), 20_000, share)


def test_a_call_says_nothing_of_the_next():
    drawn = Drawn("a rollout", "worker 1", 0.5)
    served = [drawn.candidate() for _ in range(20_001)]
    again = sum(one == other for one, other in pairwise(served))
    assert likely(again, 20_000, 0.5)


def test_the_same_worker_draws_the_same_again_and_another_does_not():
    def first(worker: str) -> list[bool]:
        drawn = Drawn("a rollout", worker, 0.5)
        return [drawn.candidate() for _ in range(5000)]

    assert first("1") == first("1")
    assert likely(sum(a == b for a, b in zip(first("1"), first("2"), strict=True)), 5000, 0.5)


def test_ids_that_join_to_the_same_text_draw_differently():
    one, other = Drawn("ab", "c", 0.5), Drawn("a", "bc", 0.5)
    draws = [(one.candidate(), other.candidate()) for _ in range(200)]
    assert any(a != b for a, b in draws)


@pytest.mark.parametrize(("share", "served"), [(0.0, False), (1.0, True)])
def test_none_and_all_are_shares_too(share, served):
    drawn, kept = Drawn("r", "1", share), Kept("r", share)
    assert {drawn.candidate() for _ in range(5000)} == {served}
    assert {kept.candidate(str(i)) for i in range(100)} == {served}


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_what_is_no_share_is_refused(share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Drawn("r", "1", share)
    with pytest.raises(ValueError, match="between 0 and 1"):
        Kept("r", share)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("name", ["key_{}", "{}@example.org", "10.0.0.{}"])
def test_the_candidate_serves_its_share_of_callers_however_they_are_called(share, name):
    kept = Kept("a rollout", share)
    served = sum(kept.candidate(name.format(i)) for i in range(20_000))
    assert likely(served, 20_000, share)


@given(st.text(max_size=20), st.text(max_size=20), SHARES)
def test_a_caller_keeps_its_version_on_every_worker_and_after_a_restart(rollout, caller, share):
    one, other = Kept(rollout, share), Kept(rollout, share)
    assert one.candidate(caller) == other.candidate(caller) == one.candidate(caller)
    assert one.group(caller) == other.group(caller)


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_larger_share_takes_no_version_from_a_caller_of_the_candidate(rollout, caller):
    served = [Kept(rollout, share).candidate(caller) for share in (0.05, 0.1, 0.3, 0.5)]
    assert served == sorted(served)


def test_places_are_forgotten_before_they_take_memory_and_are_the_same_again():
    kept = Kept("a rollout", 0.3)
    before = [kept.candidate(str(i)) for i in range(25_000)]
    assert [kept.candidate(str(i)) for i in range(25_000)] == before
    assert len(kept._known) <= 10_000  # pyright: ignore[reportPrivateUsage]


def test_another_rollout_meets_other_callers():
    one, other = Kept("one", 0.5), Kept("other", 0.5)
    same = sum(one.candidate(str(i)) == other.candidate(str(i)) for i in range(5000))
    assert likely(same, 5000, 0.5)


def test_a_callers_group_says_nothing_of_its_version():
    kept = Kept("a rollout", 0.5)
    groups = [kept.group(str(i)) for i in range(20_000)]
    assert set(groups) == set(range(GROUPS))
    low = [i for i, group in enumerate(groups) if group < GROUPS // 2]
    assert likely(sum(kept.candidate(str(i)) for i in low), len(low), 0.5)
