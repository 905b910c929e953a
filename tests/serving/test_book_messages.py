"""A book reaches a worker whole or not at all, whatever keys are in it."""

from __future__ import annotations

import json
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.access.parts import made as minted

from fairlead.access.terms import NO_TERMS, caller_of
from fairlead.core.access import Key, StoredKey, parse_scopes
from fairlead.core.allowance import parse_limits
from fairlead.core.errors import KeyFieldInvalid
from fairlead.serving import book_messages
from fairlead.serving.book_messages import (
    Book,
    Gathered,
    key_to_json,
    pieces,
    stored_from_json,
    stored_to_json,
)

LETTERS = "0123456789ABCDEFabcdef"
ids = st.text(LETTERS, min_size=16, max_size=16).map("key_{}".format)
moments = st.none() | st.integers(1, 2**62)
keys = st.builds(
    Key,
    id=ids,
    name=st.text(min_size=1, max_size=20),
    tenant=st.sampled_from(["acme", "beta"]),
    scopes=st.lists(
        st.sampled_from(["predict:iris@3", "usage:read", "explain:*", "predict:m@stable"]),
        min_size=1,
    ).map(parse_scopes),
    created_ns=st.integers(0, 2**62),
    lineage=ids,
    ending=st.text(LETTERS, min_size=4, max_size=4),
    expires_ns=moments,
    revoked_ns=moments,
    successor=st.just("") | ids,
    retires_ns=moments,
    networks=st.sampled_from([(), ("10.0.0.0/8", "2001:db8::/32")]),
    origins=st.sampled_from([(), ("https://a.example",)]),
    limits=st.sampled_from(
        [(), parse_limits(["requests=5/second:9", "rows=7/day", "concurrency=2"])]
    ),
    disclosure=st.sampled_from(["", "label"]),
    plan=st.sampled_from(["", "gold"]),
    kind=st.sampled_from(["live", "test", "admin"]),
)
stored = st.builds(StoredKey, keys, st.binary(min_size=32, max_size=32))
books = st.lists(stored, unique_by=lambda each: each.key.id, max_size=12)


def sent(messages):
    """The messages as they come out of a line."""
    return [json.loads(json.dumps(message)) for message in messages]


@given(books, st.integers(0, 2**53), st.integers(1, 2000))
def test_what_is_sent_in_pieces_arrives_as_it_was(book, revision, size):
    before, book_messages._PIECE_BYTES = book_messages._PIECE_BYTES, size
    try:
        messages = sent(
            pieces(Book(revision, True, book, {"acme": {"plan": "gold"}}, {"gold": [1]}))
        )
    finally:
        book_messages._PIECE_BYTES = before
    gathered = Gathered()
    assert [gathered.take(message) for message in messages] == [
        *[False] * (len(messages) - 1),
        True,
    ]
    assert gathered.keys == {each.key.id: each for each in book}
    assert (gathered.tenants, gathered.plans) == ({"acme": {"plan": "gold"}}, {"gold": [1]})
    assert gathered.revision == revision


def some(count: int, **more) -> list[StoredKey]:
    about = {"tenant": "acme", "scopes": parse_scopes(["predict:*"]), "ending": "abcd"} | more
    return [
        StoredKey(
            Key(id=f"key_{n:016}", lineage=f"key_{n:016}", name=f"n{n}", created_ns=n, **about),
            n.to_bytes(32),
        )
        for n in range(count)
    ]


def test_nothing_of_a_book_counts_before_its_last_piece():
    gathered = Gathered()
    assert gathered.take(next(pieces(Book(1, True, some(1), {}, {}))))
    *first, last = sent(pieces(Book(2, True, some(20_000), {}, {})))
    assert len(first) > 1
    for message in first:
        assert not gathered.take(message)
        assert (gathered.revision, len(gathered.keys)) == (1, 1)
    assert gathered.take(last)
    assert (gathered.revision, len(gathered.keys)) == (2, 20_000)


def test_every_piece_is_shorter_than_what_a_line_takes():
    for message in pieces(Book(1, True, some(20_000), {}, {f"t{n}": "x" * 100 for n in range(9)})):
        assert len(json.dumps(message)) < 4 << 20


def test_a_change_leaves_what_it_does_not_name():
    gathered = Gathered()
    gathered.take(next(pieces(Book(1, True, some(3), {"a": 1}, {"p": 1}))))
    assert gathered.take(next(pieces(Book(2, False, some(1, revoked_ns=9), {"a": 2}, {}))))
    assert gathered.keys["key_0000000000000000"].key.revoked_ns == 9
    assert (len(gathered.keys), gathered.tenants, gathered.plans) == (3, {"a": 2}, {"p": 1})


def test_a_whole_book_forgets_what_it_does_not_name():
    gathered = Gathered()
    gathered.take(next(pieces(Book(1, True, some(3), {"a": 1}, {"p": 1}))))
    gathered.take(next(pieces(Book(2, True, some(1), {}, {}))))
    assert (len(gathered.keys), gathered.tenants, gathered.plans) == (1, {}, {})


def test_a_change_without_a_book_is_no_book():
    gathered = Gathered()
    assert not gathered.take(next(pieces(Book(2, False, some(1), {}, {}))))
    assert (gathered.revision, gathered.keys) == (-1, {})


def test_an_unfinished_book_of_a_broken_line_is_dropped():
    gathered = Gathered()
    first, *_ = pieces(Book(1, True, some(20_000), {}, {}))
    gathered.take(first)
    gathered.broke_off()
    gathered.take(next(pieces(Book(1, True, some(1), {}, {}))))
    assert len(gathered.keys) == 1


@pytest.mark.parametrize(
    "spoilt",
    [
        {"scopes": ["everything:*"]},
        {"digest": "no hex"},
        {"further": 1},
        {"limits": ["requests=often"]},
    ],
    ids=lambda spoilt: next(iter(spoilt)),
)
def test_a_piece_that_cannot_be_read_changes_nothing(spoilt):
    gathered = Gathered()
    gathered.take(next(pieces(Book(1, True, some(2), {}, {}))))
    message = next(pieces(Book(2, True, some(1), {}, {})))
    message["keys"].append(stored_to_json(some(2)[1]) | spoilt)
    with pytest.raises((KeyFieldInvalid, TypeError, ValueError)):
        gathered.take(message)
    assert (gathered.revision, len(gathered.keys)) == (1, 2)


def test_a_key_for_people_has_every_field_and_no_digest():
    told = key_to_json(some(1)[0].key)
    assert told["scopes"] == ["predict:*"]
    assert told["revoked_ns"] is None
    assert "digest" not in told


def test_a_revocation_that_the_database_does_not_know_holds_all_the_same():
    gathered = Gathered()
    gathered.take(next(pieces(Book(1, True, some(3)))))
    told = {"key_0000000000000001": 7, "key_of_nobody": 7}
    assert gathered.take(next(pieces(Book(1, False, revoked=told))))
    assert [s.key.revoked_ns for s in gathered.keys.values()] == [None, 7, None]
    assert len(gathered.keys) == 3


def test_a_key_keeps_the_time_of_its_first_revocation():
    gathered = Gathered()
    revoked = {"key_0000000000000000": 9}
    gathered.take(next(pieces(Book(1, True, some(1, revoked_ns=5), revoked=revoked))))
    assert gathered.keys["key_0000000000000000"].key.revoked_ns == 5


def test_news_without_news_says_how_old_the_book_is():
    gathered = Gathered()
    assert gathered.stale_s == inf
    assert gathered.take(next(pieces(Book(1, True, some(1)))))
    assert gathered.stale_s < 60
    assert not gathered.take(next(pieces(Book(1, False, age_s=4000))))
    assert 4000 <= gathered.stale_s < 4060
    assert len(gathered.keys) == 1


def test_who_has_never_read_the_database_can_revoke_but_confirms_nothing():
    gathered = Gathered()
    gathered.take(next(pieces(Book(5, True, some(2), age_s=300))))
    assert gathered.take(next(pieces(Book(-1, False, revoked={"key_0000000000000001": 7}))))
    assert (gathered.revision, gathered.stale_s >= 300) == (5, True)
    assert gathered.take(next(pieces(Book(6, False, some(1, revoked_ns=8)))))
    assert [s.key.revoked_ns for s in gathered.keys.values()] == [8, 7]


def test_a_book_that_begins_anew_leaves_nothing_of_the_one_that_was_not_finished():
    gathered = Gathered()
    gathered.take(next(pieces(Book(1, True, some(20_000)))))
    gathered.take(next(pieces(Book(1, True, some(1)))))
    assert len(gathered.keys) == 1


@pytest.mark.parametrize(("priority", "rank"), [("interactive", 0), ("batch", 1), ("shadow", 2)])
def test_the_class_of_a_key_comes_to_the_worker_and_to_its_queue(priority, rank):
    _, stored = minted("predict:iris", priority=priority)
    told = stored_from_json(json.loads(json.dumps(stored_to_json(stored))))
    assert told == stored
    assert caller_of(told.key, NO_TERMS).rank == rank
