"""Tensors as bytes beside the same as JSON, and 100 MB at once.

The graphs compute next to nothing, so that what is measured is how tensors travel.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import numpy as np

from benchmarks import machine, models, servers
from benchmarks.forms import Comparison, Form, compared
from benchmarks.graphs import INPUT, OUTPUT, Builder
from benchmarks.load import Patience
from benchmarks.places import BODIES, GRAPHS, PACKED
from benchmarks.report import Part, promise, spread, table
from fairlead.protos.pool import message

HEADER = "Inference-Header-Content-Length"
IMAGE = (3, 224, 224)
WIDE, ROWS = 25_000, 1_000
"""A tensor of 100 MB."""
_CONNECTIONS = {"row": 64, "image": 4}
_PIECE = 1 << 20
_LOOKS, _REST_S = 20, 2.0


def run(rounds: int, seconds: int, patience: Patience) -> list[Part]:
    """One row, one image and 100 MB. Raises Missing, NotStarted."""
    return [
        speed("row", *_of_a_row(), rounds, seconds, patience, 0.95),
        speed("image", *_of_an_image(), rounds, seconds, patience, 5),
        memory(rounds),
    ]


def speed(
    name: str,
    package: Path,
    rows: Any,
    tensor: str,
    output: str,
    rounds: int,
    seconds: int,
    patience: Patience,
    limit: float,
) -> Part:
    """Both forms of one request in turn, on one server."""
    plain = models.oip_body(f"{package.parent.name}_wire", rows, "FP32", tensor, output)
    packed, headers = binary_body(package.parent.name, rows, tensor, output)
    what = Comparison(
        f"One {name} as bytes and as JSON over HTTP/1.1",
        _CONNECTIONS[name],
        f"one {name}: bytes to JSON",
        limit,
    )
    forms = {"bytes": Form(packed, headers=headers), "JSON": Form(plain)}
    return compared(what, package, forms, rounds, seconds, patience)


def binary_body(name: str, rows: Any, tensor: str, output: str) -> tuple[Path, tuple[str, ...]]:
    """A file with a request whose tensors, and whose answer's, are bytes; and its header line."""
    about = {
        "name": tensor,
        "shape": list(rows.shape),
        "datatype": "FP32",
        "parameters": {"binary_data_size": rows.nbytes},
    }
    wanted = {"name": output, "parameters": {"binary_data": True}}
    text = json.dumps({"inputs": [about], "outputs": [wanted]}).encode()
    path = BODIES / f"{name}.oip.bin"
    BODIES.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text + rows.tobytes())
    return path, (f"{HEADER}: {len(text)}",)


def _of_a_row() -> tuple[Path, Any, str, str]:
    return models.packed(models.BOOSTING), models.data()[0][:1], "X", models.OUTPUT


def _of_an_image() -> tuple[Path, Any, str, str]:
    build, path = Builder(), GRAPHS / "colours.onnx"
    flow = build.node("Flatten", build.node("GlobalAveragePool", INPUT))
    build.save(path, flow, "FLOAT", IMAGE, IMAGE[0])
    pixels = np.random.default_rng(0).standard_normal((1, *IMAGE)).astype(np.float32)
    return models.packed_graph("colours", path), pixels, INPUT, OUTPUT


# --- memory --------------------------------------------------------------------------------


def memory(rounds: int) -> Part:
    """100 MB there and back, on a fresh server each time; what its processes grow by at most."""
    rows = np.zeros((ROWS, WIDE), np.float32)
    body, headers = binary_body("wide", rows, INPUT, OUTPUT)
    small = models.oip_body("wide_small", rows[:1], "FP32", INPUT, OUTPUT)
    kind = servers.fairlead(_wide(), "wide")
    kind = replace(kind, environment={"FAIRLEAD_LIMITS__RESPONSE_MIB": "128"})
    asks: dict[str, Callable[[str], int]] = {
        "REST": lambda url: exchange(url, body, headers),
        "gRPC": lambda url: called(url, rows),
    }
    grown: dict[str, list[float]] = {name: [] for name in asks}
    for name in [*asks] * rounds:
        server = servers.start(kind, small)
        try:
            grown[name].append(_growth(server, asks[name], rows.nbytes))
        finally:
            server.stop()
    part = Part("A tensor of 100 MB there and back as bytes, for a model with its own max_body_mib")
    part.lines = table(
        ("over", "peak growth / tensor"),
        [[name, spread(each, ".2f")] for name, each in grown.items()],
    )
    part.promises = [
        promise(f"{name}: memory above idle, in tensors", 2.2, each, most=True)
        for name, each in grown.items()
    ]
    return part


def _growth(server: servers.Server, ask: Callable[[str], int], size: int) -> float:
    """What all processes grow by at most above idle, in tensors. Raises NotStarted."""
    processes = machine.members(server.session)
    idle = _idle(processes)
    for process in processes:
        with suppress(OSError):
            Path(f"/proc/{process}/clear_refs").write_text("5")
    taken = ask(server.url)
    if taken < size:
        raise servers.NotStarted(f"the answer has {taken} bytes, not {size}")
    return sum(_kib(process, "VmHWM") - idle[process] for process in processes) * 1024 / size


def _idle(processes: Sequence[int]) -> dict[int, int]:
    """The memory of processes once none of them changes it: what came before is written down."""
    before: dict[int, int] = {}
    for _ in range(_LOOKS):
        found = {process: _kib(process, "VmRSS") for process in processes}
        if found == before:
            return found
        before = found
        time.sleep(_REST_S)
    raise servers.NotStarted("the server does not come to rest")


def _wide() -> Path:
    """The package of a graph that gives back what it is given, with a limit of its own."""
    path = GRAPHS / "wide.onnx"
    Builder().save(path, INPUT, "FLOAT", (WIDE,), WIDE)
    models.packed_graph("wide", path)
    words = GRAPHS / "wide.toml"
    words.write_text("[limits]\nmax_body_mib = 128\n")
    amend = ["amend", "wide", "--repository", str(PACKED), "--model-toml", str(words)]
    subprocess.run([sys.executable, "-P", "-m", "fairlead", *amend], check=True)
    return PACKED / "wide" / "2"


def _kib(process: int, what: str) -> int:
    text = Path(f"/proc/{process}/status").read_text()
    found = re.search(what + r":\s+(\d+) kB", text)
    return int(found[1]) if found else 0


def exchange(url: str, body: Path, headers: tuple[str, ...]) -> int:
    """Sends a body once; how many bytes the answer has. Raises OSError."""
    parts = urlsplit(url)
    size = body.stat().st_size
    lines = (f"POST {parts.path} HTTP/1.1", "Host: h", f"Content-Length: {size}", *headers)
    taken = 0
    with socket.create_connection(("127.0.0.1", parts.port or 80), 60) as line:
        line.sendall(("\r\n".join((*lines, "Connection: close")) + "\r\n\r\n").encode())
        with body.open("rb") as file:
            line.sendfile(file)
        while piece := line.recv(_PIECE):
            taken += len(piece)
    return taken


def called(url: str, rows: Any) -> int:
    """The same over gRPC, by grpcio's client; how many bytes the answer has."""
    asked: Any = message("inference.ModelInferRequest")(
        model_name="wide",
        inputs=[{"name": INPUT, "datatype": "FP32", "shape": rows.shape}],
        outputs=[{"name": OUTPUT}],
        raw_input_contents=[rows.tobytes()],
    )
    free = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(urlsplit(url).netloc, free) as channel:
        told = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(
            asked.SerializeToString(), timeout=60
        )
    return len(told)
