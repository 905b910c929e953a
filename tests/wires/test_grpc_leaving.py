"""Over gRPC: callers who leave, whose calls are not executed, and servers that end and say so."""

from __future__ import annotations

import signal
from pathlib import Path
from textwrap import dedent
from threading import Event
from typing import Any

import grpc
import numpy as np
import pytest
from tests import models
from tests.processes import Running, server, until
from tests.serving.test_observe import parse

from fairlead.cli.main import main as command
from fairlead.core.clock import now
from fairlead.protos.pool import message
from fairlead.wires.grpc_health import CHECK, WATCH
from fairlead.wires.oip_grpc import SERVICE

SERVING, NOT_SERVING = 1, 2
STATUS = message("grpc.health.v1.HealthCheckResponse")
TAKES, GIVES = message("inference.ModelInferRequest"), message("inference.ModelInferResponse")
COUNTED = """
    import time
    import numpy as np

    RUN = []

    def counted(seconds):
        \"\"\"Waits for so many seconds; a negative number asks how many calls have waited.\"\"\"
        if seconds[0] < 0:
            return np.full(len(seconds), float(len(RUN)))
        if seconds[0] > 0:
            RUN.append(1)
        time.sleep(float(seconds[0]))
        return seconds
"""


@pytest.mark.parametrize("service", ["", SERVICE, "no.such.Service"])
def test_who_watches_is_told_when_the_server_drains(tmp_path, service):
    models.total(tmp_path / "models")
    with (
        server(tmp_path / "models", state=tmp_path / "state") as running,
        grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel,
    ):
        until(running.ready)
        asked = message("grpc.health.v1.HealthCheckRequest")(service=service).SerializeToString()
        check = channel.unary_unary(CHECK, response_deserializer=STATUS.FromString)
        until(lambda: check(asked, timeout=20).status == SERVING)
        watched = channel.unary_stream(WATCH, response_deserializer=STATUS.FromString)
        told = watched(asked, timeout=60)
        assert next(told).status == SERVING
        running.process.send_signal(signal.SIGTERM)
        assert next(told).status == NOT_SERVING
        with pytest.raises(grpc.RpcError) as ended:
            next(told)
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
        began = now()
        assert running.process.wait(60) == 0
        assert now() - began < 15, "who only listens held it up"


def test_a_stream_on_which_nothing_is_asked_does_not_hold_up_a_server_that_ends(tmp_path):
    models.identity(tmp_path / "models")
    over = Event()

    def asked():
        raw = np.ones((1, 4), np.float32).tobytes()
        tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4]}
        yield TAKES(model_name="identity_fp32", inputs=[tensor], raw_input_contents=[raw])
        over.wait(60)

    with (
        server(tmp_path / "models", state=tmp_path / "state") as running,
        grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel,
    ):
        until(running.ready)
        answers = channel.stream_stream(
            f"/{SERVICE}/ModelStreamInfer", request_serializer=TAKES.SerializeToString
        )(asked(), timeout=60)
        assert next(answers)
        began = now()
        running.process.send_signal(signal.SIGTERM)
        with pytest.raises(grpc.RpcError) as ended:
            next(answers)
        over.set()
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
        assert running.process.wait(60) == 0
        assert now() - began < 15


def counted(folder: Path) -> Path:
    (folder / "model.py").write_text(dedent(COUNTED))
    (folder / "rows.csv").write_text("seconds\n0.0\n0.0\n")
    (folder / "model.toml").write_text("[limits]\nmax_batch = 1\ntime_budget_s = 30\n")
    words = ["pack", f"{folder}/model.py:counted", "--name", "counted"]
    words += ["--reference", str(folder / "rows.csv"), "--repository", str(folder / "models")]
    assert command([*words, "--model-toml", str(folder / "model.toml")]) == 0
    return folder / "models"


def request(seconds: float) -> Any:
    raw = np.float64(seconds).tobytes()
    tensor = {"name": "seconds", "datatype": "FP64", "shape": [1]}
    return TAKES(model_name="counted", inputs=[tensor], raw_input_contents=[raw])


def sample(running: Running, name: str) -> float:
    text = running.get("/metrics")[1].decode()
    return sum(n for _, n in parse(text, openmetrics=False).get(name, []))


def test_a_call_that_is_cancelled_while_it_waits_is_never_executed(tmp_path):
    with (
        server(counted(tmp_path), state=tmp_path / "state") as running,
        grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel,
    ):
        until(running.ready)
        infer = channel.unary_unary(
            f"/{SERVICE}/ModelInfer",
            request_serializer=TAKES.SerializeToString,
            response_deserializer=GIVES.FromString,
        )

        def number(answer: Any) -> int:
            return int(np.frombuffer(answer.raw_output_contents[0])[0])

        before = number(infer(request(-1), timeout=20))
        first = infer.future(request(3), timeout=30)
        waiting = [infer.future(request(0.001), timeout=30) for _ in range(5)]
        until(lambda: sample(running, "fairlead_queued") == len(waiting))
        for one in waiting:
            one.cancel()
        assert first.result(30)
        assert number(infer(request(-1), timeout=20)) == before + 1
