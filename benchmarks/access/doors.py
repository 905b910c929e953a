"""What the doors cost: tokens, certificates, wrong keys by the thousand, and TLS.

`python -m benchmarks.access.doors` runs it alone.
"""

from __future__ import annotations

import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import models
from tests.access.issuing import claims, identities, signed
from tests.access.parts import NOW
from tests.certificates import Authority
from tests.processes import Running, server, until
from tests.raw import Raw, get, post

from benchmarks.report import Part, Promise, table
from fairlead.access.secrets import new_secret
from fairlead.access.throttle import Throttle
from fairlead.core.errors import KeyUnknown, TooManyAttempts
from fairlead.serving.exchange import ask

CALLS, REQUESTS, HANDSHAKES = 2000, 3000, 300
FLOOD_PER_S = 10_000
_FLOOD = """
import select, socket, sys, time
port, rate, ahead = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[4])
text, lines = sys.argv[3], 16
request = (f"GET /models HTTP/1.1\\r\\nHost: a\\r\\nX-Forwarded-For: 203.0.113.7\\r\\n"
           f"Authorization: Bearer {text}\\r\\n\\r\\n").encode() * ahead
callers = [socket.create_connection(("127.0.0.1", port)) for _ in range(lines)]
begun, sent, owed = time.monotonic(), 0, dict.fromkeys(callers, 0)
print("flooding", flush=True)
while True:
    for caller in callers:
        if owed[caller] == 0 and sent < rate * (time.monotonic() - begun):
            caller.sendall(request)
            owed[caller], sent = ahead, sent + ahead
            if sent % (rate - rate % (100 * ahead)) < ahead:
                print(sent / (time.monotonic() - begun), flush=True)
    for caller in select.select(callers, [], [], 0.0005)[0]:
        owed[caller] -= caller.recv(1 << 20).count(b"HTTP/1.1 ")
"""
"""Wrong keys over some connections, so many a second; each waits for the answers to its own."""


def run() -> Part:
    """In process first, then at real servers of one worker."""
    rows = in_process()
    single, pipelined = brute_force(1), brute_force(50)
    plain, sealed, handshake_ms = over_tls()
    served = [
        ["a good caller alone", *_shown(single.alone)],
        [f"beside {single.rate:,.0f} wrong keys a second", *_shown(single.beside)],
        [f"beside {pipelined.rate:,.0f}, 50 at a time", *_shown(pipelined.beside)],
        ["over plain HTTP", *_shown(plain)],
        ["over TLS", *_shown(sealed)],
    ]
    lines = [
        *table(("in process", "p50 us", "p99 us"), [[n, *_shown(v)] for n, v in rows.items()]),
        "",
        *table(("one caller, one worker, one row of JSON", "p50 us", "p99 us"), served),
        "",
        f"CPU of the worker per wrong key: {single.cpu_us:.0f} us, {pipelined.cpu_us:.0f} us where "
        "50 come at a time.",
        f"A new connection over TLS 1.3 with its first answer: {handshake_ms:.1f} ms (median).",
    ]
    cpu = pipelined.cpu_us
    promises = [
        Promise("A51 CPU per refused attempt, 50 at a time, us", 40, cpu, f"{cpu:.0f}", most=True)
    ]
    return Part("Doors", lines, {"in process": rows, "beside": single.beside}, promises)


def _shown(pair: tuple[float, float]) -> list[str]:
    return [f"{value:,.1f}" for value in pair]


def in_process() -> dict[str, tuple[float, float]]:
    """Tokens and attempts, each call timed alone."""
    known = identities(kinds=("ES256", "RS256"))
    good = signed()
    known.token_caller(good, NOW)
    fresh = {
        k: iter([signed(claims(jti=str(n)), k) for n in range(CALLS)]) for k in ("ES256", "RS256")
    }
    wrong = signed(claims(iss="https://evil.example"))
    throttle, error = Throttle(), KeyUnknown("nobody has this key here")

    def refused() -> None:
        with suppress(Exception):
            known.token_caller(wrong, NOW)

    def checked() -> None:
        with suppress(TooManyAttempts):
            throttle.check("203.0.113.7", 0)

    return {
        "a token that was seen in the last minute": _times(lambda: known.token_caller(good, NOW)),
        "a new token, ES256": _times(lambda: known.token_caller(next(fresh["ES256"]), NOW)),
        "a new token, RS256": _times(lambda: known.token_caller(next(fresh["RS256"]), NOW)),
        "a token of a stranger": _times(refused),
        "a wrong key, counted": _times(lambda: throttle.answer(error, "203.0.113.7", 0)),
        "a token that is not verified, for too many were wrong": _times(checked),
    }


def _times(act: Callable[[], Any]) -> tuple[float, float]:
    taken: list[int] = []
    for _ in range(CALLS):
        begun = time.perf_counter_ns()
        act()
        taken.append(time.perf_counter_ns() - begun)
    return _middle_and_tail(taken)


def _middle_and_tail(taken_ns: list[int]) -> tuple[float, float]:
    cut = statistics.quantiles(taken_ns, n=100)
    return statistics.median(taken_ns) / 1000, cut[98] / 1000


@dataclass(frozen=True, slots=True)
class Flooded:
    """A good caller alone and beside a flood: (p50, p99) in us.

    rate: wrong keys a second. cpu_us: of the worker, per wrong key.
    """

    alone: tuple[float, float]
    beside: tuple[float, float]
    rate: float
    cpu_us: float


def brute_force(ahead: int) -> Flooded:
    """A flood of wrong keys at a server of one worker.

    ahead: requests that a connection of the flood sends before it waits for their answers.
    """
    with tempfile.TemporaryDirectory() as folder:
        repository, state = Path(folder, "models"), Path(folder, "state")
        repository.mkdir()
        models.all_of_them(repository)
        with server(repository, "--trusted-proxy", "127.0.0.0/8", state=state) as running:
            given = {"name": "good", "scopes": ["predict:*", "metrics:read"]}
            key = until(lambda: _made(state, given), 20)
            header = f"Authorization: Bearer {key}"
            until(lambda: _served(running, header))
            alone = _latency(running, header)
            wrong = new_secret().reveal()
            command = [sys.executable, "-c", _FLOOD, str(running.port), str(FLOOD_PER_S), wrong]
            command.append(str(ahead))
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as flood:
                assert flood.stdout is not None
                flood.stdout.readline()
                refused, cpu = _refused(running, header), _cpu_s(running)
                time.sleep(3)
                refused, cpu = _refused(running, header) - refused, _cpu_s(running) - cpu
                beside = _latency(running, header)
                flood.kill()
            return Flooded(alone, beside, refused / 3, cpu / refused * 1e6)


def _refused(running: Running, header: str) -> int:
    """Attempts that were refused so far, by the server's own count."""
    with Raw(running.port) as raw:
        text = raw.ask(get("/metrics", header)).body.decode()
    outcomes = r'fairlead_refusals_total\{outcome="(?:KEY_UNKNOWN|TOO_MANY_ATTEMPTS)"\} (\d+)'
    return sum(int(count) for count in re.findall(outcomes, text))


def _cpu_s(running: Running) -> float:
    """CPU seconds of the worker so far."""
    (worker,) = running.workers
    fields = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _served(running: Running, header: str) -> bool:
    with Raw(running.port) as raw:
        return raw.ask(post("/predict/total", b"[1,2,3]", header)).status == 200


def _made(state: Path, given: dict[str, Any]) -> str:
    try:
        return ask(state, {"kind": "keys.create", "given": given})["done"]["key"]
    except OSError:
        return ""


def over_tls() -> tuple[tuple[float, float], tuple[float, float], float]:
    """Latency without TLS and with it, and the median of a whole new connection in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder, "models")
        repository.mkdir()
        models.all_of_them(repository)
        authority = Authority(Path(folder, "certs"))
        pair = authority.issue("server")
        with server(repository, state=Path(folder, "a")) as running:
            plain = _latency(running, "X: y")
        flags = ["--tls-cert", pair.cert, "--tls-key", pair.key]
        with server(repository, *flags, state=Path(folder, "b")) as running:
            client = authority.client()
            sealed = _latency(running, "X: y", client)
            taken: list[float] = []
            for _ in range(HANDSHAKES):
                begun = time.perf_counter()
                with Raw(running.port, client) as raw:
                    raw.ask(post("/predict/total", b"[1,2,3]"))
                taken.append(time.perf_counter() - begun)
        return plain, sealed, statistics.median(taken) * 1000


def _latency(running: Running, header: str, tls: Any = None) -> tuple[float, float]:
    """Median and 99th percentile of one caller that asks again as soon as it was answered."""
    request, taken = post("/predict/total", b"[1,2,3]", header), list[int]()
    with Raw(running.port, tls) as raw:
        raw._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(REQUESTS + REQUESTS // 10):
            begun = time.perf_counter_ns()
            answer = raw.ask(request)
            assert answer.status == 200, answer
            if number >= REQUESTS // 10:
                taken.append(time.perf_counter_ns() - begun)
    return _middle_and_tail(taken)


if __name__ == "__main__":
    part = run()
    print(
        *part.lines, "", *[f"{p.text}: {p.shown} (most {p.limit})" for p in part.promises], sep="\n"
    )
