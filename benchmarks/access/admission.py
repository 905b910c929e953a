"""G1: what admission costs in process: who asks, may they, and how much is left."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable

from benchmarks.access.lending import OneWorker
from benchmarks.report import Part, Promise, table
from fairlead.access.book import KeyBook, allows
from fairlead.access.limits import Rules
from fairlead.access.minting import new_key
from fairlead.access.secrets import Digester, new_secret
from fairlead.core.access import parse_scopes
from fairlead.core.allowance import Cost, parse_limits
from fairlead.core.errors import ResourceExhausted, Unauthenticated

KEYS = 10_000
MODELS = 20
CALLS = 200_000
_NOW = 1_800_000_000 * 10**9


def run(calls: int = CALLS) -> Part:
    """One call after the other, each timed alone, over all keys in turn and over a few."""
    book, headers = _book()
    worker = OneWorker(
        Rules(
            server=parse_limits(["requests=100000000/second", "concurrency=100000"]),
            tenants={f"t{n}": parse_limits(["rows=1000000000/day"]) for n in range(100)},
        ),
        lambda: _NOW + time.monotonic_ns(),
    )

    def admit(header: str, model: str) -> None:
        now = time.monotonic_ns()
        wall = _NOW + now
        caller = book.authenticate(header, "127.0.0.1", wall)
        if not allows(caller, "predict", model, 3, "stable"):
            raise AssertionError("the scopes allow it")
        grant = worker.take(caller, model, Cost(rows=1, size=400), now, wall)
        grant.settle(now, wall, 30_000)

    found = {
        "64 keys": _times(admit, headers[:64], calls),
        f"{KEYS} keys in turn": _times(admit, headers, calls),
        "a key that nobody has": _times(
            lambda h, m: _refused(book, h), [f"Bearer {new_secret().reveal()}"], calls // 10
        ),
        "a limit that is used up": _times(_over(book, headers[0]), headers[:1], calls // 10),
    }
    rows = [[name, f"{p50:.2f}", f"{p99:.2f}"] for name, (p50, p99) in found.items()]
    p50, p99 = found["64 keys"]
    promises = [
        Promise("G1 admission, us p50", 5, p50, f"{p50:.2f}", most=True),
        Promise("G1 admission, us p99", 25, p99, f"{p99:.2f}", most=True),
    ]
    lines = table(("admission with 5 leased limits, then settled", "p50 us", "p99 us"), rows)
    return Part("Admission in process", lines, dict(found), promises)


def _book() -> tuple[KeyBook, list[str]]:
    digester = Digester(bytes(32))
    stored, headers = [], []
    limits = parse_limits(["requests=1000000/second", "rows=1000000/second"])
    for number in range(KEYS):
        scopes = parse_scopes([f"predict:m{number % MODELS}", "usage:read"])
        made = new_key(
            f"k{number}",
            f"t{number % 100}",
            scopes,
            _NOW,
            digester,
            limits=limits,
            lifetime_ns=None,
        )
        stored.append(made[1])
        headers.append("Bearer " + made[0].reveal())
    return KeyBook(stored, 1, digester), headers


def _over(book: KeyBook, header: str) -> Callable[[str, str], None]:
    """Admission of a caller that has used up a limit."""
    worker = OneWorker(Rules(server=parse_limits(["requests=1/hour"])), lambda: _NOW)
    caller = book.authenticate(header, "", _NOW)
    worker.take(caller, "m0", Cost(), time.monotonic_ns(), _NOW)

    def admit(header: str, model: str) -> None:
        try:
            now = time.monotonic_ns()
            worker.take(book.authenticate(header, "", _NOW), model, Cost(), now, _NOW)
        except ResourceExhausted:
            return
        raise AssertionError("the limit is used up")

    return admit


def _refused(book: KeyBook, header: str) -> None:
    try:
        book.authenticate(header, "", _NOW)
    except Unauthenticated:
        return
    raise AssertionError("the key is wrong")


def _times(
    admit: Callable[[str, str], None], headers: list[str], calls: int
) -> tuple[float, float]:
    """Median and 99th percentile in microseconds, the clock's own cost included."""
    order = [(headers[n % len(headers)], f"m{n % len(headers) % MODELS}") for n in range(calls)]
    for header, model in order[: len(headers)]:
        admit(header, model)
    times: list[int] = []
    gc.collect()
    for header, model in order:
        start = time.perf_counter_ns()
        admit(header, model)
        times.append(time.perf_counter_ns() - start)
    cut = statistics.quantiles(times, n=100, method="inclusive")
    return cut[49] / 1e3, cut[98] / 1e3
