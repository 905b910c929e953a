"""ModelInfer over gRPC, one row, beside grpcio's own servers.

grpcio's servers check, count and keep nothing. Fairlead checks, bounds, counts and journals every
call; "everything on" adds guards, a key and its limits, as in the race over HTTP.

Every round starts every server afresh, then puts the same load on each in turn: frames of our own,
many calls under way. How long one call takes alone is measured with grpcio's client for all.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import numpy as np

from benchmarks import models, servers
from benchmarks.grpc_load import Header, load
from benchmarks.load import Cell, Noisy, Patience
from benchmarks.places import BODIES, HERE
from benchmarks.report import Part, promise, spread, table
from fairlead.protos.pool import message

ADDRESS = "/inference.GRPCInferenceService/ModelInfer"
FAIRLEAD, FULL, AIO, SYNC = "fairlead", "fairlead, everything on", "grpcio.aio", "grpcio, threads"
FLYING = 64
LOADS = ((1, FLYING), (8, FLYING))
"""(connections, calls under way in all)."""
_ROWS = 64
_ALONE, _ALONE_WARM = 2000, 300
_CLOSE = 1e-5


def run(rounds: int, seconds: float, patience: Patience) -> Part:
    """The whole part. Raises Missing, NotStarted, Broken."""
    cells: dict[tuple[str, int], list[Cell | None]] = {}
    alone: dict[str, list[float]] = {}
    for number in range(rounds):
        print(f"  round {number + 1} of {rounds}", flush=True)
        running: list[servers.Server] = []
        try:
            for kind in kinds():
                running.append(servers.start(kind, _body(_model(kind.name))))
                _load(running[-1], 1, FLYING, 1.0)
            for server in running:
                alone.setdefault(server.name, []).append(_alone(server))
            for connections, flying in LOADS:
                for server in running:
                    cell = _cell(server, connections, flying, seconds, patience)
                    cells.setdefault((server.name, connections), []).append(cell)
        finally:
            for server in running:
                server.stop()
    return _part(cells, alone, seconds)


def kinds() -> list[servers.Kind]:
    """The servers, in the order in which they are asked."""
    package = models.packed(models.BOOSTING)
    graph = str(models.graph_of(package))

    def peer(name: str, how: str) -> servers.Kind:
        def command(folder: Path, port: int) -> list[str]:
            return [sys.executable, "-P", str(HERE / "peers" / "grpc_app.py"), how, str(port)]

        where = {"GRAPH": graph, "PYTHONPATH": str(HERE / "peers")}
        return servers.Kind(name, command, "", where, asks=ask)

    guarded = models.packed(models.GUARDED)
    return [
        replace(servers.fairlead(package, models.BOOSTING, FAIRLEAD), asks=ask),
        replace(servers.fairlead(guarded, models.GUARDED, FULL, keyed=True), asks=ask),
        peer(AIO, "aio"),
        peer(SYNC, "sync"),
    ]


def request(model: str, number: int) -> bytes:
    """A ModelInferRequest of one row, in bytes; the rows that are most like all others first."""
    rows = _usual()[number : number + 1]
    made: Any = message("inference.ModelInferRequest")(
        model_name=model,
        inputs=[{"name": "X", "datatype": "FP32", "shape": rows.shape}],
        outputs=[{"name": models.OUTPUT}],
        raw_input_contents=[rows.tobytes()],
    )
    return made.SerializeToString()


@cache
def _usual() -> models.Rows:
    """The rows by their largest distance from the mean: a contract refuses what is far away."""
    rows = models.data()[0]
    distance = np.abs((rows - rows.mean(axis=0)) / rows.std(axis=0)).max(axis=1)
    return rows[np.argsort(distance)]


def ask(server: servers.Server) -> Any:
    """The scores of the first row, which must be the model's. Raises ValueError."""
    with grpc.insecure_channel(_target(server)) as channel:
        call = channel.unary_unary(ADDRESS)
        try:
            told = call(server.body.read_bytes(), timeout=30, metadata=_metadata(server))
        except grpc.RpcError as error:
            raise ValueError(str(error)) from None
    answer: Any = message("inference.ModelInferResponse").FromString(told)
    found = np.frombuffer(answer.raw_output_contents[0], np.float32)
    wanted = models.trained(models.BOOSTING).predict_proba(_usual()[:1])[0]
    if np.abs(found - wanted).max() > _CLOSE:
        raise ValueError(f"{server.name} answers {found}, the model {wanted}")
    return found


def _model(name: str) -> str:
    return models.GUARDED if name == FULL else models.BOOSTING


def _body(model: str) -> Path:
    BODIES.mkdir(parents=True, exist_ok=True)
    path = BODIES / f"{model}.grpc"
    path.write_bytes(request(model, 0))
    return path


def _target(server: servers.Server) -> str:
    return urlsplit(server.url).netloc


def _metadata(server: servers.Server) -> Sequence[Header]:
    return (("authorization", f"Bearer {server.key}"),) if server.key else ()


def _load(server: servers.Server, connections: int, flying: int, seconds: float) -> Cell:
    model = _model(server.name)
    return load(
        urlsplit(server.url).port or 0,
        ADDRESS,
        [request(model, row) for row in range(_ROWS)],
        server.session,
        connections=connections,
        flying=flying,
        seconds=seconds,
        metadata=_metadata(server),
    )


def _cell(
    server: servers.Server, connections: int, flying: int, seconds: float, patience: Patience
) -> Cell | None:
    try:
        return patience.undisturbed(lambda: _load(server, connections, flying, seconds))
    except Noisy:
        return None


def _alone(server: servers.Server) -> float:
    """Microseconds of one call after the other by grpcio's client: the median."""
    body, metadata = server.body.read_bytes(), _metadata(server)
    waits: list[float] = []
    with grpc.insecure_channel(_target(server)) as channel:
        call = channel.unary_unary(ADDRESS)
        for _ in range(_ALONE_WARM + _ALONE):
            began = time.perf_counter()
            call(body, timeout=30, metadata=metadata)
            waits.append(time.perf_counter() - began)
    return float(np.median(waits[_ALONE_WARM:])) * 1e6


def _part(
    cells: dict[tuple[str, int], list[Cell | None]], alone: dict[str, list[float]], seconds: float
) -> Part:
    part = Part("Boosted trees, 30 features, ModelInfer over gRPC, one row")
    part.lines = [f"One worker; {seconds:g} s a load; N = calls measured in all rounds.", ""]
    rows: list[list[str]] = []
    for (name, connections), each in cells.items():
        found = [cell for cell in each if cell is not None]
        ratios = _ratios(cells, name, AIO, connections)
        rows.append(
            [
                name,
                f"{connections} x {FLYING // connections}",
                f"{sum(cell.per_s * seconds for cell in found):,.0f}",
                spread([cell.per_s for cell in found]),
                spread([cell.p50_us for cell in found]),
                spread([cell.p99_us for cell in found]),
                spread([cell.server for cell in found], ".2f"),
                spread(ratios, ".2f"),
            ]
        )
    header = ("server", "calls under way", "N", "answers/s", "p50 us", "p99 us", "cores")
    part.lines += table((*header, "of grpcio.aio"), rows)
    lone = [[name, spread(waits)] for name, waits in alone.items()]
    part.lines += ["", f"One call after the other, grpcio's client, N = {_ALONE} a round:", ""]
    part.lines += table(("server", "p50 us"), lone)
    for connections, _ in LOADS:
        for name in (FAIRLEAD, FULL):
            text = f"{name}: answers/s over grpcio.aio, {connections} x {FLYING // connections}"
            part.promises.append(promise(text, 5.0, _ratios(cells, name, AIO, connections)))
    for name in (FAIRLEAD, FULL):
        waits = [a / b for a, b in zip(alone[name], alone[AIO], strict=True)]
        text = f"{name}: p50 of one call alone over grpcio.aio's"
        part.promises.append(promise(text, 1.0, waits, most=True))
    errors = sum(cell.errors for each in cells.values() for cell in each if cell)
    part.promises.append(promise("calls without a good answer", 0, [errors], ".0f", most=True))
    return part


def _ratios(
    cells: dict[tuple[str, int], list[Cell | None]], one: str, other: str, connections: int
) -> list[float]:
    pairs = zip(cells[one, connections], cells[other, connections], strict=True)
    return [a.per_s / b.per_s for a, b in pairs if a and b]
