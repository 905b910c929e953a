"""Wrong keys from one address: how many are answered as what they are, and what is remembered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.access.parts import SECOND

from fairlead.access.throttle import BURST, PER_SECOND, Throttle
from fairlead.core.errors import KeyUnknown, TooManyAttempts, Unauthenticated

WRONG = KeyUnknown("nobody has this key here")
HERE, THERE = "203.0.113.7", "203.0.113.8"


def tried(throttle, now_ns, address=HERE):
    """Whether one more failure is answered as one."""
    return throttle.answer(WRONG, address, now_ns) is WRONG


def test_twenty_failures_at_once_are_answered_and_then_five_in_a_second():
    throttle = Throttle()
    assert [tried(throttle, 0) for _ in range(25)] == [True] * BURST + [False] * 5
    in_a_second = [tried(throttle, n * SECOND // 100) for n in range(1, 101)]
    assert sum(in_a_second) == PER_SECOND


def test_the_refusal_says_when_to_try_again():
    throttle = Throttle(burst=1, per_second=1)
    assert tried(throttle, 0)
    refused = throttle.answer(WRONG, HERE, 0)
    assert isinstance(refused, TooManyAttempts)
    assert refused.retry_after == 1
    assert tried(throttle, SECOND)


def test_a_check_refuses_only_where_a_failure_would_be():
    throttle = Throttle(burst=2, per_second=1)
    for _ in range(2):
        throttle.check(HERE, 0)
        assert tried(throttle, 0)
    with pytest.raises(TooManyAttempts):
        throttle.check(HERE, 0)
    throttle.check(THERE, 0)
    throttle.check(HERE, SECOND)


def test_a_check_costs_no_failure():
    throttle = Throttle(burst=1)
    for _ in range(100):
        throttle.check(HERE, 0)
    assert tried(throttle, 0)


def test_addresses_do_not_wait_for_each_other():
    throttle = Throttle(burst=1)
    assert tried(throttle, 0, HERE)
    assert not tried(throttle, 0, HERE)
    assert tried(throttle, 0, THERE)


def test_a_network_of_ipv6_is_one_address():
    throttle = Throttle(burst=1)
    assert tried(throttle, 0, "2001:db8::1")
    assert not tried(throttle, 0, "2001:db8::2")
    assert tried(throttle, 0, "2001:db8:0:1::1")
    assert tried(throttle, 0, "::ffff:203.0.113.7")
    assert tried(throttle, 0, "::ffff:203.0.113.8")


def test_nothing_shown_is_no_attempt():
    throttle = Throttle(burst=1)
    nothing = Unauthenticated("no key was sent")
    assert all(throttle.answer(nothing, HERE, 0) is nothing for _ in range(10))
    assert len(throttle) == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", ""])
def test_callers_on_this_machine_are_not_counted(address):
    throttle = Throttle(burst=1)
    assert all(tried(throttle, 0, address) for _ in range(10))
    throttle.check(address, 0)
    assert len(throttle) == 0


def test_memory_is_bounded_whatever_is_tried():
    throttle = Throttle(remembered=100)
    for number in range(10_000):
        tried(throttle, number, f"10.0.{number >> 8}.{number & 255}")
        assert len(throttle) <= 200


def test_forgetting_an_old_generation_forgives_nobody_too_early():
    """An address that goes on failing is held to the rate through every turn."""
    throttle = Throttle(burst=4, per_second=4)
    answered = sum(tried(throttle, n * SECOND // 50) for n in range(50 * 30))
    assert answered <= 4 + 4 * 30


@given(st.lists(st.integers(0, 3 * SECOND), min_size=1, max_size=120))
def test_no_span_of_time_sees_more_than_the_burst_and_the_rate(times):
    throttle = Throttle(burst=3, per_second=2)
    answered = [t for t in sorted(times) if tried(throttle, t)]
    for first, begin in enumerate(answered):
        for last in range(first, len(answered)):
            span = answered[last] - begin
            assert last - first + 1 <= 3 + span * 2 / SECOND
