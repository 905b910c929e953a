"""What a message would weigh, told from its bytes: a little body asks for little memory."""

from __future__ import annotations

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hostile.parts import forget_peak, memory
from tests.processes import server

from fairlead.core.errors import BodyTooLarge, MalformedBody
from fairlead.protos.pool import message
from fairlead.protos.weight import LIGHT, check_weight
from fairlead.protos.wire import varint

INFER = message("inference.ModelInferRequest")
PREDICT = message("tensorflow.serving.PredictRequest")
MOST = 64 << 20
SIZE = 48 << 20
"""Bytes of each attack's body."""


def field(number: int, content: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + varint(len(content)) + content


def entries(tag: int, count: int) -> bytes:
    """A map of so many different keys."""
    return b"".join(b"%c\x0c\x0a\x06%06x\x12\x02\x10\x01" % (tag, n) for n in range(count))


def oip(tensor: bytes, number: int = 5) -> bytes:
    return field(1, b"identity_fp32") + field(number, field(1, b"x") + tensor)


SPEC = field(1, field(1, b"identity_fp32"))
OIP, TFS = "/inference.GRPCInferenceService/ModelInfer", "/tensorflow.serving.PredictionService/"
ATTACKS = {
    "a map in an input": (OIP, lambda: oip(entries(0x22, SIZE // 14))),
    "a map in an output": (OIP, lambda: oip(entries(0x12, SIZE // 14), 6)),
    "small numbers": (OIP, lambda: oip(field(5, field(3, b"\1" * SIZE)))),
    "empty texts": (OIP, lambda: oip(field(5, b"\x42\x00" * (SIZE // 2)))),
    "a long shape": (OIP, lambda: oip(field(3, b"\1" * SIZE))),
    "unknown fields": (OIP, lambda: oip(b"\xfa\x7d\x00" * (SIZE // 3))),
    "empty sizes": (
        TFS + "Predict",
        lambda: SPEC + field(2, field(1, b"x") + field(2, field(2, b"\x12\x00" * (SIZE // 2)))),
    ),
    "small numbers of TensorFlow": (
        TFS + "Predict",
        lambda: SPEC + field(2, field(1, b"x") + field(2, field(10, b"\1" * SIZE))),
    ),
    "empty examples": (
        TFS + "Classify",
        lambda: SPEC + field(2, field(1, b"\x0a\x00" * (SIZE // 2))),
    ),
    "features": (
        TFS + "Regress",
        lambda: SPEC + field(2, field(1, field(1, field(1, entries(0x0A, SIZE // 14))))),
    ),
}


@pytest.fixture(scope="module")
def running(small_models, tmp_path_factory):
    with server(small_models, state=tmp_path_factory.mktemp("state"), workers=1) as made:
        yield made


@pytest.mark.parametrize("name", ATTACKS)
def test_a_body_that_asks_for_gigabytes_is_refused_before_it_is_read(running, name):
    """Ten times a body's size and more, if protobuf read them: they take three times at most."""
    address, make = ATTACKS[name]
    body, worker = make(), running.workers[0]
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}", options) as channel:
        before = memory(worker)
        forget_peak(worker)
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary(address)(body, timeout=60)
        grown = memory(worker, "VmHWM") - before
    assert refused.value.code().name == "RESOURCE_EXHAUSTED"
    assert grown < 3 * len(body)


def test_what_people_send_is_not_heavy():
    tensor = {"name": "x", "datatype": "FP32", "shape": [4_000_000]}
    floats = tensor | {"contents": {"fp32_contents": np.zeros(4_000_000, np.float32)}}
    check_weight(INFER(model_name="m", inputs=[floats]).SerializeToString(), INFER, MOST)
    numbers = tensor | {"contents": {"int64_contents": [1 << 60] * 2_000_000}}
    check_weight(INFER(model_name="m", inputs=[numbers]).SerializeToString(), INFER, MOST)
    texts = tensor | {"contents": {"bytes_contents": [b"x" * 100] * 100_000}}
    check_weight(INFER(model_name="m", inputs=[texts]).SerializeToString(), INFER, MOST)
    whole = PREDICT(inputs={"x": {"tensor_content": bytes(60 << 20)}})
    check_weight(whole.SerializeToString(), PREDICT, MOST)


@pytest.mark.parametrize("size", [1, 2, 5, 10])
def test_numbers_are_counted_and_not_their_bytes(size):
    number, count = min((1 << 7 * size) - 1, (1 << 64) - 1), 200_000
    given = {"name": "x", "contents": {"uint64_contents": [number] * count}}
    body = INFER(inputs=[given]).SerializeToString()
    check_weight(body, INFER, 17 * count)
    with pytest.raises(BodyTooLarge):
        check_weight(body, INFER, 16 * count)


@given(st.binary(max_size=200))
def test_whatever_bytes_come_they_are_weighed_or_refused(tail):
    body = field(5, field(1, b"x" * LIGHT)) + tail
    try:
        check_weight(body, INFER, 1 << 20)
    except (BodyTooLarge, MalformedBody):
        return
    assert len(body) > LIGHT
