"""Attacks on a real server, and the one oracle that judges all of them."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.processes import Running, server, until
from tests.raw import Answer, Raw, get, post

WARM_UP, REPEATS, ROUNDS = 30, 100, 4
MOST_GROWTH = 1 << 20
_SAMPLES, _STILL = 150, 100 << 10
GOOD = post("/predict/total", b"[1,2,3]")
_LEAKS = re.compile(
    "|".join(
        [
            r"Traceback",
            r"0x[0-9a-f]{6,}",
            r" object at ",
            r"\.py\b",
            r"site-packages",
            re.escape(str(Path(__file__).parents[2])),
            re.escape(sys.prefix),
        ]
    )
)


@dataclass(frozen=True)
class Attack:
    """What a bad caller sends, and what must come back.

    pieces: each goes out in a segment of its own.
    status, code: of the one answer; several statuses where the protocol leaves room.
    """

    name: str
    pieces: tuple[bytes, ...]
    status: int | tuple[int, ...]
    code: str

    @property
    def statuses(self) -> tuple[int, ...]:
        return (self.status,) if isinstance(self.status, int) else self.status


class Target:
    """A server under attack."""

    def __init__(self, running: Running, state: Path) -> None:
        self.running = running
        self.port = running.port
        self.state = state
        self.processes = self._processes()

    def _processes(self) -> list[int]:
        return [self.running.process.pid, *self.running.workers]

    def survives(self, attack: Attack) -> Answer:
        """Sends an attack once, and checks everything that an attack must not change."""
        with Raw(self.port) as raw:
            answer = self._checked(raw, attack)
            if answer.closes:
                assert raw.ended(), f"{attack.name}: the connection lives on"
            else:
                self._good(raw)
        with Raw(self.port) as fresh:
            self._good(fresh)
        assert self._processes() == self.processes, f"{attack.name}: a process died"
        assert self.running.process.poll() is None
        return answer

    def bears(self, attacks: Sequence[Attack]) -> None:
        """Repeats every attack a hundred times; memory must not grow by more than 1 MiB.

        What grows in every round leaks; what settles was only memory that is used again.
        """
        self._repeat(attacks, WARM_UP)
        files = until(self._files_at_rest, 20)
        grown: list[int] = []
        held = self._memory()
        for _ in range(ROUNDS):
            self._repeat(attacks, REPEATS)
            before, held = held, self._memory()
            grown.append(held - before)
            if grown[-1] <= MOST_GROWTH:
                break
        assert grown[-1] <= MOST_GROWTH, f"memory grew in every round: {grown}"
        until(lambda: self._files_at_rest() == files, 20, "files were left open")
        with Raw(self.port) as fresh:
            self._good(fresh)
        assert self._processes() == self.processes

    def log_is_clean(self) -> None:
        """Every line of the log is one JSON object without secrets of the machine."""
        for line in self.running.lines:
            if line.startswith("{"):
                assert line.isprintable()
                assert all(len(str(v)) <= 1024 for v in json.loads(line).values())
                assert not _LEAKS.search(line), line
            else:
                assert not line.startswith(("Traceback", " File")), line

    def _repeat(self, attacks: Sequence[Attack], times: int) -> None:
        for attack in attacks:
            raw = Raw(self.port)
            try:
                for _ in range(times):
                    if self._checked(raw, attack).closes:
                        raw.close()
                        raw = Raw(self.port)
            finally:
                raw.close()

    def _checked(self, raw: Raw, attack: Attack) -> Answer:
        raw.send(*attack.pieces)
        answer = raw.read()
        assert answer is not None, f"{attack.name}: no answer"
        assert answer.status in attack.statuses, f"{attack.name}: {answer}"
        check_error(answer, attack.code)
        return answer

    def _good(self, raw: Raw) -> None:
        answer = raw.ask(GOOD)
        assert (answer.status, answer.json()["predictions"][0]["value"]) == (200, 6.0)

    def _files_at_rest(self) -> int:
        """How many files the worker has open when nobody else is connected, else 0."""
        (worker,) = self.running.workers
        with Raw(self.port) as raw:
            text = raw.ask(get("/metrics")).body.decode()
            files = len(os.listdir(f"/proc/{worker}/fd"))
        connected = re.search(r"^fairlead_connections (\d+)$", text, re.MULTILINE)
        return files if connected is not None and connected[1] == "1" else 0

    def _memory(self) -> int:
        """Bytes that the worker holds once they no longer change.

        A worker gives memory back within two seconds of its last request.
        """
        (worker,) = self.running.workers
        samples: list[int] = []

        def still() -> bool:
            samples.append(memory(worker))
            last = samples[-_SAMPLES:]
            return len(last) == _SAMPLES and max(last) - min(last) <= _STILL

        until(still, 60, "the memory never came to rest")
        return samples[-1]


def check_error(answer: Answer, code: str) -> None:
    """An error answer has the shape of its protocol, the right code, and tells nothing else."""
    body = answer.json()
    assert body["code"] == code, answer
    if answer.header("content-type") == "application/problem+json":
        assert {"type", "title", "status", "detail"} <= set(body)
    else:
        assert answer.header("content-type") == "application/json"
        assert isinstance(body["error"], str)
    assert not _LEAKS.search(answer.body.decode()), answer.body
    assert len(answer.body) < 2000


def memory(process: int, field: str = "VmRSS") -> int:
    """Bytes of memory of a process: held now, or VmHWM: the most since `forget_peak`."""
    text = Path(f"/proc/{process}/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE)[1]) << 10  # type: ignore[index]


def forget_peak(process: int) -> None:
    """Lets the peak of a process's memory begin at what it holds now."""
    Path(f"/proc/{process}/clear_refs").write_text("5")


@contextmanager
def target(repository: Path, folder: Path, **limits: int) -> Iterator[Target]:
    """A server of `repository` with some limits of its own."""
    config = folder / "fairlead.toml"
    lines = [f"{key} = {value}" for key, value in limits.items()]
    config.write_text("\n".join(["[limits]", *lines, ""]))
    with server(repository, "--config", config, state=folder / "state") as running:
        yield Target(running, folder / "state")


# --- requests -------------------------------------------------------------------------------


def infer(model: str, body: bytes) -> bytes:
    return post(f"/v2/models/{model}/infer", body)


def tensor(data: Any, datatype: str = "FP32", name: str = "x", shape: Any = None) -> dict[str, Any]:
    shape = [1, len(data)] if shape is None else shape
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def inputs(*tensors: Any, **more: Any) -> bytes:
    return json.dumps({"inputs": list(tensors), **more}).encode()


def rows(model: str, body: bytes, *headers: str) -> bytes:
    return post(f"/predict/{model}", body, *headers)


def attack(name: str, request: bytes, code: str, status: int | tuple[int, ...] = 400) -> Attack:
    return Attack(name, (request,), status, code)


__all__ = ["Attack", "Target", "attack", "get", "infer", "inputs", "post", "rows", "tensor"]
