"""tritonclient over gRPC, as it is: every public method against a server of ours."""

from __future__ import annotations

from queue import Queue
from threading import Event

import numpy as np
import pytest
import tritonclient.grpc as client
from tests.clients.parts import NUMBERS, check_coverage, elements
from tritonclient.utils import InferenceServerException


@pytest.fixture(scope="module")
def triton(served):
    with client.InferenceServerClient(served.grpc) as made:
        yield made


def tensor(name: str, array: np.ndarray, datatype: str) -> client.InferInput:
    made = client.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array)
    return made


def test_every_public_method_is_tried_here():
    check_coverage(__file__, client.InferenceServerClient, "tritonclient.grpc")


def test_health(triton):
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("total")
    assert triton.is_model_ready("total", "1")


def test_metadata(triton):
    server = triton.get_server_metadata(as_json=True)
    assert server["name"] == "fairlead"
    model = triton.get_model_metadata("identity_fp32", as_json=True)
    assert model["inputs"] == [{"name": "x", "datatype": "FP32", "shape": ["-1", "4"]}]
    with pytest.raises(InferenceServerException, match="nobody"):
        triton.get_model_metadata("nobody")


def test_configuration(triton):
    config = triton.get_model_config("identity_fp32").config
    assert [*config.input[0].dims] == [4]
    assert config.max_batch_size > 0
    assert not config.model_transaction_policy.decoupled
    assert triton.get_model_config("tokens").config.model_transaction_policy.decoupled


def test_repository(triton):
    index = triton.get_model_repository_index(as_json=True)["models"]
    assert {"name": "total", "version": "1", "state": "READY"} in index
    triton.unload_model("gaps")
    assert not triton.is_model_ready("gaps")
    triton.load_model("gaps")
    assert triton.is_model_ready("gaps")
    with pytest.raises(InferenceServerException):
        triton.load_model("nobody")


@pytest.mark.parametrize("datatype", NUMBERS)
def test_numbers_come_back_as_they_were(triton, datatype):
    given = elements(datatype)
    answer = triton.infer(f"identity_{datatype.lower()}", [tensor("x", given, datatype)])
    np.testing.assert_array_equal(answer.as_numpy("y"), given)
    assert answer.as_numpy("y").dtype == given.dtype


def test_text_comes_back_as_it_was(triton):
    given = np.array([["a", "", "grün", "x\0y"]], dtype=object)
    answer = triton.infer("identity_bytes", [tensor("x", given, "BYTES")])
    assert [v.decode() for v in answer.as_numpy("y").ravel()] == ["a", "", "grün", "x\0y"]


def test_an_id_a_version_and_named_outputs(triton):
    answer = triton.infer(
        "identity_fp32",
        [tensor("x", elements("FP32"), "FP32")],
        model_version="1",
        request_id="seven",
        outputs=[client.InferRequestedOutput("y")],
        timeout=10_000_000,
        priority=1,
        headers={"x-request-id": "abc"},
        client_timeout=30,
    ).get_response()
    assert (answer.id, answer.model_name, answer.model_version) == ("seven", "identity_fp32", "1")


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_compressed(triton, coding):
    given = np.zeros((200, 4), np.float32)
    answer = triton.infer(
        "identity_fp32", [tensor("x", given, "FP32")], compression_algorithm=coding
    )
    np.testing.assert_array_equal(answer.as_numpy("y"), given)


def test_classification(triton):
    specs = triton.get_model_metadata("classifier").inputs
    given = np.array([[1, 0, 0, 0], [0, 9, 0, 0]], np.float32)
    parts = np.split(given, len(specs), axis=1)
    inputs = [
        tensor(s.name, np.ascontiguousarray(p), "FP32") for s, p in zip(specs, parts, strict=True)
    ]
    scores = client.InferRequestedOutput("scores", class_count=2)
    found = triton.infer("classifier", inputs, outputs=[scores]).as_numpy("scores")
    assert found.shape == (2, 2)
    assert found[0][0].decode().count(":") == 2


def test_many_at_once(triton):
    answers: Queue = Queue()
    for n in range(64):
        given = [tensor("x", np.full((1, 4), n, np.float32), "FP32")]
        triton.async_infer(
            "identity_fp32", given, lambda result, error: answers.put((result, error))
        )
    found = [answers.get(timeout=30) for _ in range(64)]
    assert [error for _, error in found if error is not None] == []
    assert sorted(float(r.as_numpy("y")[0, 0]) for r, _ in found) == [float(n) for n in range(64)]


def test_a_stream_keeps_its_order_and_outlives_an_error(triton):
    answers: Queue = Queue()
    triton.start_stream(lambda result, error: answers.put((result, error)))
    for n, datatype in enumerate(("FP32", "INT32", "FP32")):
        given = [tensor("x", np.full((1, 4), n).astype(elements(datatype).dtype), datatype)]
        triton.async_stream_infer("identity_fp32", given, request_id=str(n))
    found = [answers.get(timeout=30) for _ in range(3)]
    triton.stop_stream()
    assert [error is None for _, error in found] == [True, False, True]
    assert [found[i][0].get_response().id for i in (0, 2)] == ["0", "2"]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_model_may_answer_as_often_as_it_likes(triton, count):
    answers: Queue = Queue()
    over = Event()

    def heard(result, error):
        answers.put((result, error))
        if error or result.get_response().parameters["triton_final_response"].bool_param:
            over.set()

    triton.start_stream(heard)
    given = [tensor("count", np.array([count], np.int64), "INT64")]
    triton.async_stream_infer("tokens", given, enable_empty_final_response=True)
    assert over.wait(30)
    triton.stop_stream()
    found = [*answers.queue]
    assert [error for _, error in found if error is not None] == []
    full = [r for r, _ in found if r.get_response().outputs]
    assert [int(r.as_numpy("token").ravel()[0]) for r in full] == [*range(count)]


def test_statistics(triton):
    for _ in range(200):  # another worker's counts are told four times a second
        triton.infer("identity_fp32", [tensor("x", elements("FP32"), "FP32")])
        [one] = triton.get_inference_statistics("identity_fp32").model_stats
        if one.inference_stats.success.count:
            break
    assert one.inference_stats.success.count >= 1
    assert len(triton.get_inference_statistics().model_stats) > 5


def test_trace_and_log_settings(triton):
    settings = triton.get_trace_settings(as_json=True)["settings"]
    assert "trace_level" in settings
    assert triton.update_trace_settings(settings={"trace_rate": "1000"}, as_json=True)["settings"]
    assert triton.get_log_settings().settings["log_info"].WhichOneof("parameter_choice")
    triton.update_log_settings({"log_verbose_level": 0})


def test_shared_memory_is_told_about(triton):
    assert not triton.get_system_shared_memory_status().regions
    assert not triton.get_cuda_shared_memory_status().regions
    with pytest.raises(InferenceServerException):
        triton.register_system_shared_memory("region", "/key", 64)
    with pytest.raises(InferenceServerException):
        triton.register_cuda_shared_memory("region", b"aGFuZGxl", 0, 64)
    triton.unregister_system_shared_memory()
    triton.unregister_cuda_shared_memory()


def test_a_plugin_may_add_metadata(triton):
    class Plugin(client.InferenceServerClientPlugin):
        def __call__(self, request):
            request.headers["x-request-id"] = "from-a-plugin"

    triton.register_plugin(Plugin())
    assert triton.plugin() is not None
    assert triton.is_server_live()
    triton.unregister_plugin()


@pytest.mark.parametrize(
    ("model", "array", "datatype", "status"),
    [
        ("nobody", elements("FP32"), "FP32", "NOT_FOUND"),
        ("identity_fp32", elements("INT32"), "INT32", "INVALID_ARGUMENT"),
        ("identity_fp32", np.zeros((1, 3), np.float32), "FP32", "INVALID_ARGUMENT"),
        ("tokens", np.array([3]), "INT64", "UNIMPLEMENTED"),
    ],
    ids=["model", "datatype", "shape", "decoupled"],
)
def test_what_is_wrong_has_its_status(triton, model, array, datatype, status):
    name = "count" if model == "tokens" else "x"
    with pytest.raises(InferenceServerException) as refused:
        triton.infer(model, [tensor(name, array, datatype)])
    assert refused.value.status() == f"StatusCode.{status}"


def test_a_deadline_is_kept(triton):
    given = [tensor("count", np.array([[5_000_000]]), "INT64")]
    with pytest.raises(InferenceServerException) as late:
        triton.infer("steps", given, client_timeout=0.05)
    assert late.value.status() == "StatusCode.DEADLINE_EXCEEDED"


def test_it_may_be_closed(served):
    made = client.InferenceServerClient(served.grpc)
    assert made.is_server_live()
    made.close()
