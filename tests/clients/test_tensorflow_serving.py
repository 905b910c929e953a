"""The stubs of tensorflow-serving-api, as they are, over gRPC; and REST as its pages show it."""

from __future__ import annotations

import json
import urllib.request
from urllib.error import HTTPError

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)


@pytest.fixture(scope="module")
def channel(served):
    with grpc.insecure_channel(served.grpc) as made:
        yield made


@pytest.fixture(scope="module")
def predictions(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


def ask(name: str, **inputs: object) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = "serving_default"
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return request


KINDS = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64",
]  # fmt: skip
NAMES = {"bool": "bool", "float16": "fp16", "float32": "fp32", "float64": "fp64"}


@pytest.mark.parametrize("kind", KINDS)
def test_tensors_come_back_as_they_were(predictions, kind):
    given = np.array([[0, 1, 1, 0], [1, 0, 1, 1]]).astype(kind)
    answer = predictions.Predict(ask(f"identity_{NAMES.get(kind, kind)}", x=given), timeout=30)
    found = tf.make_ndarray(answer.outputs["y"])
    np.testing.assert_array_equal(found, given)
    assert found.dtype == given.dtype
    assert answer.model_spec.version.value == 1


def test_text_comes_back_as_it_was(predictions):
    given = np.array([["a", "", "grün", "z"]], dtype=object)
    answer = predictions.Predict(ask("identity_bytes", x=given), timeout=30)
    assert [v.decode() for v in tf.make_ndarray(answer.outputs["y"]).ravel()] == [*given[0]]


def test_one_value_stands_for_all(predictions):
    request = ask("identity_fp32")
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(1.5, shape=[2, 4], dtype=tf.float32))
    answer = predictions.Predict(request, timeout=30)
    assert (tf.make_ndarray(answer.outputs["y"]) == 1.5).all()


def test_a_version_and_chosen_outputs(predictions):
    request = ask("mixed", numbers=np.ones((1, 2), "f4"), count=np.ones((1, 1), "i8"))
    request.inputs["colour"].CopyFrom(tf.make_tensor_proto([["red"]]))
    request.model_spec.version.value = 1
    request.output_filter.append("value")
    answer = predictions.Predict(request, timeout=30)
    assert [*answer.outputs] == ["value"]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (ask("nobody", x=np.zeros((1, 4), "f4")), "NOT_FOUND"),
        (ask("identity_fp32"), "INVALID_ARGUMENT"),
        (ask("identity_fp32", x=np.zeros((1, 3), "f4")), "INVALID_ARGUMENT"),
        (predict_pb2.PredictRequest(), "INVALID_ARGUMENT"),
    ],
    ids=["model", "input", "shape", "nothing"],
)
def test_what_is_wrong_has_its_status(predictions, request_, status):
    with pytest.raises(grpc.RpcError) as refused:
        predictions.Predict(request_, timeout=30)
    assert refused.value.code().name == status


def test_an_unknown_signature_is_a_failed_precondition(predictions):
    request = ask("identity_fp32", x=np.zeros((1, 4), "f4"))
    request.model_spec.signature_name = "nothing"
    with pytest.raises(grpc.RpcError) as refused:
        predictions.Predict(request, timeout=30)
    assert refused.value.code().name == "FAILED_PRECONDITION"


def example(**features: float) -> tf.train.Example:
    made = tf.train.Example()
    for name, value in features.items():
        made.features.feature[name].float_list.value.append(value)
    return made


FEATURES = {"length": 9.0, "width": 0.0, "height": 0.0, "weight": 0.0}


def test_examples_are_classified(predictions):
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name = "classifier"
    request.input.example_list.examples.extend([example(**FEATURES)] * 2)
    answer = predictions.Classify(request, timeout=30)
    assert len(answer.result.classifications) == 2
    assert [c.label for c in answer.result.classifications[0].classes] == ["red", "green", "blue"]


def test_examples_are_regressed_with_a_context(predictions):
    request = regression_pb2.RegressionRequest()
    request.model_spec.name = "total"
    context = request.input.example_list_with_context
    context.context.CopyFrom(example(a=1.0))
    context.examples.extend([example(b=2.0, c=3.0), example(b=20.0, c=30.0)])
    answer = predictions.Regress(request, timeout=30)
    assert [r.value for r in answer.result.regressions] == [6.0, 51.0]


def test_several_questions_about_the_same_examples(predictions):
    request = inference_pb2.MultiInferenceRequest()
    task = request.tasks.add()
    task.model_spec.name = "classifier"
    task.method_name = "tensorflow/serving/classify"
    request.input.example_list.examples.extend([example(**FEATURES)])
    answer = predictions.MultiInference(request, timeout=30)
    assert len(answer.results) == 1


@pytest.mark.parametrize(
    ("signature", "output", "values"),
    [
        ("serving_default", "value", [[6.5]]),
        ("sum", "value", [[6.5]]),
        ("negative", "outputs", [-6.5]),
        ("shares", "scores", [[1.0, 2.0, 3.5]]),
    ],
)
def test_each_signature_is_asked_by_its_name(predictions, served, signature, output, values):
    request = ask("several", x=np.array([[1.0, 2.0, 3.5]], "f4"))
    request.model_spec.signature_name = signature
    answer = predictions.Predict(request, timeout=30)
    np.testing.assert_array_equal(tf.make_ndarray(answer.outputs[output]), values)
    assert answer.model_spec.signature_name == signature
    body = {"signature_name": signature, "inputs": [[1.0, 2.0, 3.5]]}
    assert rest(served, "/v1/models/several:predict", body) == (200, {"outputs": values})


def test_one_request_classifies_and_regresses_by_different_signatures(predictions):
    request = inference_pb2.MultiInferenceRequest()
    for signature, method in (("negative", "regress"), ("shares", "classify")):
        task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name, task.model_spec.signature_name = "several", signature
    request.input.example_list.examples.extend([example(a=1.0, b=2.0, c=3.5)])
    first, second = predictions.MultiInference(request, timeout=30).results
    assert first.regression_result.regressions[0].value == -6.5
    [classified] = second.classification_result.classifications
    assert [c.score for c in classified.classes] == [1.0, 2.0, 3.5]
    request.tasks[1].model_spec.signature_name = "nothing"
    with pytest.raises(grpc.RpcError) as refused:
        predictions.MultiInference(request, timeout=30)
    assert refused.value.code().name == "FAILED_PRECONDITION"


def test_metadata_is_a_signature(predictions):
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "identity_fp32"
    request.metadata_field.append("signature_def")
    answer = predictions.GetModelMetadata(request, timeout=30)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    found = signatures.signature_def["serving_default"]
    assert found.inputs["x"].dtype == tf.float32.as_datatype_enum
    assert [d.size for d in found.inputs["x"].tensor_shape.dim] == [-1, 4]


def test_status_is_available(channel):
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "total"
    [status] = stub.GetModelStatus(request, timeout=30).model_version_status
    assert (status.version, status.state) == (1, status.AVAILABLE)


def test_a_list_of_all_models_changes_nothing_and_an_unknown_one_is_refused(channel, served):
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    request = model_management_pb2.ReloadConfigRequest()
    for name in rest(served, "/v1/models")[1]["models"]:
        request.config.model_config_list.config.add(name=name, model_platform="tensorflow")
    assert stub.HandleReloadConfigRequest(request, timeout=60).status.error_code == 0
    assert rest(served, "/v1/models/total")[0] == 200
    request.config.model_config_list.config.add(name="nobody")
    with pytest.raises(grpc.RpcError) as refused:
        stub.HandleReloadConfigRequest(request, timeout=60)
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    assert rest(served, "/v1/models/total")[0] == 200


def rest(served, path: str, body: object = None) -> tuple[int, dict]:
    raw = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(f"http://{served.http}{path}", raw, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        return error.code, json.loads(error.read())


def test_rest_as_the_pages_of_tensorflow_serving_show_it(served):
    rows = [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]
    model = "/v1/models/identity_fp32"
    assert rest(served, model + ":predict", {"instances": rows}) == (200, {"predictions": rows})
    assert rest(served, model + ":predict", {"inputs": rows}) == (200, {"outputs": rows})
    status, told = rest(served, model)
    assert (status, told["model_version_status"][0]["state"]) == (200, "AVAILABLE")
    status, told = rest(served, model + "/versions/1/metadata")
    assert told["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]["x"]
    assert rest(served, "/v1/models/nobody:predict", {"instances": rows})[0] == 404


def test_a_reload_gives_labels_to_versions(channel, served, predictions):
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    request = model_management_pb2.ReloadConfigRequest()
    for name in rest(served, "/v1/models")[1]["models"]:
        config = request.config.model_config_list.config.add(name=name)
        if name == "several":
            config.model_version_policy.specific.versions.append(1)
            config.version_labels["canary"] = 1
    assert stub.HandleReloadConfigRequest(request, timeout=60).status.error_code == 0
    asked = ask("several", x=np.array([[1.0, 2.0, 3.5]], "f4"))
    asked.model_spec.version_label = "canary"
    assert predictions.Predict(asked, timeout=30).model_spec.version.value == 1
    body = {"instances": [[1.0, 2.0, 3.5]]}
    found = rest(served, "/v1/models/several/labels/canary:predict", body)
    assert found == (200, {"predictions": [[6.5]]})
    asked.model_spec.version_label = "nothing"
    with pytest.raises(grpc.RpcError) as refused:
        predictions.Predict(asked, timeout=30)
    assert refused.value.code().name == "INVALID_ARGUMENT"
    assert refused.value.details() == "Unrecognized servable version label: nothing"
