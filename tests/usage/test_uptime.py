"""What a server knows of how long it ran: sleep is not running, a clock set back adds nothing."""

from fairlead.usage.stores.machine import GAP_NS
from fairlead.usage.uptime import Uptime

S = 10**9


def ran(*moments: int) -> Uptime:
    uptime = Uptime()
    for moment in moments:
        uptime.seen(moment)
    return uptime


def test_looks_that_follow_each_other_are_one_time():
    assert ran(S, 2 * S, 3 * S).unnoted() == [(S, 3 * S)]


def test_a_machine_that_slept_did_not_run():
    awake = 3 * S + GAP_NS
    assert ran(S, 2 * S, awake, awake + S).unnoted() == [(S, 2 * S), (awake, awake + S)]


def test_a_clock_that_was_set_back_adds_nothing():
    assert ran(9 * S, 10 * S, 4 * S, 11 * S).unnoted() == [(9 * S, 11 * S)]


def test_what_is_noted_is_not_noted_again():
    uptime = ran(S, 2 * S)
    uptime.noted()
    uptime.seen(3 * S)
    assert uptime.unnoted() == [(2 * S, 3 * S)]


def test_a_database_that_is_away_for_long_costs_bounded_memory():
    uptime = ran(*(n * 2 * GAP_NS for n in range(3000)))
    assert len(uptime.unnoted()) == 1000
    assert uptime.unnoted()[-1][1] == 2999 * 2 * GAP_NS
