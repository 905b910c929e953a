"""Limits at a real server with two workers: races, one busy connection, a bookkeeper that dies."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from threading import Barrier, Thread
from typing import Any

import pytest
from tests import models
from tests.processes import server, until
from tests.serving.test_keys_served import Keyed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it finds processes in /proc")

ROW = {"a": 1, "b": 2, "c": 3}
SLOW = {"count": 600_000}
"""Takes a second or more: longer than a call may wait for its limits."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[Keyed]:
    repository, state = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("state")
    models.total(repository)
    models.steps(repository, words="[limits]\ntime_budget_s = 60\n")
    with server(repository, state=state, workers=2) as running:
        yield Keyed(running, state)


def limited(shared: Keyed, *limits: str) -> str:
    """A key with limits; no call of it was counted."""
    return shared.key("limited", "predict:*", limits=list(limits))


def predict(shared: Keyed, key: str, row: Any = ROW, model: str = "total") -> tuple[int, Any, Any]:
    return shared.running.asked(f"/predict/{model}", key, row)


def at_once(shared: Keyed, key: str, count: int, row: Any = ROW, model: str = "total") -> Counter:
    """The statuses of calls that are sent together, each over a connection of its own."""
    told: list[int] = []
    ready = Barrier(count)

    def call() -> None:
        with closing(shared.running.connect()) as connection:
            connection.connect()
            ready.wait()
            headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
            connection.request("POST", f"/predict/{model}", json.dumps(row), headers)
            told.append(connection.getresponse().status)

    callers = [Thread(target=call) for _ in range(count)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return Counter(told)


def test_of_two_hundred_calls_for_the_last_one_of_a_day_exactly_one_passes(shared):
    key = limited(shared, "requests=40/day")
    assert {predict(shared, key)[0] for _ in range(39)} == {200}
    assert at_once(shared, key, 200) == {200: 1, 429: 199}
    assert predict(shared, key)[0] == 429


def test_whatever_is_sent_together_a_day_s_quota_lets_exactly_itself_pass(shared):
    key = limited(shared, "rows=150/day")
    assert at_once(shared, key, 200) == {200: 150, 429: 50}


def test_of_calls_at_one_time_no_more_run_than_may_and_the_place_is_free_afterwards(shared):
    key = limited(shared, "concurrency=1")
    assert at_once(shared, key, 8, SLOW, "steps") == {200: 1, 429: 7}
    until(lambda: predict(shared, key)[0] == 200, 10)


def test_one_connection_alone_gets_a_whole_limit_and_no_more(shared):
    key = limited(shared, "requests=80/second")  # less than a slow machine asks one after the other
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    told: Counter = Counter()
    with closing(shared.running.connect()) as connection:
        begin = time.monotonic()
        while time.monotonic() < begin + 4:
            connection.request("POST", "/predict/total", json.dumps(ROW), headers)
            answer = connection.getresponse()
            answer.read()
            told[answer.status] += 1
        lasted = time.monotonic() - begin
    assert set(told) == {200, 429}
    allowed = 80 + 80 * lasted
    assert 0.95 * allowed <= told[200] <= 1.02 * allowed


def test_a_refusal_says_when_to_ask_again_and_what_is_left(shared):
    key = limited(shared, "requests=2/hour", "rows=100/day")
    status, _, told = predict(shared, key)
    assert status == 200
    assert told["ratelimit-policy"].startswith('"key-requests-per-hour";q=2;w=3600')
    assert predict(shared, key)[0] == 200
    status, problem, told = predict(shared, key)
    assert status == 429
    assert told["content-type"] == "application/problem+json"
    assert 1 <= int(told["retry-after"]) <= 1800
    assert '"key-requests-per-hour";r=0' in told["ratelimit"]
    assert "requests-per-hour" in json.dumps(problem)


def test_what_is_left_is_told_without_using_any_of_it(shared):
    key = limited(shared, "rows=100/day")
    assert {predict(shared, key)[0] for _ in range(7)} == {200}

    def left() -> Any:
        status, page, _ = shared.running.asked("/limits", key)
        assert status == 200
        return {one["name"]: one["left"] for one in page["limits"]}

    # What the other worker holds unused comes back within a moment.
    until(lambda: left() == {"rows-per-day": 93}, 5)
    assert left() == {"rows-per-day": 93}


def test_a_bookkeeper_that_is_killed_gives_no_quota_out_twice(shared):
    key = limited(shared, "requests=300/day")
    told = Counter(predict(shared, key)[0] for _ in range(200))
    assert told == {200: 200}
    before = shared.running.bookkeepers
    os.kill(before[0], signal.SIGKILL)
    until(lambda: shared.running.bookkeepers not in ([], before), 20)

    def used_up() -> bool:
        """Meanwhile it is refused that nobody can count."""
        status = predict(shared, key)[0]
        told[status] += 1
        return status == 429 and told[429] > 20

    until(used_up, 30)
    assert set(told) <= {200, 429, 503}
    assert 280 <= told[200] <= 300
