"""Open Inference Protocol v2 with tensors as bytes, on a real server."""

from __future__ import annotations

import json
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import FairleadError
from fairlead.inputs.raw import packed_texts, texts

HEADER = "inference-header-content-length"
NUMPY = {
    "BOOL": "?", "INT8": "i1", "INT16": "i2", "INT32": "i4", "INT64": "i8", "UINT8": "u1",
    "UINT16": "u2", "UINT32": "u4", "UINT64": "u8", "FP16": "f2", "FP32": "f4", "FP64": "f8",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(serving, small_models) -> httpx.Client:
    return serving(small_models)


def tensor(data: Any, datatype: str = "FP32", name: str = "x", shape: Any = None) -> dict[str, Any]:
    """An input whose bytes are behind the JSON, and how many they are."""
    shape = list(data.shape) if shape is None else shape
    size = len(data) if isinstance(data, bytes) else data.nbytes
    about = {"binary_data_size": size}
    return {"name": name, "shape": shape, "datatype": datatype, "parameters": about}


def body(request: dict[str, Any], *blobs: Any) -> tuple[bytes, dict[str, str]]:
    text = json.dumps(request).encode()
    raw = b"".join(b if isinstance(b, bytes) else b.tobytes() for b in blobs)
    return text + raw, {HEADER: str(len(text))}


def infer(server, model: str, request: dict[str, Any], *blobs: Any, **more: str) -> httpx.Response:
    content, headers = body(request, *blobs)
    return server.post(f"/v2/models/{model}/infer", content=content, headers=headers | more)


def read(answer: httpx.Response) -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON of an answer, and its outputs as arrays or lists."""
    assert answer.status_code == 200, answer.text
    size = int(answer.headers.get(HEADER, len(answer.content)))
    told, rest = json.loads(answer.content[:size]), answer.content[size:]
    found: dict[str, Any] = {}
    for output in told["outputs"]:
        count = output.get("parameters", {}).get("binary_data_size")
        if count is None:
            found[output["name"]] = output["data"]
            continue
        raw, rest = rest[:count], rest[count:]
        if output["datatype"] == "BYTES":
            total = int(np.prod(output["shape"]))
            found[output["name"]] = texts(memoryview(raw), total, "y")
        else:
            kind = NUMPY[output["datatype"]]
            found[output["name"]] = np.frombuffer(raw, kind).reshape(output["shape"])
    assert rest == b""
    return told, found


BOTH = {"parameters": {"binary_data_output": True}}


@pytest.mark.parametrize("datatype", NUMPY)
def test_numbers_come_back_bit_by_bit(server, datatype):
    given = np.array([[0, 1, 1, 0], [1, 1, 0, 1]]).astype(NUMPY[datatype])
    request = {"inputs": [tensor(given, datatype)], **BOTH}
    _, found = read(infer(server, f"identity_{datatype.lower()}", request, given))
    np.testing.assert_array_equal(found["y"], given)
    assert found["y"].dtype == given.dtype


def test_an_answer_is_binary_only_where_that_is_asked(server):
    given = np.ones((1, 4), np.float32)
    answer = infer(server, "identity_fp32", {"inputs": [tensor(given)]}, given)
    assert HEADER not in answer.headers
    assert answer.headers["content-type"] == "application/json"
    assert read(answer)[1]["y"] == [1.0] * 4
    answer = infer(server, "identity_fp32", {"inputs": [tensor(given)], **BOTH}, given)
    assert answer.headers["content-type"] == "application/octet-stream"


def test_each_output_may_say_how_it_comes(server):
    mixed = [
        tensor(np.ones((1, 2), np.float32), name="numbers"),
        {"name": "count", "shape": [1, 1], "datatype": "INT64", "data": [3]},
        tensor(packed_texts(["red"]), "BYTES", "colour", [1, 1]),
    ]
    blobs = (np.ones((1, 2), np.float32), packed_texts(["red"]))
    outputs = [{"name": "paint", "parameters": {"binary_data": True}}, {"name": "value"}]
    told, found = read(infer(server, "mixed", {"inputs": mixed, "outputs": outputs}, *blobs))
    assert [output["name"] for output in told["outputs"]] == ["paint", "value"]
    assert "data" not in told["outputs"][0]
    assert told["outputs"][1]["data"] == [6.0]
    assert found["paint"] == ["red"]
    outputs[0]["parameters"]["binary_data"] = False
    request = {"inputs": mixed, "outputs": outputs, **BOTH}
    told, _ = read(infer(server, "mixed", request, *blobs))
    assert "data" in told["outputs"][0]
    assert "data" not in told["outputs"][1]


def test_an_id_is_echoed_and_an_empty_one_is_not(server):
    given = np.ones((1, 4), np.float32)
    for identity in ("seven", ""):
        request = {"id": identity, "inputs": [tensor(given)], **BOTH}
        told, _ = read(infer(server, "identity_fp32", request, given))
        assert told.get("id", "") == identity
        assert ("id" in told) == bool(identity)


@pytest.mark.parametrize("vendor", ["sagemaker", "vertex-ai"])
def test_a_platform_may_carry_the_size_in_the_content_type(server, vendor):
    given = np.ones((1, 4), np.float32)
    content, headers = body({"inputs": [tensor(given)], **BOTH}, given)
    media = f"application/vnd.{vendor}-triton.binary+json;json-header-size={headers[HEADER]}"
    answer = server.post(
        "/v2/models/identity_fp32/infer", content=content, headers={"content-type": media}
    )
    np.testing.assert_array_equal(read(answer)[1]["y"], given)


def test_a_body_may_be_the_tensor_alone(server):
    given = np.arange(4, dtype=np.float32)
    answer = server.post(
        "/v2/models/identity_fp32/infer", content=given.tobytes(), headers={HEADER: "0"}
    )
    assert read(answer)[1]["y"].tolist() == [[0, 1, 2, 3]]
    answer = server.post("/v2/models/shout/infer", content=b"hey", headers={HEADER: "0"})
    assert read(answer)[1]["loud"] == ["hey!"]
    answer = server.post("/v2/models/total/infer", content=b"1234", headers={HEADER: "0"})
    assert answer.status_code in (400, 501)


def test_chunks_and_many_rows_are_read_as_one(server):
    given = np.random.default_rng(0).random((5_000, 4), np.float32)
    content, headers = body({"inputs": [tensor(given)], **BOTH}, given)

    def pieces():
        yield content[:1_000]
        yield content[1_000:]

    answer = server.post("/v2/models/identity_fp32/infer", content=pieces(), headers=headers)
    np.testing.assert_array_equal(read(answer)[1]["y"], given)


ONE = np.ones((1, 4), np.float32)


@pytest.mark.parametrize(
    ("request_", "blobs"),
    [
        ({"inputs": [tensor(ONE)]}, [ONE.tobytes()[:-1]]),
        ({"inputs": [tensor(ONE)]}, [ONE.tobytes() + b"x"]),
        ({"inputs": [tensor(b"x" * 15, shape=[1, 4])]}, [b"x" * 15]),
        ({"inputs": [tensor(ONE, shape=[2, 4])]}, [ONE]),
        ({"inputs": [tensor(b"", shape=[0, 4])]}, []),
        ({"inputs": [tensor(ONE) | {"parameters": {"binary_data_size": -1}}]}, [ONE]),
        ({"inputs": [tensor(ONE) | {"parameters": {"binary_data_size": "16"}}]}, [ONE]),
        ({"inputs": [tensor(ONE) | {"parameters": {"binary_data_size": 1 << 62}}]}, [ONE]),
        ({"inputs": [tensor(ONE) | {"parameters": []}]}, [ONE]),
        ({"inputs": [tensor(ONE) | {"parameters": {}}]}, [ONE]),
        ({"inputs": [tensor(ONE) | {"data": [1, 1, 1, 1]}]}, [ONE]),
        ({"inputs": [tensor(ONE, shape=[2, -5])]}, [ONE]),
        ({"inputs": [tensor(ONE, shape=[16, (1 << 60) + 2])]}, [ONE]),
        ({"inputs": [tensor(ONE, "BF16")]}, [ONE]),
        ({"inputs": [tensor(ONE)], "parameters": {"binary_data_output": 1}}, [ONE]),
        (
            {
                "inputs": [tensor(ONE)],
                "outputs": [{"name": "y", "parameters": {"binary_data": "yes"}}],
            },
            [ONE],
        ),
    ],
    ids=lambda value: None,
)
def test_bytes_that_do_not_fit_are_refused(server, request_, blobs):
    answer = infer(server, "identity_fp32", request_, *blobs)
    assert answer.status_code == 400, answer.text
    assert isinstance(answer.json()["error"], str)


def test_shared_memory_is_refused_clearly(server):
    about = tensor(ONE) | {"parameters": {"shared_memory_region": "r", "binary_data_size": 16}}
    assert infer(server, "identity_fp32", {"inputs": [about]}).status_code == 501


@pytest.mark.parametrize("size", ["99999999999", "-1", "+5", "0x10", "1e3", "", "5, 5"])
def test_a_size_that_is_none_is_refused(server, size):
    answer = server.post(
        "/v2/models/identity_fp32/infer", content=b'{"inputs":[]}', headers={HEADER: size}
    )
    assert answer.status_code == 400


def test_a_truth_value_is_0_or_1(server):
    request = {"inputs": [tensor(b"\1\0\2\1", "BOOL", shape=[1, 4])]}
    assert infer(server, "identity_bool", request, b"\1\0\2\1").status_code == 400


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xff\xff\xff" + b"a" * 12,
        b"\1\0\0\0a\1\0\0\0b\1\0\0\0c",
        b"\1\0\0\0a" * 5,
        b"\1\0\0\0a" * 4 + b"\1\0\0",
        b"\1\0\0\0\xff" * 4,
        b"",
    ],
    ids=["length", "few", "many", "cut", "not utf-8", "nothing"],
)
def test_texts_that_are_not_framed_right_are_refused(server, raw):
    request = {"inputs": [tensor(raw, "BYTES", shape=[1, 4])]}
    assert infer(server, "identity_bytes", request, raw).status_code == 400


@given(st.lists(st.text(max_size=20), max_size=10))
def test_texts_come_back_from_their_frames(values):
    assert texts(memoryview(packed_texts(values)), len(values), "x") == values


@given(st.binary(max_size=60), st.integers(0, 20))
def test_whatever_bytes_stand_for_texts_they_are_read_or_refused(raw, count):
    try:
        found = texts(memoryview(raw), count, "x")
    except FairleadError:
        return
    assert packed_texts(found) == raw


# --- classification ---------------------------------------------------------------------------


def classified(server, count: int, rows: int = 2, binary: bool = False) -> Any:
    given = np.zeros((rows, 4), np.float32)
    given[0, 0] = 9
    values = given.ravel().tolist()
    inputs = [{"name": "x", "shape": [rows, 4], "datatype": "FP32", "data": values}]
    asked = {"classification": count, "binary_data": binary}
    request = {"inputs": inputs, "outputs": [{"name": "scores", "parameters": asked}]}
    return server.post("/v2/models/classifier/infer", json=request)


@pytest.mark.parametrize("binary", [False, True], ids=["json", "binary"])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_an_output_may_be_reduced_to_its_best_classes(server, count, binary):
    told, found = read(classified(server, count, binary=binary))
    [output] = told["outputs"]
    best = min(count, 3)
    assert (output["datatype"], output["shape"]) == ("BYTES", [2, best])
    whole = classified(server, 3).json()["outputs"][0]["data"]
    for row in range(2):
        words = found["scores"][row * best : (row + 1) * best]
        assert words == whole[row * 3 : row * 3 + best]
        values = [float(word.split(":")[0]) for word in words]
        assert values == sorted(values, reverse=True)
        for word in words:
            value, index, label = word.split(":")
            assert len(value.partition(".")[2]) == 6
            assert label == ("red", "green", "blue")[int(index)]


@pytest.mark.parametrize("count", [0, -1, "2", 1.5, True])
def test_a_count_of_classes_that_is_none_is_refused(server, count):
    assert classified(server, count).status_code == 400
