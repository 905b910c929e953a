"""`fairlead serve` as containers are started: other spellings, further ports, one trained file."""

from __future__ import annotations

import socket
from contextlib import closing

import grpc
import httpx
import pytest
from tests import models
from tests.processes import Running
from tests.processes import server as started

BODY = {"instances": [[1, 2, 3]]}


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, given back just now."""
    with_sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in with_sockets]
    for one in with_sockets:
        one.close()
    return ports


def test_every_further_port_speaks_http_and_grpc(tmp_path):
    models.total(tmp_path / "models")
    ports = free_ports(2)
    flags = ["--also-bind", ",".join(map(str, ports))]
    with started(tmp_path / "models", *flags, state=tmp_path / "state", workers=2) as running:
        assert f"  HTTP and gRPC at port {ports[0]}, {ports[1]} too" in running.lines
        for port in ports:
            told = httpx.post(f"http://127.0.0.1:{port}/v1/models/total:predict", json=BODY)
            assert told.json() == {"predictions": [[6.0]]}
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                ask = channel.unary_unary("/grpc.health.v1.Health/Check")
                assert ask(b"", timeout=10) == b"\x08\x01"
    for port in ports:
        with closing(socket.socket()) as one:
            assert one.connect_ex(("127.0.0.1", port)) != 0


def test_a_further_port_that_is_taken_is_said_with_its_flag(tmp_path):
    models.total(tmp_path / "models")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = Running(
            tmp_path / "models", "--state", tmp_path / "state", "--port", "0", "--also-bind", port
        )
        assert running.process.wait(60) == 2
        running.end()
    assert any(str(port) in line and "--also-bind" in line for line in running.lines)


@pytest.mark.parametrize("ports", ["0", "x", "70000", "80,,x"])
def test_a_further_port_that_is_none_is_refused(tmp_path, ports):
    running = Running(tmp_path, "--state", tmp_path / "state", "--also-bind", ports)
    assert running.process.wait(60) == 2
    running.end()
    assert "also_bind" in running.lines[0]


def test_kserves_spellings_are_taken(tmp_path):
    package = models.total(tmp_path / "models")
    (tmp_path / "mnt").mkdir()
    (tmp_path / "mnt" / "model.onnx").write_bytes(package.graph_path.read_bytes())
    port, grpc_port = free_ports(2)
    running = Running(
        "--model_name=sums", f"--model_dir={tmp_path / 'mnt'}", f"--http_port={port}",
        f"--grpc_port={grpc_port}", "--workers", "1", "--state", tmp_path / "state",
    )  # fmt: skip
    try:
        running.greeted()
        assert (running.port, running.grpc_port) == (port, grpc_port)
        assert httpx.get(f"http://127.0.0.1:{port}/v1/models").json() == {"models": ["sums"]}
    finally:
        running.end()


def test_a_folder_with_one_trained_file_serves_it_and_one_with_several_says_so(tmp_path):
    package = models.total(tmp_path / "models")
    place = tmp_path / "place"
    place.mkdir()
    (place / "README.md").write_text("what it is")
    (place / "sums.onnx").write_bytes(package.graph_path.read_bytes())
    flags = ["--state", tmp_path / "state", "--port", "0", "--workers", "1"]
    running = Running(place, *flags)
    try:
        told = httpx.get(f"http://127.0.0.1:{running.greeted().port}/v1/models").json()
        assert told == {"models": ["sums"]}
    finally:
        running.end()
    (place / "more.onnx").write_bytes(package.graph_path.read_bytes())
    running = Running(place, *flags)
    assert running.process.wait(60) == 2
    running.end()
    assert "more.onnx, sums.onnx" in running.lines[0]
