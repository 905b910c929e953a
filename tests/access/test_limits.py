"""Limits: everything that applies to a call is taken together, or nothing is."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.access.parts import NOW, SECOND, Limiter, caller

from fairlead.access import routes as module
from fairlead.access.limits import Rules
from fairlead.core.allowance import Cost, parse_limits
from fairlead.core.errors import AboveLimit, LimitsUnavailable, ResourceExhausted


def rules(*, server=(), zones=None, **of_what) -> Rules:
    """Rules from texts: acme=[...] for a tenant, iris=[...] for a model, both=[...] for both."""
    return Rules(
        server=parse_limits(server),
        tenants={"acme": parse_limits(of_what.get("acme", ()))},
        models={"iris": parse_limits(of_what.get("iris", ()))},
        tenant_models={("acme", "iris"): parse_limits(of_what.get("both", ()))},
        zones=zones or {},
    )


def lefts(limiter, who, now=0):
    return {
        f"{one.account.whose} {one.limit.name}": one.left
        for one in limiter.left(who, "iris", now, NOW)
    }


def refusal(limiter, who, cost, now) -> ResourceExhausted | None:
    """The error of a call, None when it passes."""
    try:
        limiter.commit(who, "m", cost, now, NOW + now)
    except ResourceExhausted as error:
        return error
    return None


EVERYTHING = rules(
    server=["requests=100/second"], acme=["bytes=1000/day"], iris=["concurrency=3"],
    both=["credits=50"],
)  # fmt: skip


@pytest.mark.parametrize(
    ("cost", "where"),
    [
        (Cost(rows=6), "key rows-per-second"),
        (Cost(size=501), "tenant bytes-per-day"),
        (Cost(credits=31), "tenant-model credits"),
        (Cost(concurrency=3), "model concurrency"),
        (Cost(requests=100), "server requests-per-second"),
    ],
)
def test_whoever_s_limit_is_reached_nothing_is_taken_and_it_is_named(cost, where):
    limiter, who = Limiter(EVERYTHING), caller(limits=["rows=10/second"])
    limiter.commit(who, "iris", Cost(rows=5, size=500, credits=20), 0, NOW)
    before = lefts(limiter, who)
    for _ in range(3):
        with pytest.raises(ResourceExhausted) as refused:
            limiter.commit(who, "iris", cost, 0, NOW)
        assert refused.value.where == where
        assert "is used up" in refused.value.what
    assert lefts(limiter, who) == before
    limiter.commit(who, "iris", Cost(rows=5, size=500, credits=30), 0, NOW)


@given(
    st.lists(
        st.tuples(
            st.integers(0, SECOND // 2),
            st.integers(0, 12),
            st.integers(0, 9),
            st.sampled_from(["stay", "settle", "refund"]),
        ),
        max_size=40,
    )
)
def test_a_call_passes_exactly_when_it_fits_in_every_limit(steps):
    """Against one limiter per limit, which are asked beforehand and told only of what passed."""
    texts = ["rows=10/second", "requests=4/second", "credits=60", "concurrency=3"]
    who = caller(limits=texts)
    together, alone = Limiter(), [(Limiter(), caller(limits=[text])) for text in texts]
    now = 0
    for pause, rows, credits, then in steps:
        now += pause
        cost = Cost(rows=rows, credits=credits)
        grants = []
        for one, single in alone:
            try:
                grants.append(one.commit(single, "m", cost, now, NOW))
            except (ResourceExhausted, AboveLimit):
                grants.append(None)
        try:
            grant = together.commit(who, "m", cost, now, NOW)
        except (ResourceExhausted, AboveLimit):
            assert None in grants
            for given_ in filter(None, grants):
                given_.refund(now)
            continue
        assert None not in grants
        for given_ in (grant, *grants):
            if then == "settle":
                given_.settle(now, NOW)
            elif then == "refund":
                given_.refund(now)


def test_of_two_hundred_calls_at_once_exactly_those_pass_that_the_limit_has():
    limiter, who = Limiter(), caller(limits=["requests=50/hour"])
    told = [refusal(limiter, who, Cost(), 0) for _ in range(200)]
    assert told[:50] == [None] * 50
    assert [error.retry_after for error in told[50:]] == [72] * 150


@pytest.mark.parametrize("limits", [["rows=7/minute:3"], ["rows=5/hour"], ["rows=3/day"]])
def test_who_waits_as_long_as_is_said_is_let_through(limits):
    limiter, who, now = Limiter(), caller(limits=limits), 0
    refused = 0
    for _ in range(20):
        told = refusal(limiter, who, Cost(rows=1), now)
        if told is not None:
            refused += 1
            assert told.fix == f"Ask again in {told.retry_after} s"
            now += told.retry_after * SECOND
            limiter.commit(who, "m", Cost(rows=1), now, NOW + now)
    assert refused > 3


def test_the_limit_that_keeps_waiting_longest_is_named():
    limiter, who = Limiter(), caller(limits=["rows=1/second", "requests=1/hour", "bytes=1/minute"])
    limiter.commit(who, "m", Cost(rows=1, size=1), 0, NOW)
    with pytest.raises(ResourceExhausted) as refused:
        limiter.commit(who, "m", Cost(rows=1, size=1), 0, NOW)
    assert refused.value.where == "key requests-per-hour"
    assert refused.value.retry_after == 3600


def test_what_no_waiting_brings_says_so():
    limiter, who = Limiter(), caller(limits=["credits=5", "rows=10/second:4"])
    limiter.commit(who, "m", Cost(credits=5), 0, NOW)
    with pytest.raises(ResourceExhausted) as refused:
        limiter.commit(who, "m", Cost(credits=1), 0, NOW)
    assert refused.value.retry_after is None
    assert refused.value.fix == "Ask the operator for more"
    with pytest.raises(AboveLimit, match="may use 4 at most"):
        limiter.commit(who, "m", Cost(rows=5), 0, NOW)


def test_a_place_among_concurrent_calls_is_free_when_the_call_is_over():
    limiter, who = Limiter(), caller(limits=["concurrency=2"])
    first = limiter.commit(who, "m", Cost(), 0, NOW)
    second = limiter.commit(who, "m", Cost(), 0, NOW)
    with pytest.raises(ResourceExhausted) as refused:
        limiter.commit(who, "m", Cost(), 0, NOW)
    assert refused.value.retry_after == 1
    first.settle(0, NOW)
    third = limiter.commit(who, "m", Cost(), 0, NOW)
    second.refund(0)
    third.refund(0)
    assert lefts(limiter, who) == {"key concurrency": 2}


def test_a_grant_counts_once_however_often_it_is_ended():
    limiter, who = Limiter(), caller(limits=["concurrency=5", "credits=9", "rows=9/hour"])
    limiter.commit(who, "iris", Cost(rows=2, credits=2), 0, NOW)
    grant = limiter.commit(who, "iris", Cost(rows=3, credits=3), 0, NOW)
    for _ in range(3):
        grant.settle(0, NOW, credits=1)
        grant.refund(0)
    assert lefts(limiter, who) == {"key concurrency": 4, "key credits": 6, "key rows-per-hour": 4}


def test_a_call_that_was_not_executed_costs_nothing():
    limiter, who = Limiter(EVERYTHING), caller(limits=["rows=10/second"])
    before = lefts(limiter, who)
    limiter.commit(who, "iris", Cost(rows=5, size=100, credits=7), 0, NOW).refund(0)
    assert lefts(limiter, who) == before


def test_compute_time_is_held_as_estimated_and_settled_as_it_was():
    limiter, who = Limiter(), caller(limits=["compute_ms=10/second"])
    limiter.commit(who, "iris", Cost(compute_ns=8_000_000), 0, NOW).settle(0, NOW, 3_000_000)
    assert lefts(limiter, who) == {"key compute-ms-per-second": 7}
    limiter.commit(who, "iris", Cost(compute_ns=1), 0, NOW).settle(0, NOW, 17_000_000)
    assert lefts(limiter, who) == {"key compute-ms-per-second": 0}
    with pytest.raises(ResourceExhausted) as refused:
        limiter.commit(who, "iris", Cost(compute_ns=1), 0, NOW)
    assert refused.value.retry_after == 2  # ten milliseconds more than a second brings were used


def test_more_credits_than_were_held_are_never_taken():
    limiter, who = Limiter(), caller(limits=["credits=9"])
    grant = limiter.commit(who, "iris", Cost(credits=3), 0, NOW)
    with pytest.raises(ValueError, match="more credits than were held"):
        grant.settle(0, NOW, credits=4)
    grant.settle(0, NOW, credits=2)
    assert lefts(limiter, who) == {"key credits": 7}


def test_a_rotated_key_brings_no_second_allowance():
    limiter, first = Limiter(), caller(limits=["requests=5/hour"])
    second = replace(first, key="key_successor")
    for who in (first, second, first, second, first):
        limiter.commit(who, "m", Cost(), 0, NOW)
    with pytest.raises(ResourceExhausted):
        limiter.commit(second, "m", Cost(), 0, NOW)


def test_keys_of_one_tenant_share_its_limits_and_tenants_share_none():
    limiter = Limiter(rules(acme=["requests=2/hour"]))
    for who in (caller(), caller()):
        limiter.commit(who, "m", Cost(), 0, NOW)
    with pytest.raises(ResourceExhausted, match="of your account is"):
        limiter.commit(caller(), "m", Cost(), 0, NOW)
    limiter.commit(caller(tenant="other"), "m", Cost(), 0, NOW)


def test_what_is_left_of_a_limit_that_all_share_is_told_to_nobody():
    limiter = Limiter(EVERYTHING)
    assert set(lefts(limiter, caller(limits=["rows=1/second"]))) == {
        "key rows-per-second", "tenant bytes-per-day", "tenant-model credits",
    }  # fmt: skip


def test_new_rules_count_on():
    limiter, who = Limiter(rules(acme=["requests=5/hour"])), caller()
    for _ in range(4):
        limiter.commit(who, "m", Cost(), 0, NOW)
    limiter.adopt(rules(acme=["requests=4/hour"]))
    with pytest.raises(ResourceExhausted):
        limiter.commit(who, "m", Cost(), 0, NOW)
    limiter.adopt(rules(acme=["requests=6/hour"]))
    limiter.commit(who, "m", Cost(), 0, NOW)
    limiter.commit(who, "m", Cost(), 0, NOW)
    limiter.adopt(rules())
    limiter.commit(who, "m", Cost(requests=1000), 0, NOW)


def test_a_caller_with_other_limits_on_one_lineage_is_refused_in_words_not_in_a_crash():
    limiter, strict = Limiter(), caller(limits=["requests=1/hour"])
    loose = replace(strict, limits=parse_limits(["requests=9/hour"]))
    limiter.commit(strict, "m", Cost(), 0, NOW)
    limiter.commit(loose, "m", Cost(requests=8), 0, NOW)
    for who in (strict, loose):
        with pytest.raises(ResourceExhausted):
            limiter.commit(who, "m", Cost(), 0, NOW)


def test_a_month_is_that_of_the_tenant():
    limiter = Limiter(rules(acme=["requests=1/month"], zones={"acme": "Asia/Tokyo"}))
    wall = int(datetime(2026, 11, 30, 14, 59, 59, tzinfo=UTC).timestamp()) * SECOND
    limiter.commit(caller(), "m", Cost(), 0, wall)
    with pytest.raises(ResourceExhausted) as refused:
        limiter.commit(caller(), "m", Cost(), 0, wall)
    assert refused.value.retry_after == 1
    limiter.commit(caller(), "m", Cost(), 0, wall + SECOND)
    limiter.commit(caller(tenant="other"), "m", Cost(), 0, wall)


@pytest.mark.parametrize("in_order", [True, False], ids=["stopped", "killed"])
def test_quotas_and_credits_are_kept_over_a_restart(in_order):
    first, who = Limiter(), caller(limits=["rows=10/month", "credits=5"])
    first.commit(who, "m", Cost(rows=7, credits=2), 0, NOW)
    second = first.restarted(0, NOW, in_order=in_order)
    with pytest.raises(ResourceExhausted, match="rows-per-month"):
        second.commit(who, "m", Cost(rows=4), 0, NOW)
    with pytest.raises(ResourceExhausted, match="credits"):
        second.commit(who, "m", Cost(credits=4), 0, NOW)
    second.commit(who, "m", Cost(rows=3, credits=3), 0, NOW)


@pytest.mark.parametrize("in_order", [True, False], ids=["stopped", "killed"])
def test_a_rate_of_an_hour_is_kept_over_a_restart_and_runs_off_meanwhile(in_order):
    first, who = Limiter(), caller(limits=["rows=3600/hour:100"])
    first.commit(who, "m", Cost(rows=100), 0, NOW)
    second = first.restarted(0, NOW + 10 * SECOND, in_order=in_order)
    with pytest.raises(ResourceExhausted):
        second.commit(who, "m", Cost(rows=11), 0, NOW + 10 * SECOND)
    second.commit(who, "m", Cost(rows=10), 0, NOW + 10 * SECOND)


def test_after_a_crash_a_rate_of_a_second_begins_used_up_and_after_a_stop_it_does_not():
    who = caller(limits=["rows=10/second"])
    first = Limiter()
    killed = first.restarted(0, NOW, in_order=False)
    with pytest.raises(ResourceExhausted):
        killed.commit(who, "m", Cost(rows=1), 0, NOW)
    killed.commit(who, "m", Cost(rows=1), SECOND // 10, NOW)
    first.restarted(0, NOW).commit(who, "m", Cost(rows=10), 0, NOW)


def test_after_a_crash_no_place_is_lent_before_everybody_had_time_to_say_what_it_holds():
    who, first = caller(limits=["concurrency=1"]), Limiter()
    first.commit(who, "m", Cost(), 0, NOW)
    second = first.restarted(0, NOW, in_order=False)
    took: list[object] = []
    leases = second.workers[0]

    def ask() -> None:
        try:
            took.append(leases.take(who, "m", Cost(), second.now, NOW))
        except LimitsUnavailable as error:
            took.append(error)
        if took[-1] is None:
            leases.wait(ask)

    ask()
    second.pump()
    second.at(SECOND // 2, NOW)
    assert took[0] is None
    assert isinstance(took[-1], LimitsUnavailable)
    second.commit(who, "m", Cost(), 3 * SECOND, NOW)


def test_what_was_used_of_an_earlier_day_is_not_counted_again():
    limiter, who = Limiter(), caller(limits=["rows=10/day"])
    limiter.commit(who, "m", Cost(rows=10), 0, NOW)
    again = limiter.restarted(0, NOW)
    with pytest.raises(ResourceExhausted):
        again.commit(who, "m", Cost(rows=1), 0, NOW)
    again.commit(who, "m", Cost(rows=10), 0, NOW + 86_400 * SECOND)


def test_what_cannot_be_written_down_is_not_lent():
    limiter, who = Limiter(), caller(limits=["credits=5"])
    limiter.keep.fails = True
    with pytest.raises(LimitsUnavailable):
        limiter.commit(who, "m", Cost(credits=5), 0, NOW)
    limiter.keep.fails = False
    limiter.commit(who, "m", Cost(credits=5), SECOND, NOW)


def test_the_memory_of_routes_is_bounded_and_nothing_is_forgotten_with_it(monkeypatch):
    monkeypatch.setattr(module, "ROUTES", 4)
    limiter, who = Limiter(), caller(limits=["requests=40/hour"])
    leases = limiter.workers[0]._routes
    for n in range(40):
        limiter.commit(who, f"m{n}", Cost(), 0, NOW)
        limiter.commit(caller(limits=["requests=1/second"]), f"m{n}", Cost(), 0, NOW)
        assert len(leases.seen) <= 4
        assert len(leases._before) <= 4
        assert len(leases.leases) <= 9
    with pytest.raises(ResourceExhausted):
        limiter.commit(who, "m0", Cost(), 0, NOW)


def test_leases_are_forgotten_too_where_rules_change_faster_than_callers_come(monkeypatch):
    monkeypatch.setattr(module, "ROUTES", 8)
    limiter, who = Limiter(), caller(limits=["requests=60/hour"])
    worker = limiter.workers[0]
    for _ in range(20):
        for _ in range(3):
            limiter.commit(who, "m", Cost(), 0, NOW)
            limiter.commit(caller(limits=["requests=1/second"]), "m", Cost(), 0, NOW)
        worker.adopt(Rules())
        assert len(worker._routes.leases) <= 8 + 4
    with pytest.raises(ResourceExhausted):
        limiter.commit(who, "m", Cost(), 0, NOW)


def test_without_limits_everything_passes():
    grant = Limiter().commit(caller(), "m", Cost(rows=10**9, size=10**12), 0, NOW)
    grant.settle(0, NOW, 10**12)
