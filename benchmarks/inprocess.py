"""onnxruntime alone, in a process of its own: what no server over it can exceed.

Usage: python -m benchmarks.inprocess GRAPH BODY OUTPUT ROWS THREADS CALLERS SECONDS
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from benchmarks.load import Watch

_DTYPES = {"FP32": np.float32, "INT64": np.int64, "UINT8": np.uint8}


@dataclass(frozen=True, slots=True)
class Way:
    """How a graph is run: rows in one run, threads inside a run, runs at once."""

    rows: int
    threads: int
    callers: int

    def __str__(self) -> str:
        return f"{self.rows} rows, {self.threads} threads, {self.callers} callers"


@dataclass(frozen=True, slots=True)
class Alone:
    """Rows per second, the median microseconds of one run, and cores that others used."""

    per_s: float
    run_us: float
    foreign: float


def measure(graph: Path, body: Path, output: str, way: Way, seconds: float) -> Alone:
    """Runs the graph with the rows of a request body for some seconds, in another process."""
    arguments = [graph, body, output, way.rows, way.threads, way.callers, seconds]
    command = [sys.executable, "-m", "benchmarks.inprocess", *map(str, arguments)]
    watch = Watch()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Alone(**json.loads(done.stdout), foreign=watch.cores()[2])


def main(arguments: list[str]) -> None:
    """The measuring process: prints its figures as JSON."""
    graph, body, output = arguments[:3]
    way = Way(*map(int, arguments[3:6]))
    seconds = float(arguments[6])
    onnxruntime: Any = import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = way.threads
    options.inter_op_num_threads = 1
    loaded = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    given = inputs(Path(body), way.rows)
    times: list[list[float]] = [[] for _ in range(way.callers)]
    loaded.run([output], given)
    end = time.perf_counter() + seconds

    def call(own: list[float]) -> None:
        last = time.perf_counter()
        while last < end:
            loaded.run([output], given)
            moment = time.perf_counter()
            own.append(moment - last)
            last = moment

    began = time.perf_counter()
    callers = [Thread(target=call, args=(own,)) for own in times]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    spent = time.perf_counter() - began
    every = [t for own in times for t in own]
    print(
        json.dumps(
            {
                "per_s": len(every) * way.rows / spent,
                "run_us": statistics.median(every) * 1e6,
            }
        )
    )


def inputs(body: Path, rows: int) -> dict[str, Any]:
    """The tensors of a request, its first row repeated."""
    found: dict[str, Any] = {}
    for tensor in json.loads(body.read_text())["inputs"]:
        array = np.array(tensor["data"], _DTYPES[tensor["datatype"]]).reshape(tensor["shape"])
        found[tensor["name"]] = np.repeat(array[:1], rows, axis=0)
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
