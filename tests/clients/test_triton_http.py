"""tritonclient over HTTP, as it is: every public method against a server of ours."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tritonclient.http as client
from tests.clients.parts import NUMBERS, check_coverage, elements
from tritonclient.utils import InferenceServerException


@pytest.fixture(scope="module")
def triton(served):
    with client.InferenceServerClient(served.http, network_timeout=60) as made:
        yield made


def tensor(name: str, array: np.ndarray, datatype: str, binary: bool = True) -> client.InferInput:
    made = client.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def test_every_public_method_is_tried_here():
    check_coverage(__file__, client.InferenceServerClient, "tritonclient.http")


def test_health(triton):
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("total")
    assert triton.is_model_ready("total", "1")
    assert not triton.is_model_ready("nobody")


def test_metadata(triton):
    server = triton.get_server_metadata()
    assert server["name"] == "fairlead"
    assert "binary_tensor_data" in server["extensions"]
    model = triton.get_model_metadata("identity_fp32")
    assert model["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
    assert model["versions"] == ["1"]
    with pytest.raises(InferenceServerException, match="nobody"):
        triton.get_model_metadata("nobody")


def test_configuration(triton):
    config = triton.get_model_config("identity_fp32")
    assert config["input"][0]["data_type"] == "TYPE_FP32"
    assert config["input"][0]["dims"] == [4]
    assert config["max_batch_size"] > 0
    assert triton.get_model_config("identity_bytes")["input"][0]["data_type"] == "TYPE_STRING"


def test_repository(triton):
    index = triton.get_model_repository_index()
    assert {"name": "total", "version": "1", "state": "READY"} in index
    triton.unload_model("shout")
    assert not triton.is_model_ready("shout")
    assert {"name": "total", "version": "1", "state": "READY"} in index
    triton.load_model("shout")
    assert triton.is_model_ready("shout")
    with pytest.raises(InferenceServerException):
        triton.load_model("nobody")


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
@pytest.mark.parametrize("datatype", NUMBERS)
def test_numbers_come_back_as_they_were(triton, datatype, binary):
    if datatype in ("FP16", "BF16") and not binary:
        pytest.xfail("tritonclient itself refuses FP16 as JSON")
    given = elements(datatype)
    wanted = [client.InferRequestedOutput("y", binary_data=binary)]
    answer = triton.infer(
        f"identity_{datatype.lower()}", [tensor("x", given, datatype, binary)], outputs=wanted
    )
    np.testing.assert_array_equal(answer.as_numpy("y"), given)
    assert answer.as_numpy("y").dtype == given.dtype


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_text_comes_back_as_it_was(triton, binary):
    texts = ["a", "", "grün", "x\0y" if binary else "xy"]  # JSON with a NUL is refused
    given = np.array([texts], dtype=object)
    answer = triton.infer("identity_bytes", [tensor("x", given, "BYTES", binary)])
    assert [v.decode() for v in answer.as_numpy("y").ravel()] == texts


def test_an_id_a_version_and_named_outputs(triton):
    given = [tensor("x", elements("FP32"), "FP32")]
    answer = triton.infer(
        "identity_fp32",
        given,
        model_version="1",
        request_id="seven",
        outputs=[client.InferRequestedOutput("y")],
        timeout=10_000_000,
        priority=1,
    )
    told = answer.get_response()
    assert (told["id"], told["model_name"], told["model_version"]) == (
        "seven",
        "identity_fp32",
        "1",
    )
    assert "id" not in triton.infer("identity_fp32", given).get_response()


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_compressed_both_ways(triton, coding):
    given = np.zeros((200, 4), np.float32)
    answer = triton.infer(
        "identity_fp32",
        [tensor("x", given, "FP32")],
        request_compression_algorithm=coding,
        response_compression_algorithm=coding,
    )
    np.testing.assert_array_equal(answer.as_numpy("y"), given)


def test_classification(triton):
    given = np.array([[1, 0, 0, 0], [0, 9, 0, 0]], np.float32)
    inputs = [tensor(name, given[:, i : i + 1], "FP32") for i, name in enumerate(columns(triton))]
    if len(inputs) != 4:
        inputs = [tensor(columns(triton)[0], given, "FP32")]
    scores = client.InferRequestedOutput("scores", class_count=2)
    found = triton.infer("classifier", inputs, outputs=[scores]).as_numpy("scores")
    assert found.shape == (2, 2)
    value, index, label = found[0][0].decode().split(":")
    assert float(value) > 0
    assert label == ("red", "green", "blue")[int(index)]


def columns(triton) -> list[str]:
    return [spec["name"] for spec in triton.get_model_metadata("classifier")["inputs"]]


def test_bodies_made_and_read_apart(triton):
    made = client.InferenceServerClient
    body, size = made.generate_request_body([tensor("x", elements("FP32"), "FP32")])
    assert json.loads(body[:size])["inputs"][0]["name"] == "x"
    raw = json.dumps(
        {
            "model_name": "m",
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [1], "data": [1.5]}],
        }
    ).encode()
    parsed = made.parse_response_body(raw)
    assert parsed.as_numpy("y").tolist() == [1.5]


def test_many_at_once(served):
    with client.InferenceServerClient(served.http, concurrency=8) as many:
        given = [np.full((1, 4), n, np.float32) for n in range(64)]
        waiting = [many.async_infer("identity_fp32", [tensor("x", g, "FP32")]) for g in given]
        for one, sent in zip(waiting, given, strict=True):
            np.testing.assert_array_equal(one.get_result().as_numpy("y"), sent)


def test_statistics(triton):
    for _ in range(200):  # another worker's counts are told four times a second
        triton.infer("identity_fp32", [tensor("x", elements("FP32"), "FP32")])
        [one] = triton.get_inference_statistics("identity_fp32")["model_stats"]
        if one["inference_stats"]["success"]["count"]:
            break
    [one] = triton.get_inference_statistics("identity_fp32")["model_stats"]
    assert one["inference_stats"]["success"]["count"] >= 1
    assert one["inference_stats"]["compute_infer"]["ns"] > 0
    assert len(triton.get_inference_statistics()["model_stats"]) > 5


def test_trace_and_log_settings(triton):
    settings = triton.get_trace_settings()
    assert "trace_level" in settings
    assert set(triton.update_trace_settings(settings={"trace_rate": "1000"})) == set(settings)
    logging = triton.get_log_settings()
    assert logging["log_info"] in (True, False)
    assert set(triton.update_log_settings({"log_verbose_level": 0})) == set(logging)


def test_shared_memory_is_told_about(triton):
    assert triton.get_system_shared_memory_status() == []
    assert triton.get_cuda_shared_memory_status() == []
    with pytest.raises(InferenceServerException):
        triton.register_system_shared_memory("region", "/key", 64)
    with pytest.raises(InferenceServerException):
        triton.register_cuda_shared_memory("region", b"aGFuZGxl", 0, 64)
    triton.unregister_system_shared_memory()
    triton.unregister_cuda_shared_memory()


def test_a_plugin_may_add_headers(triton):
    class Plugin(client.InferenceServerClientPlugin):
        def __call__(self, request):
            request.headers["x-request-id"] = "from-a-plugin"

    triton.register_plugin(Plugin())
    assert triton.plugin() is not None
    assert triton.is_server_live()
    triton.unregister_plugin()


@pytest.mark.parametrize(
    ("model", "array", "datatype", "says"),
    [
        ("nobody", elements("FP32"), "FP32", "nobody"),
        ("identity_fp32", elements("INT32"), "INT32", "FP32"),
        ("identity_fp32", np.zeros((1, 3), np.float32), "FP32", "shape"),
    ],
    ids=["model", "datatype", "shape"],
)
def test_what_is_wrong_is_said(triton, model, array, datatype, says):
    with pytest.raises(InferenceServerException, match=says):
        triton.infer(model, [tensor("x", array, datatype)])


def test_it_may_be_closed(served):
    made = client.InferenceServerClient(served.http)
    assert made.is_server_live()
    made.close()
