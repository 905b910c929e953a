"""A thousand streams that are left half-way leave nothing behind."""

from __future__ import annotations

import json
import socket
import struct

import grpc
import numpy as np
import pytest
from tests.edge.http2_raw import GET, RawHttp2, path
from tests.functions import ENDLESS, packed
from tests.hostile.parts import memory
from tests.processes import Running, server, until
from tests.serving.test_observe import parse

from fairlead.edge import http2_frames as h2
from fairlead.protos.pool import message
from fairlead.wires.oip_grpc import SERVICE

MIB = 1 << 20
COUNT = 1000
ADDRESS = "/v2/models/endless/generate_stream"
BODY = json.dumps({"count": 1000}).encode()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("endless")
    with server(packed(folder, ENDLESS, "endless"), state=folder / "state") as made:
        until(made.ready)
        yield made


def over_http1(running: Running, count: int) -> None:
    """Half of them with a word, half with a reset."""
    head = f"POST {ADDRESS} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
    for number in range(count):
        with socket.create_connection(("127.0.0.1", running.port), 20) as line:
            line.sendall(head + BODY)
            assert line.recv(100)
            if number % 2:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def over_http2(running: Running, count: int) -> None:
    lines = [(n, "POST" if n == ":method" else v) for n, v in GET]
    for _ in range(count // 100):
        with RawHttp2(running.port) as raw:
            raw.send(h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.number(1 << 30)))
            for _ in range(100):
                number = raw.ask(path(ADDRESS, lines), BODY)
                while (one := raw.frame())[0] != h2.DATA or one[2] != number:
                    pass
                raw.send(h2.frame(h2.RST_STREAM, 0, number, h2.number(8)))


def over_grpc(running: Running, count: int) -> None:
    tensor = {"name": "count", "datatype": "INT64", "shape": [1]}
    asked = message("inference.ModelInferRequest")(
        model_name="endless", inputs=[tensor], raw_input_contents=[np.int64(1000).tobytes()]
    ).SerializeToString()
    with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel:
        ask = channel.stream_stream(f"/{SERVICE}/ModelStreamInfer")
        for _ in range(count):
            answers = ask(iter([asked]), timeout=60)
            next(answers)
            answers.cancel()


def opened(running: Running) -> int:
    """How many streams the model has open, the asking one left out."""
    head = f"POST {ADDRESS} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", running.port), 20) as line:
        line.sendall(head + BODY)
        said = b""
        while b"\n\n" not in said:
            said += line.recv(1 << 16)
    return json.loads(said.partition(b"data: ")[2].partition(b"\n\n")[0])["open"] - 1


def at_rest(running: Running) -> int:
    """Bytes of memory of the worker once no stream is open any more."""

    def nothing() -> bool:
        text = running.get("/metrics")[1].decode()
        connections = parse(text, openmetrics=False)["fairlead_connections"]
        return opened(running) <= 1 and sum(n for _, n in connections) <= 3

    until(nothing, 30, "streams that were left are open")
    return memory(running.workers[0])


@pytest.mark.parametrize("leave", [over_http1, over_http2, over_grpc])
def test_a_thousand_streams_left_half_way_leave_nothing(running, leave):
    leave(running, COUNT)
    before = at_rest(running)
    leave(running, COUNT)
    assert at_rest(running) - before <= MIB
