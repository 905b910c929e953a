"""What was measured of one version on one machine: all that is reckoned begins with it.

It is taken by `fairlead profile` and kept as JSON; nothing here measures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any

from fairlead.core.errors import ProfileInvalid

FORMAT = "fairlead-profile/1"
QUANTILES = 101
"""Service times are kept as the values at 0, 1, ..., 100 per cent."""


@dataclass(frozen=True, slots=True)
class Service:
    """How long one execution of so many rows takes, the guards included.

    threads:   executions at once while it was measured.
    quantiles: seconds at 0, 1, ..., 100 per cent. Of many executions the last is not the slowest
               one, but what gives the quantiles the mean that was measured.
    cpu_s:     seconds of processor time of one execution.
    """

    rows: int
    threads: int
    quantiles: tuple[float, ...]
    cpu_s: float

    @property
    def mean_s(self) -> float:
        """The mean of the distribution that the quantiles draw."""
        inner = sum(self.quantiles[1:-1])
        return (inner + (self.quantiles[0] + self.quantiles[-1]) / 2) / (len(self.quantiles) - 1)


@dataclass(frozen=True, slots=True)
class Point:
    """What so many callers got from a real server of one worker, each asking when answered.

    calls_per_s: answers in all. p50_s, p99_s: of a call, as the caller sees it.
    """

    callers: int
    calls_per_s: float
    p50_s: float
    p99_s: float


@dataclass(frozen=True, slots=True)
class Way:
    """What a lone caller waits beyond the execution, who asks so long after the last answer.

    A server that has slept is slower: threads wake, and what it needs has left the processor's
    caches. quantiles: seconds at 0, 1, ..., 100 per cent.
    """

    pause_s: float
    quantiles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Scaling:
    """The universal scalability law: X(n) = a n / (1 + s (n - 1) + k n (n - 1)).

    a: calls per second of one caller. s: contention. k: coherency. worst: the largest relative
    difference between a measured point and the curve.
    """

    a: float
    s: float
    k: float
    worst: float


@dataclass(frozen=True, slots=True)
class Payload:
    """The size of a request of one row, and of its answer, with their heads; in bytes."""

    wire: str
    request_bytes: int
    answer_bytes: int


@dataclass(frozen=True, slots=True)
class Setting:
    """Settings, and what they give. threads: executions at once; 0 on the worker's own loop."""

    max_batch: int
    threads: int
    callers: int
    rows_per_s: float
    p99_s: float


@dataclass(frozen=True, slots=True)
class Profile:
    """One version on one machine.

    taken:    the date, as YYYY-MM-DD. machine: in words. arch: "x86_64" or "arm64". gpu: its name,
              "" without one. offer: the machine as the price table names it, such as
              "aws/c7g.large", where it was measured on one; "" elsewhere.
    load_s:   seconds until it was loaded and had answered. disk_bytes: of the package.
    base_bytes: of a worker without the model. steady_bytes, peak_bytes: of a worker that holds it,
              its runner included.
    inline, slots, max_rows: how a server runs it (serving/batcher.py: Plan).
    call_s:   seconds of the worker's loop for each call, beside the execution.
    turn_s:   and for each execution, of however many calls.
    slowed:   executions take so many times as long in a busy server as by themselves.
    unsteady: and there so many times as long as usual in the slowest seconds that were watched.
    path_s:   what a lone caller waits beyond the execution: sockets, both ways, and the loop.
    ways:     the same by how long the server had slept, as a distribution; () where it is not
              known.
    memory_bytes: of the machine; 0 where it is not known.
    graph_sha256: of the graph that was measured; "" where it is not known.
    """

    model: str
    version: int
    runtime: str
    taken: str
    machine: str
    cores: int
    arch: str
    gpu: str
    offer: str
    load_s: float
    disk_bytes: int
    base_bytes: int
    steady_bytes: int
    peak_bytes: int
    inline: bool
    slots: int
    max_rows: int
    call_s: float
    path_s: float
    services: tuple[Service, ...]
    points: tuple[Point, ...]
    scaling: Scaling
    payloads: tuple[Payload, ...]
    latency: Setting
    throughput: Setting
    graph_sha256: str = ""
    ways: tuple[Way, ...] = ()
    turn_s: float = 0.0
    slowed: float = 1.0
    unsteady: float = 1.0
    memory_bytes: int = 0

    def service(self, rows: int, threads: int = 0) -> Service:
        """The measured size of execution that is nearest to so many rows.

        threads: executions at once; 0 for as many as a server runs.
        """
        at_once = threads or (1 if self.inline else self.slots)
        return min(
            self.services,
            key=lambda one: (abs(one.rows - rows), one.rows, abs(one.threads - at_once)),
        )

    @property
    def payload(self) -> Payload:
        """Of the wire that most callers speak: REST."""
        return next((p for p in self.payloads if p.wire == "rest"), self.payloads[0])

    def to_json(self) -> dict[str, Any]:
        """For a file."""
        return {"format": FORMAT, **asdict(self)}


def profile_of(told: Mapping[str, Any], where: str = "") -> Profile:
    """A profile as `to_json` gave it. Raises ProfileInvalid."""
    if told.get("format") != FORMAT:
        raise ProfileInvalid(f"this is no {FORMAT}", where=where, fix=_FIX)
    parts = {"services": Service, "points": Point, "payloads": Payload, "ways": Way}
    alone = {"scaling": Scaling, "latency": Setting, "throughput": Setting}
    try:
        known = {
            "graph_sha256": "",
            "ways": (),
            "turn_s": 0.0,
            "slowed": 1.0,
            "unsteady": 1.0,
            "memory_bytes": 0,
            **told,
        }
        made: dict[str, Any] = {field.name: known[field.name] for field in fields(Profile)}
        for name, kind in parts.items():
            made[name] = tuple(kind(**one) for one in made[name])
        for name, kind in alone.items():
            made[name] = kind(**made[name])
        made["services"] = tuple(
            Service(s.rows, s.threads, tuple(map(float, s.quantiles)), s.cpu_s)
            for s in made["services"]
        )
        made["ways"] = tuple(Way(w.pause_s, tuple(map(float, w.quantiles))) for w in made["ways"])
        found = Profile(**made)
        _check(found)
    except (KeyError, TypeError, ValueError) as error:
        what = f"the profile is not whole: {error!r}"
        raise ProfileInvalid(what, where=where, fix=_FIX) from None
    return found


_MOST = 1e15
_FIX = "Take it again with `fairlead profile MODEL`"


def _check(found: Profile) -> None:
    if not found.services or not found.payloads or not found.points:
        raise ValueError("no service times, no points or no payloads")
    for part in (found, found.scaling, found.latency, found.throughput, *found.points):
        _check_fields(part)
    for part in (*found.services, *found.payloads):
        _check_fields(part)
    if found.cores < 1 or found.max_rows < 1:
        raise ValueError("no cores or no rows")
    if not found.slowed or found.unsteady < 1:
        raise ValueError("executions in no time, or in less than usual at the slowest")
    for one in found.services:
        if one.rows < 1 or one.threads < 1:
            raise ValueError(f"service times of {one.rows} rows")
        _check_spread(one.quantiles, f"service times of {one.rows} rows")
    for way in found.ways:
        _check_fields(way)
        _check_spread(way.quantiles, f"waits after a pause of {way.pause_s} s")


def _check_spread(quantiles: tuple[float, ...], of: str) -> None:
    if len(quantiles) != QUANTILES:
        raise ValueError(of)
    if any(b < a for a, b in pairwise(quantiles)):
        raise ValueError(f"{of} fall")
    if not 0 <= quantiles[0] <= quantiles[-1] < _MOST:
        raise ValueError(of)


def _check_fields(part: Any) -> None:
    """Texts are short and can be printed, numbers are numbers, none below 0 or without end."""
    for field in fields(part):
        value, kind = getattr(part, field.name), str(field.type)
        if kind == "str":
            good = isinstance(value, str) and len(value) <= 200 and (value + " ").isprintable()
        elif kind == "bool":
            good = isinstance(value, bool)
        elif kind in ("int", "float"):
            known = (int,) if kind == "int" else (int, float)
            good = type(value) in known and 0 <= value < _MOST
        else:
            good = True
        if not good:
            raise ValueError(f"{field.name} cannot be {str(value)[:40]!r}")
