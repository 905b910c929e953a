"""The models whose future is told: one that costs next to nothing, two networks, and code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import fairlead
from benchmarks import models
from benchmarks.graphs import INPUT, Builder
from benchmarks.reliability import parts
from fairlead.packages.repository import committed

_WIDE, _CHANNELS, _IMAGE, _GIVEN = 64, 4, 32, 16


@dataclass(frozen=True, slots=True)
class Subject:
    """A packed model."""

    name: str
    folder: Path


def cheap(folder: Path) -> Subject:
    """100 boosted trees on 30 columns: on the loop, a tenth of a millisecond or less."""
    made = fairlead.pack(models.trained(models.BOOSTING), name="cheap", repository=folder)
    return Subject("cheap", made.folder)


def small(folder: Path) -> Subject:
    """Two convolutions: on the loop, about a millisecond."""
    return _convolutions(folder, "small", 2)


def network(folder: Path) -> Subject:
    """Twelve convolutions: some milliseconds, in a thread.

    In one: whoever sends the calls is on this machine, and needs a core that nothing else is on.
    """
    return _convolutions(folder, "network", 12, "threads = 1\n")


def _convolutions(folder: Path, name: str, layers: int, limits: str = "") -> Subject:
    """On a picture of 32 x 32 that is drawn from 16 numbers, so that a request is short."""
    build = Builder()
    shape = build.integers(0, _CHANNELS, _IMAGE, _IMAGE)
    flow = build.node("Reshape", build.dense(INPUT, _GIVEN, _CHANNELS * _IMAGE**2), shape)
    deep = _CHANNELS
    for _ in range(layers):
        shifts = build.constant(np.zeros(_WIDE, np.float32))
        kernels = build.weight(_WIDE, deep, 3, 3)
        flow = build.node("Conv", flow, kernels, shifts, pads=[1] * 4)
        flow, deep = build.node("Relu", flow), _WIDE
    flow = build.node("Flatten", build.node("GlobalAveragePool", flow))
    graph = folder / f"{name}.onnx"
    build.save(graph, build.dense(flow, _WIDE, 10), "FLOAT", (_GIVEN,), 10)
    # Whether it pays to join convolutions is a matter of a few per cent: a server that measures it
    # when it starts may find either, so it is said.
    words = folder / "limits.toml"
    words.write_text("[limits]\nmax_batch = 1\n" + limits)
    command = [sys.executable, "-P", "-m", "fairlead", "pack", str(graph), "--name", name]
    command += ["--model-toml", str(words), "--repository", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return Subject(name, folder / name / "1")


def code(folder: Path) -> Subject:
    """A Python function in its runner: 4 ms of processor time, and 3 ms for each row."""
    parts.burner(folder, row_ms=3.0, batch_ms=4.0, name="code")
    found = next(one for one in committed(folder / "models") if one.name == "code")
    return Subject("code", found.folder)


KINDS: dict[str, Callable[[Path], Subject]] = {
    "cheap": cheap,
    "small": small,
    "network": network,
    "code": code,
}
