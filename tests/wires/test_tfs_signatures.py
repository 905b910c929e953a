"""Further signatures of a version, asked for by clients of TensorFlow Serving on a real server."""

from __future__ import annotations

from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from tests import models
from tests.processes import server
from tests.wires.test_tfs_grpc import ask, back, proto, refused

from fairlead.protos.pool import message, methods
from fairlead.wires.tfs_grpc import PREDICTIONS

ABC = {"instances": [[1.0, 2.0, 3.5], [0.0, 0.0, 1.0]]}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    models.several(folder)
    with server(folder, state=tmp_path_factory.mktemp("state"), workers=1) as made:
        yield made


@pytest.fixture(scope="module")
def channel(running):
    with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as made:
        yield made


@pytest.fixture(scope="module")
def client(running):
    with httpx.Client(base_url=f"http://127.0.0.1:{running.port}", timeout=60) as made:
        yield made


def rest(client, verb: str, **body: Any) -> tuple[int, Any]:
    answer = client.post(f"/v1/models/several:{verb}", json=body)
    return answer.status_code, answer.json()


def named(signature: str) -> dict[str, Any]:
    return {"name": "several", "signature_name": signature}


def test_each_signature_answers_by_its_name_over_rest(client):
    assert rest(client, "predict", **ABC) == (200, {"predictions": [[6.5], [1.0]]})
    for usual in ("serving_default", "sum", ""):
        answer = rest(client, "predict", signature_name=usual, **ABC)
        assert answer == (200, {"predictions": [[6.5], [1.0]]})
    answer = rest(client, "predict", signature_name="negative", **ABC)
    assert answer == (200, {"predictions": [-6.5, -1.0]})
    answer = rest(client, "predict", signature_name="twice", inputs=[[1.5, 2.0]])
    assert answer == (200, {"outputs": [[3.0, 4.0]]})


def test_each_signature_answers_by_its_name_over_grpc_and_is_named_in_the_answer(channel):
    abc = proto(np.array([[1.0, 2.0, 3.5]], "f4"))
    for name, output, value in (("", "value", [[6.5]]), ("negative", "outputs", [-6.5])):
        answer = ask(channel, "Predict", model_spec=named(name), inputs={"x": abc})
        np.testing.assert_array_equal(back(answer, output), value)
        assert answer.model_spec.signature_name == (name or "serving_default")
        assert answer.model_spec.version.value == 1
    answer = ask(channel, "Predict", model_spec=named("sum"), inputs={"x": abc})
    assert answer.model_spec.signature_name == "sum"
    np.testing.assert_array_equal(back(answer, "value"), [[6.5]])


def test_a_signature_takes_its_own_tensors_and_no_others(client, channel):
    status, told = rest(client, "predict", signature_name="twice", **ABC)
    assert status == 400
    assert "x" in told["error"]
    abc = proto(np.ones((1, 3), "f4"))
    refused(
        lambda: ask(channel, "Predict", model_spec=named("twice"), inputs={"x": abc}),
        "INVALID_ARGUMENT",
    )
    given = {"model_spec": named("negative"), "inputs": {"x": abc}, "output_filter": ["value"]}
    refused(lambda: ask(channel, "Predict", **given), "INVALID_ARGUMENT")


def test_an_unknown_signature_is_named_with_those_that_are_known(client, channel):
    words = 'Serving signature name: "nothing" not found in signature def'
    status, told = rest(client, "predict", signature_name="nothing", **ABC)
    assert status == 400
    assert told["error"].startswith(words)
    assert "serving_default, kinds, negative, shares, sum, twice" in told["error"]
    given = {"model_spec": named("nothing"), "inputs": {"x": proto(np.ones((1, 3), "f4"))}}
    told = refused(lambda: ask(channel, "Predict", **given), "FAILED_PRECONDITION")
    assert told.startswith(words)
    assert rest(client, "predict", signature_name=7, **ABC)[0] == 400


def test_metadata_tell_of_every_signature(client, channel):
    told = client.get("/v1/models/several/metadata").json()
    found = told["metadata"]["signature_def"]["signature_def"]
    assert [*found] == ["serving_default", "kinds", "negative", "shares", "sum", "twice"]
    assert found["sum"] == found["serving_default"]
    assert found["twice"]["inputs"]["x"]["tensor_shape"]["dim"][1] == {"size": "2", "name": ""}
    asked = {"model_spec": {"name": "several"}, "metadata_field": ["signature_def"]}
    packed = ask(channel, "GetModelMetadata", **asked).metadata["signature_def"]
    signatures = message("tensorflow.serving.SignatureDefMap")()
    assert packed.Unpack(signatures)
    assert {*signatures.signature_def} == {*found}
    assert [*signatures.signature_def["shares"].outputs] == ["scores"]


def test_examples_are_answered_by_the_signature_that_is_named(client):
    examples = [{"a": 1.0, "b": 2.0, "c": 3.5}]
    answer = rest(client, "classify", signature_name="shares", examples=examples)
    assert answer == (200, {"results": [[["red", 1.0], ["green", 2.0], ["blue", 3.5]]]})
    answer = rest(client, "classify", signature_name="kinds", examples=examples)
    assert answer == (200, {"results": [[["low", 1.0], ["50%", 2.0], ["high", 3.5]]]})
    assert rest(client, "regress", examples=examples) == (200, {"results": [6.5]})
    answer = rest(client, "regress", signature_name="negative", examples=examples)
    assert answer == (200, {"results": [-6.5]})
    status, told = rest(client, "classify", examples=examples)
    assert status == 400
    assert "classification" in told["error"]


def test_calls_of_all_signatures_are_counted_with_the_version(client):
    def counted() -> int:
        return client.get("/v2/models/several/stats").json()["model_stats"][0]["inference_count"]

    before = counted()
    rest(client, "predict", signature_name="negative", **ABC)
    rest(client, "predict", **ABC)
    assert counted() == before + 4


CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


def task(signature: str, method: str, name: str = "several") -> dict[str, Any]:
    return {"model_spec": {"name": name, "signature_name": signature}, "method_name": method}


def example(**values: float) -> dict[str, Any]:
    feature = {name: {"float_list": {"value": [value]}} for name, value in values.items()}
    return {"features": {"feature": feature}}


EXAMPLES = {"example_list": {"examples": [example(a=1, b=2, c=3.5), example(a=0, b=0, c=1)]}}


def test_several_questions_are_answered_in_the_order_of_the_tasks(channel):
    tasks = [task("negative", REGRESS), task("shares", CLASSIFY), task("", REGRESS)]
    answer = ask(channel, "MultiInference", tasks=tasks, input=EXAMPLES)
    first, second, third = answer.results
    assert [r.value for r in first.regression_result.regressions] == [-6.5, -1.0]
    classes = second.classification_result.classifications[0].classes
    assert [(c.label, c.score) for c in classes] == [("red", 1.0), ("green", 2.0), ("blue", 3.5)]
    assert [r.value for r in third.regression_result.regressions] == [6.5, 1.0]
    named = [r.model_spec.signature_name for r in answer.results]
    assert named == ["negative", "shares", "serving_default"]
    assert {r.model_spec.version.value for r in answer.results} == {1}


@pytest.mark.parametrize(
    ("tasks", "status", "words"),
    [
        ([task("", REGRESS), task("none", REGRESS)], "FAILED_PRECONDITION", "none"),
        ([task("none", REGRESS), task("", CLASSIFY)], "FAILED_PRECONDITION", "none"),
        ([task("", CLASSIFY), task("none", REGRESS)], "INVALID_ARGUMENT", "classification"),
        ([task("", REGRESS), task("", CLASSIFY)], "INVALID_ARGUMENT", "Duplicate evaluation"),
        ([task("", REGRESS), task("sum", REGRESS, "other")], "INVALID_ARGUMENT", "same model"),
        ([task("", REGRESS), task("sum", "predict")], "UNIMPLEMENTED", "predict"),
        ([task("", REGRESS, "other")], "NOT_FOUND", "other"),
        ([task("", REGRESS, "")], "INVALID_ARGUMENT", "ModelSpec"),
        ([task(str(n), REGRESS) for n in range(65)], "INVALID_ARGUMENT", "65 tasks"),
        ([], "INVALID_ARGUMENT", "ModelSpec"),
    ],
    ids=[
        "signature", "first", "in order", "twice", "models", "method", "model", "name", "many",
        "none",
    ],
)  # fmt: skip
def test_one_task_that_cannot_be_answered_fails_all(channel, tasks, status, words):
    given = {"tasks": tasks, "input": EXAMPLES}
    assert words in refused(lambda: ask(channel, "MultiInference", **given), status)


def test_examples_that_do_not_fit_fail_all_tasks(channel):
    tasks = [task("", REGRESS), task("shares", CLASSIFY)]
    short = {"example_list": {"examples": [example(a=1.0)]}}
    refused(lambda: ask(channel, "MultiInference", tasks=tasks, input=short), "INVALID_ARGUMENT")
    refused(lambda: ask(channel, "MultiInference", tasks=tasks), "INVALID_ARGUMENT")


def test_several_messages_are_no_request(channel):
    takes, gives = methods(PREDICTIONS)["MultiInference"]
    call = channel.stream_unary(
        f"/{PREDICTIONS}/MultiInference",
        request_serializer=takes.SerializeToString,
        response_deserializer=gives.FromString,
    )
    request = takes(tasks=[task("", REGRESS)], input=EXAMPLES)
    for requests in ([], [request, request]):
        refused(lambda r=requests: call(iter(r), timeout=30), "INVALID_ARGUMENT")


def test_every_task_is_counted_as_a_call_of_its_own(client, channel):
    def counted() -> int:
        return client.get("/v2/models/several/stats").json()["model_stats"][0]["inference_count"]

    before = counted()
    tasks = [task("", REGRESS), task("shares", CLASSIFY)]
    ask(channel, "MultiInference", tasks=tasks, input=EXAMPLES)
    assert counted() == before + 4
