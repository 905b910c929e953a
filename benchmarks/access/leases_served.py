"""G4 at a real server with four workers: what passes of a limit, and the worst second of it."""

from __future__ import annotations

import http.client
import json
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Thread
from typing import Any

from benchmarks import models
from benchmarks.report import Part, Promise, table
from fairlead.serving.exchange import ask

AMOUNT, WORKERS, SECONDS = 200, 4, 5
_BURST = AMOUNT // 50
_TRIES = 400
_HEARD_S = 2.0


def run(seconds: int = SECONDS) -> Part:
    """A connection at each worker, then one connection alone, as fast as they are answered."""
    import fairlead

    rows: list[list[str]] = []
    promises: list[Promise] = []
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="fairlead-leases-") as folder, ExitStack() as stack:
        state = Path(folder) / "state"
        package = models.packed(models.BOOSTING)
        server = stack.enter_context(fairlead.serve(package, port=0, workers=WORKERS, state=state))
        port = int(server.url.rpartition(":")[2])
        lines = _one_each(port, _key(state), stack)
        for name, some in (("a connection at each worker", lines), ("one alone", lines[:1])):
            key = _key(state, f"requests={AMOUNT}/second:{_BURST}")
            passed, sent = _load(some, key, seconds)
            share, worst = len(passed) / (AMOUNT * seconds + _BURST), _worst(passed)
            figures[name] = {"share": share, "worst": worst, "offered": sent / seconds}
            rows.append([name, f"{sent / seconds:,.0f}", f"{share:.3f}", f"{worst:.3f}"])
            promises += [
                Promise(f"G4 served, {name}: of the limit", 0.95, share, f"{share:.3f}"),
                Promise(f"G4 served, {name}: worst second", 1.02, worst, f"{worst:.3f}", most=True),
            ]
    head = ("load", "calls/s", "of the limit", "worst second")
    title = f"A limit of {AMOUNT}/s at a server with {WORKERS} workers, {seconds} s"
    return Part(title, table(head, rows), figures, promises)


def _key(state: Path, *limits: str) -> str:
    given = {"name": "g4", "scopes": ["predict:*"], "limits": list(limits)}
    answer = ask(state, {"kind": "keys.create", "given": given})
    time.sleep(_HEARD_S)  # every worker knows it by then
    return answer["done"]["key"]


class _Line:
    """A connection that stays with one worker."""

    def __init__(self, port: int, key: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.name = json.loads(self.ask("GET", "/models", key)[1])["models"][0]["name"]
        page = json.loads(self.ask("GET", f"/models/{self.name}", key)[1])
        self.body = json.dumps(page["example"])

    def ask(self, method: str, path: str, key: str, body: str | None = None) -> Any:
        """Status, body and usage id."""
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read(), answer.getheader("fairlead-usage-id", "")

    def predict(self, key: str) -> Any:
        return self.ask("POST", f"/predict/{self.name}", key, self.body)


def _one_each(port: int, key: str, stack: ExitStack) -> list[_Line]:
    """A connection to every worker: which one answers stands in the usage id."""
    found: dict[str, _Line] = {}
    for _ in range(_TRIES):
        line = _Line(port, key)
        stack.enter_context(closing(line.connection))
        usage = line.predict(key)[2]
        found.setdefault(usage.split("-")[1] if usage else "", line)
        if len(found) == WORKERS and "" not in found:
            return list(found.values())
    raise RuntimeError(f"only workers {sorted(found)} have answered")


def _load(lines: list[_Line], key: str, seconds: int) -> tuple[list[float], int]:
    """When calls passed, and how many were sent."""
    passed: list[float] = []
    sent: list[int] = []
    end = time.perf_counter() + seconds

    def call(line: _Line) -> None:
        while time.perf_counter() < end:
            status = line.predict(key)[0]
            sent.append(status)
            if status == http.HTTPStatus.OK:
                passed.append(time.perf_counter())
            elif status != http.HTTPStatus.TOO_MANY_REQUESTS:
                raise RuntimeError(f"answered {status}")

    callers = [Thread(target=call, args=(line,)) for line in lines]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return sorted(passed), len(sent)


def _worst(passed: list[float]) -> float:
    """The most that passed within any second, of what may: the amount and the burst."""
    most = first = 0
    for last, at in enumerate(passed):
        while at - passed[first] >= 1:
            first += 1
        most = max(most, last - first + 1)
    return most / (AMOUNT + _BURST)
