"""Attacks by tensors: shapes, data and datatypes that lie, and binary framing (A4 to A9)."""

import pytest
from tests.hostile.parts import attack, infer, inputs, post, rows, tensor

DATA = [1, 2, 3, 4]


def shape(dims):
    body = inputs(tensor(DATA, shape=[1, 4]) | {"shape": dims})
    return attack(f"shape {str(dims)[:40]}", infer("identity_fp32", body), "SHAPE_INVALID")


OVERFLOWING = [
    shape(dims)
    for dims in (
        [16, 2**60 + 2], [2**32, 2**32], [2**63 - 1, 2], [2**64, 4], [2**62, 4], [1] * 65,
        [4] * 65, [1] * 10_000, [10**300, 4], [2**31, 4], [2**40, 4],
    )
]  # fmt: skip
IMPOSSIBLE = [
    shape(dims)
    for dims in (
        [2, -5], [-1, 4], [-1, -4], [0], [0, 4], [1, 0], [2.0], [1.0, 4], ["2"], ["1", 4], [True],
        [True, 4], [None, 4], [[1], 4], [{}, 4], [], [4], [1, 4, 1], 4, "1,4", None, {},
        [2**63, 4], [-(2**63), 4],
    )
]  # fmt: skip


def data(given, dims, name):
    return attack(name, infer("identity_fp32", inputs(tensor(given, shape=dims))), "SHAPE_INVALID")


MISFITS = [
    data(DATA[:3], [1, 4], "one less"),
    data([*DATA, 5], [1, 4], "one more"),
    data([], [1, 4], "none"),
    data([[]], [1, 4], "an empty list"),
    data([[1, 2, 3, 4], [5, 6, 7]], [2, 4], "ragged at the end"),
    data([[1, 2, 3], [4, 5, 6, 7, 8]], [2, 4], "ragged with the right sum"),
    data([[1, 2, 3, 4]], [2, 4], "a row less"),
    data([[DATA, DATA]], [2, 4], "nested too deep"),
    data([[1, 2], 3, 4], [1, 4], "a list that fills nothing"),
    data([1, [2, 3, 4, 5], 6, 7, 8], [2, 4], "a list in the wrong place"),
    data([DATA, 5, 6, 7], [2, 4], "nested and flat, one less"),
    data([[[1]], [[2]], [[3]], [[4]]], [1, 4], "every element alone"),
    data([1] * 100_000, [1, 4], "far too many"),
]


def value(datatype, bad, code="DTYPE_RANGE"):
    model = f"identity_{datatype.lower()}"
    body = inputs(tensor([0, 0, 0, bad], datatype))
    return attack(f"{datatype} {str(bad)[:20]}", infer(model, body), code)


WRONG = [
    value("UINT8", 300),
    value("UINT8", 256),
    value("UINT8", -1),
    value("UINT16", -1),
    value("UINT32", 2**32),
    value("UINT64", -1),
    value("INT8", 128),
    value("INT16", -32769),
    value("INT32", 2**31),
    value("INT64", 2**63),
    value("INT64", 1.5),
    value("INT64", 1.0),
    value("INT8", 1e300),
    value("FP16", 65520),
    value("FP32", 1e39),
    value("FP32", -1e39),
    value("FP32", True, "DTYPE_MISMATCH"),
    value("FP64", False, "DTYPE_MISMATCH"),
    value("INT64", True, "DTYPE_MISMATCH"),
    value("INT64", "1", "DTYPE_MISMATCH"),
    value("FP32", "1.5", "DTYPE_MISMATCH"),
    value("FP32", {}, "DTYPE_MISMATCH"),
    value("FP32", "x" * 100_000, "DTYPE_MISMATCH"),
    value("BOOL", 1, "DTYPE_MISMATCH"),
    attack("datatype", infer("total", inputs(tensor([1, 2, 3], "FP64"))), "DTYPE_MISMATCH"),
    attack("no datatype", infer("total", inputs(tensor([1, 2, 3], "BF16"))), "DTYPE_MISMATCH"),
    attack("last of many", infer("open", inputs(tensor([*[1] * 50_000, "x"]))), "DTYPE_MISMATCH"),
    attack("last row of many", rows("total", b"[" + b"[1,2,3]," * 9999 + b"[1,2,true]]"),
           "DTYPE_MISMATCH"),
    attack("a graph that fails", rows("picky", b"[0,3]"), "MODEL_ERROR", 500),
]  # fmt: skip

JSON = inputs(tensor([1, 2, 3]))


def binary(length, code="PARAMETER_INVALID", status=400, *more):
    header = f"Inference-Header-Content-Length: {length}"
    request = post("/v2/models/total/infer", JSON, header, *more)
    return attack(f"binary {length[:20]}", request, code, status)


FRAMED = [
    *[binary(length) for length in (
        "99999999999", "9" * 400, "-1", "+5", "0x10", "1e3", "1.0", "", " ", "5 5", "\xb2", "1_0",
        "five", str(len(JSON) + 1),
    )],
    binary("5", "PARAMETER_INVALID", 400, "Inference-Header-Content-Length: 6"),
    binary("0", "SHAPE_INVALID"),
    attack("binary without its header", infer("total", inputs(
        {"name": "x", "shape": [1, 3], "datatype": "FP32", "parameters": {"binary_data_size": 12}}
    )), "BODY_MALFORMED"),
    attack("shared memory", infer("total", inputs(
        {"name": "x", "shape": [1, 3], "datatype": "FP32",
         "parameters": {"shared_memory_region": "r", "shared_memory_byte_size": 12}}
    )), "UNSUPPORTED", 501),
]  # fmt: skip

CLASSES = {
    "overflowing": OVERFLOWING,
    "impossible": IMPOSSIBLE,
    "misfits": MISFITS,
    "wrong values": WRONG,
    "framed": FRAMED,
}


@pytest.mark.parametrize("kind", CLASSES)
def test_the_server_answers_and_lives(usual, kind):
    for one in CLASSES[kind]:
        usual.survives(one)


def test_a_hundred_times_cost_no_memory(usual):
    usual.bears([one for kind in CLASSES.values() for one in kind])
