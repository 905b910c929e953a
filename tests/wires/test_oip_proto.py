"""ModelInferRequest as nobody of good will writes it: answered at once, with what is wrong."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from tests.processes import server
from tests.wires.test_oip_grpc import X, ask, infer, refused, tensor

from fairlead.core.errors import MalformedBody
from fairlead.protos.pool import message
from fairlead.protos.wire import MOST_FIELDS, field, fields
from fairlead.wires.grpc_health import SERVICE as HEALTH
from fairlead.wires.oip_grpc import SERVICE

HUGE = 1 << 62


@pytest.fixture(scope="module")
def running(small_models, tmp_path_factory):
    with server(small_models, state=tmp_path_factory.mktemp("state"), workers=1) as made:
        yield made


@pytest.fixture(scope="module")
def channel(running):
    with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as made:
        yield made


def sent(channel, body: bytes) -> Any:
    answer = channel.unary_unary(f"/{SERVICE}/ModelInfer")(body, timeout=30)
    return message("inference.ModelInferResponse").FromString(answer)


def test_a_message_has_so_many_fields_and_no_more():
    assert len([*fields(b"\x2a\x00" * MOST_FIELDS)]) == MOST_FIELDS
    with pytest.raises(MalformedBody, match="at most"):
        [*fields(b"\x2a\x00" * (MOST_FIELDS + 1))]


def test_millions_of_empty_inputs_are_not_read(channel):
    body = field(1, b"identity_fp32") + b"\x2a\x00" * 4_000_000
    error = refused(lambda: sent(channel, body), "INVALID_ARGUMENT")
    assert "fields" in error.details()


def test_a_shape_of_many_huge_sizes_is_not_multiplied(channel):
    many = [HUGE] * 200_000
    error = refused(lambda: infer(channel, inputs=[tensor(shape=many)]), "INVALID_ARGUMENT")
    assert "at most 16" in error.details()


def test_many_parameters_are_not_read(channel):
    many = {f"p{n}": {"int64_param": n} for n in range(65)}
    refused(lambda: infer(channel, parameters=many), "INVALID_ARGUMENT")
    outputs = [{"name": "y", "parameters": many}]
    refused(lambda: infer(channel, outputs=outputs), "INVALID_ARGUMENT")


def test_elements_that_no_shape_asked_for_are_not_read(channel):
    contents = {"int_contents": [1] * 4_000_000}
    given = {"inputs": [tensor("INT8", (1, 4), contents=contents)], "raw_input_contents": []}
    error = refused(lambda: infer(channel, "identity_int8", **given), "INVALID_ARGUMENT")
    assert "4000000 elements" in error.details()


def test_questions_without_tensors_are_short(channel):
    long = "x" * (64 << 10)
    check = channel.unary_unary(f"/{HEALTH}/Check")
    refused(lambda: check(field(1, long.encode()), timeout=30), "RESOURCE_EXHAUSTED")
    many = {f"{n:04}": {} for n in range(8000)}
    refused(lambda: ask(channel, "LogSettings", settings=many), "RESOURCE_EXHAUSTED")
    refused(lambda: ask(channel, "ModelReady", name=long), "RESOURCE_EXHAUSTED")


@pytest.mark.parametrize("late", [field(1, b"total"), field(2, b"7")], ids=["name", "version"])
def test_another_model_named_late_is_never_answered_by_the_first(channel, late):
    kind = message("inference.ModelInferRequest")
    given = {"inputs": [tensor()], "raw_input_contents": [X.tobytes()]}
    body = kind(model_name="identity_fp32", **given).SerializeToString()
    assert sent(channel, body).raw_output_contents == [X.tobytes()]
    with pytest.raises(grpc.RpcError) as error:
        sent(channel, body + late)
    assert error.value.code().name in ("INVALID_ARGUMENT", "NOT_FOUND")
