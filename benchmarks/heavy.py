"""Part 3: models that cost milliseconds: does the server keep the machine as busy as it can be?"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import graphs, inprocess, models, servers
from benchmarks.load import Cell, Noisy, Patience, load
from benchmarks.report import Part, promise, spread, table

_ROWS = (1, 2, 4, 8, 16)
_CONNECTIONS = 32
_SEARCH_S = 1.0
_LIMIT = 0.95


@dataclass(frozen=True, slots=True)
class Heavy:
    """A graph with a request for one row of it.

    promised: whether the limit holds for it, or it only shows what the text of JSON costs.
    """

    name: str
    title: str
    graph: Path
    body: Path
    promised: bool = True


def run(rounds: int, seconds: int, patience: Patience) -> Part:
    """The whole part."""
    part = Part(f"Heavy graphs, one row of JSON a request, {_CONNECTIONS} connections")
    rows: list[list[str]] = []
    for heavy in _all():
        print(f"  {heavy.title}", flush=True)
        ways = _search(heavy, patience)
        way = max(ways, key=lambda way: ways[way])
        pairs = [_pair(heavy, way, seconds, patience) for _ in range(rounds)]
        served = [pair[0] for pair in pairs if pair]
        alone = [pair[1] for pair in pairs if pair]
        ratios = [s / a for s, a in zip(served, alone, strict=True)]
        shown = [spread(alone, ".1f"), spread(served, ".1f"), spread(ratios, ".3f")]
        rows.append([heavy.title, str(way), *shown])
        part.figures[heavy.name] = {
            "ways": {str(way): round(speed, 1) for way, speed in ways.items()},
            "served": served,
            "alone": alone,
        }
        if heavy.promised:
            text = f"{heavy.title}: rows/s over onnxruntime alone"
            part.promises.append(promise(text, _LIMIT, ratios, ".3f"))
    header = ("graph", "best way alone", "alone rows/s", "fairlead rows/s", "fairlead / alone")
    part.lines = table(header, rows)
    return part


def _all() -> list[Heavy]:
    random = np.random.default_rng(0)
    words = random.integers(0, 30_000, (1, graphs.LENGTH))
    return [
        _heavy("cnn", "CNN, 32 x 32", graphs.resnet(32), _image(random, 32)),
        _heavy("transformer", "transformer, 128 tokens", graphs.transformer(), words),
        _heavy("cnn224", "CNN, 224 x 224", graphs.resnet(224), _image(random, 224), False),
    ]


def _image(random: np.random.Generator, size: int) -> NDArray[np.float32]:
    return np.round(random.random((1, 3, size, size), dtype=np.float32), 4)


def _heavy(name: str, title: str, graph: Path, row: NDArray[Any], promised: bool = True) -> Heavy:
    wire = "FP32" if row.dtype == np.float32 else "INT64"
    body = models.oip_body(name, row, wire, graphs.INPUT, graphs.OUTPUT)
    return Heavy(name, title, graph, body, promised)


def _search(heavy: Heavy, patience: Patience) -> dict[inprocess.Way, float]:
    """Rows per second of every way to run the graph alone; 0 where others disturbed."""
    cores = len(os.sched_getaffinity(0))
    speeds: dict[inprocess.Way, float] = {}
    for rows in _ROWS:
        for threads in sorted({1, cores}):
            way = inprocess.Way(rows, threads, cores // threads)
            try:
                found = patience.undisturbed(lambda way=way: _alone(heavy, way, _SEARCH_S))
                speeds[way] = found.per_s
            except Noisy:
                speeds[way] = 0.0
    return speeds


def _alone(heavy: Heavy, way: inprocess.Way, seconds: float) -> inprocess.Alone:
    return inprocess.measure(heavy.graph, heavy.body, graphs.OUTPUT, way, seconds)


def _pair(
    heavy: Heavy, way: inprocess.Way, seconds: int, patience: Patience
) -> tuple[float, float] | None:
    """Rows per second served, and alone right after; None when others disturbed."""
    package = models.packed_graph(heavy.name, heavy.graph)
    server = servers.start(servers.fairlead(package, heavy.name), heavy.body)

    def served(seconds: int) -> Cell:
        url, session = server.url, server.session
        return load(url, heavy.body, session, connections=_CONNECTIONS, seconds=seconds)

    try:
        served(1)
        cell = patience.undisturbed(lambda: served(seconds))
    except Noisy:
        return None
    finally:
        server.stop()
    try:
        alone = patience.undisturbed(lambda: _alone(heavy, way, seconds))
    except Noisy:
        return None
    return cell.per_s, alone.per_s
