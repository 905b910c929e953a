"""Traffic as a log has it: of a web server, as JSON lines or CSV, or Fairlead's own journal."""

from __future__ import annotations

import csv
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fairlead.core.errors import FileUnreadable, LogUnreadable
from fairlead.costs.arrivals import Times, dispersion_of
from fairlead.costs.traffic import HOURS, Traffic
from fairlead.usage.journal import read, segments

LEAST, MOST = 100, 5_000_000
"""Requests that say something of bursts; and requests of one log that are read."""
_HOUR, _LONGEST_S = 3600.0, 400 * 86400.0
_LONGEST_LINE, _MOST_BYTES = 1 << 16, 4 << 30
"""Characters of a line, and bytes of a log, unpacked, that are read."""
_LATEST_S = 1e10
_WRONG_LINE = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    OverflowError,
    RecursionError,
    csv.Error,
)
_LOOK = 50
_WRONG = 0.01
"""The part of a log's lines that may be unreadable: torn ones, and others in between."""
_KEYS = ("time", "timestamp", "ts", "@timestamp", "datetime", "date", "arrival", "arrived_at")
_WEB = re.compile(r"\[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\]")
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
_EPOCHS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""A number this large counts this many parts of a second since 1970."""
_FIX = "Give a web server's access log, JSON lines or CSV with a time, or a state folder"

Reader = Callable[[str], float]
"""The seconds since 1970 that a line tells. Raises ValueError."""


def traffic_of_log(path: Path, model: str = "") -> Traffic:
    """The week that a log shows, its bursts, and its busiest hour call by call.

    path: a file, also one that ends in .gz, or a state folder with a journal. model: of a journal,
    "" for all of them. Raises FileUnreadable and LogUnreadable.
    """
    try:
        if path.is_dir():
            times = np.sort(np.fromiter(islice(_of_journal(path, model), MOST + 1), np.float64))
        else:
            times = _of_file(path)
    except (OSError, EOFError, zlib.error) as error:
        raise FileUnreadable(f"the log cannot be read: {error}", where=str(path)) from None
    if len(times) < LEAST:
        raise LogUnreadable(
            f"{len(times)} requests; fewer than {LEAST} say nothing of bursts",
            where=str(path),
            fix="Give a longer log, or say the traffic in words",
        )
    if times[-1] - times[0] < 60:
        raise LogUnreadable("less than a minute of requests", where=str(path), fix=_FIX)
    if times[-1] - times[0] > _LONGEST_S:
        raise LogUnreadable(
            f"the first and the last request are {(times[-1] - times[0]) / 86400:,.0f} days apart",
            where=str(path),
            fix="Give at most 400 days; a single wrong time makes days of it",
        )
    return _made(times, path)


def _made(times: Times, path: Path) -> Traffic:
    week, guessed = _week(times)
    busiest = _busiest(times)
    days = (times[-1] - times[0]) / 86400
    assumed = [
        f"{len(times):,} requests of {days:.1f} days, in hours of UTC",
        "every line is a call, of one row",
    ]
    if len(times) >= MOST:
        assumed.append(f"what comes after {MOST:,} lines, which was not read, is like it")
    if guessed:
        assumed.append(f"{guessed} of the week's {HOURS} hours as those that the log has")
    return Traffic(
        said=str(path),
        week=week,
        dispersion=max(1.0, dispersion_of(busiest)),
        recorded=tuple(busiest.tolist()),
        assumed=tuple(assumed),
    )


def _week(times: Times) -> tuple[tuple[float, ...], int]:
    """Calls per second by hour of the week, and how many hours the log says nothing of."""
    first, last = float(times[0]), float(times[-1])
    begin = first // _HOUR
    counts = np.bincount((times // _HOUR - begin).astype(np.int64))
    seconds = np.full(len(counts), _HOUR)
    seconds[0] -= first - begin * _HOUR
    seconds[-1] -= (begin + len(counts)) * _HOUR - last
    # Monday at 0 is the first; 1970 began on a Thursday.
    slots = ((begin + np.arange(len(counts))).astype(np.int64) + 3 * 24) % HOURS
    calls = np.bincount(slots, counts, HOURS)
    covered = np.bincount(slots, np.maximum(seconds, 0.0), HOURS)
    known = covered > 60
    overall = len(times) / (last - first)
    rates = np.divide(calls, covered, out=np.full(HOURS, overall), where=known)
    for hour in range(24):
        mine = np.arange(hour, HOURS, 24)
        if known[mine].any():
            rates[mine[~known[mine]]] = rates[mine[known[mine]]].mean()
    return tuple(rates.tolist()), int((~known).sum())


def _busiest(times: Times) -> Times:
    """The requests of the busiest hour, or all of a shorter log, from 0 on."""
    ends = np.searchsorted(times, times + _HOUR)
    begin = int(np.argmax(ends - np.arange(len(times))))
    found = times[begin : ends[begin]]
    return found - found[0]


# --- files ---------------------------------------------------------------------------------------


def _of_file(path: Path) -> Times:
    with (
        gzip.open(path) if path.suffix == ".gz" else path.open("rb") as raw,
        TextIOWrapper(cast("Any", raw), "utf-8", errors="replace") as text,
    ):
        lines = _lines(text)
        head = [*islice(lines, _LOOK)]
        reader, skip = _reader(head, path)
        found, wrong = list[float](), list[int]()
        every = islice(_chained(head[skip:], lines), MOST)
        for number, line in enumerate(every, 1 + skip):
            if not line.strip():
                continue
            try:
                found.append(reader(line))
            except _WRONG_LINE:
                wrong.append(number)
    if len(wrong) > _WRONG * (len(found) + len(wrong)):
        raise LogUnreadable(
            f"{len(wrong):,} lines say no time, line {wrong[0]} first", where=str(path), fix=_FIX
        )
    return _spread(np.sort(np.array(found)))


def _lines(text: TextIOWrapper) -> Iterator[str]:
    """Each line; of one that is longer than any line of a log, its pieces, which tell no time."""
    size = 0
    while (line := text.readline(_LONGEST_LINE)) and size < _MOST_BYTES:
        size += len(line)
        yield line


def _chained(head: Iterable[str], rest: Iterator[str]) -> Iterator[str]:
    yield from head
    yield from rest


def _reader(head: list[str], path: Path) -> tuple[Reader, int]:
    """What reads the lines, and how many to skip. Raises LogUnreadable."""
    whole = [line for line in head if line.strip()]
    if not whole:
        raise LogUnreadable("the file is empty", where=str(path), fix=_FIX)
    if _most(whole, _web):
        return _web, 0
    if whole[0].lstrip().startswith("{"):
        key = _key_of(whole)
        if key:
            return lambda line: _moment(json.loads(line)[key]), 0
    try:
        columns = [name.strip().lower() for name in next(csv.reader([whole[0]]))]
    except csv.Error:
        columns = []
    column = next((columns.index(key) for key in _KEYS if key in columns), -1)
    if column >= 0:
        return lambda line: _moment(next(csv.reader([line]))[column].strip()), 1
    if _most(whole, _moment):
        return _moment, 0
    raise LogUnreadable(
        f"line 1 says no time: {whole[0].strip()[:80]!r}", where=str(path), fix=_FIX
    )


def _key_of(lines: list[str]) -> str:
    for key in _KEYS:
        if _most(lines, lambda line, key=key: _moment(json.loads(line)[key])):
            return key
    return ""


def _most(lines: list[str], reader: Reader) -> bool:
    """Whether most lines can be read so."""
    read_ones = 0
    for line in lines:
        try:
            reader(line)
        except _WRONG_LINE:
            continue
        read_ones += 1
    return read_ones > len(lines) / 2


def _web(line: str) -> float:
    """A line in the common or the combined format of web servers."""
    found = _WEB.search(line)
    if found is None or found[2] not in _MONTHS:
        raise ValueError
    month = _MONTHS.index(found[2]) // 3 + 1
    day, year, hour, minute, second = (int(found[n]) for n in (1, 3, 4, 5, 6))
    away = timedelta(hours=int(found[8]), minutes=int(found[9]))
    zone = timezone(away if found[7] == "+" else -away)
    return datetime(year, month, day, hour, minute, second, tzinfo=zone).timestamp()


def _moment(told: Any) -> float:
    """A time as a number since 1970, in whole or smaller parts of seconds, or as ISO 8601."""
    if isinstance(told, str):
        text = told.strip()
        try:
            number = float(text)
        except ValueError:
            found = datetime.fromisoformat(text)
            return _sane((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    else:
        number = float(told)
    return _sane(next((number / parts for least, parts in _EPOCHS if number >= least), number))


def _sane(seconds: float) -> float:
    if not 0 <= seconds < _LATEST_S:
        raise ValueError
    return seconds


def _spread(times: Times) -> Times:
    """Where a log tells whole seconds, the requests of one are spread evenly over it."""
    if not len(times) or (times != np.floor(times)).any():
        return times
    _, where, counts = np.unique(times, return_inverse=True, return_counts=True)
    begins: NDArray[np.int64] = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return times + (np.arange(len(times)) - begins[where]) / counts[where]


# --- the journal ---------------------------------------------------------------------------------


def _of_journal(folder: Path, model: str) -> Iterator[float]:
    """When the calls in a journal were answered, less what their executions took."""
    within = folder / "journal"
    for segment in segments(within if within.is_dir() else folder):
        for _, batch in read(segment):
            if batch is None or (model and batch.model != model):
                continue
            for compute_ns in batch.calls.compute_ns:
                yield (batch.wall_ns - compute_ns) / 1e9
