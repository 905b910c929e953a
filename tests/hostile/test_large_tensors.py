"""Large tensors as bytes: they come back whole, and no more memory is taken than a few of them."""

from __future__ import annotations

import json
from typing import Any

import grpc
import numpy as np
import pytest
from tests import models
from tests.hostile.parts import forget_peak, memory
from tests.processes import Running, server, until
from tests.raw import Raw, get, post

from fairlead.protos.pool import message
from fairlead.wires.oip_grpc import SERVICE

MIB = 1 << 20
HEADER = "inference-header-content-length"
MOST = 2.5
"""Tensors that a worker grows by at its peak: one that came, one that goes, and what a first call
begins. The promise of 2.2 is measured on a server at rest (benchmarks/binary.py)."""
TAKES, GIVES = message("inference.ModelInferRequest"), message("inference.ModelInferResponse")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    models.open_width(folder / "models", words="[limits]\nmax_body_mib = 128\n")
    config = folder / "fairlead.toml"
    config.write_text("[limits]\nresponse_mib = 128\n")
    with server(folder / "models", "--config", config, state=folder / "state") as made:
        until(made.ready)
        yield made


def over_rest(running: Running, given: Any) -> bytes:
    about = {"binary_data_size": given.nbytes}
    inputs = [{"name": "x", "shape": given.shape, "datatype": "FP32", "parameters": about}]
    outputs = [{"name": "y", "parameters": {"binary_data": True}}]
    text = json.dumps({"inputs": inputs, "outputs": outputs}).encode()
    with Raw(running.port) as raw:
        body = text + given.tobytes()
        answer = raw.ask(post("/v2/models/open/infer", body, f"{HEADER}: {len(text)}"))
    assert answer.status == 200, answer.body[:200]
    return answer.body[int(answer.header(HEADER)) :]


def over_grpc(running: Running, given: Any) -> bytes:
    inputs = [{"name": "x", "shape": given.shape, "datatype": "FP32"}]
    asked = TAKES(model_name="open", inputs=inputs, outputs=[{"name": "y"}])
    asked.raw_input_contents.append(given.tobytes())
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}", unlimited) as channel:
        answer = channel.unary_unary(f"/{SERVICE}/ModelInfer")(
            asked.SerializeToString(), timeout=60
        )
    return GIVES.FromString(answer).raw_output_contents[0]


@pytest.mark.parametrize("size", [32, 100])
@pytest.mark.parametrize("ask", [over_rest, over_grpc])
def test_it_comes_back_whole_and_the_worker_takes_little_more_than_two_of_it(running, ask, size):
    given = np.random.default_rng(0).random((size, MIB // 4), np.float32)
    (worker,) = running.workers
    idle = memory(worker)
    forget_peak(worker)
    assert ask(running, given) == given.tobytes()
    grown = (memory(worker, "VmHWM") - idle) / given.nbytes
    assert grown <= MOST
    with Raw(running.port) as raw:
        assert raw.ask(get("/livez")).status == 200
