"""Cases that every server of these protocols must get right and that stand nowhere else."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from tests import models
from tests.processes import server as started
from tests.processes import until
from tests.raw import Raw, post
from tests.wires.test_oip_binary import BOTH, HEADER, body, infer, read, tensor

from fairlead.inputs.raw import packed_texts
from fairlead.protos.pool import methods
from fairlead.wires.oip_grpc import SERVICE

ROW = {"a": 1, "b": 2, "c": 3}


@pytest.fixture(scope="module")
def server(serving, small_models) -> httpx.Client:
    return serving(small_models)


@pytest.fixture
def running(tmp_path):
    models.total(tmp_path / "models")
    models.mixed(tmp_path / "models")
    with started(tmp_path / "models", state=tmp_path / "state", workers=1) as made:
        until(made.ready)
        yield made


def test_a_binary_request_needs_no_content_type(server):
    given = np.arange(4, dtype=np.float32).reshape(1, 4)
    content, headers = body({"inputs": [tensor(given)], **BOTH}, given)
    lines = [f"{name}: {value}" for name, value in headers.items()]
    with Raw(server.base_url.port) as raw:
        answer = raw.ask(post("/v2/models/identity_fp32/infer", content, *lines))
    assert answer.status == 200
    assert answer.body.endswith(given.tobytes())


@pytest.mark.parametrize(
    ("coding", "squeeze"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_the_size_of_the_json_is_that_of_the_decoded_body(server, coding, squeeze):
    given = np.arange(400, dtype=np.float32).reshape(100, 4)
    content, headers = body({"inputs": [tensor(given)], **BOTH}, given)
    answer = server.post(
        "/v2/models/identity_fp32/infer",
        content=squeeze(content),
        headers=headers | {"content-encoding": coding, "accept-encoding": coding},
    )
    assert answer.headers["content-encoding"] == coding
    np.testing.assert_array_equal(read(answer)[1]["y"], given)
    assert int(answer.headers[HEADER]) < len(answer.content)


def test_texts_may_be_empty_and_hold_a_nul_as_bytes(server):
    raw = packed_texts(["", "a\0b", "grün", "x"])
    request = {"inputs": [tensor(raw, "BYTES", shape=[1, 4])], **BOTH}
    assert read(infer(server, "identity_bytes", request, raw))[1]["y"] == ["", "a\0b", "grün", "x"]


@pytest.mark.parametrize(
    ("priority", "status"), [(0, 200), (1, 200), (7, 200), (-1, 400), ("1", 400), (1.5, 400)]
)
def test_a_priority_is_a_count_and_changes_no_answer(server, priority, status):
    given = np.ones((1, 4), np.float32)
    request = {"inputs": [tensor(given)], "parameters": {"priority": priority}}
    assert infer(server, "identity_fp32", request, given).status_code == status


def empty(running: Any, address: str) -> tuple[int, Any]:
    """The answer to a POST without a byte of body."""
    with Raw(running.port) as raw:
        answer = raw.ask(post(address, b""))
    return answer.status, answer.json()


def test_models_come_and_go_by_posts_without_a_body_and_both_protocols_say_so(running):
    address = "/v2/repository/models/total"
    assert len(empty(running, "/v2/repository/index")[1]) == 2
    assert empty(running, f"{address}/unload")[0] == 200
    status, told, headers = running.asked("/v1/models/total")
    assert (status, told["ready"], told["name"]) == (503, False, "total")
    assert headers["retry-after"].isdigit()
    [version] = told["model_version_status"]
    assert (version["version"], version["state"]) == ("1", "END")
    assert running.asked("/v2/models/total/ready")[0] == 503
    for path, asked in [
        ("/v1/models/total:predict", {"instances": [ROW]}),
        ("/v2/models/total/infer", {"inputs": []}),
    ]:
        status, told, headers = running.asked(path, body=asked)
        assert status == 503
        assert isinstance(told["error"], str)
        assert headers["retry-after"].isdigit()
    assert empty(running, f"{address}/load")[0] == 200
    assert running.asked("/v1/models/total")[0] == 200
    assert running.asked("/v2/models/total/ready")[0] == 200


def asked(channel: Any, method: str, **given: Any) -> Any:
    takes, gives = methods(SERVICE)[method]
    call = channel.unary_unary(
        f"/{SERVICE}/{method}",
        request_serializer=takes.SerializeToString,
        response_deserializer=gives.FromString,
    )
    return call(takes(**given), timeout=30)


def test_a_load_as_kserves_clients_send_it_names_its_model_first(running):
    with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel:
        told = asked(channel, "RepositoryModelUnload", repository_name="total")
        assert (told.model_name, told.isUnloaded) == ("total", True)
        assert running.asked("/v2/models/total/ready")[0] == 503
        told = asked(channel, "RepositoryModelLoad", repository_name="total")
        assert (told.model_name, told.isLoaded) == ("total", True)
        assert running.asked("/v2/models/total/ready")[0] == 200
        asked(channel, "RepositoryModelUnload", model_name="total")
        assert running.asked("/v2/models/total/ready")[0] == 503


def test_an_input_in_shared_memory_between_two_others_is_refused_in_words(running):
    shared = {"shared_memory_region": {"string_param": "r"}}
    given = [
        {"name": "numbers", "datatype": "FP32", "shape": [1, 2]},
        {"name": "count", "datatype": "INT64", "shape": [1, 1], "parameters": shared},
        {"name": "colour", "datatype": "BYTES", "shape": [1, 1]},
    ]
    raws = [np.ones((1, 2), "f4").tobytes(), packed_texts(["red"])]
    with (
        grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel,
        pytest.raises(grpc.RpcError) as refused,
    ):
        asked(channel, "ModelInfer", model_name="mixed", inputs=given, raw_input_contents=raws)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "shared memory" in refused.value.details()


def test_headers_of_sagemaker_that_mean_nothing_here_are_passed_over(serving, tmp_path):
    models.total(tmp_path / "models")
    server = serving(tmp_path / "models")
    headers = {
        "accept": "*/*",
        "x-amzn-sagemaker-custom-attributes": "a=b",
        "x-amzn-sagemaker-target-variant": "AllTraffic",
        "x-amzn-sagemaker-inference-id": "7",
        "x-amzn-sagemaker-something-new": "1",
    }
    answer = server.post("/invocations", json={"instances": [ROW]}, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"predictions": [{"value": 6.0}]})
    assert answer.headers["content-type"] == "application/json"


def test_what_azures_gateway_makes_of_our_statuses_is_documented():
    page = Path(__file__).parents[2] / "docs" / "how-to" / "run-in-a-cloud.md"
    azure = [line for line in page.read_text().splitlines() if "Azure" in line]
    assert any("424" in line and "429" in line for line in azure)


OTHERS = """
import sys
from google.protobuf import any_pb2, descriptor_pool, duration_pb2, message_factory, wrappers_pb2
from fairlead.protos import pool

def ours():
    pool.methods("inference.GRPCInferenceService")
    pool.methods("tensorflow.serving.PredictionService")
    return pool.message("inference.ModelInferRequest")

def theirs():
    "As the generated modules of client libraries do when they are imported."
    common = descriptor_pool.Default()
    for file in pool.compiled().file:
        if not file.name.startswith("google/"):
            common.AddSerializedFile(file.SerializeToString())
    found = common.FindMessageTypeByName("inference.ModelInferRequest")
    return message_factory.GetMessageClass(found)

first, second = (ours, theirs) if sys.argv[1] == "ours" else (theirs, ours)
one, two = first(), second()
assert one is not two
assert one.FromString(two(id="a").SerializeToString()).id == "a"
print("both")
"""


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_a_client_library_of_the_same_protocols_may_be_in_the_same_process(first):
    ran = subprocess.run(
        [sys.executable, "-c", OTHERS, first], capture_output=True, text=True, timeout=60
    )
    assert ran.stdout == "both\n", ran.stderr


def test_numbers_of_bfloat16_are_refused_in_words(server):
    given = np.ones((1, 4), np.float32)
    about = tensor(given) | {"datatype": "BF16"}
    answer = infer(server, "identity_fp32", {"inputs": [about]}, given)
    assert answer.status_code == 400
    assert "BF16" in json.dumps(answer.json())
