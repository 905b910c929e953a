"""Open Inference Protocol, tensors in JSON: what is sent is what the model sees, or it is a 400.

Over a real server. The rule of each test is the protocol's, but for two: numbers that a datatype
cannot hold are refused instead of cut, and NaN never comes out as null.
"""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.datatypes import DTYPES

INTEGERS = [n for n in DTYPES if "INT" in n]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@pytest.fixture(scope="module")
def server(serving, small_models):
    return serving(small_models)


def tensor(data, datatype="FP32", name="x", shape=None):
    shape = [1, len(data)] if shape is None else shape
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def infer(server, model, *inputs, **more):
    return server.post(f"/v2/models/{model}/infer", json={"inputs": [*inputs], **more})


def outputs(answer):
    """The outputs of a good answer by name."""
    assert answer.status_code == 200, answer.text
    return {output["name"]: output for output in answer.json()["outputs"]}


def refused(answer, code, status=400):
    """The text of an error answer, which must have this code."""
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/json"
    assert set(body) == {"error", "code", "id"}
    return body["error"]


# --- values ---------------------------------------------------------------------------------


@pytest.mark.parametrize("datatype", INTEGERS)
def test_every_integer_in_range_comes_back_exactly(server, datatype):
    info = np.iinfo(DTYPES[datatype].numpy)
    data = [int(info.min), int(info.max), 0, 1]
    found = outputs(infer(server, f"identity_{datatype.lower()}", tensor(data, datatype)))["y"]
    assert found == {"name": "y", "datatype": datatype, "shape": [1, 4], "data": data}


@pytest.mark.parametrize("datatype", INTEGERS)
def test_an_integer_out_of_range_is_refused(server, datatype):
    info = np.iinfo(DTYPES[datatype].numpy)
    for bad in (int(info.min) - 1, int(info.max) + 1, 10**30, 1.5, 1.0):
        answer = infer(server, f"identity_{datatype.lower()}", tensor([0, 0, 0, bad], datatype))
        assert "element 3 (row 0)" in refused(answer, "DTYPE_RANGE")


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=4, max_size=4))
def test_every_float32_comes_back_exactly(server, data):
    found = outputs(infer(server, "identity_fp32", tensor(data)))["y"]["data"]
    assert np.array(found, np.float32).tobytes() == np.array(data, np.float32).tobytes()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=4))
def test_every_float64_comes_back_exactly(server, data):
    found = outputs(infer(server, "identity_fp64", tensor(data, "FP64")))["y"]["data"]
    assert np.array(found).tobytes() == np.array(data).tobytes()


def test_float16_is_taken_and_given_as_numbers(server):
    data = [0.1, 65504, -1e-7, 2048]
    found = outputs(infer(server, "identity_fp16", tensor(data, "FP16")))["y"]["data"]
    assert np.array(found, np.float16).tolist() == np.array(data, np.float16).tolist()
    answer = infer(server, "identity_fp16", tensor([0, 0, 0, 65520], "FP16"))
    refused(answer, "DTYPE_RANGE")


@pytest.mark.parametrize("bad", [1e39, -1e39, 3.5e38])
def test_a_number_too_large_for_float32_is_no_infinity(server, bad):
    refused(infer(server, "identity_fp32", tensor([0, 0, 0, bad])), "DTYPE_RANGE")


def test_booleans_come_back(server):
    data = [True, False, False, True]
    assert outputs(infer(server, "identity_bool", tensor(data, "BOOL")))["y"]["data"] == data
    for bad in (1, 0, "true", None):
        answer = infer(server, "identity_bool", tensor([True, True, True, bad], "BOOL"))
        refused(answer, "DTYPE_MISMATCH")


@given(st.lists(TEXT, min_size=4, max_size=4))
def test_text_comes_back(server, data):
    assert outputs(infer(server, "identity_bytes", tensor(data, "BYTES")))["y"]["data"] == data


@pytest.mark.parametrize(
    "text", ["", "\\", '"', "\x7f", "\u2028", "\U0001f600", "a" * 10_000, "12:30"]
)
def test_text_of_every_kind_reaches_the_model(server, text):
    answer = infer(server, "shout", tensor([text], "BYTES", "text"))
    assert outputs(answer)["loud"]["data"] == [text + "!"]


@pytest.mark.parametrize("bad", ["a\0b", "\0"])
def test_text_with_a_nul_is_refused(server, bad):
    refused(infer(server, "shout", tensor([bad], "BYTES", "text")), "TEXT_INVALID")


@pytest.mark.parametrize("bad", [1, 1.5, True, {}])
def test_what_is_no_text_is_refused(server, bad):
    refused(infer(server, "shout", tensor([bad], "BYTES", "text")), "DTYPE_MISMATCH")


def test_null_is_nan_only_where_the_model_takes_missing_values(server):
    found = outputs(infer(server, "gaps", tensor([1, None, None])))
    assert found["value"]["data"] == [1.0]
    assert found["absent"]["data"] == [2]
    refused(infer(server, "total", tensor([1, None, 3])), "NOT_FINITE")


def test_a_model_that_yields_nan_is_said_to_have_failed(server):
    for bad in (-1.0, 0.0):
        answer = infer(server, "logs", tensor([bad], "FP64"))
        assert "NaN or infinity" in refused(answer, "MODEL_BAD_ANSWER", 500)
    assert outputs(infer(server, "logs", tensor([math.e], "FP64")))["value"]["data"] == [1.0]


def test_a_graph_that_fails_fails_for_its_caller_only(server):
    refused(infer(server, "picky", tensor([9], "INT64", "index")), "MODEL_ERROR", 500)
    answer = infer(server, "picky", tensor([2], "INT64", "index"))
    assert outputs(answer)["value"]["data"] == [20]


# --- shapes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        [1, 2, 3, 4, 5, 6, 7, 8],
        [[1, 2, 3, 4], [5, 6, 7, 8]],
        [[1, 2, 3, 4], 5, 6, 7, 8],
        [1, 2, 3, 4, [5, 6, 7, 8]],
    ],
    ids=["flat", "nested", "nested then flat", "flat then nested"],
)
def test_flat_nested_and_mixed_data_are_equal(server, data):
    found = outputs(infer(server, "identity_fp32", tensor(data, shape=[2, 4])))["y"]
    assert found["shape"] == [2, 4]
    assert found["data"] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]


@pytest.mark.parametrize(
    "data",
    [
        [1, 2, 3, 4, 5, 6, 7],
        [1, 2, 3, 4, 5, 6, 7, 8, 9],
        [[1, 2, 3, 4], [5, 6, 7]],
        [[1, 2, 3], [4, 5, 6, 7, 8]],
        [[1, 2, 3, 4]],
        [[[1, 2, 3, 4], [5, 6, 7, 8]]],
        [],
        [[], []],
    ],
    ids=str,
)
def test_data_that_does_not_fill_its_shape_is_refused(server, data):
    refused(infer(server, "identity_fp32", tensor(data, shape=[2, 4])), "SHAPE_INVALID")


@pytest.mark.parametrize(
    "shape",
    [[2, -5], [-1, 4], [-1], [0], [0, 4], [1.0, 4], ["1", 4], [True, 4], [None, 4], [[1], 4], [],
     [4], [1, 4, 1], [1, 5], [2, 4], [16, 2**60 + 2], [2**32, 2**32], [2**63 - 1, 2], [1] * 65,
     [2**63, 4], 4, "1,4", {}, None, [10**40, 4], [{"a": 1}, 4]],
    ids=str,
)  # fmt: skip
def test_an_impossible_shape_is_refused_without_making_it(server, shape):
    wrong = tensor([1, 2, 3, 4], shape=[1, 4]) | {"shape": shape}
    assert len(refused(infer(server, "identity_fp32", wrong), "SHAPE_INVALID")) < 400


def test_a_model_without_rows_takes_exactly_its_shape(server):
    data = [1, 2, 3, 4, 5, 6]
    found = outputs(infer(server, "fixed", tensor(data, shape=[2, 3])))["y"]
    assert (found["shape"], found["data"]) == ([3, 2], [1.0, 4.0, 2.0, 5.0, 3.0, 6.0])
    refused(infer(server, "fixed", tensor(data, shape=[1, 3])), "SHAPE_INVALID")


def test_an_open_dimension_takes_any_size(server):
    for width in (1, 2, 300):
        found = outputs(infer(server, "open", tensor([1] * width)))
        assert found["y"]["shape"] == [1, width]
        assert found["value"]["data"] == [width]


def test_inputs_must_agree_on_the_number_of_rows(server):
    inputs = [
        tensor([1, 2, 3, 4], name="numbers", shape=[2, 2]),
        tensor([1, 2], "INT64", "count", [2, 1]),
        tensor(["a"], "BYTES", "colour", [1, 1]),
    ]
    assert "'colour' has 1 rows" in refused(infer(server, "mixed", *inputs), "SHAPE_INVALID")


# --- names, outputs, parameters -------------------------------------------------------------

MIXED = [
    tensor([1.5, 2], name="numbers"),
    tensor([2], "INT64", "count"),
    tensor(["red"], "BYTES", "colour"),
]


def test_inputs_may_come_in_any_order(server):
    for inputs in (MIXED, MIXED[::-1], [MIXED[1], MIXED[2], MIXED[0]]):
        found = outputs(infer(server, "mixed", *inputs))
        assert (found["value"]["data"], found["paint"]["data"]) == ([7.0], ["red"])


@pytest.mark.parametrize("absent", [0, 1, 2])
def test_an_input_that_is_missing_is_named(server, absent):
    rest = MIXED[:absent] + MIXED[absent + 1 :]
    assert MIXED[absent]["name"] in refused(infer(server, "mixed", *rest), "MISSING_FIELD")


@pytest.mark.parametrize(
    "name", ["z", "", None, 5, True, ["x"], {"x": 1}, "x" * (1 << 20)], ids=lambda n: str(n)[:20]
)
def test_an_unknown_input_is_refused(server, name):
    answer = infer(server, "total", tensor([1, 2, 3]) | {"name": name})
    assert len(refused(answer, "UNKNOWN_NAME")) < 200


def test_an_input_given_twice_is_refused(server):
    refused(infer(server, "total", tensor([1, 2, 3]), tensor([1, 2, 3])), "DUPLICATE_NAME")
    refused(infer(server, "mixed", *MIXED, MIXED[0]), "DUPLICATE_NAME")


@pytest.mark.parametrize("datatype", ["FP64", "INT32", "fp32", "", None, 5, ["FP32"], "Z" * 9999])
def test_another_datatype_than_the_models_is_refused(server, datatype):
    answer = infer(server, "total", tensor([1, 2, 3]) | {"datatype": datatype})
    assert "FP32" in refused(answer, "DTYPE_MISMATCH")


@pytest.mark.parametrize("field", ["name", "shape", "datatype", "data"])
def test_a_field_of_an_input_that_is_missing_is_said(server, field):
    part = {k: v for k, v in tensor([1, 2, 3]).items() if k != field}
    assert field in refused(infer(server, "total", part), "MISSING_FIELD")


@pytest.mark.parametrize("data", ["123", 5, None, {"0": 1}, True])
def test_data_that_is_no_list_is_refused(server, data):
    refused(infer(server, "total", tensor([1, 2, 3]) | {"data": data}), "MISSING_FIELD")


@pytest.mark.parametrize("inputs", [None, [], {}, "x", 5, [5], [None], ["x"], [[]]])
def test_inputs_that_are_no_tensors_are_refused(server, inputs):
    refused(server.post("/v2/models/total/infer", json={"inputs": inputs}), "MISSING_FIELD")


def test_further_keys_are_ignored_where_the_protocol_leaves_room(server):
    part = tensor([1, 2, 3]) | {"parameters": {"a": 1}, "further": [1, 2]}
    answer = infer(server, "total", part, model_name="total", further={"a": [{}]})
    assert outputs(answer)["value"]["data"] == [6.0]


def test_outputs_come_in_the_order_that_is_asked_for(server):
    def names(*wanted):
        answer = infer(server, "mixed", *MIXED, outputs=[{"name": n} for n in wanted])
        return [output["name"] for output in answer.json()["outputs"]]

    assert names() == ["value", "paint"]
    assert names("paint", "value") == ["paint", "value"]
    assert names("paint") == ["paint"]


@pytest.mark.parametrize(
    "wanted", [[{"name": "z"}], [{"name": None}], [{}], [5], ["value"]], ids=str
)
def test_an_unknown_output_is_refused(server, wanted):
    refused(infer(server, "total", tensor([1, 2, 3]), outputs=wanted), "UNKNOWN_NAME")


def test_an_output_asked_for_twice_is_refused(server):
    twice = [{"name": "value"}] * 2
    refused(infer(server, "total", tensor([1, 2, 3]), outputs=twice), "DUPLICATE_NAME")
    refused(infer(server, "total", tensor([1, 2, 3]), outputs={"name": 1}), "BODY_MALFORMED")


def test_the_id_is_echoed_when_there_is_one(server):
    assert "id" not in infer(server, "total", tensor([1, 2, 3])).json()
    assert "id" not in infer(server, "total", tensor([1, 2, 3]), id="").json()
    for given_id in ("7", 'a"b\\c\u2028%s%%b', "x" * 5000):
        assert infer(server, "total", tensor([1, 2, 3]), id=given_id).json()["id"] == given_id
    refused(infer(server, "total", tensor([1, 2, 3]), id=7), "PARAMETER_INVALID")


def test_the_answer_names_model_and_version(server):
    body = infer(server, "total", tensor([1, 2, 3])).json()
    assert (body["model_name"], body["model_version"]) == ("total", "1")
    assert list(body) == ["model_name", "model_version", "outputs"]


@pytest.mark.parametrize("key", ["triton_foo", "fairlead_key", "sequence_id", "sequence_start",
                                 "sequence_end", "headers"])  # fmt: skip
def test_a_parameter_that_only_the_server_may_set_is_refused(server, key):
    refused(infer(server, "total", tensor([1, 2, 3]), parameters={key: 1}), "PARAMETER_RESERVED")


@pytest.mark.parametrize("value", [None, [], {}, [1]])
def test_a_parameter_is_text_a_number_or_a_boolean(server, value):
    answer = infer(server, "total", tensor([1, 2, 3]), parameters={"mine": value})
    refused(answer, "PARAMETER_INVALID")


def test_a_callers_own_parameters_are_taken(server):
    mine = {"a": "text", "b": 1, "c": 1.5, "d": True, "binary_data_output": False}
    assert infer(server, "total", tensor([1, 2, 3]), parameters=mine).status_code == 200
    refused(infer(server, "total", tensor([1, 2, 3]), parameters=[1]), "BODY_MALFORMED")


@pytest.mark.parametrize("timeout", [-1, 1.5, "5", True])
def test_a_timeout_is_a_count_of_microseconds(server, timeout):
    answer = infer(server, "total", tensor([1, 2, 3]), parameters={"timeout": timeout})
    refused(answer, "PARAMETER_INVALID")


def test_a_timeout_that_has_passed_is_said_and_none_is_none(server):
    answer = infer(server, "total", tensor([1, 2, 3]), parameters={"timeout": 1})
    refused(answer, "DEADLINE_EXCEEDED", 504)
    for enough in (0, 10_000_000):
        answer = infer(server, "total", tensor([1, 2, 3]), parameters={"timeout": enough})
        assert answer.status_code == 200


def test_the_content_type_plays_no_part(server):
    body = json.dumps({"inputs": [tensor([1, 2, 3])]}).encode()
    for media in ("text/plain", "application/octet-stream", "multipart/form-data; boundary=x", ""):
        head = {"content-type": media}
        answer = server.post("/v2/models/total/infer", content=body, headers=head)
        assert outputs(answer)["value"]["data"] == [6.0]


def test_a_body_without_a_length_is_taken_in_chunks(server):
    body = json.dumps({"inputs": [tensor([1, 2, 3])]}).encode()
    answer = server.post("/v2/models/total/infer", content=iter([body[:9], body[9:]]))
    assert "content-length" not in answer.request.headers
    assert outputs(answer)["value"]["data"] == [6.0]


def test_rows_beyond_the_owners_limit_are_refused(server):
    rows = 10_001
    answer = infer(server, "logs", tensor([1] * rows, "FP64", shape=[rows, 1]))
    assert "10000 is the limit" in refused(answer, "TOO_MANY_ROWS", 413)
    assert infer(server, "logs", tensor([1] * 10_000, "FP64", shape=[10_000, 1])).status_code == 200


def test_a_shape_of_many_huge_sizes_is_not_multiplied(server):
    answer = infer(server, "identity_fp32", tensor([0.0], shape=[1 << 62] * 100_000))
    assert "at most 16" in refused(answer, "SHAPE_INVALID")
