"""A stream is written down before its first answer leaves, and counts once, whatever happens."""

from __future__ import annotations

from contextlib import closing

import pytest
from tests.usage.test_ledger import WHOS, booked, columns
from tests.usage.test_verify import all_agree, roll_up

from fairlead.usage import journal
from fairlead.usage.journal import STATUS, Journal, segments
from fairlead.usage.ledger import JOURNAL, open_ledger
from fairlead.usage.records import Settled

OPENED = (3, 40, 0, 0, STATUS.index("interrupted"), 0, WHOS[0], 0)


def opened(writer: Journal) -> tuple[int, int]:
    """Opens a stream: its time and number."""
    number = writer.append("m", 1, columns([OPENED]))
    return writer.wall_ns, number


def settle(writer: Journal, stream: tuple[int, int], status: str = "ok") -> None:
    made = Settled(*stream, 3, 40, 5_000_000_000, 77, STATUS.index(status), 1, 0)
    writer.settle("m", 1, WHOS[0], made)


def of(book, status: str) -> dict[str, int]:
    key = ("key0", "m", 1, status)
    return {k[-1]: value for k, value in booked(book).items() if k[:4] == key}


WHOLE = {"requests": 1, "rows": 3, "bytes_in": 40, "bytes_out": 5_000_000_000, "compute_ns": 77}


def test_a_stream_that_nobody_settled_was_interrupted(tmp_path, place):
    writer = Journal(tmp_path / JOURNAL, "w")
    opened(writer)
    writer.close()
    with closing(open_ledger(tmp_path, place)) as book:
        roll_up(book, tmp_path)
        assert of(book, "interrupted") == {"requests": 1, "rows": 3, "bytes_in": 40}
        assert all_agree(book, tmp_path)


@pytest.mark.parametrize("status", ["ok", "failed", "abandoned"])
def test_a_settled_stream_counts_once_as_what_it_came_to(tmp_path, place, status):
    writer = Journal(tmp_path / JOURNAL, "w")
    settle(writer, opened(writer), status)
    writer.close()
    with closing(open_ledger(tmp_path, place)) as book:
        roll_up(book, tmp_path)
        assert of(book, status) == WHOLE
        assert of(book, "interrupted") == {}
        assert all_agree(book, tmp_path)


def test_a_stream_may_be_settled_in_a_later_segment(tmp_path, place, monkeypatch):
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 1)
    writer = Journal(tmp_path / JOURNAL, "w")
    streams = [opened(writer) for _ in range(3)]
    with closing(open_ledger(tmp_path, place)) as book:
        for segment in segments(tmp_path / JOURNAL):
            book.roll_up(segment)
        assert of(book, "interrupted")["requests"] == 3
        for stream in streams:
            settle(writer, stream)
        writer.close()
        roll_up(book, tmp_path)
        assert of(book, "ok") == {name: 3 * value for name, value in WHOLE.items()}
        assert of(book, "interrupted") == {}
        assert all_agree(book, tmp_path)


def test_records_are_read_past_a_settlement(tmp_path):
    writer = Journal(tmp_path / JOURNAL, "w")
    settle(writer, opened(writer))
    opened(writer)
    writer.close()
    (segment,) = segments(tmp_path / JOURNAL)
    batches = [batch for _, batch in journal.read(segment) if batch is not None]
    assert [one.status for batch in batches for one in batch.records()] == ["interrupted"] * 2
