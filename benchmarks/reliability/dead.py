"""P9: no work for the dead. Executions that began though nobody waited for their answer any more.

Usage: python -m benchmarks.reliability.dead [--callers 1000] [--mixed 20] [--seed 1] [--without]

Two loads on a real server whose model writes down when the execution of each row began:
callers who all leave while they wait behind one slow call (F25), none of whom may be executed; and
three times what the model can do, of callers with deadlines of all lengths, some of whom leave
(F40). A call is dead once its deadline has passed, or its caller has left; the server has a moment
(`--heard`) to hear of that.

`--without` starts a server that drops no dead calls: this must find them, else it could find none.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from benchmarks import machine
from benchmarks.places import Missing
from benchmarks.reliability import parts
from benchmarks.reliability.open_loop import poisson
from benchmarks.servers import Server

_STEP_S, _PATIENCE_S = 0.02, 60.0
_ROW_MS, _BUSY_MS, _BUSY_MS_EACH = 10, 1000, 3
_OVERLOAD = 3 * 1000 / _ROW_MS
_SHORTEST_S, _LONGEST_S, _LEAVING = 0.03, 1.0, 0.3
MOST_SHARE = 0.001

_SOURCE = '''
from contextlib import suppress
from time import monotonic, sleep


def written(x, ms):
    """Takes as long as its rows say, and writes down when each of them began."""
    with suppress(OSError), open("begun", "a") as log:
        for name in x:
            print(int(name), monotonic(), file=log)
    sleep(0.005 + float(sum(ms)) / 1000)
    return {"y": x}
'''
_WITHOUT = """
from fairlead.serving import batcher

batcher.drop_late = lambda calls, moment, since=0.0: list(calls)
"""


@dataclass(frozen=True, slots=True)
class Counted:
    """What one load came to.

    asked, executed: calls. dead: executions that began for nobody.
    """

    name: str
    asked: int
    executed: int
    dead: int

    @property
    def share(self) -> float:
        """Of the executions, those for nobody."""
        return self.dead / max(1, self.executed)


def _request(number: int, ms: float, deadline_s: float) -> bytes:
    body = json.dumps({"x": number, "ms": ms}).encode()
    head = (
        f"POST /predict/written HTTP/1.1\r\nhost: a\r\nx-request-timeout: {deadline_s * 1000:.0f}"
    )
    head += f"\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _queued(server: Server) -> int:
    with urlopen(server.url.partition("/predict")[0] + "/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(int(line.split()[-1]) for line in lines if line.startswith("fairlead_queued "))


def _wait(server: Server, least: int, most: int) -> None:
    """Until so many calls wait. Raises TimeoutError."""
    end = time.monotonic() + _PATIENCE_S
    while not least <= _queued(server) <= most:
        if time.monotonic() > end:
            raise TimeoutError(f"{_queued(server)} calls wait, not {least} to {most}")
        time.sleep(_STEP_S)


def leaving(server: Server, log: Path, callers: int) -> Counted:
    """All callers leave while they wait. Raises TimeoutError."""
    first = 1_000_000
    where = ("127.0.0.1", parts.port_of(server))
    busy = socket.create_connection(where)
    busy.sendall(_request(first, _BUSY_MS + callers * _BUSY_MS_EACH, _PATIENCE_S))
    _until_begun(log, first)
    lines = [socket.create_connection(where) for _ in range(callers)]
    for number, line in enumerate(lines, first + 1):
        line.sendall(_request(number, 0, _PATIENCE_S))
    _wait(server, callers, callers)
    for line in lines:
        line.close()
    busy.settimeout(_PATIENCE_S)
    busy.recv(1)
    busy.close()
    _wait(server, 0, 0)
    with socket.create_connection(where) as last:
        last.settimeout(_PATIENCE_S)
        last.sendall(_request(first - 1, 0, _PATIENCE_S))
        last.recv(1)
    executed = sum(number > first for number in _begun(log))
    return Counted("all leave while they wait", callers, executed, executed)


def _until_begun(log: Path, number: int) -> None:
    end = time.monotonic() + _PATIENCE_S
    while number not in _begun(log):
        if time.monotonic() > end:
            raise TimeoutError("the slow call was not executed")
        time.sleep(_STEP_S)


def _begun(log: Path) -> Mapping[int, float]:
    """By the number of a row, when its execution began."""
    lines = log.read_text().splitlines() if log.exists() else []
    return {int(number): float(moment) for number, moment in map(str.split, lines)}


async def _mixed(port: int, seconds: float, seed: int) -> dict[int, float]:
    """Sends the mix; by number, the moment at which each call was dead."""
    chance, dead = random.Random(seed), dict[int, float]()

    async def ask(number: int, deadline_s: float, leaves_s: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sent = time.monotonic()
        dead[number] = sent + deadline_s
        writer.write(_request(number, _ROW_MS, deadline_s))
        try:
            await asyncio.wait_for(reader.read(1), leaves_s)
        except TimeoutError:
            dead[number] = min(dead[number], time.monotonic())
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    began, tasks = time.monotonic(), list[asyncio.Task[None]]()
    for number, due in enumerate(poisson(_OVERLOAD, seconds, seed)):
        await asyncio.sleep(max(0.0, began + due - time.monotonic()))
        leaves = chance.random() < _LEAVING
        deadline_s = chance.uniform(_SHORTEST_S, _LONGEST_S)
        leaves_s = chance.uniform(0, _LONGEST_S) if leaves else _PATIENCE_S
        tasks.append(asyncio.create_task(ask(number, deadline_s, leaves_s)))
    await asyncio.gather(*tasks)
    return dead


def mixed(server: Server, log: Path, seconds: float, seed: int, heard_s: float) -> Counted:
    """Deadlines of all lengths, and callers who leave."""
    dead = asyncio.run(_mixed(parts.port_of(server), seconds, seed))
    begun = _begun(log)
    executed = [number for number in dead if number in begun]
    late = sum(begun[number] > dead[number] + heard_s for number in executed)
    return Counted("deadlines and leaving at 3 times", len(dead), len(executed), late)


def run(
    callers: int, seconds: float, seed: int, heard_s: float = 0.02, without: bool = False
) -> list[Counted]:
    """Both loads, each on a server of its own.

    seconds: of the mix; 0 for none. without: the server drops no dead calls.
    """
    found: list[Counted] = []
    with tempfile.TemporaryDirectory(prefix="fairlead-dead-") as name:
        folder = Path(name)
        models = parts.packed(folder, _SOURCE, "written", "x,ms\n1,1\n2,0\n")
        config = folder / "fairlead.toml"
        environment: dict[str, str] = {}
        if without:
            (folder / "hook").mkdir()
            (folder / "hook" / "sitecustomize.py").write_text(_WITHOUT)
            environment["PYTHONPATH"] = str(folder / "hook")
        config.write_text(f"[limits]\nqueue_calls = {callers + 1}\nqueue_wait_s = {_PATIENCE_S}\n")
        for load in range(2 if seconds else 1):
            options = ("--config", str(config))
            example = b'{"x": 1, "ms": 0}'
            with parts.served(
                models, *options, model="written", body=example, environment=environment
            ) as server:
                log = next(Path(server.folder.name).rglob("begun"))
                if load == 0:
                    found.append(leaving(server, log, callers))
                else:
                    found.append(mixed(server, log, seconds, seed, heard_s))
    return found


def main() -> int:
    """0 when the promise is kept, 1 when it is broken, 2 when it could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--callers", type=int, default=1000, help="who all leave")
    parser.add_argument("--mixed", type=float, default=20.0, help="seconds of the mix")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--heard", type=float, default=0.02, help="seconds to hear of a death")
    parser.add_argument("--without", action="store_true", help="the negative control")
    parser.add_argument(
        "--shared", action="store_true", help="run before others on this machine (Linux, root)"
    )
    options = parser.parse_args()
    try:
        if options.shared:
            machine.Precedence.take()
        found = run(options.callers, options.mixed, options.seed, options.heard, options.without)
    except (Missing, TimeoutError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"seed {options.seed}\n\n| load | asked | executed | for nobody | share |")
    print("|---|---|---|---|---|")
    for one in found:
        print(f"| {one.name} | {one.asked} | {one.executed} | {one.dead} | {one.share:.4f} |")
    return 0 if all(one.share <= MOST_SHARE for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
