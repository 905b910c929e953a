"""G2: how long a revoked key goes on working at the slowest of four workers, thousands of times."""

from __future__ import annotations

import http.client
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from benchmarks import models
from benchmarks.report import Part, Promise
from fairlead.access.minting import new_key
from fairlead.access.secrets import Digester, read_pepper
from fairlead.core.access import parse_scopes
from fairlead.core.clock import wall_ns
from fairlead.serving.exchange import ask
from fairlead.usage.stores.keys import FILE, open_keys

KEYS, SECONDS, WORKERS = 10_000, 100, 4
_ANSWERED = 200
_TRIES = 400
_PROMISED_S = 1.0


@dataclass(slots=True)
class Watched:
    """What is revoked and not refused everywhere yet: by worker, the keys and since when.

    delays: seconds until each worker refused each key.
    """

    waiting: list[dict[str, float]] = field(default_factory=list[dict[str, float]])
    delays: list[float] = field(default_factory=list[float])
    lock: Lock = field(default_factory=Lock)
    over: bool = False


def run(keys: int = KEYS, seconds: int = SECONDS, workers: int = WORKERS) -> Part:
    """Revokes every key of a server under load of its own checks, evenly over the time."""
    import fairlead

    with tempfile.TemporaryDirectory(prefix="fairlead-revocation-") as folder, ExitStack() as stack:
        state = Path(folder) / "state"
        state.mkdir(mode=0o700)
        secrets = _made(state, keys + 1)
        package = models.packed(models.BOOSTING)
        server = stack.enter_context(fairlead.serve(package, port=0, workers=workers, state=state))
        port = int(server.url.rpartition(":")[2])
        good = secrets.pop()[1]
        lines = [stack.enter_context(line) for line in _one_each(port, good, workers)]
        watched = Watched([{} for _ in lines])
        watchers = [
            Thread(target=_watch, args=(watched, number, line)) for number, line in enumerate(lines)
        ]
        for watcher in watchers:
            watcher.start()
        slow = _revoke_all(state, secrets, seconds, watched)
        watched.over = True
        for watcher in watchers:
            watcher.join()
    worst = max(watched.delays)
    ordered = sorted(watched.delays)
    middle, late = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
    lines = [
        f"{len(watched.delays):,} refusals of {keys:,} keys at {workers} workers watched in "
        f"{seconds} s: p50 {middle * 1e3:.0f} ms, p99 {late * 1e3:.0f} ms, "
        f"longest {worst * 1e3:.0f} ms; the slowest command took {slow * 1e3:.0f} ms",
    ]
    return Part(
        "Revocation",
        lines,
        {"p50_s": middle, "p99_s": late, "worst_s": worst, "refusals": len(watched.delays)},
        [
            Promise("G2 longest until refused, s", _PROMISED_S, worst, f"{worst:.3f}", most=True),
            Promise(
                "G2 refusals seen", keys * workers, len(watched.delays), f"{len(watched.delays):,}"
            ),
        ],
    )


def _made(state: Path, count: int) -> list[tuple[str, str]]:
    """Ids and secrets of new keys in a state folder."""
    digester = Digester(read_pepper(state))
    store = open_keys(state / FILE)
    scopes = parse_scopes(["predict:*"])
    found: list[tuple[str, str]] = []
    for number in range(count):
        secret, stored = new_key(f"k{number}", "acme", scopes, wall_ns(), digester)
        store.create(stored.key, stored.digest)
        found.append((stored.key.id, secret.reveal()))
    store.close()
    return found


class _Line:
    """A connection that stays with one worker."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, path: str, key: str, body: Any = None) -> tuple[int, bytes, str]:
        """Status, body and usage id."""
        given = None if body is None else json.dumps(body)
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        self._connection.request("GET" if body is None else "POST", path, given, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read(), answer.getheader("fairlead-usage-id", "")


def _one_each(port: int, key: str, workers: int) -> Iterator[_Line]:
    """A connection to every worker: which one answers stands in the usage id."""
    seen: set[str] = set()
    example: Any = None
    for _ in range(_TRIES):
        line = _Line(port)
        if example is None:
            name = json.loads(line.ask("/models", key)[1])["models"][0]["name"]
            example = json.loads(line.ask(f"/models/{name}", key)[1])["example"]
        usage = line.ask(f"/predict/{name}", key, example)[2]
        worker = usage.split("-")[1] if usage else ""
        if worker and worker not in seen:
            seen.add(worker)
            yield line
        else:
            line.__exit__()
        if len(seen) == workers:
            return
    raise RuntimeError(f"only workers {sorted(seen)} have answered")


def _watch(watched: Watched, number: int, line: _Line) -> None:
    """Asks one worker with every key that is revoked, until it refuses."""
    mine = watched.waiting[number]
    while not watched.over or mine:
        with watched.lock:
            keys = list(mine.items())
        if not keys:
            time.sleep(0.001)
        for key, since in keys:
            status = line.ask("/models", key)[0]
            moment = time.perf_counter()
            if status != _ANSWERED:
                with watched.lock:
                    del mine[key]
                    watched.delays.append(moment - since)


def _revoke_all(
    state: Path, secrets: list[tuple[str, str]], seconds: int, watched: Watched
) -> float:
    """Revokes one key after the other, evenly; the longest that one revocation took, seconds."""
    began = time.perf_counter()
    slowest = 0.0
    for number, (key_id, secret) in enumerate(secrets):
        due = began + seconds * number / len(secrets)
        time.sleep(max(0.0, due - time.perf_counter()))
        asked = time.perf_counter()
        ask(state, {"kind": "keys.revoke", "given": {"pattern": key_id}})
        moment = time.perf_counter()
        slowest = max(slowest, moment - asked)
        with watched.lock:
            for waiting in watched.waiting:
                waiting[secret] = moment
    return slowest
