"""The log of a real server: its requests stand in it, and nobody who does not read it stops it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing

import grpc
from tests import models
from tests.processes import children, free_port, server, until

from fairlead.protos.pool import message

ROW = b'{"a":1,"b":2,"c":3}'
ASKED = (
    b"POST /predict/total HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    b"x-request-id: %d\r\ncontent-length: %d\r\n\r\n"
)


def flood(port: int, count: int) -> int:
    """Sends so many predictions, fifty at once; how many were answered well."""
    good = 0
    with closing(socket.create_connection(("127.0.0.1", port), 60)) as line:
        for start in range(0, count, 50):
            line.sendall(b"".join([ASKED % (n, len(ROW)) + ROW for n in range(start, start + 50)]))
            read, answers = b"", 0
            while answers < 50:
                read += line.recv(1 << 16)
                answers = read.count(b'"predictions"')
            good += read.count(b"HTTP/1.1 200 OK")
    return good


def test_a_server_whose_log_nobody_reads_goes_on_answering(tmp_path):
    """A pipe takes 64 KiB; the lines of twenty thousand requests are six megabytes."""
    models.total(tmp_path / "models")
    port = free_port()
    command = [sys.executable, "-P", "-m", "fairlead", "serve", str(tmp_path / "models")]
    flags = ["--port", str(port), "--workers", "1", "--state", str(tmp_path / "state")]
    environ = {**os.environ, "FAIRLEAD_LOG__REQUESTS": "all"}
    unread, given = os.pipe()
    process = subprocess.Popen(
        [*command, *flags],
        stdin=subprocess.DEVNULL,
        stdout=given,
        stderr=given,
        env=environ,
    )
    os.close(given)
    try:
        until(lambda: answers(port, b"/readyz").startswith(b"HTTP/1.1 200"), 60)
        assert flood(port, 20_000) == 20_000
        lost = rb'fairlead_lines_lost_total\{why="unwritten"\} (\d+)'

        def counted() -> int:
            found = re.search(lost, answers(port, b"/metrics"))
            return int(found[1]) if found else 0

        assert until(counted, 10) > 1_000
        assert flood(port, 1_000) == 1_000
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        below = [*children(process.pid)]
        process.kill()
        process.wait()
        for one in below:
            until(lambda one=one: not os.path.exists(f"/proc/{one}"), 10)
        os.close(unread)


def answers(port: int, path: bytes) -> bytes:
    """The whole answer at an address, b"" while nobody is there."""
    try:
        with closing(socket.create_connection(("127.0.0.1", port), 60)) as line:
            line.sendall(b"GET %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" % path)
            return b"".join(iter(lambda: line.recv(1 << 16), b""))
    except OSError:
        return b""


def test_each_request_is_one_line_whichever_protocol_and_however_it_ends(tmp_path):
    models.total(tmp_path / "models")
    environ = {"FAIRLEAD_LOG__REQUESTS": "all"}
    with server(tmp_path / "models", state=tmp_path / "state", environ=environ) as running:

        def post(path: str, body: bytes, number: str) -> tuple[int, dict[str, str]]:
            with closing(running.connect()) as connection:
                headers = {"content-type": "application/json", "x-request-id": number}
                connection.request("POST", path, body, headers)
                answer = connection.getresponse()
                answer.read()
                return answer.status, {n.lower(): v for n, v in answer.getheaders()}

        tensors = json.dumps(
            {
                "inputs": [
                    {"name": n, "datatype": "FP64", "shape": [1, 1], "data": [1]} for n in "abc"
                ]
            }
        )
        _, told = post("/predict/total", ROW, "good")
        post("/v2/models/total/infer", tensors.encode(), "tensors")
        post("/predict/nobody", ROW, "unknown")
        post("/predict/total", b"{", "broken")
        post("/what/is%0athis", b"", "nowhere")
        with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:
            method = channel.unary_unary("/inference.GRPCInferenceService/ModelReady")
            asked = message("inference.ModelReadyRequest")(name="total").SerializeToString()
            method(asked, metadata=(("x-request-id", "grpc"),), timeout=30)

        def lines() -> dict[str, dict]:
            return {e.get("request_id", ""): e for e in running.events("request")}

        found = until(lambda: lines() if "grpc" in lines() else {})
        good = found["good"]
        assert good["usage_id"] == told["fairlead-usage-id"]
        assert (good["route"], good["wire"]) == ("/predict/{model}", "native")
        assert found["tensors"]["route"] == "/v2/models/{model}/infer"
        assert found["tensors"]["wire"] == "oip_rest"
        assert found["unknown"]["error"] == "MODEL_NOT_FOUND"
        assert found["unknown"]["route"] == "/predict/{model}"
        assert found["broken"]["status"] == 400
        assert found["nowhere"]["route"] == "(none)"
        assert found["grpc"]["route"] == "/inference.GRPCInferenceService/ModelReady"
        assert found["grpc"]["wire"] == "oip_grpc"


def test_a_key_stands_in_the_log_by_its_id_and_its_secret_nowhere(tmp_path):
    models.total(tmp_path / "models")
    made = subprocess.run(
        [sys.executable, "-m", "fairlead", "keys", "create", "--name", "me", "--scope",
         "predict:*", "--state", str(tmp_path / "state"), "--json"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    key = json.loads(made.stdout)
    environ = {"FAIRLEAD_LOG__REQUESTS": "all"}
    with server(tmp_path / "models", state=tmp_path / "state", environ=environ) as running:
        assert running.asked("/predict/total", key["key"], json.loads(ROW))[0] == 200
        assert running.asked("/predict/total", "frl_live_wrong", json.loads(ROW))[0] == 401
        events = until(lambda: [*running.events("request")][1:])
        assert {e.get("key") for e in running.events("request") if e["status"] == 200} >= {
            key["id"]
        }
        assert any(event["status"] == 401 and "key" not in event for event in events)
        assert not any(key["key"][9:] in line or "wrong" in line for line in running.lines)
