"""Refused attempts are on record, and nobody can fill the trail by knocking."""

from __future__ import annotations

import pytest

from fairlead.access.secrets import new_secret
from fairlead.core.audit import By
from fairlead.serving import refusals
from fairlead.serving.refusals import MOST_KINDS, TOGETHER_S, Refusals

SOMEBODY = By("key_1", "10.0.0.1")


@pytest.fixture
def clock(monkeypatch):
    at = [1000.0]
    monkeypatch.setattr(refusals, "now", lambda: at[0])
    return at


def trail() -> tuple[Refusals, list[tuple]]:
    records: list[tuple] = []
    counting = Refusals(
        lambda by, act, about, before, after: records.append((by, act, about, after))
    )
    return counting, records


def test_the_first_is_on_record_at_once(clock):
    counting, records = trail()
    counting.add(SOMEBODY, "POST /keys", "FRL-1202")
    assert records == [(SOMEBODY, "refused", "POST /keys", {"error": "FRL-1202", "times": 1})]


def test_those_that_follow_become_one_record_a_minute(clock):
    counting, records = trail()
    for _ in range(1000):
        counting.add(SOMEBODY, "POST /keys", "FRL-1202")
    counting.flush()
    assert len(records) == 1
    clock[0] += TOGETHER_S
    counting.flush()
    assert records[1][3] == {"error": "FRL-1202", "times": 999}
    counting.add(SOMEBODY, "POST /keys", "FRL-1202")
    assert len(records) == 3


def test_many_kinds_are_bounded_and_every_attempt_is_counted(clock):
    counting, records = trail()
    for number in range(10_000):
        counting.add(By("", f"10.0.{number >> 8}.{number & 255}"), "GET /keys", "FRL-1201")
    counting.flush(all_of_them=True)
    assert len(records) <= MOST_KINDS + 2
    assert sum(record[3]["times"] for record in records) == 10_000


def test_a_key_in_an_address_is_never_written_down(clock):
    counting, records = trail()
    secret = new_secret().reveal()
    counting.add(SOMEBODY, f"POST /keys/{secret}/revoke", "FRL-1202")
    assert records[0][2] == f"POST /keys/frl_...{secret[-4:]}/revoke"
