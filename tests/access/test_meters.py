"""Meters: never more than the limit, never a refusal below it, whatever happens in between."""

from datetime import UTC, date, datetime
from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.access.parts import SECOND

from fairlead.access.meters import Quota, Rate, Stock, meter
from fairlead.core.allowance import SECONDS, parse_limit
from fairlead.core.calendar import zone

RATES = st.builds(
    lambda amount, period, burst: parse_limit(f"rows={amount}/{period}:{burst}"),
    st.integers(1, 50) | st.integers(1, 10**6),
    st.sampled_from(sorted(SECONDS)),
    st.integers(1, 60),
)
PAUSES = st.integers(0, 3 * SECOND) | st.integers(0, 10**6)
UNITS = st.integers(0, 20)


class Naive:
    """A bucket of tokens in exact fractions."""

    def __init__(self, limit):
        self.rate = Fraction(limit.amount, SECONDS[limit.period] * SECOND)
        self.burst = limit.burst
        self.tokens = Fraction(limit.burst)
        self.last = 0

    def take(self, units, now):
        self.tokens = min(Fraction(self.burst), self.tokens + (now - self.last) * self.rate)
        self.last = now
        if units > self.tokens:
            return False
        self.tokens -= units
        return True


@given(RATES, st.lists(st.tuples(PAUSES, UNITS), max_size=60))
def test_a_rate_passes_exactly_what_a_bucket_in_fractions_passes(limit, steps):
    rate, naive, now = Rate(limit, 0), Naive(limit), 0
    for pause, units in steps:
        now += pause
        fits = rate.fits(units, now, 0)
        assert fits is naive.take(units, now)
        if fits:
            rate.take(units, now, 0)
        assert rate.left(now, 0) == naive.tokens // 1


@given(RATES, st.lists(st.tuples(PAUSES, UNITS), max_size=40))
def test_in_no_span_of_time_does_more_pass_than_the_burst_and_the_rate(limit, steps):
    rate, now, passed = Rate(limit, 0), 0, []
    for pause, units in steps:
        now += pause
        if rate.fits(units, now, 0):
            rate.take(units, now, 0)
            passed.append((now, units))
    _within(limit, passed)


def _within(limit, passed):
    for first in range(len(passed)):
        total = 0
        for now, units in passed[first:]:
            total += units
            span = now - passed[first][0]
            assert total <= limit.burst + Fraction(
                limit.amount * span, SECONDS[limit.period] * SECOND
            )


SLOW = st.builds(
    lambda amount, burst: parse_limit(f"rows={amount}/second:{burst}"),
    st.integers(1, 2),
    st.integers(1, 4),
)
TAKE = st.tuples(st.just("take"), st.integers(0, 2), st.integers(1, 4))
GIVE = st.tuples(st.just("give"), st.integers(0, 2), st.integers(0, 4))


@settings(max_examples=500)
@given(SLOW, st.lists(TAKE | GIVE, max_size=30))
def test_giving_back_never_lets_more_pass_than_if_it_had_not_been_taken(limit, steps):
    """Seconds of the size in which such a rate runs off, so that all that can meet does meet."""
    rate, now, passed, under_way = Rate(limit, 0), 0, [], []

    def take(units):
        if rate.fits(units, now, 0):
            under_way.append((len(passed), rate.take(units, now, 0)))
            passed.append((now, units))

    for what, seconds, units in steps:
        now += seconds * SECOND
        if what == "take":
            take(units)
        elif under_way:
            place, taken = under_way.pop(units % len(under_way))
            back = min(units, taken[0])
            rate.give_back(taken, back, now)
            passed[place] = passed[place][0], taken[0] - back
            for _ in range(rate.left(now, 0)):
                take(1)  # whoever can use what was given back does
    _within(limit, passed)


def test_what_has_run_off_is_not_given_back_out_of_what_came_later():
    rate = Rate(parse_limit("rows=1/second:10"), 0)
    early = rate.take(10, 0, 0)
    rate.take(10, 10 * SECOND, 0)
    rate.give_back(early, 10, 10 * SECOND)
    assert rate.left(10 * SECOND, 0) == 0


def test_what_was_given_back_below_it_is_not_given_back_twice():
    rate = Rate(parse_limit("rows=1/second:20"), 0)
    below, above = rate.take(10, 0, 0), rate.take(10, 0, 0)
    rate.give_back(below, 10, 0)
    rate.take(10, 10 * SECOND, 0)
    rate.give_back(above, 10, 10 * SECOND)
    assert rate.left(10 * SECOND, 0) == 10


@given(RATES, UNITS)
def test_what_is_given_back_at_once_is_there_at_once(limit, units):
    rate = Rate(limit, 0)
    before = rate.left(5, 0)
    taken = rate.take(units, 5, 0)
    rate.give_back(taken, units, 5)
    assert rate.left(5, 0) == before


@given(RATES, st.lists(st.tuples(PAUSES, UNITS), max_size=20), st.integers(1, 60))
def test_the_wait_is_exact_to_the_nanosecond(limit, steps, wanted):
    rate, now = Rate(limit, 0), 0
    for pause, units in steps:
        now += pause
        rate.take(units, now, 0)
    wait = rate.wait_ns(wanted, now, 0)
    assert (wait is None) is (wanted > limit.burst)
    if wait:
        assert not rate.fits(wanted, now + wait - 1, 0)
    if wait is not None:
        assert rate.fits(wanted, now + wait, 0)


def test_a_rate_goes_on_under_another_amount_without_forgetting():
    rate = Rate(parse_limit("rows=10/second"), 0)
    early = rate.take(10, 0, 0)
    rate.change(parse_limit("rows=20/second"), 0)
    assert rate.left(0, 0) == 10
    rate.change(parse_limit("rows=5/second"), SECOND // 2)
    assert rate.left(SECOND // 2, 0) == 5
    rate.take(5, SECOND // 2, 0)
    rate.give_back(early, 10, SECOND // 2)
    assert rate.left(SECOND // 2, 0) == 0


def test_a_clock_that_stands_or_goes_back_brings_nothing():
    rate = Rate(parse_limit("rows=10/second"), 5 * SECOND)
    rate.take(10, 5 * SECOND, 0)
    assert not rate.fits(1, 4 * SECOND, 0)
    taken = rate.take(1, 4 * SECOND, 0)
    rate.give_back(taken, 1, 4 * SECOND)
    assert not rate.fits(1, 5 * SECOND, 0)
    assert rate.fits(1, 5 * SECOND + SECOND // 10, 0)


def test_compute_time_is_limited_in_milliseconds_and_counted_in_nanoseconds():
    rate = Rate(parse_limit("compute_ms=2/second"), 0)
    assert rate.fits(2_000_000, 0, 0)
    assert not rate.fits(2_000_001, 0, 0)


# --- quotas of the calendar -----------------------------------------------------------------


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


@given(st.lists(st.tuples(st.integers(0, 20 * 3600), st.integers(0, 8)), max_size=60))
def test_a_quota_passes_exactly_its_amount_in_every_day_of_the_place(steps):
    place = zone("Europe/Amsterdam")
    quota, now = Quota(parse_limit("rows=20/day"), place), at("2026-03-27T00:00:00")
    naive: dict[date, int] = {}
    for pause, units in steps:
        now += pause * SECOND
        day = datetime.fromtimestamp(now // SECOND, place).date()
        fits = quota.fits(units, 0, now)
        assert fits is (naive.get(day, 0) + units <= 20)
        if fits:
            quota.take(units, 0, now)
            naive[day] = naive.get(day, 0) + units
        assert quota.left(0, now) == 20 - naive.get(day, 0)


def test_a_quota_is_there_again_at_midnight_of_the_place():
    quota = Quota(parse_limit("rows=1/day"), zone("Europe/Amsterdam"))
    now = at("2026-11-25T22:59:58")
    quota.take(1, 0, now)
    assert quota.wait_ns(1, 0, now) == 2 * SECOND
    assert not quota.fits(1, 0, now + 2 * SECOND - 1)
    assert quota.fits(1, 0, now + 2 * SECOND)
    assert quota.wait_ns(2, 0, now) is None


def test_a_clock_that_is_set_back_over_midnight_brings_no_second_quota():
    quota = Quota(parse_limit("rows=5/day"), zone("UTC"))
    before, after = at("2026-11-25T23:59:59"), at("2026-11-26T00:00:01")
    for now in (before, after):
        quota.take(5, 0, now)
    for now in (before, after, before):
        assert not quota.fits(1, 0, now)


def test_what_is_given_back_late_goes_to_the_day_that_it_was_taken_from():
    quota = Quota(parse_limit("rows=5/day"), zone("UTC"))
    before, after = at("2026-11-25T23:59:59"), at("2026-11-26T00:00:01")
    taken = quota.take(5, 0, before)
    quota.take(5, 0, after)
    quota.give_back(taken, 5, 0)
    assert quota.left(0, after) == 0
    assert quota.left(0, before) == 5


def test_a_quota_keeps_no_more_than_the_windows_that_may_still_matter():
    quota = Quota(parse_limit("rows=5/day"), zone("UTC"))
    for day in range(1, 29):
        quota.take(1, 0, at(f"2026-02-{day:02}T12:00:00"))
        assert len(quota._used) <= 2


# --- stocks -----------------------------------------------------------------------------------


def test_only_giving_back_makes_room_in_a_stock():
    stock = Stock(parse_limit("concurrency=2"))
    first = stock.take(1, 0, 0)
    stock.take(1, 0, 0)
    assert not stock.fits(1, 10**18, 10**18)
    assert stock.wait_ns(1, 0, 0) is None
    stock.give_back(first, 1, 0)
    assert stock.fits(1, 0, 0)
    assert stock.left(0, 0) == 1


def test_credit_that_is_bought_makes_a_stock_larger_without_forgetting_what_was_used():
    stock = Stock(parse_limit("credits=5"))
    stock.take(5, 0, 0)
    stock.change(parse_limit("credits=8"), 0)
    assert stock.left(0, 0) == 3


def test_each_kind_of_limit_has_its_meter():
    kinds = [
        type(meter(parse_limit(text), zone("UTC"), 0))
        for text in ("rows=1/second", "rows=1/month", "credits=1", "concurrency=1")
    ]
    assert kinds == [Rate, Quota, Stock, Stock]
    assert len({one for one, _ in pairwise(kinds)}) == 3
