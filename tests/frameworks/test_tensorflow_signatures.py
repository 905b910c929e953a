"""SavedModels with several signatures: packed into one version, served by their names."""

from __future__ import annotations

import httpx
import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import grpc  # noqa: E402 - it comes with TensorFlow
from tests.frameworks import tensorflow_models as models  # noqa: E402
from tests.frameworks.parts import convert  # noqa: E402
from tests.frameworks.tensorflow_parts import predictor  # noqa: E402
from tests.processes import server  # noqa: E402

from fairlead.cli.main import main  # noqa: E402
from fairlead.packages.read import open_package, verify  # noqa: E402

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def test_tensorflow_what_keras_exports_twice_is_one_signature_under_two_names(tmp_path):
    models.dense(tmp_path / "saved")
    assert convert("tensorflow", tmp_path / "saved", tmp_path).facts["signatures"] == {
        "serve": "same"
    }


def test_tensorflow_signatures_are_told_apart_by_what_they_answer(tmp_path):
    several = models.Several()
    folder = models.saved(several, tmp_path / "saved", **several.signatures())
    found = convert("tensorflow", folder, tmp_path).facts["signatures"]
    assert found == {"again": "same", "loud": "other", "third": "rows", "wide": "other"}
    found = convert("tensorflow", folder, tmp_path, signature="wide").facts["signatures"]
    assert found["wide"] == "same"
    assert "serving_default" not in found


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A version with every signature, one with the first, and a guarded one under another name."""
    folder = tmp_path_factory.mktemp("several")
    several = models.Several()
    models.saved(several, folder / "saved", **several.signatures())
    command = ["pack", str(folder / "saved"), "--repository", str(folder / "models"), "--name"]
    assert main([*command, "several"]) == 0
    assert main([*command, "several", "--one-signature"]) == 0
    rows = [",".join(map(str, row)) for row in models.rows(400, 3, seed=3).tolist()]
    reference = folder / "rows.csv"
    reference.write_text("\n".join(["a,b,c", *rows]) + "\n")
    asked = ["--signature", "wide", "--reference", str(reference)]
    assert main([*command, "guarded", *asked]) == 0
    return folder / "models", several


def test_tensorflow_a_package_holds_every_signature_unless_one_is_asked_for(packed):
    repository, _ = packed
    package = open_package(repository / "several" / "1")
    verify(package)
    runtimes = {name: s and s.runtime for name, s in package.signatures.items()}
    assert runtimes == {"again": None, "loud": "tensorflow", "third": "onnx", "wide": "onnx"}
    assert not open_package(repository / "several" / "2").signatures


def test_tensorflow_each_signature_answers_as_tensorflow_does(packed, tmp_path):
    repository, several = packed
    x = np.array([1.0, 0.5, -0.25], np.float32)
    wide = models.rows(2, 3, seed=9)
    path = repository / "several" / "1"
    with (
        server(path, state=tmp_path, workers=1) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{running.port}", timeout=60) as client,
        grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel,
    ):
        predict = predictor(channel, "several")

        def rest(signature, rows):
            body = {"signature_name": signature, "instances": rows}
            return client.post("/v1/models/several:predict", json=body)

        own = {"": several.half, "again": several.half, "third": several.third}
        for name, function in own.items():
            theirs = function(tf.constant(x))["y"].numpy()
            assert rest(name, x.tolist()).json()["predictions"] == pytest.approx(theirs.tolist())
            np.testing.assert_allclose(predict(name, x=x)["y"], theirs, rtol=1e-6)
        theirs = several.wide(tf.constant(wide))
        found = predict("wide", values=wide)
        assert {*found} == {*theirs}
        for output, value in theirs.items():
            np.testing.assert_allclose(found[output], value.numpy(), rtol=1e-5)
        loud = several.shout(tf.constant(["Straße", "a"]))["loud"].numpy()
        assert predict("loud", text=["Straße", "a"])["loud"].tolist() == loud.tolist()
        metadata = client.get("/v1/models/several/metadata").json()["metadata"]
        told = metadata["signature_def"]["signature_def"]
        assert [*told] == ["serving_default", "again", "loud", "third", "wide"]
        assert told["loud"]["inputs"]["text"]["dtype"] == "DT_STRING"


def test_tensorflow_a_row_unlike_all_is_refused_by_whatever_name_the_first_signature_is_called(
    packed, tmp_path
):
    path = packed[0] / "guarded" / "1"
    with (
        server(path, state=tmp_path, workers=1) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{running.port}", timeout=60) as client,
    ):

        def status(signature, *rows):
            body = {"signature_name": signature, "instances": rows}
            return client.post("/v1/models/guarded:predict", json=body).status_code

        for name in ("serving_default", "wide"):
            assert status(name, [0.1, 0.2, -0.3]) == 200
            assert status(name, [1e4, -1e4, 1e4]) == 422
        assert status("third", 1e4) == 200
