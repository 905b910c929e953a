"""TensorFlow Serving over gRPC, on a real server, by stubs of our own descriptors."""

from __future__ import annotations

from typing import Any

import grpc
import numpy as np
import pytest
from tests.models import spec
from tests.processes import server

from fairlead.core.errors import BodyTooLarge, FairleadError
from fairlead.inputs.tensor_proto import NUMBERS, fill, tensor_of, tensors_of
from fairlead.protos.pool import message, methods
from fairlead.wires.tfs_grpc import MODELS, PREDICTIONS

NUMPY = {
    "BOOL": "?", "INT8": "i1", "INT16": "i2", "INT32": "i4", "INT64": "i8", "UINT8": "u1",
    "UINT16": "u2", "UINT32": "u4", "UINT64": "u8", "FP16": "f2", "FP32": "f4", "FP64": "f8",
}  # fmt: skip


@pytest.fixture(scope="module")
def channel(small_models, tmp_path_factory):
    with (
        server(small_models, state=tmp_path_factory.mktemp("state"), workers=1) as running,
        grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as made,
    ):
        yield made


def proto(array: Any, datatype: str = "FP32", **more: Any) -> Any:
    array = np.asarray(array)
    dims = [{"size": n} for n in array.shape]
    given = {"dtype": NUMBERS[datatype], "tensor_shape": {"dim": dims}}
    if not more:
        more = {"tensor_content": array.astype(NUMPY[datatype]).tobytes()}
    return message("tensorflow.TensorProto")(**given, **more)


def ask(channel, method: str, service: str = PREDICTIONS, **given: Any):
    takes, gives = methods(service)[method]
    call = channel.unary_unary(
        f"/{service}/{method}",
        request_serializer=takes.SerializeToString,
        response_deserializer=gives.FromString,
    )
    return call(takes(**given), timeout=30)


def refused(act, status: str) -> str:
    with pytest.raises(grpc.RpcError) as error:
        act()
    assert error.value.code().name == status, error.value.details()
    return error.value.details()


def predict(channel, model: str = "identity_fp32", **more: Any):
    given = {"inputs": {"x": proto(np.ones((2, 4)))}, "model_spec": {"name": model}} | more
    return ask(channel, "Predict", **given)


def back(answer: Any, name: str = "y") -> Any:
    found = answer.outputs[name]
    kind = {n: k for k, n in NUMBERS.items()}[found.dtype]
    shape = tuple(d.size for d in found.tensor_shape.dim)
    given = message("tensorflow.TensorProto").FromString(found.SerializeToString())
    return tensor_of(given, spec(name, kind, (-1, *shape[1:]))).array


@pytest.mark.parametrize("datatype", NUMPY)
def test_tensors_come_back_as_they_were(channel, datatype):
    given = np.array([[0, 1, 1, 0], [1, 0, 1, 1]]).astype(NUMPY[datatype])
    model = f"identity_{datatype.lower()}"
    answer = predict(channel, model, inputs={"x": proto(given, datatype)})
    np.testing.assert_array_equal(back(answer), given)
    assert (answer.model_spec.name, answer.model_spec.version.value) == (model, 1)
    assert answer.model_spec.signature_name == "serving_default"


@pytest.mark.parametrize("datatype", NUMPY)
def test_what_we_write_is_read_as_it_was(datatype):
    given = np.array([[0, 1], [1, 1]]).astype(NUMPY[datatype])
    made, about = message("tensorflow.TensorProto")(), spec("x", datatype, (-1, 2))
    fill(made, about, given)
    assert not made.tensor_content
    np.testing.assert_array_equal(tensor_of(made, about).array, given)


def test_one_value_stands_for_all_and_none_for_zeros(channel):
    shape = np.zeros((2, 4))
    one = proto(shape, float_val=[1.5])
    assert (back(predict(channel, inputs={"x": one})) == 1.5).all()
    two = proto(shape, float_val=[1, 2])
    assert back(predict(channel, inputs={"x": two})).ravel().tolist() == [1] + [2] * 7
    none = proto(shape, version_number=0)
    assert (back(predict(channel, inputs={"x": none})) == 0).all()


def test_a_request_of_very_many_inputs_is_refused_before_it_is_read(channel):
    many = {str(number): proto(np.ones((1, 4))) for number in range(8193)}
    said = refused(lambda: predict(channel, inputs=many), "INVALID_ARGUMENT")
    assert "at most 8192 fields" in said
    facts = {"model_spec": {"name": "total"}, "metadata_field": ["x" * 70_000]}
    refused(lambda: ask(channel, "GetModelMetadata", **facts), "RESOURCE_EXHAUSTED")


def test_a_few_bytes_do_not_ask_for_gigabytes(channel):
    for rows in (1 << 23, 1 << 60, 1 << 62):
        dims = [{"size": rows}, {"size": 4}]
        one = message("tensorflow.TensorProto")(
            dtype=1, tensor_shape={"dim": dims}, float_val=[1.0]
        )
        refused(lambda given=one: predict(channel, inputs={"x": given}), "RESOURCE_EXHAUSTED")
    text = message("tensorflow.TensorProto")(
        dtype=7, tensor_shape={"dim": [{"size": 1 << 28}, {"size": 4}]}, string_val=[b"x"]
    )
    refused(lambda: predict(channel, "identity_bytes", inputs={"x": text}), "RESOURCE_EXHAUSTED")


def test_what_is_made_is_counted_over_all_inputs():
    specs = [spec(name, "FP32", (-1, 4)) for name in "ab"]
    inputs = {name: proto(np.zeros((8, 4)), float_val=[1.0]) for name in "ab"}
    assert [t.array.sum() for t in tensors_of(inputs, specs, 256)] == [32, 32]
    with pytest.raises(BodyTooLarge, match="'b'"):
        tensors_of(inputs, specs, 255)


def test_halves_come_as_their_bits():
    about = spec("x", "FP16", (-1,))
    made = tensor_of(proto(np.zeros(2), "FP16", half_val=[0x3C00, 0xC000]), about)
    assert made.array.tolist() == [1.0, -2.0]


def test_text_and_chosen_outputs(channel):
    inputs = {
        "numbers": proto(np.ones((1, 2))),
        "count": proto([[3]], "INT64"),
        "colour": proto(np.zeros((1, 1)), "BYTES", string_val=[b"red"]),
    }
    answer = predict(channel, "mixed", inputs=inputs)
    assert {*answer.outputs} == {"value", "paint"}
    assert [*answer.outputs["paint"].string_val] == [b"red"]
    answer = predict(channel, "mixed", inputs=inputs, output_filter=["value"])
    assert [*answer.outputs] == ["value"]


WRONG = {
    "dtype": proto(np.ones((2, 4)), "FP64"),
    "shape": proto(np.ones((2, 3))),
    "few bytes": proto(np.ones((2, 4)), tensor_content=b"1234"),
    "many values": proto(np.ones((1, 4)), float_val=[1] * 5),
    "negative": message("tensorflow.TensorProto")(
        dtype=1, tensor_shape={"dim": [{"size": -2}, {"size": 4}]}
    ),
    "rank": message("tensorflow.TensorProto")(dtype=1, tensor_shape={"unknown_rank": True}),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_tensor_that_does_not_fit_is_refused(channel, name):
    refused(lambda: predict(channel, inputs={"x": WRONG[name]}), "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("datatype", "value"), [("INT8", 128), ("UINT8", -1), ("UINT16", 65_536), ("INT16", -32_769)]
)
def test_a_number_that_does_not_fit_its_type_is_refused(datatype, value):
    with pytest.raises(FairleadError):
        tensor_of(proto(np.zeros(1), datatype, int_val=[value]), spec("x", datatype, (-1,)))


def test_what_is_wrong_has_its_status(channel):
    refused(lambda: predict(channel, "nobody"), "NOT_FOUND")
    refused(lambda: predict(channel, model_spec={}), "INVALID_ARGUMENT")
    version = {"name": "total", "version": {"value": 7}}
    refused(lambda: predict(channel, model_spec=version), "NOT_FOUND")
    label = {"name": "total", "version_label": "canary"}
    refused(lambda: predict(channel, model_spec=label), "INVALID_ARGUMENT")
    signature = {"name": "identity_fp32", "signature_name": "other"}
    refused(lambda: predict(channel, model_spec=signature), "FAILED_PRECONDITION")
    refused(lambda: predict(channel, inputs={}), "INVALID_ARGUMENT")
    extra = {"x": proto(np.ones((1, 4))), "z": proto(np.ones((1, 4)))}
    refused(lambda: predict(channel, inputs=extra), "INVALID_ARGUMENT")
    for outputs in (["z"], ["y", "y"]):
        refused(lambda o=outputs: predict(channel, output_filter=o), "INVALID_ARGUMENT")
    refused(lambda: ask(channel, "HandleReloadConfigRequest", MODELS), "INVALID_ARGUMENT")
    call = channel.unary_unary("/tensorflow.serving.SessionService/SessionRun")
    refused(lambda: call(b"", timeout=30), "UNIMPLEMENTED")


def features(**values: float) -> dict[str, Any]:
    return {"features": {"feature": {n: {"float_list": {"value": [v]}} for n, v in values.items()}}}


SHAPE = {"length": 9.0, "width": 0.0, "height": 0.0, "weight": 0.0}


def test_examples_are_classified_and_regressed(channel):
    given = {"example_list": {"examples": [features(**SHAPE)] * 2}}
    answer = ask(channel, "Classify", model_spec={"name": "classifier"}, input=given)
    assert [len(c.classes) for c in answer.result.classifications] == [3, 3]
    assert answer.result.classifications[0].classes[0].label == "red"
    context = {"context": features(a=1.0), "examples": [features(b=2.0, c=3.0)]}
    given = {"example_list_with_context": context}
    answer = ask(channel, "Regress", model_spec={"name": "total"}, input=given)
    assert [r.value for r in answer.result.regressions] == [6.0]
    task = {"model_spec": {"name": "total"}, "method_name": "tensorflow/serving/regress"}
    answer = ask(channel, "MultiInference", tasks=[task], input=given)
    assert answer.results[0].regression_result.regressions[0].value == 6.0


def test_examples_that_do_not_fit_are_refused(channel):
    spec_ = {"name": "total"}
    refused(lambda: ask(channel, "Regress", model_spec=spec_), "INVALID_ARGUMENT")
    given = {"example_list": {"examples": [features(a=1.0)]}}
    refused(lambda: ask(channel, "Regress", model_spec=spec_, input=given), "INVALID_ARGUMENT")
    refused(lambda: ask(channel, "Classify", model_spec=spec_, input=given), "INVALID_ARGUMENT")
    raw = {"features": {"feature": {"a": {"bytes_list": {"value": [b"\xff"]}}}}}
    given = {"example_list": {"examples": [raw]}}
    told = refused(
        lambda: ask(channel, "Regress", model_spec=spec_, input=given), "INVALID_ARGUMENT"
    )
    assert "UTF-8" in told
    refused(lambda: ask(channel, "MultiInference", tasks=[], input=given), "INVALID_ARGUMENT")


def test_metadata_and_status_are_told(channel):
    spec_ = {"name": "identity_fp32"}
    answer = ask(channel, "GetModelMetadata", model_spec=spec_, metadata_field=["signature_def"])
    signatures = message("tensorflow.serving.SignatureDefMap")()
    assert answer.metadata["signature_def"].Unpack(signatures)
    found = signatures.signature_def["serving_default"].inputs["x"]
    assert (found.dtype, [d.size for d in found.tensor_shape.dim]) == (1, [-1, 4])
    for fields in ([], ["other"]):
        refused(
            lambda f=fields: ask(channel, "GetModelMetadata", model_spec=spec_, metadata_field=f),
            "INVALID_ARGUMENT",
        )
    [status] = ask(channel, "GetModelStatus", MODELS, model_spec=spec_).model_version_status
    assert (status.version, status.state, status.status.error_code) == (1, 30, 0)
    refused(lambda: ask(channel, "GetModelStatus", MODELS, model_spec={"name": "x"}), "NOT_FOUND")
