"""Drift and misuse over two workers: a real server, real connections, the bookkeeper's verdict.

Every client has an address of its own on the loopback network and four connections, which the two
workers share; what one worker alone sees is about half.
"""

from __future__ import annotations

import http.client
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

import fairlead
from benchmarks.guards.misuse import ATTACKS
from benchmarks.guards.novelty import promise
from benchmarks.guards.tables import everything
from benchmarks.report import Part, table

_TABLE = "made-correlated"
_QUERIES, _BENIGN, _CONNECTIONS = 100, 1000, 4
_WINDOW = 300
_PATIENCE_S = 5.0


def run(clients: int, seed: int = 0) -> Part:
    """`clients` of each attack, as many good ones, and as many windows with and without a shift."""
    random = np.random.default_rng(seed)
    one = next(t for t in everything() if t.name == _TABLE)
    rows = one.matrix()[random.permutation(one.rows)].astype(np.float64)
    train, good = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    labels = train[:, 0] + train[:, 1] > np.median(train[:, 0] + train[:, 1])
    model = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(train, labels)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        fairlead.pack(model, name="m", repository=place / "models", reference=train)
        caught, false = _misuse(place, train, good, clients, random)
        found, alarms = _drift(place, good, clients, random)
    shown = [[name, f"{100 * share:.0f} %"] for name, share in caught.items()]
    shown.append([f"good clients ({clients} x {_BENIGN})", f"{100 * false:.1f} %"])
    lines = [
        f"seed {seed}; {_TABLE}; two workers, {_CONNECTIONS} connections a client",
        *table(("client", "suspected"), shown),
        "",
        f"half a deviation in one column, {_WINDOW} rows: found in {100 * found:.0f} % of "
        f"{clients} servers; without a change an alarm in {100 * alarms:.0f} %",
    ]
    promises = [
        promise("R15 two workers: noticed within 100 queries", 0.98, np.mean([*caught.values()])),
        promise("R15 two workers: good clients suspected", 0.001, false, most=True),
        promise("R10 two workers: half a deviation found", 0.95, found),
        promise("R10 two workers: false alarms", 0.01, alarms, most=True),
    ]
    return Part("Drift and misuse over two workers", lines, {}, promises)


def _misuse(
    place: Path, train: Any, good: Any, clients: int, random: Any
) -> tuple[dict[str, float], float]:
    """The share of each kind of attack, and of good clients, that is suspected."""
    addresses: dict[str, list[str]] = {}
    state = place / "misuse"
    with fairlead.serve(place / "models", port=0, workers=2, state=state) as server:
        for kind, make in ATTACKS.items():
            for _ in range(clients):
                address = _next(addresses, kind)
                _ask(server.url, make(good, train, random, _QUERIES), address)
        for _ in range(clients):
            some = good[random.choice(len(good), _BENIGN, replace=len(good) < _BENIGN)]
            _ask(server.url, some, _next(addresses, "good"))
        _settled(server.url)
        suspects = {one["caller"] for one in _suspects(state)}
    shares = {kind: float(np.mean([a in suspects for a in own])) for kind, own in addresses.items()}
    return shares, shares.pop("good")


def _next(addresses: dict[str, list[str]], kind: str) -> str:
    number = sum(map(len, addresses.values())) + 2
    addresses.setdefault(kind, []).append(f"127.0.{number // 250}.{number % 250 + 1}")
    return addresses[kind][-1]


def _drift(place: Path, good: Any, clients: int, random: Any) -> tuple[float, float]:
    """The share of servers that raise an alarm with and without a shift."""
    raised: dict[bool, list[bool]] = {True: [], False: []}
    for number in range(2 * clients):
        moved = number % 2 == 0
        rows = good[random.choice(len(good), _WINDOW, replace=False)].copy()
        if moved:
            column = random.integers(rows.shape[1])
            rows[:, column] += 0.5 * good[:, column].std()
        state = place / f"drift{number}"
        with fairlead.serve(place / "models", port=0, workers=2, state=state) as server:
            _ask(server.url, rows, "127.0.0.1")
            raised[moved].append(_settled(server.url)["drift"]["raised"] > 0)
    return float(np.mean(raised[True])), float(np.mean(raised[False]))


def _ask(url: str, rows: Any, address: str) -> None:
    """One row at a time, over the client's connections in turn."""
    host, port = httpx.URL(url).host, httpx.URL(url).port
    lines = [
        http.client.HTTPConnection(host, port, source_address=(address, 0))
        for _ in range(_CONNECTIONS)
    ]
    for number, row in enumerate(rows.tolist()):
        line = lines[number % len(lines)]
        line.request("POST", "/predict/m", json.dumps([row]))
        answer = line.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"the server answered {answer.status}")
    for line in lines:
        line.close()


def _settled(url: str) -> dict[str, Any]:
    """How the guards stand, once both workers have told what they saw."""
    before: Any = None
    end = time.perf_counter() + _PATIENCE_S
    with httpx.Client(base_url=url) as client:
        while True:
            told = client.get("/models/m").json()["standing"]
            if told and told == before:
                return told
            if time.perf_counter() > end:
                raise RuntimeError("the guards' state does not settle")
            before = told
            time.sleep(0.6)  # two of the beats in which workers report


def _suspects(state: Path) -> list[dict[str, Any]]:
    from fairlead.serving.exchange import ask

    return list(ask(state, {"kind": "suspects"})["suspects"])
