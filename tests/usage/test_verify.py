"""Verifying: whatever was done to a journal or a ledger behind its back is found, and named."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from tests.usage.test_ledger import ONE, WHOS, columns

from fairlead.usage import journal
from fairlead.usage.journal import Journal, segments
from fairlead.usage.ledger import JOURNAL, open_ledger
from fairlead.usage.segments import frame, frames
from fairlead.usage.verify import GOOD, WORDS, pending, verify

CALLS = [ONE, (5, 6, 7, 8, 1, 0, WHOS[1], 0), (9, 9, 9, 9, 0, 3, WHOS[2], 9)]


@pytest.fixture
def state(tmp_path, monkeypatch):
    """Four sealed segments of one writer, one of another who is at work, all rolled up."""
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 800)
    writer = Journal(tmp_path / JOURNAL, "w")
    while len(segments(tmp_path / JOURNAL)) < 5:
        writer.append("m", 1, columns(CALLS))
    writer.close()
    segments(tmp_path / JOURNAL)[-1].unlink()
    return tmp_path


@pytest.fixture
def book(state, place):
    with closing(open_ledger(state, place)) as book:
        roll_up(book, state)
        yield book


def roll_up(book, state):
    for segment in segments(state / JOURNAL):
        while book.roll_up(segment):
            pass
        book.finish(segment)


def found(book, state) -> dict[str, str]:
    return {f.segment: f.verdict for f in verify(book.store, state / JOURNAL)}


def name(number: int) -> str:
    return f"w-{number:06d}.segment"


def all_agree(book, state) -> bool:
    verdicts = found(book, state)
    return len(verdicts) > 0 and {*verdicts.values()} == {"agrees"}


def test_a_ledger_that_was_left_alone_agrees(book, state):
    assert all_agree(book, state)
    assert sum(f.events for f in verify(book.store, state / JOURNAL)) > 10
    assert pending(book.store, state / JOURNAL) == 0


def test_segments_that_were_removed_in_order_break_no_chain(book, state):
    book.remove(segments(state / JOURNAL)[:2])
    assert found(book, state) == {name(3): "agrees", name(4): "agrees"}
    book.remove(segments(state / JOURNAL)[:1])
    assert found(book, state) == {name(4): "agrees"}


def test_what_is_not_rolled_up_yet_is_pending_and_wrong_with_nobody(book, state):
    writer = Journal(state / JOURNAL, "z")
    writer.append("m", 1, columns(CALLS))
    assert found(book, state)["z-000001.segment"] == "pending"
    assert pending(book.store, state / JOURNAL) == 3
    book.roll_up(state / JOURNAL / "z-000001.segment")
    writer.append("m", 1, columns(CALLS[:1]))
    assert pending(book.store, state / JOURNAL) == 1
    assert all_agree(book, state), "what is rolled up of a segment that grows agrees"
    writer.close()


def test_a_file_that_was_removed_by_hand_is_gone_and_breaks_the_chain(book, state):
    (state / JOURNAL / name(2)).unlink()
    verdicts = found(book, state)
    assert verdicts == {name(1): "agrees", name(2): "gone", name(3): "broken", name(4): "agrees"}


def test_a_file_that_was_cut_is_told(book, state):
    segment = state / JOURNAL / name(3)
    segment.write_bytes(segment.read_bytes()[:-1])
    assert found(book, state)[name(3)] == "cut"


@pytest.mark.parametrize("place_in_file", [0.0, 0.3, 0.6, 0.99])
def test_a_byte_that_was_changed_is_told(book, state, place_in_file):
    segment = state / JOURNAL / name(2)
    raw = bytearray(segment.read_bytes())
    raw[int(len(raw) * place_in_file)] ^= 1
    segment.write_bytes(raw)
    assert found(book, state)[name(2)] == "altered"


def test_a_record_that_was_forged_with_its_checksum_is_told(book, state):
    """One row more, the frame sealed anew: the sums differ, and so does the hash."""
    segment = state / JOURNAL / name(4)
    made = [(kind, content) for _, kind, content in frames(segment)]
    kind, content = made[-1]
    forged = bytearray(content)
    forged[20] ^= 1
    made[-1] = kind, bytes(forged)
    segment.write_bytes(b"".join(frame(*each) for each in made))
    assert found(book, state)[name(4)] == "altered"


def test_a_caller_that_was_forged_is_told_also_while_the_segment_is_written(book, state):
    writer = Journal(state / JOURNAL, "z")
    writer.append("m", 1, columns(CALLS))
    segment = state / JOURNAL / "z-000001.segment"
    book.roll_up(segment)
    raw = [(k, c.replace(b"key1", b"key0")) for _, k, c in frames(segment)]
    segment.write_bytes(b"".join(frame(*each) for each in raw))
    assert found(book, state)[segment.name] == "differs"
    writer.close()


def test_bytes_that_mean_nothing_with_a_right_checksum_are_told(book, state):
    segment = state / JOURNAL / name(1)
    size = segment.stat().st_size
    segment.write_bytes(frame(99, b"x" * (size - 12)))
    assert found(book, state)[name(1)] == "altered"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE usage SET requests = requests - 1",
        "UPDATE usage SET who = who % 3 + 1",
        "UPDATE usage SET quarter = quarter + 1",
        "DELETE FROM usage WHERE status = 1",
        "UPDATE usage_model SET version = 2",
    ],
    ids=["fewer", "another", "later", "without", "version"],
)
def test_sums_that_were_changed_in_the_database_are_told(book, state, change):
    with book.store.database.writing():
        book.store.database.rows(change)
    assert {*found(book, state).values()} == {"differs"}


def test_a_chain_that_was_cut_before_the_ledger_saw_it_is_told(state, place):
    """The second segment goes before anything was rolled up; its writer's next one misses it."""
    (state / JOURNAL / name(2)).unlink()
    with closing(open_ledger(state, place)) as book:
        roll_up(book, state)
        assert found(book, state) == {name(1): "agrees", name(3): "broken", name(4): "agrees"}


def test_a_segment_of_another_that_took_the_place_is_told(state, place):
    """The second segment is replaced by a well-formed one before anything was rolled up."""
    other = Journal(state / "other", "w")
    other.append("m", 1, columns(CALLS[:1]))
    other.close()
    (forged,) = segments(state / "other")
    forged.replace(state / JOURNAL / name(2))
    with closing(open_ledger(state, place)) as book:
        roll_up(book, state)
        assert found(book, state)[name(3)] == "broken"


def test_a_segment_of_an_earlier_release_is_not_held_against_anything(book, state):
    with book.store.database.writing():
        book.store.database.rows("UPDATE usage_segment SET state = 3, place = ''")
        book.store.database.rows("DELETE FROM usage")
    assert {*found(book, state).values()} == {"earlier"}


def test_every_verdict_has_its_words():
    assert len(WORDS) == 8
    assert {*WORDS} > GOOD
    assert json.dumps(dict(WORDS))
