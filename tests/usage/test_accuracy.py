"""Live accuracy: each call's labels count once, whoever dies and whatever is sent."""

from __future__ import annotations

import json
import os
import sqlite3
import struct
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from time import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.usage import accuracy as module
from fairlead.usage.accuracy import LiveAccuracy
from fairlead.usage.feedback import FEEDBACK, FeedbackLog, Labelled
from fairlead.usage.journal import new_writer
from fairlead.usage.outcomes import OUTCOMES, OutcomeLog
from fairlead.usage.segments import segments
from fairlead.usage.stores.accuracy import FILE

DAY = 86_400


class Worker:
    """Writes outcomes and labels as a worker does."""

    def __init__(self, state: Path, model: str = "m", version: int = 1, days: int = 30) -> None:
        self.writer = new_writer(0)
        self.model, self.state = model, state
        about = {"model": model, "version": version, "kind": "classes", "classes": ["a", "b"]}
        self.log = OutcomeLog(state, self.writer, {**about, "days": days, "evaluation": {}})
        self.feedback = FeedbackLog(state, self.writer)
        self.next = 0

    def predict(self, *predicted: int, decision: int = 0, owner: int = 0) -> str:
        """Keeps what was predicted for the rows of one call; its usage id."""
        count, number = len(predicted), self.next
        self.next += 1
        columns = struct.pack(f"<{count}d", *predicted), struct.pack(f"<{count}f", *[0.5] * count)
        self.log.append([(number, owner, count)], *columns, bytes([decision] * count))
        return f"{self.writer}-{number:x}"

    def label(self, usage: str, *labels: str | None, model: str = "", owner: int = 0) -> None:
        self.feedback.add(model or self.model, [Labelled(usage, labels, owner)])

    def close(self) -> None:
        self.log.close()
        self.feedback.close()


def followed(state: Path, key=("m", 1)):
    """The facts after everything has been followed."""
    with closing(LiveAccuracy(state)) as live:
        while live.follow():
            pass
        return live.facts().get(key)


def counts(facts) -> Sequence[int]:
    names = ("labelled", "correct", "unserved", "repeated", "unmatched")
    return tuple(facts.get(name, 0) for name in names)


def test_labels_meet_the_prediction_of_their_call(tmp_path):
    worker = Worker(tmp_path)
    first, second = worker.predict(0, 1), worker.predict(1)
    worker.label(second, "a")
    worker.label(first, "a", "b")
    facts = followed(tmp_path)
    assert counts(facts) == (3, 2, 0, 0, 0)
    assert facts["accuracy"] == pytest.approx(2 / 3)


def test_a_version_without_labels_is_known_and_claims_nothing(tmp_path):
    Worker(tmp_path).predict(0)
    facts = followed(tmp_path)
    assert counts(facts) == (0, 0, 0, 0, 0)
    assert "accuracy" not in facts


def test_the_first_labels_of_a_call_count_and_later_ones_are_counted(tmp_path):
    worker = Worker(tmp_path)
    usage = worker.predict(0)
    worker.label(usage, "a")
    assert counts(followed(tmp_path)) == (1, 1, 0, 0, 0)
    worker.label(usage, "b")
    worker.label(usage, "a")
    assert counts(followed(tmp_path)) == (1, 1, 0, 2, 0)


def test_an_id_of_another_model_never_matches(tmp_path):
    mine, other = Worker(tmp_path), Worker(tmp_path, model="other")
    usage = mine.predict(0)
    other.predict(1)
    other.label(usage, "a")
    assert counts(followed(tmp_path)) == (0, 0, 0, 0, 0)
    assert counts(followed(tmp_path, ("other", 1))) == (0, 0, 0, 0, 1)


@pytest.mark.parametrize("forge", [
    lambda worker, usage: f"{new_writer(0)}-0",
    lambda worker, usage: f"{worker.writer}-{worker.next:x}",
    lambda worker, usage: f"{worker.writer}-{'f' * 15}",
])  # fmt: skip
def test_a_forged_id_counts_as_unmatched_only(tmp_path, forge):
    worker = Worker(tmp_path)
    usage = worker.predict(0)
    worker.label(forge(worker, usage), "a")
    assert counts(followed(tmp_path)) == (0, 0, 0, 0, 1)
    worker.label(usage, "a")
    assert counts(followed(tmp_path)) == (1, 1, 0, 0, 1)


@pytest.mark.parametrize(("owner", "sender"), [(1, 1), (0, 1), (1, 0)])
def test_labels_are_believed_of_who_may_label_the_call(tmp_path, owner, sender):
    worker = Worker(tmp_path)
    usage = worker.predict(0, owner=owner)
    worker.label(usage, "b", owner=sender)
    assert counts(followed(tmp_path)) == (1, 0, 0, 0, 0)


def test_another_tenants_labels_are_not_believed_and_do_not_stand_in_the_way(tmp_path):
    worker = Worker(tmp_path)
    usage = worker.predict(0, owner=1)
    worker.label(usage, "b", owner=2)
    worker.label(usage, "a", owner=1)
    assert counts(followed(tmp_path)) == (1, 1, 0, 0, 1)


def test_labels_for_another_number_of_rows_are_none_of_the_call(tmp_path):
    worker = Worker(tmp_path)
    usage = worker.predict(0, 1)
    worker.label(usage, "a")
    worker.label(usage, "a", "b")
    assert counts(followed(tmp_path)) == (2, 2, 0, 0, 1)


def test_labels_of_rows_that_were_not_served_are_counted_apart(tmp_path):
    worker = Worker(tmp_path)
    worker.label(worker.predict(0, 1, decision=3), "a", None)
    assert counts(followed(tmp_path)) == (0, 0, 1, 0, 0)


def test_two_versions_are_told_apart_by_who_answered(tmp_path):
    old, new = Worker(tmp_path), Worker(tmp_path, version=2)
    old.label(old.predict(0), "b")
    new.label(new.predict(0), "a")
    assert counts(followed(tmp_path)) == (1, 0, 0, 0, 0)
    assert counts(followed(tmp_path, ("m", 2))) == (1, 1, 0, 0, 0)


@given(rows=st.lists(st.tuples(st.integers(0, 1), st.sampled_from("ab")), min_size=1, max_size=40))
def test_the_sums_are_those_of_arithmetic_wherever_the_rounds_fall(tmp_path_factory, rows):
    state = tmp_path_factory.mktemp("state")
    worker = Worker(state)
    live = LiveAccuracy(state)
    for number, (predicted, label) in enumerate(rows):
        worker.label(worker.predict(predicted), label)
        if number % 3 == 0:
            live.follow()
    live.close()
    right = sum("ab"[predicted] == label for predicted, label in rows)
    assert counts(followed(state)) == (len(rows), right, 0, 0, 0)


def test_a_call_far_into_a_long_segment_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MARK_BYTES", 200)
    worker = Worker(tmp_path)
    ids = [worker.predict(number % 2) for number in range(300)]
    for number in (299, 0, 150, 151):
        worker.label(ids[number], "ab"[number % 2])
    assert counts(followed(tmp_path)) == (4, 4, 0, 0, 0)


def test_a_flood_is_taken_in_pieces_and_none_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_FRAMES_AT_ONCE", 3)
    worker = Worker(tmp_path)
    for _ in range(10):
        worker.label(worker.predict(0), "a")
    with closing(LiveAccuracy(tmp_path)) as live:
        assert [live.follow() for _ in range(5)] == [3, 3, 3, 1, 0]
        assert counts(live.facts()["m", 1]) == (10, 10, 0, 0, 0)


def test_dying_before_the_commit_counts_nothing_twice(tmp_path, monkeypatch):
    worker = Worker(tmp_path)
    worker.label(worker.predict(0), "a")
    with closing(LiveAccuracy(tmp_path)) as live:
        with monkeypatch.context() as broken:
            broken.setattr(module._Joining, "save", lambda self: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                live.follow()
        assert counts(live.facts()["m", 1]) == (0, 0, 0, 0, 0)
        live.follow()
        assert counts(live.facts()["m", 1]) == (1, 1, 0, 0, 0)
    assert counts(followed(tmp_path)) == (1, 1, 0, 0, 0)


def test_two_who_follow_count_everything_once(tmp_path, monkeypatch):
    worker = Worker(tmp_path)
    worker.label(worker.predict(0), "a")
    with closing(LiveAccuracy(tmp_path)) as slow, closing(LiveAccuracy(tmp_path)) as fast:
        index = slow._index

        def overtaken() -> None:
            fast.follow()
            index()

        monkeypatch.setattr(slow, "_index", overtaken)
        assert slow.follow() == 0
        assert counts(slow.facts()["m", 1]) == (1, 1, 0, 0, 0)


def test_labels_are_removed_once_they_are_joined_and_nobody_writes_there(tmp_path):
    worker = Worker(tmp_path)
    worker.label(worker.predict(0), "a")
    followed(tmp_path)
    assert len(segments(tmp_path / FEEDBACK)) == 1
    worker.close()
    followed(tmp_path)
    assert segments(tmp_path / FEEDBACK) == []
    assert counts(followed(tmp_path)) == (1, 1, 0, 0, 0)


def test_outcomes_leave_when_their_time_is_over_and_the_sums_stay(tmp_path):
    worker, young = Worker(tmp_path, days=2), Worker(tmp_path, days=2)
    old_id, young_id = worker.predict(0), young.predict(0)
    worker.label(old_id, "a")
    followed(tmp_path)
    worker.close()
    [old] = (tmp_path / OUTCOMES / "m" / "1").glob(f"{worker.writer}-*")
    past = old.stat().st_mtime - 2 * DAY - 60
    os.utime(old, (past, past))
    assert counts(followed(tmp_path)) == (1, 1, 0, 0, 0)
    assert not old.exists()
    young.label(old_id, "a")
    young.label(young_id, "a")
    assert counts(followed(tmp_path)) == (2, 2, 0, 0, 1)


def test_a_segment_that_is_being_written_is_never_removed(tmp_path):
    worker = Worker(tmp_path, days=1)
    worker.predict(0)
    [segment] = segments(tmp_path / OUTCOMES / "m" / "1")
    os.utime(segment, (0, 0))
    followed(tmp_path)
    assert segment.exists()
    worker.close()
    followed(tmp_path)
    assert not segment.exists()


def test_what_others_put_beside_the_segments_is_left_alone(tmp_path):
    worker = Worker(tmp_path)
    worker.label(worker.predict(0), "a")
    for stray in (OUTCOMES, f"{OUTCOMES}/m", f"{OUTCOMES}/m/1", FEEDBACK):
        (tmp_path / stray / "notes.txt").write_text("mine")
    assert counts(followed(tmp_path)) == (1, 1, 0, 0, 0)
    assert (tmp_path / OUTCOMES / "notes.txt").exists()


def test_of_too_many_outcomes_the_oldest_segments_go(tmp_path):
    workers = [Worker(tmp_path) for _ in range(3)]
    now = time()
    for age, worker in enumerate(workers):
        worker.predict(0)
        worker.close()
        [segment] = (tmp_path / OUTCOMES / "m" / "1").glob(f"{worker.writer}-*")
        os.utime(segment, (now - 60 * age, now - 60 * age))
    with closing(LiveAccuracy(tmp_path, kept_bytes=2 * segment.stat().st_size)) as live:
        live.follow()
    left = {segment.stem.rpartition("-")[0] for segment in segment.parent.iterdir()}
    assert left == {worker.writer for worker in workers[:2]}


def test_the_facts_are_plain_json(tmp_path):
    worker = Worker(tmp_path)
    worker.label(worker.predict(0), "a")
    facts = followed(tmp_path)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_the_database_holds_no_more_than_its_outcomes(tmp_path):
    """What was labelled is remembered only as long as the outcome is."""
    worker = Worker(tmp_path)
    for _ in range(5):
        worker.label(worker.predict(0), "a")
    followed(tmp_path)
    worker.close()
    [segment] = segments(tmp_path / OUTCOMES / "m" / "1")
    os.utime(segment, (0, 0))
    followed(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        for table in ("kept", "mark", "labelled", "taken"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
