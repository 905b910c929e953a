"""Open Inference Protocol v2 over gRPC, on a real server, by stubs of our own descriptors."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import grpc
import numpy as np
import pytest
from tests.processes import server
from tests.serving.test_keys_served import Keyed

from fairlead.edge.router import PUBLIC_ADDRESSES
from fairlead.inputs.raw import packed_texts
from fairlead.protos.pool import message, methods
from fairlead.wires.grpc_health import SERVICE as HEALTH
from fairlead.wires.grpc_status import NAMES, STATUS, error_reply
from fairlead.wires.oip_grpc import DESCRIPTION, SERVICE, OipGrpc

NUMPY = {
    "BOOL": "?", "INT8": "i1", "INT16": "i2", "INT32": "i4", "INT64": "i8", "UINT8": "u1",
    "UINT16": "u2", "UINT32": "u4", "UINT64": "u8", "FP16": "f2", "FP32": "f4", "FP64": "f8",
}  # fmt: skip
FIELDS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT32": "int_contents",
    "INT64": "int64_contents", "UINT8": "uint_contents", "UINT64": "uint64_contents",
    "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip
X = np.arange(8, dtype=np.float32).reshape(2, 4)


@pytest.fixture(scope="module")
def running(small_models, tmp_path_factory):
    with server(small_models, state=tmp_path_factory.mktemp("state"), workers=1) as made:
        yield made


@pytest.fixture(scope="module")
def channel(running):
    with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as made:
        yield made


def ask(channel, method: str, *metadata: tuple[str, str], service: str = SERVICE, **given: Any):
    takes, gives = methods(service)[method]
    call = channel.unary_unary(
        f"/{service}/{method}",
        request_serializer=takes.SerializeToString,
        response_deserializer=gives.FromString,
    )
    return call(takes(**given), timeout=30, metadata=metadata)


def tensor(datatype: str = "FP32", shape=(2, 4), **more: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": datatype, "shape": list(shape), **more}


def infer(channel, model: str = "identity_fp32", raw: Any = X, **more: Any):
    raws = [
        r if isinstance(r, bytes) else r.tobytes()
        for r in (raw if isinstance(raw, list) else [raw])
    ]
    given = {"inputs": [tensor()], "raw_input_contents": raws} | more
    return ask(channel, "ModelInfer", model_name=model, **given)


def refused(act, status: str) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as error:
        act()
    assert error.value.code().name == status, error.value.details()
    return error.value


# --- facts ------------------------------------------------------------------------------------


def test_the_server_says_who_and_how_it_is(channel):
    assert ask(channel, "ServerLive").live
    assert ask(channel, "ServerReady").ready
    assert ask(channel, "ServerMetadata").name == "fairlead"
    assert ask(channel, "ModelReady", name="total").ready
    assert ask(channel, "Check", service=HEALTH).status == 1
    refused(lambda: ask(channel, "ModelReady", name="nobody"), "NOT_FOUND")
    refused(lambda: ask(channel, "ModelReady", name="total", version="9"), "NOT_FOUND")
    refused(lambda: ask(channel, "ModelMetadata"), "INVALID_ARGUMENT")


def test_a_model_is_described(channel):
    told = ask(channel, "ModelMetadata", name="identity_fp32", version="1")
    assert [(i.name, i.datatype, [*i.shape]) for i in told.inputs] == [("x", "FP32", [-1, 4])]
    config = ask(channel, "ModelConfig", name="identity_bytes").config
    assert (config.input[0].data_type, [*config.input[0].dims]) == (13, [4])
    assert config.max_batch_size == 10_000
    fixed = ask(channel, "ModelConfig", name="fixed").config
    assert (fixed.max_batch_size, [*fixed.input[0].dims]) == (0, [2, 3])
    assert any(m.name == "total" for m in ask(channel, "RepositoryIndex", ready=True).models)


def test_what_people_are_told_of_a_model_is_told_to_our_own_client(channel, running):
    told = ask(channel, "ModelMetadata", name="classifier").properties[DESCRIPTION]
    assert json.loads(told) == running.asked("/models/classifier")[1]


def test_statistics_count_what_was_answered(channel):
    before = ask(channel, "ModelStatistics", name="identity_int8").model_stats[0]
    infer(channel, "identity_int8", np.ones((2, 4), "i1"), inputs=[tensor("INT8")])
    after = ask(channel, "ModelStatistics", name="identity_int8").model_stats[0]
    assert after.inference_count - before.inference_count in (0, 2)  # told within a beat
    assert {m.name for m in ask(channel, "ModelStatistics").model_stats} > {"total", "fixed"}


def test_settings_are_told_and_changed_only_to_what_they_are(channel):
    assert [*ask(channel, "TraceSetting").settings["trace_level"].value] == ["OFF"]
    same = {"trace_level": {"value": ["OFF"]}, "trace_rate": {"value": []}}
    assert ask(channel, "TraceSetting", settings=same).settings
    other = {"trace_level": {"value": ["TIMESTAMPS"]}}
    refused(lambda: ask(channel, "TraceSetting", settings=other), "UNIMPLEMENTED")
    assert ask(channel, "LogSettings").settings["log_error"].bool_param
    unknown = {"nothing": {"bool_param": True}}
    refused(lambda: ask(channel, "LogSettings", settings=unknown), "INVALID_ARGUMENT")


@pytest.mark.parametrize("kind", ["System", "Cuda"])
def test_memory_is_not_shared(channel, kind):
    assert not ask(channel, f"{kind}SharedMemoryStatus").regions
    ask(channel, f"{kind}SharedMemoryUnregister")
    refused(lambda: ask(channel, f"{kind}SharedMemoryRegister", name="r"), "UNIMPLEMENTED")


# --- predictions ------------------------------------------------------------------------------


@pytest.mark.parametrize("datatype", NUMPY)
def test_bytes_come_back_as_they_were(channel, datatype):
    given = np.array([[0, 1, 1, 0], [1, 1, 0, 1]]).astype(NUMPY[datatype])
    for _ in range(2):  # the second request is of a known form
        answer = infer(channel, f"identity_{datatype.lower()}", given, inputs=[tensor(datatype)])
        assert answer.raw_output_contents[0] == given.tobytes()
        assert [*answer.outputs[0].shape] == [2, 4]
        assert answer.outputs[0].datatype == datatype


@pytest.mark.parametrize("datatype", FIELDS)
def test_elements_one_by_one_come_back_as_bytes(channel, datatype):
    if datatype == "BYTES":
        values: Any = [b"a", b"", "grün".encode(), b"x\0y"] * 2
        wanted = packed_texts([v.decode() for v in values])
    else:
        array = np.array([0, 1, 1, 0, 1, 1, 0, 1]).astype(NUMPY[datatype])
        values, wanted = array.tolist(), array.tobytes()
    given = tensor(datatype, contents={FIELDS[datatype]: values})
    answer = infer(channel, f"identity_{datatype.lower()}", [], inputs=[given])
    assert answer.raw_output_contents[0] == wanted


def test_texts_come_as_bytes_behind_their_length(channel):
    raw = packed_texts(["a", "", "grün", "x\0y"])
    answer = infer(channel, "identity_bytes", raw, inputs=[tensor("BYTES", (1, 4))])
    assert answer.raw_output_contents[0] == raw


def test_ids_and_versions_are_echoed(channel):
    answer = infer(channel, id="seven", model_version="1")
    assert (answer.id, answer.model_name, answer.model_version) == ("seven", "identity_fp32", "1")
    assert infer(channel).id == ""


def test_rows_of_one_request_and_another_are_not_mixed_up(channel):
    takes, gives = methods(SERVICE)["ModelInfer"]
    call = channel.unary_unary(
        f"/{SERVICE}/ModelInfer",
        request_serializer=takes.SerializeToString,
        response_deserializer=gives.FromString,
    )
    given = [np.full((1 + n % 3, 4), n, np.float32) for n in range(200)]
    futures = [
        call.future(
            takes(
                model_name="identity_fp32",
                inputs=[tensor(shape=g.shape)],
                raw_input_contents=[g.tobytes()],
            )
        )
        for g in given
    ]
    for future, sent in zip(futures, given, strict=True):
        assert future.result(timeout=30).raw_output_contents[0] == sent.tobytes()


def test_several_inputs_and_chosen_outputs(channel):
    inputs = [
        {"name": "numbers", "datatype": "FP32", "shape": [1, 2]},
        {"name": "count", "datatype": "INT64", "shape": [1, 1]},
        {"name": "colour", "datatype": "BYTES", "shape": [1, 1]},
    ]
    raw = [np.ones((1, 2), "f4"), np.array([[3]]), packed_texts(["red"])]
    answer = infer(
        channel, "mixed", raw, inputs=inputs, outputs=[{"name": "paint"}, {"name": "value"}]
    )
    assert [o.name for o in answer.outputs] == ["paint", "value"]
    assert answer.raw_output_contents[0] == packed_texts(["red"])
    assert np.frombuffer(answer.raw_output_contents[1], "f4").tolist() == [6.0]


def test_an_output_may_be_reduced_to_its_best_classes(channel):
    wanted = {"name": "scores", "parameters": {"classification": {"int64_param": 2}}}
    answer = infer(channel, "classifier", X, outputs=[wanted])
    assert (answer.outputs[0].datatype, [*answer.outputs[0].shape]) == ("BYTES", [2, 2])


def test_a_large_tensor_goes_there_and_back(running):
    given = np.random.default_rng(0).random((500_000, 4), np.float32)
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}", options) as channel:
        error = refused(
            lambda: infer(channel, raw=given, inputs=[tensor(shape=given.shape)]),
            "RESOURCE_EXHAUSTED",
        )
        assert "500000 rows" in error.details()
        given = given[:10_000]
        answer = infer(channel, raw=given, inputs=[tensor(shape=given.shape)])
        assert answer.raw_output_contents[0] == given.tobytes()


WRONG = {
    "both": {"inputs": [tensor(contents={"fp32_contents": [1] * 8})]},
    "no bytes": {"raw_input_contents": []},
    "few bytes": {"raw_input_contents": [X.tobytes()[:-1]]},
    "too many": {"raw_input_contents": [X.tobytes()] * 2},
    "wrong field": {
        "inputs": [tensor(contents={"fp64_contents": [1] * 8})],
        "raw_input_contents": [],
    },
    "few elements": {
        "inputs": [tensor(contents={"fp32_contents": [1] * 7})],
        "raw_input_contents": [],
    },
    "name": {"inputs": [tensor() | {"name": "y"}]},
    "twice": {"inputs": [tensor()] * 2, "raw_input_contents": [X.tobytes()] * 2},
    "nothing": {"inputs": [], "raw_input_contents": []},
    "datatype": {"inputs": [tensor("INT32")]},
    "bf16": {"inputs": [tensor("BF16")]},
    "negative": {"inputs": [tensor(shape=(-2, 4))]},
    "overflow": {"inputs": [tensor(shape=(1 << 62, 4))]},
    "rank": {"inputs": [tensor(shape=(2, 2, 2))]},
    "output": {"outputs": [{"name": "z"}]},
    "reserved": {"parameters": {"triton_x": {"bool_param": True}}},
    "empty parameter": {"parameters": {"x": {}}},
    "timeout": {"parameters": {"timeout": {"int64_param": -1}}},
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_an_invalid_argument(channel, name):
    error = refused(lambda: infer(channel, **WRONG[name]), "INVALID_ARGUMENT")
    assert error.details()


def test_what_is_not_there_is_not_found(channel):
    refused(lambda: infer(channel, "nobody"), "NOT_FOUND")
    refused(lambda: infer(channel, model_version="7"), "NOT_FOUND")
    refused(lambda: infer(channel, "../x"), "NOT_FOUND")


@pytest.mark.parametrize(
    "body",
    [
        b"\xff",
        b"\x0a\x05abc",
        b"\x0b" * 1000,
        b"\x0a\x0didentity_fp32\x08",
        b"\x2a\x04\x1a\x02\xff\xff",
    ],
)
def test_bytes_that_are_no_request_are_refused(channel, body):
    for method in ("ModelInfer", "ModelMetadata"):
        call = channel.unary_unary(f"/{SERVICE}/{method}")
        with pytest.raises(grpc.RpcError) as error:
            call(body, timeout=30)
        assert error.value.code().name in ("INVALID_ARGUMENT", "NOT_FOUND")


def test_an_error_carries_its_details(channel):
    error = refused(lambda: infer(channel, "nobody"), "NOT_FOUND")
    told = dict(error.trailing_metadata())
    status = message("google.rpc.Status").FromString(told["grpc-status-details-bin"])
    info = message("google.rpc.ErrorInfo")()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("MODEL_NOT_FOUND", "fairlead")
    assert info.metadata["id"].startswith("FRL-")


# --- streams ----------------------------------------------------------------------------------


def stream(channel, requests, *metadata):
    takes, gives = methods(SERVICE)["ModelStreamInfer"]
    call = channel.stream_stream(
        f"/{SERVICE}/ModelStreamInfer",
        request_serializer=takes.SerializeToString,
        response_deserializer=gives.FromString,
    )
    return call(iter([takes(**r) for r in requests]), timeout=30, metadata=metadata)


def request(number: int, **more: Any) -> dict[str, Any]:
    raw = np.full((1, 4), number, np.float32).tobytes()
    about = {"model_name": "identity_fp32", "id": str(number), "inputs": [tensor(shape=(1, 4))]}
    return about | {"raw_input_contents": [raw]} | more


def test_a_stream_answers_in_order_and_outlives_an_error(channel):
    bad = request(1, inputs=[tensor("INT8", (1, 4))])
    answers = [*stream(channel, [request(0), bad, request(2)])]
    assert [a.infer_response.id for a in answers] == ["0", "1", "2"]
    assert [bool(a.error_message) for a in answers] == [False, True, False]
    finals = [a.infer_response.parameters["triton_final_response"].bool_param for a in answers]
    assert finals == [True] * 3


def test_a_stream_ends_with_an_error_where_that_is_asked(channel):
    answers = stream(channel, [request(0, model_name="nobody")], ("triton_grpc_error", "true"))
    refused(lambda: [*answers], "NOT_FOUND")


def test_a_thousand_requests_on_one_stream_are_answered(channel):
    answers = [*stream(channel, [request(n) for n in range(1000)])]
    assert [a.infer_response.id for a in answers] == [str(n) for n in range(1000)]


# --- who may ----------------------------------------------------------------------------------


def test_every_method_but_the_public_ones_wants_a_key(small_models, tmp_path):
    with server(small_models, state=tmp_path, workers=2) as running:
        keyed = Keyed(running, tmp_path)
        key = keyed.key("k", "predict:identity_fp32")
        with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel:
            for address in OipGrpc.addresses:
                path = address.removeprefix("POST ")
                call = channel.unary_unary(path)
                for metadata in ((), (("authorization", "Bearer wrong"),)):
                    if path in PUBLIC_ADDRESSES:
                        call(b"", timeout=30, metadata=metadata)
                        continue
                    with pytest.raises(grpc.RpcError) as error:
                        call(b"", timeout=30, metadata=metadata)
                    assert error.value.code().name == "UNAUTHENTICATED", path
            mine = ("authorization", f"Bearer {key}")
            given = {"inputs": [tensor()], "raw_input_contents": [X.tobytes()]}
            assert ask(channel, "ModelInfer", mine, model_name="identity_fp32", **given).outputs
            for name in ("total", "nobody"):
                refused(lambda n=name: ask(channel, "ModelInfer", mine, model_name=n), "NOT_FOUND")
            index = ask(channel, "RepositoryIndex", mine)
            assert [m.name for m in index.models] == ["identity_fp32"]
            refused(
                lambda: ask(channel, "RepositoryModelLoad", mine, model_name="total"),
                "PERMISSION_DENIED",
            )


def test_every_error_code_has_a_status_with_a_name():
    assert {*STATUS.values()} == {*NAMES}


@pytest.mark.parametrize("text", ["plain", "50 % of grün\n", "\x00"])
def test_a_message_is_escaped(text):
    from fairlead.core.errors import Overloaded

    reply = error_reply(Overloaded(text))
    told = dict(reply.trailers)
    assert told["grpc-message"].isascii()
    assert told["grpc-message"].isprintable()
    assert told["grpc-retry-pushback-ms"] == "1000"
    raw = told["grpc-status-details-bin"]
    assert message("google.rpc.Status").FromString(b64decode(raw + "=" * (-len(raw) % 4))).details
