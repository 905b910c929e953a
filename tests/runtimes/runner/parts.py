"""Small parts for tests of runners: a model from its source, and a log that remembers."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent as dedent
from time import monotonic, sleep
from typing import Any

import numpy as np
from tests.models import spec

from fairlead.core.package import FileFact, Limits, Package
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array
from fairlead.runtimes.runner.isolated import IsolatedRuntime
from fairlead.runtimes.runner.parent import RunnerModel

PLAIN = Signature((spec("x", "FP64", (-1,)),), (spec("output", "FP64", (-1,)),))

MISBEHAVING = '''
import ctypes, os, threading, time
import numpy as np

def predict(x):
    """Doubles; a number below 100 says what else it does."""
    what = next((int(v) for v in x if v < 100), 0)
    if what == 1: raise RuntimeError(f"no good: {what}")
    if what == 2: raise SystemExit(3)
    if what == 3: raise KeyboardInterrupt
    if what == 4: raise MemoryError
    if what == 5: return np.array([1 + 2j])
    if what == 6: return np.array([object()])
    if what == 7: return np.array([None])
    if what == 8: return {"other": x}
    if what == 9: open("/etc/shadow")
    if what == 10: print("x" * 5_000_000, flush=True); os.write(2, b"y" * 5_000_000)
    if what == 20: time.sleep(1000)
    if what == 21: ctypes.PyDLL(None).sleep(1000)
    if what == 22: ctypes.string_at(0)
    if what == 23: os._exit(0)
    if what == 24: os.abort()
    if what == 25: threading.Thread(target=os._exit, args=(5,)).start(); time.sleep(1000)
    return x * 2
'''
STAYS = {
    1: "RuntimeError: no good: 1",
    2: "SystemExit: 3",
    3: "KeyboardInterrupt",
    4: "MemoryError",
    8: "no output 'output'",
    9: "Permission denied: 'shadow'",
}
"""What it says when asked for this; its process lives on."""
UNFIT = {5: "complex128", 6: "type object", 7: "type NoneType"}
"""What of its answer cannot travel."""
HANGS = (20, 21)
DIES = (22, 23, 24, 25)


class Log:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, event: str, **fields: Any) -> None:
        self.events.append((event, fields))

    def named(self, event: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self.events if name == event]


def package(
    source: str = MISBEHAVING,
    signature: Signature = PLAIN,
    environment: dict[str, Any] | None = None,
    **limits: Any,
) -> tuple[Package, Callable[[str], bytes]]:
    """A version whose model is `predict` of this source, and what reads its one file."""
    told = {"about": {"object": "predict"}, "versions": {"numpy": np.__version__}}
    made = Package(
        "m",
        1,
        Path(),
        "python",
        True,
        "native/model.py",
        signature,
        {"native/model.py": FileFact(0, "")},
        environment=told | (environment or {}),
        limits=Limits(**limits),
    )
    return made, lambda relative: source.encode()


def load(source: str = MISBEHAVING, log: Any = None, **more: Any) -> RunnerModel:
    """The model of this source in its runner; `memory` and `homes` are IsolatedRuntime's."""
    own = {name: more.pop(name) for name in ("memory", "homes") if name in more}
    return IsolatedRuntime("python", log or Log(), **own).load(*package(source, **more))


def ask(model: RunnerModel, *numbers: float) -> list[Any]:
    """The model's first output for these numbers."""
    inputs: Sequence[Array] = [np.array(numbers, dtype=np.float64)]
    return model.predict(inputs, [0])[0].tolist()


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has reaped yet has."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True


def until(true: Callable[[], Any], seconds: float = 30.0) -> None:
    """Waits for something to be so."""
    end = monotonic() + seconds
    while not true():
        assert monotonic() < end, "it never came to be so"
        sleep(0.005)


def stand_in(path: Path) -> None:
    """This interpreter under another name, with all that is installed for it."""
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    path.chmod(0o755)


@contextmanager
def asking(model: RunnerModel, *numbers: float) -> Iterator[Future[list[Any]]]:
    """The model is asked meanwhile, by another thread."""
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(ask, model, *numbers)
