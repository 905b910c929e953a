"""Part 4: how soon a small package is ready, and the memory that its server keeps to itself."""

from __future__ import annotations

from benchmarks import machine, models, servers
from benchmarks.load import Patience, load
from benchmarks.report import Part, promise, spread, table

_LOAD_S, _CONNECTIONS = 1, 64


def run(rounds: int, patience: Patience) -> Part:
    """Starts the server again and again; memory is taken fresh and after a second of load."""
    package = models.packed(models.BOOSTING)
    rows = models.data()[0][:1]
    body = models.oip_body("boosting", rows, "FP32", "X", models.OUTPUT)
    started: list[float] = []
    fresh: list[float] = []
    loaded: list[float] = []
    resident: list[float] = []
    for _ in range(rounds):
        patience.wait_for_quiet()
        server = servers.start(servers.fairlead(package, models.BOOSTING), body)
        try:
            started.append(server.started_s)
            fresh.append(machine.private_mb(server.session))
            load(server.url, body, server.session, connections=_CONNECTIONS, seconds=_LOAD_S)
            loaded.append(machine.private_mb(server.session))
            resident.append(machine.resident_mb(server.session))
        finally:
            server.stop()
    part = Part("Start and memory of a one-worker server with the boosted trees")
    part.lines = table(
        ("what", "measured"),
        [
            ["from the command to the first answer, s", spread(started, ".2f")],
            ["private memory of all processes when ready, MB", spread(fresh, ".1f")],
            ["the same after a second of load", spread(loaded, ".1f")],
            ["resident memory then, shared pages counted in each process", spread(resident, ".1f")],
        ],
    )
    part.figures = {
        "started_s": started,
        "private_mb": fresh,
        "private_after_load_mb": loaded,
        "resident_after_load_mb": resident,
    }
    part.promises = [
        promise("start to the first answer, s", 1.5, started, most=True),
        promise("private memory after load, MB", 120, loaded, ".1f", most=True),
    ]
    return part
