"""A trail whose records were altered, taken out, put in, moved or cut off does not fit any more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.access.audit import canonical, check_trail, record_of, tidy
from fairlead.access.secrets import new_secret
from fairlead.core.audit import NOTHING, Act, By, Head, Record

texts = st.text(max_size=12)
values = st.dictionaries(texts, st.none() | st.integers() | texts | st.lists(texts), max_size=3)
acts = st.builds(
    Act,
    st.integers(0, 2**62),
    st.builds(By, texts, texts),
    st.sampled_from(["keys.create", "keys.revoke"]),
    texts,
    st.none() | values,
    st.none() | values,
)


def trail(acts: list[Act]) -> list[Record]:
    """The records of some acts, one after the other."""
    found: list[Record] = []
    head = NOTHING
    for act in acts:
        found.append(record_of(act, head))
        head = Head(found[-1].number, found[-1].hash)
    return found


trails = st.lists(acts, min_size=1, max_size=8).map(trail)


def head_of(records: list[Record]) -> Head:
    return Head(records[-1].number, records[-1].hash)


@given(trails)
def test_what_was_written_fits(records):
    checked = check_trail(records, [head_of(records), *map(head_of, [records[:1]])])
    assert (checked.records, checked.fault) == (len(records), "")
    assert checked.head == head_of(records)


def test_a_trail_without_records_fits():
    assert check_trail([], [NOTHING]).fault == ""


FIELDS = ["number", "time_ns", "who", "place", "act", "about", "before", "after", "hash"]


@given(trails, st.data(), st.sampled_from(FIELDS))
def test_an_altered_record_is_named(records, data, field):
    place = data.draw(st.integers(0, len(records) - 1))
    value = getattr(records[place], field)
    other = {int: lambda v: v + 1, str: lambda v: v + "x", bytes: lambda v: bytes(31) + b"\1"}
    records[place] = replace(records[place], **{field: other[type(value)](value)})
    assert check_trail(records, []).number == place + 1


@given(trails, st.data())
def test_a_missing_record_is_named(records, data):
    place = data.draw(st.integers(0, len(records) - 1))
    noted = head_of(records)
    del records[place]
    checked = check_trail(records, [noted])
    assert checked.number == place + 1
    assert checked.records == place


@given(trails, st.data())
def test_records_that_changed_places_are_named(records, data):
    if len(records) < 2:
        return
    place = data.draw(st.integers(0, len(records) - 2))
    first, second = records[place : place + 2]
    records[place] = replace(second, number=first.number)
    records[place + 1] = replace(first, number=second.number)
    assert check_trail(records, []).number == place + 1


@given(trails, st.integers(1, 8))
def test_a_tail_that_was_cut_off_is_noticed_by_who_noted_the_head(records, cut):
    noted = head_of(records)
    left = records[: max(0, len(records) - cut)]
    assert check_trail(left, [noted]).number == len(left) + 1
    assert check_trail(left, []).fault == ""  # the chain alone cannot tell


@given(trails, acts)
def test_a_tail_that_was_written_anew_is_noticed_by_who_noted_the_head(records, act):
    noted = head_of(records)
    before = head_of(records[:-1]) if records[1:] else NOTHING
    other = record_of(replace(act, act="forged"), before)
    checked = check_trail([*records[:-1], other], [noted])
    assert checked.number == noted.number
    assert "another" in checked.fault


@given(trails)
def test_records_that_came_after_the_head_was_noted_are_no_fault(records):
    assert check_trail(records, [head_of(records[:1])]).fault == ""


@given(st.text(max_size=400))
def test_a_text_from_anybody_is_one_printable_line_and_bounded(text):
    shown = tidy(text)
    assert len(shown) <= 200
    assert shown.isprintable()
    shown.encode()


def test_a_text_from_anybody_is_written_down_without_the_secret_of_a_key():
    secret = new_secret("admin").reveal()
    for text in (f"GET /keys/{secret}", f"{secret}{secret}", f"x{secret[:-3]}"):
        assert secret[10:30] not in tidy(text)
    assert tidy("GET /keys/key_0123456789abcdef") == "GET /keys/key_0123456789abcdef"


def test_a_value_has_one_spelling():
    assert canonical({"b": 1, "a": [None, "ü"]}) == '{"a":[null,"\\u00fc"],"b":1}'
    with pytest.raises(ValueError, match="JSON"):
        canonical(float("nan"))


def test_a_record_tells_people_everything():
    told = trail([Act(5, By("key_1", "10.0.0.1"), "keys.revoke", "key_2", None, {"a": 1})])[0]
    assert told.to_json() == {
        "number": 1, "time_ns": 5, "who": "key_1", "from": "10.0.0.1", "act": "keys.revoke",
        "object": "key_2", "before": None, "after": {"a": 1}, "hash": told.hash.hex(),
    }  # fmt: skip


def test_a_record_that_was_spoilt_can_still_be_shown():
    told = replace(trail([Act(5, By("a", "b"), "c", "d")])[0], before="{").to_json()
    assert told["before"] == "{"
