"""What a server of one worker does for callers who keep asking: memory, bytes, rates and waits."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from time import sleep
from typing import Any

from fairlead.core.clock import now
from fairlead.core.errors import NotProfiled, ServerUnreachable
from fairlead.core.package import Package
from fairlead.costs.profile import Payload, Point
from fairlead.profiling import processes, requests
from fairlead.profiling.callers import (
    Heard,
    NotAnswered,
    ask_awake,
    ask_once,
    keep_asking,
    keep_pausing,
)
from fairlead.profiling.executions import quantiles_of
from fairlead.profiling.grpc_call import grpc_call
from fairlead.profiling.loopback import Loopback
from fairlead.profiling.requests import GRPC, OIP, OIP_BINARY, REST, Asked

CALLERS = (1, 2, 4, 8, 16, 32, 64)
PAUSES_S = (0.0, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1)
"""A lone caller's, between an answer and the next question."""
_POINTS, _PAUSES = 0.22, 0.06
"""The shares of the budget in which callers ask, and in which one of them pauses."""
_LEAST_PAUSES = 20
_LONGEST_S, _SHORTEST_S = 2.0, 0.05
_SETTLED_S = 0.3
_METRICS = {
    "calls": b"fairlead_calls_total{",
    "executions": b"fairlead_batches_total{",
    "compute_s": b"fairlead_compute_seconds_total{",
}
_METRICS_REQUEST = b"GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Served:
    """A server of one version, and what it is asked."""

    package: Package
    asked: Asked
    running: Loopback

    def measured(self, seconds: float, say: Callable[[float, str], None]) -> dict[str, Any]:
        """{"base_bytes", "steady_bytes", "peak_bytes", "points", "payloads", "busy", "pauses",
        "others"}.

        seconds: of the whole profile. others: processors that other programs kept busy meanwhile.
        busy: what was counted at each point, {"calls", "executions", "compute_s", "cpu_s",
        "loop_s", "held_up_s"}; the last two are of the loop's thread, which ran, and waited for a
        processor. pauses: [(seconds, quantiles of the waits after them)].
        Raises NotProfiled where no wire is answered.
        """
        running = self.running
        worker = running.worker
        base = processes.held(worker)
        say(0.0, "asking over every wire")
        payloads, asking = self._payloads()
        sleep(_SETTLED_S)
        worker = running.worker  # a model that is code has a runner now
        steady = processes.held(worker)
        say(0.05, "a caller who pauses")
        pauses = self._pauses(asking, seconds * _PAUSES / len(PAUSES_S))
        points: list[Point] = []
        busy: list[dict[str, float]] = []
        every = [os.getpid(), *running.all]
        began, others = now(), processes.busy() - processes.spent(every)
        each = max(_SHORTEST_S, min(_LONGEST_S, seconds * _POINTS / len(CALLERS)))
        for place, callers in enumerate(CALLERS):
            say((place + 1) / (len(CALLERS) + 1), f"{callers} callers of a server")
            before = self._counts(worker)
            heard = self._heard(asking, callers, each)
            after = self._counts(worker)
            busy.append({name: after[name] - before[name] for name in after})
            points.append(Point(callers, heard.per_s, heard.quantile(0.5), heard.quantile(0.99)))
        others = processes.busy() - processes.spent(every) - others
        return {
            "others": max(0.0, others / (now() - began)),
            "base_bytes": base,
            "steady_bytes": steady,
            "peak_bytes": max(steady, processes.most_held(worker)),
            "points": [asdict(point) for point in points],
            "payloads": [asdict(payload) for payload in payloads],
            "busy": busy,
            "pauses": pauses,
        }

    def _payloads(self) -> tuple[list[Payload], Sequence[bytes]]:
        """Bytes by wire, and the requests of the wire that callers speak."""
        package, asked, port = self.package, self.asked, self.running.port
        name, signature, tensors = package.name, package.signature, asked.tensors
        ways = {
            REST: [requests.rest(name, row) for row in asked.rows],
            OIP: [requests.oip(name, tensors)],
            OIP_BINARY: [requests.oip_binary(name, signature, tensors)],
        }
        found: list[Payload] = []
        spoken: Sequence[bytes] = ()
        refused = ""
        for wire, made in ways.items():
            try:
                sizes = [(len(one), len(ask_awake(port, one))) for one in made]
            except (NotAnswered, ServerUnreachable) as error:
                refused = refused or str(error)
                continue
            if sizes:
                requested, answered = (
                    sum(column) // len(sizes) for column in zip(*sizes, strict=True)
                )
                found.append(Payload(wire, requested, answered))
                spoken = spoken or made
        if not found:
            raise NotProfiled(
                f"a server does not answer what was sent: {refused}",
                where=f"{name} version {package.version}",
                fix="Give it rows that it answers: --rows FILE",
            )
        return [*found, *self._over_grpc()], spoken

    def _over_grpc(self) -> list[Payload]:
        package = self.package
        if not self.running.grpc_port:
            return []
        request = requests.grpc(package.name, package.signature, self.asked.tensors)
        try:
            return [Payload(GRPC, *grpc_call(self.running.grpc_port, request))]
        except (NotAnswered, OSError):
            return []

    def _pauses(self, asking: Sequence[bytes], seconds: float) -> list[tuple[float, list[float]]]:
        """What a lone caller waits who lets the server sleep for so long before."""
        each = min(_LONGEST_S, seconds)
        with self._answered(1):
            port, least = self.running.port, _LEAST_PAUSES
            waits = [keep_pausing(port, asking, pause, each, least) for pause in PAUSES_S]
        return [(p, list(quantiles_of(w))) for p, w in zip(PAUSES_S, waits, strict=True)]

    def _heard(self, asking: Sequence[bytes], callers: int, seconds: float) -> Heard:
        with self._answered(callers):
            return keep_asking(self.running.port, asking, callers, seconds)

    @contextmanager
    def _answered(self, callers: int) -> Generator[None]:
        """Raises NotProfiled where they are not."""
        try:
            yield
        except NotAnswered as error:
            raise NotProfiled(
                f"{callers} callers were not all answered: {error}",
                where=f"{self.package.name} version {self.package.version}",
            ) from None

    def _counts(self, worker: Sequence[int]) -> dict[str, float]:
        """What the server has counted until now, and its processor time."""
        lines = ask_once(self.running.port, _METRICS_REQUEST).splitlines()
        counts = {
            name: sum(float(line.rpartition(b" ")[2]) for line in lines if line.startswith(start))
            for name, start in _METRICS.items()
        }
        ran, waited = processes.first_thread(worker[0]) if worker else (0.0, 0.0)
        return {**counts, "cpu_s": processes.spent(worker), "loop_s": ran, "held_up_s": waited}
