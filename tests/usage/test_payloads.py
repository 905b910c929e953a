"""Payloads live no longer than their owner says, and take no more room than there is for them."""

from __future__ import annotations

import os

import pytest

from fairlead.core.clock import wall_ns
from fairlead.usage.payloads import PAYLOADS, PayloadLog, hash_key, read, segments, sweep
from fairlead.usage.segments import SEGMENT_BYTES

DAY_NS = 86_400 * 10**9


def written(state, writer="1-0-aa", version=1, days=7, name="ann"):
    log = PayloadLog(state, writer, "m", version, ["name"], days)
    log.append([(255, 1, "serve", [[name]])])
    return log


def aged(state, version, days):
    for segment in segments(state / PAYLOADS / "m" / str(version)):
        moment = wall_ns() - int(days * DAY_NS)
        os.utime(segment, ns=(moment, moment))


def test_what_is_kept_comes_back_with_its_usage_id(tmp_path):
    for version in (10, 9):
        written(tmp_path, version=version).close()
    one, two = read(tmp_path, "m")
    assert (one.version, two.version) == (9, 10)
    assert (one.usage, one.of, one.decision, one.rows) == (
        "1-0-aa-ff",
        1,
        "serve",
        [{"name": "ann"}],
    )
    assert abs(one.wall_ns - wall_ns()) < 3600 * 10**9
    assert list(read(tmp_path, "other")) == []


def test_a_segment_is_removed_when_its_days_are_over_and_not_before(tmp_path):
    written(tmp_path, version=1, days=7).close()
    written(tmp_path, version=2, days=1).close()
    for version in (1, 2):
        aged(tmp_path, version, 1.5)
    assert sweep(tmp_path) == 1
    assert [payload.version for payload in read(tmp_path, "m")] == [1]
    aged(tmp_path, 1, 7.1)
    assert sweep(tmp_path) == 1
    assert list(read(tmp_path, "m")) == []


def test_a_segment_that_is_written_stays(tmp_path):
    log = written(tmp_path, days=1)
    aged(tmp_path, 1, 30)
    assert sweep(tmp_path) == 0
    log.close()
    assert sweep(tmp_path) == 1


def test_the_oldest_go_when_there_are_too_many(tmp_path):
    for number in range(4):
        written(tmp_path, writer=f"1-{number}-aa", name=f"n{number}").close()
    for age, segment in enumerate(segments(tmp_path / PAYLOADS / "m" / "1")):
        os.utime(segment, ns=(wall_ns() + age, wall_ns() + age))
    size = segments(tmp_path / PAYLOADS / "m" / "1")[0].stat().st_size
    assert sweep(tmp_path, kept_bytes=2 * size) == 2
    assert [payload.rows[0]["name"] for payload in read(tmp_path, "m")] == ["n2", "n3"]


def test_sweeping_where_nothing_is_kept_does_nothing(tmp_path):
    assert sweep(tmp_path) == 0


def test_more_than_a_segment_takes_is_refused_whole(tmp_path):
    log = PayloadLog(tmp_path, "w", "m", 1, ["name"], 7)
    with pytest.raises(ValueError, match="more than"):
        log.append([(0, 1, "serve", [["x" * (SEGMENT_BYTES + 1)]])])
    log.close()
    assert list(read(tmp_path, "m")) == []


def test_the_key_of_the_hashes_is_drawn_once_and_a_damaged_one_is_not_taken(tmp_path):
    key = hash_key(tmp_path)
    assert len(key) == 32
    assert hash_key(tmp_path) == key
    assert [p.name for p in (tmp_path / PAYLOADS).iterdir()] == ["key"]
    (tmp_path / PAYLOADS / "key").write_bytes(b"short")
    with pytest.raises(OSError, match="damaged"):
        hash_key(tmp_path)
