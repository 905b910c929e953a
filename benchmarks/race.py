"""Part 1: one small model behind Fairlead, the bare spike and its peers, side by side.

Every round starts every server afresh, then puts the same load on each in turn, one number of
connections after the other; so what a ratio compares was measured seconds apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import inprocess, models, servers
from benchmarks.load import Cell, Noisy, Patience, load
from benchmarks.report import Part, middle, promise, spread, table

CONNECTIONS = (1, 8, 64)
FAIRLEAD, GUARDED, SPIKE, NGINX = "fairlead", "fairlead, everything on", "bare spike", "nginx echo"
FASTAPI, MOSEC, MLSERVER = "FastAPI w2", "mosec batch", "MLServer"
_WARM_CONNECTIONS, _WARM_S = 8, 1
_CLOSE = 1e-5

Cells = dict[tuple[str, int], list[Cell | None]]
"""By server and connections: a cell per round, None where nothing undisturbed was measured."""


class WrongAnswer(Exception):
    """A server that is fast at something else."""


def run(rounds: int, seconds: int, patience: Patience) -> Part:
    """The whole part. Raises Missing, NotStarted, WrongAnswer."""
    package = models.packed(models.BOOSTING)
    graph = models.graph_of(package)
    rows = models.data()[0][:1]
    oip = models.oip_body("boosting", rows, "FP32", "X", models.OUTPUT)
    instances = models.instances_body("boosting", rows)
    kinds = [
        (servers.fairlead(package, models.BOOSTING), oip),
        (servers.spike(graph, models.OUTPUT), oip),
        (
            servers.fairlead(models.packed(models.GUARDED), models.GUARDED, GUARDED, keyed=True),
            oip,
        ),
        (servers.fastapi(graph), instances),
        (servers.mosec(graph), instances),
        (servers.mlserver(graph), oip),
        (servers.nginx(), oip),
    ]
    cells: Cells = {(kind.name, c): [] for kind, _ in kinds for c in CONNECTIONS}
    alone: list[inprocess.Alone] = []
    for number in range(rounds):
        print(f"  round {number + 1} of {rounds}", flush=True)
        way = inprocess.Way(1, 1, 1)
        alone.append(inprocess.measure(graph, oip, models.OUTPUT, way, 1.0))
        _round(kinds, seconds, cells, patience)
    return _part(cells, alone, patience.thrown_away)


def _round(
    kinds: list[tuple[servers.Kind, Path]], seconds: int, cells: Cells, patience: Patience
) -> None:
    running: list[servers.Server] = []
    try:
        for kind, body in kinds:
            server = servers.start(kind, body)
            running.append(server)
            if kind.name != NGINX:
                _check(server)
            _load(server, _WARM_CONNECTIONS, _WARM_S)
        for connections in CONNECTIONS:
            for server in running:
                cell = _cell(server, connections, seconds, patience)
                cells[server.name, connections].append(cell)
    finally:
        for server in running:
            server.stop()


def _cell(
    server: servers.Server, connections: int, seconds: int, patience: Patience
) -> Cell | None:
    try:
        return patience.undisturbed(lambda: _load(server, connections, seconds))
    except Noisy:
        return None


def _load(server: servers.Server, connections: int, seconds: int) -> Cell:
    return load(
        server.url,
        server.body,
        server.session,
        connections=connections,
        seconds=seconds,
        key=server.key,
    )


def _check(server: servers.Server) -> None:
    """Raises WrongAnswer unless the server gives the model's scores."""
    answer = server.ask()
    found = answer["predictions"][0] if "predictions" in answer else answer["outputs"][0]["data"]
    wanted = _scores()
    if np.shape(found) != wanted.shape or np.abs(np.array(found) - wanted).max() > _CLOSE:
        raise WrongAnswer(f"{server.name} answers {found}, the model {wanted.tolist()}")


def _scores() -> Any:
    return models.trained(models.BOOSTING).predict_proba(models.data()[0][:1])[0]


def _part(cells: Cells, alone: list[inprocess.Alone], thrown_away: int) -> Part:
    part = Part("Boosted trees, 30 features, one row of JSON")
    names = list(dict.fromkeys(name for name, _ in cells))
    for connections in CONNECTIONS:
        first = [""] if part.lines else []
        part.lines += [*first, f"{connections} connection{'s' * (connections > 1)}:", ""]
        rows = [_row(cells, name, connections) for name in names]
        header = ("server", "answers/s", "p50 us", "p99 us", "cores", "fairlead / it")
        part.lines += table(header, rows)
    speed, each = spread([a.per_s for a in alone]), spread([a.run_us for a in alone], ".1f")
    part.lines += ["", f"onnxruntime alone, one row: {speed} runs/s, {each} us each."]
    part.lines += [f"Thrown away because others used the machine: {thrown_away} cells."]
    part.figures = {
        "cells": {
            f"{name}, {connections}": [cell and cell.to_json() for cell in found]
            for (name, connections), found in cells.items()
        },
        "alone": {"per_s": [a.per_s for a in alone], "run_us": [a.run_us for a in alone]},
        "thrown_away": thrown_away,
    }
    _promise(part, cells, alone)
    return part


def _row(cells: Cells, name: str, connections: int) -> list[str]:
    found = [cell for cell in cells[name, connections] if cell is not None]
    errors = sum(cell.errors for cell in found)
    return [
        f"{name} ({errors} errors)" if errors else name,
        spread([cell.per_s for cell in found]),
        spread([cell.p50_us for cell in found]),
        spread([cell.p99_us for cell in found]),
        spread([cell.server for cell in found], ".2f"),
        spread(_ratios(cells, name, connections), ".2f"),
    ]


def _ratios(cells: Cells, other: str, connections: int) -> list[float]:
    """Fairlead's answers per second over the other's, round by round."""
    pairs = zip(cells[FAIRLEAD, connections], cells[other, connections], strict=True)
    return [ours.per_s / its.per_s for ours, its in pairs if ours and its]


def _promise(part: Part, cells: Cells, alone: list[inprocess.Alone]) -> None:
    for other, limit in ((SPIKE, 0.7), (FASTAPI, 3.0), (MLSERVER, 12.0), (MOSEC, 1.5)):
        text = f"64 connections: answers/s over {other}"
        part.promises.append(promise(text, limit, _ratios(cells, other, 64)))
    pairs = list(zip(cells[FAIRLEAD, 64], cells[SPIKE, 64], strict=True))
    tails = [(a.p99_us / a.p50_us) / (b.p99_us / b.p50_us) for a, b in pairs if a and b]
    part.promises.append(
        promise("64 connections: p99/p50 over the spike's", 1.25, tails, most=True)
    )
    model = middle([a.run_us for a in alone]) or 0.0
    pairs = list(zip(cells[FAIRLEAD, 1], cells[NGINX, 1], strict=True))
    waits = [a.p50_us / (b.p50_us + model) for a, b in pairs if a and b]
    text = "1 connection: p50 over nginx echo plus the model"
    part.promises.append(promise(text, 2.0, waits, most=True))
    errors = sum(cell.errors for found in cells.values() for cell in found if cell)
    part.promises.append(promise("requests without a good answer", 0, [errors], ".0f", most=True))
