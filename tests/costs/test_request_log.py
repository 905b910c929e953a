"""A log of requests becomes a week of traffic, whatever its format; what is no log is refused."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from fairlead.core.errors import FileUnreadable, LogUnreadable
from fairlead.costs.arrivals import peak
from fairlead.costs.request_log import traffic_of_log
from fairlead.usage.journal import Columns, Journal

MONDAY = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
"""At 0 in the morning."""
TIMES = [MONDAY + 10 * 3600 + 0.25 + 3.6 * n for n in range(1000)]
"""A thousand calls between 10 and 11."""


def web(at: float) -> str:
    stamp = datetime.fromtimestamp(at, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    return f'10.0.0.7 - - [{stamp}] "POST /predict/m HTTP/1.1" 200 45 "-" "curl/8"'


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


WRITERS = {
    "web": lambda: [web(at) for at in TIMES],
    "json": lambda: [json.dumps({"time": iso(at), "event": "request"}) for at in TIMES],
    "json-number": lambda: [json.dumps({"x": 1, "ts": at * 1e3}) for at in TIMES],
    "csv": lambda: ["user,TIMESTAMP", *(f'"a, b",{iso(at)}' for at in TIMES)],
    "csv-naive": lambda: ["time,n", *(f"{iso(at)[:-1].replace('T', ' ')},3" for at in TIMES)],
    "numbers": lambda: [repr(at) for at in TIMES],
    "nanoseconds": lambda: [str(int(at * 1e9)) for at in TIMES],
}


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_a_log_of_any_format_tells_the_same_week(tmp_path, name):
    file = tmp_path / "requests.log"
    file.write_text("\n".join([*WRITERS[name](), ""]))
    traffic = traffic_of_log(file)
    assert traffic.week[10] == pytest.approx(1000 / 3600, rel=0.01)
    assert len(traffic.recorded) == 1000
    assert traffic.recorded[0] == 0
    assert np.diff(traffic.recorded).mean() == pytest.approx(3.6, rel=0.01)
    assert "1,000 requests" in traffic.assumed[0]


def test_a_packed_log_is_read_too_and_torn_lines_in_it_are_passed_over(tmp_path):
    file = tmp_path / "access.log.gz"
    lines = [web(at) for at in TIMES]
    lines.insert(500, "10.0.0.7 - - [torn")
    file.write_bytes(gzip.compress("\n".join(lines).encode()))
    assert len(traffic_of_log(file).recorded) == 1000


def test_hours_that_a_log_says_nothing_of_are_as_the_same_hours_of_other_days(tmp_path):
    file = tmp_path / "two_days.txt"
    hours = [
        MONDAY + h * 3600 + n * 36 for h in range(48) for n in range(100 if h % 24 > 11 else 20)
    ]
    file.write_text("\n".join(map(str, hours)))
    traffic = traffic_of_log(file)
    assert traffic.week[5 * 24 + 15] == pytest.approx(100 / 3600, rel=0.05)
    assert traffic.week[5 * 24 + 3] == pytest.approx(20 / 3600, rel=0.05)
    assert any("of the week's" in one for one in traffic.assumed)


def test_bursts_are_seen(tmp_path):
    file = tmp_path / "bursts.txt"
    file.write_text("\n".join(str(MONDAY + 60 * (n // 50) + n % 50 / 100) for n in range(3000)))
    assert traffic_of_log(file).dispersion > 20


def test_calls_that_a_journal_holds_are_replayed_for_the_model_that_is_meant(tmp_path, monkeypatch):
    clock = iter(range(1_000_000_000_000, 1 << 62, 1_000_000_000))
    journal = Journal(tmp_path / "state" / "journal", "w1")
    monkeypatch.setattr("fairlead.usage.journal.wall_ns", lambda: next(clock))
    for number in range(300):
        columns = Columns([1, 1], [9, 9], [9, 9], [5, 5], [0, 0], [0, 0])
        journal.append("other" if number % 3 else "mine", 1, columns)
    journal.close()
    assert len(traffic_of_log(tmp_path / "state", "mine").recorded) == 200
    assert len(traffic_of_log(tmp_path / "state").recorded) == 600


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("hello\nworld\n", "line 1 says no time"),
        ('{"message": "no time"}\n' * 200, "line 1 says no time"),
        ("time\n" + "yesterday\n" * 200, "say no time, line 2 first"),
        ("\n".join(map(str, range(50))), "50 requests"),
        ("\n".join(map(str, np.linspace(0, 9, 200))), "less than a minute"),
    ],
)
def test_what_is_no_log_is_refused_with_what_is_wrong(tmp_path, text, says):
    file = tmp_path / "file"
    file.write_text(text)
    with pytest.raises(LogUnreadable) as refused:
        traffic_of_log(file)
    assert says in refused.value.line()


@pytest.mark.parametrize(
    "line",
    ['{"time":' + "[" * 50_000, "x," * 100_000, "a" * 300_000, "99999999999999999999", "-5"],
)
def test_a_line_that_means_harm_is_one_wrong_line_and_no_more(tmp_path, line):
    file = tmp_path / "requests.log"
    good = [repr(at) for at in TIMES]
    file.write_text("\n".join([*good[:500], line, *good[500:]]))
    assert len(traffic_of_log(file).recorded) == 1000


@pytest.mark.parametrize(
    ("stray", "times"), [("9999-12-31T00:00:00Z", 1000), ("-62135596800", 1000)]
)
def test_a_time_that_cannot_be_is_one_wrong_line(tmp_path, stray, times):
    file = tmp_path / "requests.log"
    file.write_text("\n".join([*[iso(at) for at in TIMES], stray]))
    assert len(traffic_of_log(file).recorded) == times


@pytest.mark.parametrize("stray", ["0", "9999999999"])
def test_one_wrong_time_does_not_make_a_log_of_years(tmp_path, stray):
    file = tmp_path / "requests.log"
    file.write_text("\n".join([*[repr(at) for at in TIMES], stray]))
    with pytest.raises(LogUnreadable, match="days apart"):
        traffic_of_log(file)


def test_calls_of_one_moment_can_be_replayed(tmp_path):
    file = tmp_path / "requests.log"
    file.write_text("\n".join([*["1700000000.5"] * 200, "1700007200.5"]))
    times, seconds = peak(traffic_of_log(file), 1.0, np.random.default_rng(1), calls=50)
    assert 0 < len(times) <= 150
    assert seconds >= 1


def test_a_log_that_is_not_there_or_damaged_is_said(tmp_path):
    with pytest.raises(FileUnreadable):
        traffic_of_log(Path(tmp_path / "missing.log"))
    torn = tmp_path / "torn.gz"
    torn.write_bytes(gzip.compress(b"1\n" * 5000)[:-20])
    with pytest.raises(FileUnreadable):
        traffic_of_log(torn)
