"""The queue: bounded, in order for each caller, and fair between callers and classes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.serving.parts import Model, call, serve

from fairlead.core.access import PRIORITIES, anybody
from fairlead.core.call import Call
from fairlead.serving.queue import Queue

SERVED = serve(Model())
NO_LIMIT = 1 << 40


def of(caller: str, rank: int = 0, rows: int = 1, group: str = "g", size: int = 1) -> Call:
    made = call(SERVED, *[[1, 1]] * rows, group=group)
    made.caller = replace(anybody(caller), rank=rank)
    made.bytes_in = size
    return made


def queue(*calls: Call, most: int = 100_000, most_bytes: int = NO_LIMIT) -> Queue:
    made = Queue(most, most_bytes)
    for one in calls:
        assert made.push(one) == ()
    return made


def drained(waiting: Queue, most_rows: int = 8) -> list[list[Call]]:
    found: list[list[Call]] = []
    while waiting.calls:
        found.append(waiting.take(most_rows, waiting.calls))
    return found


def flat(batches: list[list[Call]]) -> list[Call]:
    return [one for batch in batches for one in batch]


CALLS = st.lists(
    st.builds(
        of,
        st.sampled_from("abc"),
        st.integers(0, 2),
        st.integers(1, 9),
        st.sampled_from("gh"),
        st.integers(0, 100),
    ),
    max_size=40,
)


# --- what is put in comes out ---------------------------------------------------------------


@given(CALLS, st.integers(1, 12), st.data())
def test_every_call_comes_out_once_and_those_of_a_caller_in_their_order(calls, most_rows, data):
    waiting, batches = Queue(1000, NO_LIMIT), []
    for one in calls:
        waiting.push(one)
        if data.draw(st.booleans()):
            batches.append(waiting.take(most_rows, data.draw(st.integers(1, waiting.calls))))
    batches += drained(waiting, most_rows)
    assert sorted(map(id, flat(batches))) == sorted(map(id, calls))
    for batch in batches:
        assert len({one.group for one in batch}) == 1
        assert len(batch) == 1 or sum(one.rows for one in batch) <= most_rows
    for who in {(one.caller.account, one.caller.rank) for one in calls}:
        mine = [one for one in calls if (one.caller.account, one.caller.rank) == who]
        left = [o for b in batches for o in b if (o.caller.account, o.caller.rank) == who]
        assert left == mine
    assert (waiting.calls, waiting.rows, waiting.bytes) == (0, 0, 0)


@given(CALLS, st.integers(1, 10), st.integers(1, 300), st.data())
def test_no_more_waits_than_may_and_nobody_is_forgotten(calls, most, most_bytes, data):
    waiting, gone = Queue(most, most_bytes), []
    for one in calls:
        gone += waiting.push(one)
        assert waiting.calls <= most
        assert waiting.bytes <= most_bytes or waiting.calls == 1
        if data.draw(st.integers(0, 4)) == 0 and waiting.calls:
            gone += waiting.take(4, waiting.calls)
    left = flat(drained(waiting))
    assert sorted(map(id, [*gone, *left])) == sorted(map(id, calls))


@given(CALLS, st.sets(st.integers(0, 39)), st.booleans())
def test_what_is_sifted_out_is_exactly_what_is_not_kept(calls, chosen, dealt):
    waiting = queue(*calls)
    if dealt and calls:
        waiting.ahead(of("z"))
    unwanted = {id(one) for n, one in enumerate(calls) if n in chosen}
    dropped = waiting.sift(lambda some: [one for one in some if id(one) not in unwanted])
    assert {id(one) for one in dropped} == unwanted
    assert len(dropped) == len(unwanted)
    stay = [one for one in calls if id(one) not in unwanted]
    assert (waiting.calls, waiting.rows) == (len(stay), sum(one.rows for one in stay))
    assert sorted(map(id, flat(drained(waiting)))) == sorted(map(id, stay))


def test_what_can_go_at_once_is_the_very_list_that_came():
    waiting = queue(*(of(who) for who in "abcabc"))
    came = waiting._new
    assert waiting.take(8, 6) is came
    assert not waiting.dealt


def test_idle_threads_take_their_shares_in_the_order_of_coming():
    calls = [of(who, rank=n % 3) for n, who in enumerate("abcabc")]
    waiting = queue(*calls)
    assert waiting.take(8, 3) == calls[:3]
    assert waiting.take(8, 3) == calls[3:]


def test_where_the_first_must_be_prepared_nothing_is_taken_for_the_loop():
    first, second = of("a"), of("b")
    first.prepare = second.prepare = lambda calls, rows: []
    waiting = queue(first, second)
    assert waiting.take(8, 2, plain=True) == []
    waiting.ahead(of("c"))
    assert waiting.take(8, 2, plain=True) == []
    waiting.sift(lambda some: [one for one in some if one is first])
    assert waiting.take(8, 1, plain=True) == []
    assert waiting.take(8, 1) == [first]


# --- callers --------------------------------------------------------------------------------


def test_a_caller_with_a_thousand_calls_does_not_hold_back_one_with_one():
    waiting = queue(*(of("many") for _ in range(1000)), of("one"))
    first = waiting.take(8, waiting.calls)
    assert "one" in [one.caller.account for one in first]


@given(st.lists(st.integers(1, 6), min_size=2, max_size=5))
def test_callers_who_all_wait_are_given_equally_many_rows(sizes):
    """Whatever the size of their calls: no two differ by more than their largest calls."""
    calls = [of(str(n), rows=size) for n, size in enumerate(sizes) for _ in range(60)]
    waiting = queue(*calls)
    given_rows = dict.fromkeys(map(str, range(len(sizes))), 0)
    for _ in range(40):
        for one in waiting.take(8, waiting.calls):
            given_rows[one.caller.account] += one.rows
        if len({one.caller.account for one in _waiting(waiting)}) < len(sizes):
            break
        assert max(given_rows.values()) - min(given_rows.values()) <= 2 * max(sizes)


def _waiting(waiting: Queue) -> list[Call]:
    seen: list[Call] = []
    waiting.sift(lambda some: seen.extend(some) or [*some])
    return seen


def test_who_comes_back_has_no_claim_for_the_time_when_nothing_was_wanted():
    waiting = queue(*(of("steady") for _ in range(500)))
    for _ in range(20):
        waiting.take(8, waiting.calls)
    for _ in range(100):
        waiting.push(of("new"))
    who = [one.caller.account for _ in range(4) for one in waiting.take(8, waiting.calls)]
    assert 14 <= who.count("new") <= 18


def test_calls_of_another_group_wait_without_stopping_those_that_fit():
    waiting = queue(*(of(who, group=who) for _ in range(4) for who in "ab"))
    assert [len(batch) for batch in drained(waiting)] == [4, 4]


# --- classes --------------------------------------------------------------------------------


def test_the_higher_class_goes_first_and_the_lower_keeps_its_part():
    waiting = queue(*(of("a", rank) for rank in (2, 1, 0) for _ in range(2000)))
    ranks = [one.caller.rank for _ in range(200) for one in waiting.take(8, waiting.calls)]
    shares = [ranks.count(rank) / len(ranks) for rank in range(len(PRIORITIES))]
    assert ranks[:8] == [0] * 8
    assert 0.05 <= shares[1] <= 0.07
    assert 0.05 <= shares[2] <= 0.07


def test_a_class_that_is_alone_has_everything():
    waiting = queue(*(of("a", 2) for _ in range(20)))
    assert [len(batch) for batch in drained(waiting)] == [8, 8, 4]


def test_a_full_queue_gives_the_place_of_the_newest_of_the_lowest_class_to_a_higher_one():
    calls = [of("a", 1), of("b", 2), of("b", 2), of("a", 0)]
    waiting = queue(*calls, most=4)
    assert waiting.push(of("c", 0)) == [calls[2]]
    assert waiting.push(of("c", 1)) == [calls[1]]
    refused = of("c", 1)
    assert waiting.push(refused) == [refused], "nobody of a lower class is left, and none has more"
    assert waiting.push(of("c", 0))[0].caller.rank == 1


def test_a_full_queue_gives_a_place_of_who_has_most_to_who_has_less():
    calls = [of("many") for _ in range(10)]
    waiting = queue(*calls, most=10)
    assert waiting.push(of("one")) == [calls[-1]]
    again = of("many")
    assert waiting.push(again) == [again]
    for _ in range(4):
        assert waiting.push(of("one"))[0].caller.account == "many"
    even = of("one")
    assert waiting.push(even) == [even], "they have five each"


def test_a_body_that_fits_only_without_others_pushes_out_the_lower_ones_or_nobody():
    low = [of("a", 2, size=40), of("a", 2, size=40)]
    waiting = queue(*low, most_bytes=100)
    assert waiting.push(of("b", 0, size=90)) == low[::-1]
    first, second = of("a", 1, size=30), of("a", 2, size=30)
    waiting = queue(of("c", 0, size=40), first, second, most_bytes=100)
    large = of("c", 0, size=101)
    assert waiting.push(large) == [large]
    assert waiting.calls == 3, "as nothing was gained, nobody has left"


def test_an_empty_queue_takes_a_call_of_any_size():
    assert queue(most_bytes=10).push(of("a", size=10_000)) == ()


# --- what goes before -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "rank", "rows"),
    [("many", 0, 100), ("new", 0, 2), ("new", 1, 101), ("new", 2, 106)],
)
def test_what_goes_before_a_call_is_counted_by_its_caller_and_its_class(who, rank, rows):
    waiting = queue(*(of("many") for _ in range(100)), of("one"), *(of("b", 1) for _ in range(5)))
    assert waiting.ahead(of(who, rank)) == rows + (who == "many" and 1) + (
        who == "new" and rank == 1
    )
