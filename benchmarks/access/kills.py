"""G5: processes are ended and killed under load; what callers were answered is all on record, once.

Each answer names its record (Fairlead-Usage-Id). In the end every name that a caller has seen must
stand in the journal once, and the ledger must hold exactly what the journal holds.
"""

from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import sqlite3
import statistics
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

from tests import models
from tests.processes import Running, until

from benchmarks.report import Part, Promise, table
from fairlead.assembly.ledgers import opened
from fairlead.usage.journal import read, segments
from fairlead.usage.ledger import JOURNAL, LEDGER, open_ledger
from fairlead.usage.query import totals
from fairlead.usage.verify import GOOD, pending, verify

KILLS = 100
CALLERS, WORKERS = 6, 2
VICTIMS = ("worker", "bookkeeper", "all")
_BODY = b'{"a": 1, "b": 2, "c": 3}'
_MOST_BETWEEN = 300
_KEEP = {"FAIRLEAD_USAGE__KEEP_SEGMENTS_MIB": "100000"}


class Caller(Thread):
    """Calls without a pause, on a new connection after each that breaks; notes every record."""

    def __init__(self, port: int, over: Event) -> None:
        super().__init__(daemon=True)
        self.port, self.over = port, over
        self.ids: list[str] = []
        self.times: list[float] = []
        self.broken = 0

    def run(self) -> None:
        while not self.over.is_set():
            with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as line:
                try:
                    while not self.over.is_set():
                        self._call(line)
                except (OSError, http.client.HTTPException):
                    self.broken += 1
                    self.over.wait(0.01)

    def _call(self, line: http.client.HTTPConnection) -> None:
        began = time.perf_counter()
        line.request("POST", "/predict/total", _BODY, {"content-type": "application/json"})
        answer = line.getresponse()
        answer.read()
        if answer.status == 200:
            self.ids.append(answer.headers["fairlead-usage-id"])
            self.times.append(time.perf_counter() - began)


class Server:
    """A server that can be ended in every way, and begins again on the same port."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self._models = folder / "models"
        models.total(self._models)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.running = self._start()

    def _start(self) -> Running:
        flags = ["--port", self.port, "--admin", "off", "--workers", WORKERS, "--state", self.state]
        return Running(self._models, *map(str, flags), environ=_KEEP).greeted()

    def kill(self, victim: str, how: int, chance: random.Random) -> None:
        """Sends the signal, and sees to it that a server answers again."""
        if victim == "all":
            whole = [self.running.process.pid]
            if how == signal.SIGKILL:
                whole += self.running.workers + self.running.bookkeepers
            for process in whole:
                os.kill(process, how)
            self.running.process.wait(60)
            self.running.end()
            self.running = self._start()
            return
        name = "workers" if victim == "worker" else "bookkeepers"
        living = until(lambda: getattr(self.running, name), 60)
        os.kill(chance.choice(living), how)

    def stop(self) -> None:
        """Ends it in order."""
        self.running.stop()


def run(kills: int = KILLS, seed: int = 20) -> Part:
    """As many SIGTERM as SIGKILL, each to a worker, the bookkeeper and everything in turn."""
    done: Counter[tuple[str, str]] = Counter()
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="fairlead-kills-") as folder:
        server = Server(Path(folder))
        over = Event()
        callers = [Caller(server.port, over) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        try:
            for number in range(2 * kills):
                how = (signal.SIGTERM, signal.SIGKILL)[number % 2]
                victim = VICTIMS[number // 2 % 3]
                _answered(callers, chance.randrange(1, _MOST_BETWEEN))
                server.kill(victim, how, chance)
                done[victim, how.name] += 1
            _answered(callers, 1)
        except AssertionError as error:
            raise AssertionError("\n".join(server.running.lines[-20:])) from error
        finally:
            over.set()
            for caller in callers:
                caller.join(60)
            server.stop()
        facts = _facts(server.state, callers)
    return _part(kills, done, facts)


def _answered(callers: list[Caller], more: int) -> None:
    enough = sum(len(caller.ids) for caller in callers) + more
    until(lambda: sum(len(caller.ids) for caller in callers) >= enough, 120)


def _facts(state: Path, callers: list[Caller]) -> dict[str, int]:
    recorded: Counter[str] = Counter()
    for segment in segments(state / JOURNAL):
        writer = segment.name.rpartition("-")[0]
        for _, batch in read(segment):
            if batch is not None:
                recorded.update(f"{writer}-{r.sequence:x}" for r in batch.records())
    seen = Counter(one for caller in callers for one in caller.ids)
    with opened(state) as ledger:
        booked = totals(ledger.store)[0]["requests"]
        wrong = sum(f.verdict not in GOOD for f in verify(ledger.store, state / JOURNAL))
    return {
        "answered": sum(seen.values()),
        "broken": sum(caller.broken for caller in callers),
        "recorded": sum(recorded.values()),
        "booked": booked,
        "lost": sum(1 for one in seen if not recorded[one]),
        "twice": sum(n - 1 for n in recorded.values()) + sum(n - 1 for n in seen.values()),
        "apart": abs(booked - sum(recorded.values())),
        "wrong": wrong,
    }


def _part(kills: int, done: Counter[tuple[str, str]], facts: dict[str, int]) -> Part:
    rows = [[f"{how} to {victim}", f"{count}"] for (victim, how), count in sorted(done.items())]
    lines = [
        *table(("under load", "times"), rows),
        "",
        f"{facts['answered']:,} answers seen by {CALLERS} callers; {facts['broken']} connections "
        f"broke; {facts['recorded']:,} records, {facts['booked']:,} in the ledger.",
    ]
    enough = sum(n for (_, how), n in done.items() if how == "SIGKILL")
    promises = [
        Promise("G5 kills", kills, enough, f"{enough}"),
        Promise("G5 answers that are lost", 0, facts["lost"], f"{facts['lost']}", most=True),
        Promise("G5 records that stand twice", 0, facts["twice"], f"{facts['twice']}", most=True),
        Promise(
            "G5 journal and ledger are apart by", 0, facts["apart"], f"{facts['apart']}", most=True
        ),
        Promise("G5 segments that disagree", 0, facts["wrong"], f"{facts['wrong']}", most=True),
    ]
    return Part("Ended and killed under load", lines, dict(facts), promises)


STATES = {
    "there": "there",
    "locked": "there, and its database is not",
    "stopped": "stopped",
    "killed": "killed twice a second",
}


def away(seconds: float = 10.0, turns: int = 6) -> Part:
    """Predictions go on while the database, or the bookkeeper, is away.

    Whoever is killed twice a second takes the cores for starting anew: that is shown, and not
    promised anything about.
    """
    found: dict[str, list[float]] = {state: [] for state in STATES}
    with tempfile.TemporaryDirectory(prefix="fairlead-away-") as folder:
        server = Server(Path(folder))
        everybody: list[Caller] = []
        try:
            for turn in range(turns):
                # Whoever else uses the machine must not always meet the same state.
                for state in random.Random(turn).sample([*found], len(found)):
                    callers = _during(server, state, seconds)
                    everybody += callers
                    found[state].append(_p99([t for c in callers for t in c.times]))
        finally:
            server.stop()
        facts = _facts(server.state, everybody)
    middle = {name: statistics.median(values) for name, values in found.items()}
    rows = [
        [said, f"{1e3 * middle[name]:.2f}", f"{100 * (middle[name] / middle['there'] - 1):+.1f} %"]
        for name, said in STATES.items()
    ]
    worst = max(middle["locked"], middle["stopped"]) / middle["there"] - 1
    lines = [
        *table(("the bookkeeper is", "p99 ms", "against there"), rows),
        "",
        f"{turns} turns of {seconds:.0f} s each; {facts['answered']:,} answers; medians.",
    ]
    promises = [
        Promise("G5 lost while it is away", 0, facts["lost"], f"{facts['lost']}", most=True),
        Promise("G5 twice while it is away", 0, facts["twice"], f"{facts['twice']}", most=True),
        Promise("G5 p99 while it is away", 0.05, worst, f"{100 * worst:+.1f} %", most=True),
    ]
    return Part("The bookkeeper is away", lines, {"p99": found, **facts}, promises)


def _during(server: Server, state: str, seconds: float) -> list[Caller]:
    """Callers that called for so long while things were in that state."""
    over = Event()
    callers = [Caller(server.port, over) for _ in range(2)]
    stopped: set[int] = set()
    end = time.perf_counter() + seconds
    with closing(sqlite3.connect(server.state / LEDGER, timeout=60, isolation_level=None)) as held:
        if state == "locked":
            held.execute("BEGIN IMMEDIATE")
        for caller in callers:
            caller.start()
        while time.perf_counter() < end:
            for process in server.running.bookkeepers:
                if state == "killed":
                    os.kill(process, signal.SIGKILL)
                elif state == "stopped" and process not in stopped:
                    stopped.add(process)
                    os.kill(process, signal.SIGSTOP)
            time.sleep(0.5)
        over.set()
        for caller in callers:
            caller.join(60)
    for process in stopped:
        os.kill(process, signal.SIGCONT)
    # What was left is rolled up before the next turn, in whose time it does not belong.
    until(lambda: _behind(server.state) == 0, 120)
    return callers


def _behind(state: Path) -> int:
    with closing(open_ledger(state)) as ledger:
        return pending(ledger.store, state / JOURNAL)


def _p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]
