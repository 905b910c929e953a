"""SavedModels from their folder to an answer over a socket."""

from __future__ import annotations

import httpx
import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import grpc  # noqa: E402 - it comes with TensorFlow
from tensorflow.core.framework.tensor_pb2 import TensorProto  # noqa: E402
from tests.frameworks import tensorflow_models as models  # noqa: E402
from tests.frameworks.parts import close, unwired, wire  # noqa: E402
from tests.processes import server  # noqa: E402

import fairlead  # noqa: E402
from fairlead.cli.main import main  # noqa: E402
from fairlead.protos.pool import methods  # noqa: E402
from fairlead.wires.tfs_grpc import PREDICTIONS  # noqa: E402

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A repository of a dense network, one with a text column, and two native ones."""
    folder = tmp_path_factory.mktemp("tensorflow")
    packed = folder / "models"
    text, matrix = models.Text(), models.Matrix()
    models.saved(text, folder / "text", serving_default=text.hush, loud=text.shout)
    models.saved(matrix, folder / "matrix", serving_default=matrix.times)
    known = {"dense": models.dense, "colours": models.looked_up}
    keras = {name: make(folder / name) for name, make in known.items()}
    more = {"text": ["--signature", "loud"]}
    for name in (*known, "text", "matrix"):
        command = ["pack", str(folder / name), "--name", name, "--repository", str(packed)]
        assert main([*command, *more.get(name, [])]) == 0
    return packed, keras


def asked(client, model, body):
    answer = client.post(f"/v2/models/{model}/infer", json=body)
    assert answer.status_code == 200, answer.text
    return unwired(answer.json())


@pytest.mark.parametrize("count", [1, 6])
def test_tensorflow_what_is_served_answers_as_the_networks_do(serving, served, count):
    repository, keras = served
    client = serving(repository)
    features = models.rows(count, 8, seed=4)
    found = asked(client, "dense", wire({"features": features}, {"features": "FP32"}))
    assert close(list(found.values()), [keras["dense"](features).numpy()])
    colours = np.resize(models.texts("red", "blue", ""), (count, 1))
    sizes = models.rows(count, 1, seed=5)
    types = {"colour": "BYTES", "size": "FP32"}
    found = asked(client, "colours", wire({"colour": colours, "size": sizes}, types))
    theirs = keras["colours"]([tf.constant(colours.tolist()), tf.constant(sizes)]).numpy()
    assert close(list(found.values()), [theirs])


def test_tensorflow_rows_with_text_are_predicted_by_column(serving, served):
    repository, keras = served
    rows = [{"colour": "green", "size": 0.5}, {"colour": "mauve", "size": 2}]
    answer = serving(repository).post("/predict/colours", json=rows)
    assert answer.status_code == 200, answer.text
    theirs = keras["colours"]([tf.constant([["green"], ["mauve"]]), tf.constant([[0.5], [2.0]])])
    found = [np.ravel(row["output_0"])[0] for row in answer.json()["predictions"]]
    assert found == pytest.approx(theirs.numpy().reshape(-1).tolist(), abs=1e-4)


def test_tensorflow_text_kept_native_is_served_by_a_runner_under_the_asked_signature(
    serving, served
):
    given = models.texts("Straße", "", "a b")
    found = asked(serving(served[0]), "text", wire({"text": given}, {"text": "BYTES"}))
    theirs = models.Text().shout(tf.constant(given.tolist()))
    assert found["loud"].tolist() == [v.decode() for v in theirs["loud"].numpy().tolist()]
    assert found["length"].tolist() == theirs["length"].numpy().tolist()
    assert "StringLength" in serving(served[0]).get("/models/text").text


def test_tensorflow_a_fixed_number_of_rows_is_asked_for_by_its_shape(serving, served):
    client, values, module = serving(served[0]), models.rows(2, 3), models.Matrix()
    found = asked(client, "matrix", wire({"values": values}, {"values": "FP32"}))
    assert close(list(found.values()), [module.times(values)["product"].numpy()])
    body = wire({"values": models.rows(3, 3)}, {"values": "FP32"})
    refused = client.post("/v2/models/matrix/infer", json=body)
    assert refused.status_code == 400
    assert "values" in refused.text


def test_tensorflow_a_graph_that_reaches_for_files_is_not_packed_without_leave(tmp_path, capsys):
    module = models.Files()
    folder = models.saved(module, tmp_path / "files", serving_default=module.contents)
    repository = str(tmp_path / "models")
    assert main(["pack", str(folder), "--name", "files", "--repository", repository]) != 0
    assert "ReadFile" in capsys.readouterr().err


def test_tensorflow_a_keras_model_of_a_notebook_is_packed_as_it_is(tmp_path):
    model = models.dense(tmp_path / "unused")
    package = fairlead.pack(model, name="dense", repository=tmp_path / "models")
    assert package.runtime == "onnx"
    assert package.trained["framework"] == "tensorflow"


class Half(tf.Module):
    """x / 2 + plus, as in TensorFlow Serving's own examples."""

    def __init__(self, plus: float) -> None:
        super().__init__()
        self.plus = tf.Variable(plus)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def times(self, x):
        return {"y": x / 2 + self.plus}


def test_tensorflow_a_base_as_tensorflow_serving_has_it_is_served_over_rest_and_grpc(
    tmp_path_factory,
):
    folder = tmp_path_factory.mktemp("base")
    halves = {1: Half(2.0), 3: Half(3.0)}
    for version, half in halves.items():
        models.saved(half, folder / "half" / str(version), serving_default=half.times)
    # A native one: TensorFlow itself answers, in a runner.
    text = models.Text()
    models.saved(text, folder / "text" / "1", serving_default=text.shout)
    given = np.array([1.0, 2.0, 5.0], np.float32)
    theirs = halves[3].times(tf.constant(given))["y"].numpy()
    with (
        server(folder, state=folder / "state", workers=1) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{running.port}", timeout=60) as client,
        grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel,
    ):
        answer = client.post(
            "/v1/models/half:predict", content=b'{"instances": [1.0, 2.0, 5.0]}'
        ).json()
        assert answer["predictions"] == theirs.tolist()
        answer = client.get("/v1/models/half").json()
        assert [v["version"] for v in answer["model_version_status"]] == ["3"]
        takes, gives = methods(PREDICTIONS)["Predict"]
        predict = channel.unary_unary(
            f"/{PREDICTIONS}/Predict",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=tf_predict(gives),
        )
        # TensorFlow's own TensorProto goes in, and its own make_ndarray reads what comes out.
        told = predict(asked_by(takes, "half", x=tf.make_tensor_proto(given)), timeout=60)
        np.testing.assert_array_equal(told["y"], theirs)
        words = tf.make_tensor_proto(["Straße", ""])
        told = predict(asked_by(takes, "text", text=words), timeout=60)
        own = text.shout(tf.constant(["Straße", ""]))
        assert told["loud"].tolist() == own["loud"].numpy().tolist()
        assert told["length"].tolist() == own["length"].numpy().tolist()


def asked_by(takes, name, **inputs):
    """A PredictRequest with TensorFlow's tensors."""
    request = takes(model_spec={"name": name})
    for key, tensor in inputs.items():
        request.inputs[key].ParseFromString(tensor.SerializeToString())
    return request


def tf_predict(gives):
    """Reads a PredictResponse by TensorFlow."""

    def read(raw):
        outputs = gives.FromString(raw).outputs
        return {
            name: tf.make_ndarray(TensorProto.FromString(value.SerializeToString()))
            for name, value in outputs.items()
        }

    return read
