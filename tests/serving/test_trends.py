"""What was done in a while is the difference of what was counted; latencies come from buckets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.serving.observe import BUCKETS
from fairlead.serving.trends import EVERY_S, KEPT, Done, Trends, all_of


def counts(**calls: int) -> dict:
    """Versions with so many good answers, all of them in the second bucket."""
    seconds = {key: [0] * (len(BUCKETS) + 1) for key in calls}
    for key, number in calls.items():
        seconds[key][1] = number
    return {
        "stats": {
            f"{key}/1": {"outcomes": {"ok": number}, "rows": number, "seconds": seconds[key]}
            for key, number in calls.items()
        }
    }


def test_since_a_moment_only_what_came_after_it_counts():
    trends = Trends()
    trends.take(0.0, counts(a=10))
    trends.take(60.0, counts(a=15))
    found = trends.since(60.0, counts(a=40, b=2))
    assert (found["a/1"].calls, found["b/1"].calls) == (25, 2)
    assert trends.since(59.0, counts(a=40))["a/1"].calls == 30


def test_before_the_first_sample_everything_counts():
    assert Trends().since(0.0, counts(a=7))["a/1"].calls == 7


def test_a_sample_is_taken_once_a_minute():
    trends = Trends()
    trends.take(0.0, counts(a=1))
    trends.take(EVERY_S - 1, counts(a=5))
    trends.take(EVERY_S, counts(a=9))
    assert [between.calls for _, between in trends.minutes(counts(a=10), EVERY_S + 1)] == [8, 1]


def test_only_the_last_hours_are_kept():
    trends = Trends()
    for minute in range(KEPT + 50):
        trends.take(minute * EVERY_S, counts(a=minute))
    assert len(trends.minutes(counts(a=KEPT + 50), (KEPT + 50) * EVERY_S)) == KEPT


@given(st.lists(st.integers(0, 1000), min_size=len(BUCKETS) + 1, max_size=len(BUCKETS) + 1),
       st.floats(0.01, 1.0))  # fmt: skip
def test_a_quantile_lies_in_the_bucket_that_holds_it(seconds, share):
    one = Done(seconds=seconds)
    found = one.within(share)
    if not sum(seconds):
        assert found is None
        return
    bounds = [0.0, *BUCKETS, float("inf")]
    assert found is not None
    below = sum(n for n, high in zip(seconds, bounds[1:], strict=True) if high <= found)
    reached = sum(n for n, low in zip(seconds, bounds, strict=False) if low <= found)
    wanted = share * sum(seconds)
    assert below <= wanted + 1e-6 * sum(seconds) or below == sum(seconds)
    assert reached >= wanted - 1e-6 * sum(seconds)


def test_of_the_open_bucket_its_start_is_said():
    one = Done(seconds=[0] * len(BUCKETS) + [5])
    assert one.within(0.5) == BUCKETS[-1]


def test_failed_calls_are_those_without_a_good_answer():
    stats = {"a/1": {"outcomes": {"ok": 3, "MODEL_ERROR": 2}, "rows": 5,
                     "seconds": [0] * (len(BUCKETS) + 1)}}  # fmt: skip
    whole = all_of(Trends().since(0.0, {"stats": stats}))
    assert (whole.calls, whole.failed, whole.rows) == (5, 2, 5)


@pytest.mark.parametrize("times", [1, 3])
def test_all_versions_together_are_their_sum(times):
    each = {str(n): Done(calls=2, rows=4) for n in range(times)}
    assert (all_of(each).calls, all_of(each).rows) == (2 * times, 4 * times)
