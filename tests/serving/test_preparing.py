"""Pictures and texts are sent as people have them, over every way in, and answered alike."""

from __future__ import annotations

import base64
import io
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.inputs import prepared_models as models

from fairlead.core.call import Call
from fairlead.core.datatypes import DTYPES
from fairlead.core.errors import DeadlineExceeded, FairleadError, PictureUnreadable, TooManyRows
from fairlead.core.tensor import Tensor
from fairlead.protos.pool import message, methods
from fairlead.serving.preparing import Preparing, preparing_of
from fairlead.wires.tfs_grpc import PREDICTIONS

NOISE = np.random.default_rng(3).integers(0, 256, (12, 14, 3)).astype(np.uint8)


def encoded(form: str = "PNG", pixels: np.ndarray = NOISE) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


PNG = encoded()
TEXT64 = base64.b64encode(PNG).decode()
SMALL = np.asarray(Image.fromarray(NOISE).resize((9, 8), Image.Resampling.BILINEAR))
TENSOR = ((SMALL / 255 - [0.5, 0.25, 0.125]) / [0.5, 0.25, 2.0]).transpose(2, 0, 1)
FLAT = TENSOR.ravel()


@pytest.fixture(scope="module")
def client(serving, tmp_path_factory):
    repository = tmp_path_factory.mktemp("prepared")
    models.colours(repository)
    models.sentences(repository)
    found = serving(repository)
    for name in ("colours", "sentences"):
        assert found.get(f"/models/{name}").json().get("takes"), name
    return found


def flat(answer) -> list[list[float]]:
    assert answer.status_code == 200, answer.text
    return [row["flat"] for row in answer.json()["predictions"]]


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_a_picture_is_a_body(client, form):
    raw = encoded(form.upper())
    answer = client.post("/predict/colours", content=raw, headers={"content-type": f"image/{form}"})
    seen = Image.open(io.BytesIO(raw)).convert("RGB").resize((9, 8), Image.Resampling.BILINEAR)
    made = (np.asarray(seen) / 255 - [0.5, 0.25, 0.125]) / [0.5, 0.25, 2.0]
    assert np.allclose(flat(answer), made.transpose(2, 0, 1).reshape(1, -1), atol=1e-5)


def test_files_of_a_form_are_rows(client):
    files = [("image", ("a.png", PNG)), ("image", ("b.png", encoded("WEBP", NOISE[::-1])))]
    found = flat(client.post("/predict/colours", files=files))
    assert len(found) == 2
    assert np.allclose(found[0], FLAT, atol=1e-5)


def test_a_form_has_few_files_and_is_for_pictures(client):
    files = [("image", ("a.png", PNG))]
    assert client.post("/predict/colours", files=files * 16).status_code == 200
    assert client.post("/predict/colours", files=files * 17).status_code == 413
    assert client.post("/predict/colours", files={"other": PNG}).status_code == 400
    assert client.post("/predict/sentences", files={"text": b"calm"}).status_code == 415


SENT = {
    "base64": {"rows": [{"image": TEXT64}, {"image": TEXT64}]},
    "data url": {"rows": [{"image": f"data:image/png;base64,{TEXT64}"}] * 2},
    "b64 object": {"rows": [{"image": {"b64": TEXT64}}] * 2},
    "tensors": {"rows": [{"image": TENSOR.tolist()}] * 2},
}


@pytest.mark.parametrize("body", SENT.values(), ids=SENT.keys())
def test_json_holds_pictures_or_tensors(client, body):
    assert np.allclose(flat(client.post("/predict/colours", json=body)), [FLAT, FLAT], atol=1e-5)


def test_serving_and_cloud_clients_send_pictures_as_base64(client):
    instance = {"instances": [{"image": {"b64": TEXT64}}]}
    found = client.post("/v1/models/colours:predict", json=instance).json()["predictions"]
    assert np.allclose(found, [FLAT], atol=1e-5)
    found = client.post("/v1/models/colours:predict", json={"instances": [{"b64": TEXT64}]})
    assert np.allclose(found.json()["predictions"], [FLAT], atol=1e-5)
    columns = {"inputs": {"image": [TEXT64]}}
    found = client.post("/v1/models/colours:predict", json=columns).json()["outputs"]
    assert np.allclose(found, [FLAT], atol=1e-5)


def infer(client, model: str, name: str, data: list[str], shape: list[int]):
    tensor = {"name": name, "shape": shape, "datatype": "BYTES", "data": data}
    return client.post(f"/v2/models/{model}/infer", json={"inputs": [tensor]})


def test_the_open_inference_protocol_takes_bytes(client):
    answer = infer(client, "colours", "image", [TEXT64], [1])
    assert np.allclose(answer.json()["outputs"][0]["data"], FLAT, atol=1e-5)
    answer = infer(client, "sentences", "text", ["calm sea", "storm"], [2, 1])
    found = np.reshape(answer.json()["outputs"][0]["data"], (2, 4))
    assert np.allclose(found, [models.embedding("calm sea"), models.embedding("storm")], atol=1e-6)


def test_pictures_travel_as_binary_tensors(client):
    data = len(PNG).to_bytes(4, "little") + PNG
    parameters = {"binary_data_size": len(data)}
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "parameters": parameters}
    head = json.dumps({"inputs": [tensor]}).encode()
    answer = client.post(
        "/v2/models/colours/infer",
        content=head + data,
        headers={"inference-header-content-length": str(len(head))},
    )
    assert np.allclose(answer.json()["outputs"][0]["data"], FLAT, atol=1e-5)


def test_grpc_takes_pictures_too(client):
    request = message("inference.ModelInferRequest")(model_name="colours")
    tensor = request.inputs.add(name="image", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(PNG)
    with grpc.insecure_channel(f"{client.base_url.host}:{client.base_url.port}") as channel:
        call = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            type(request).SerializeToString,
            message("inference.ModelInferResponse").FromString,
        )
        answer = call(request, timeout=20)
    found = np.frombuffer(answer.raw_output_contents[0], np.float32)
    assert np.allclose(found, FLAT, atol=1e-5)


def test_tensorflow_servings_grpc_takes_pictures_too(client):
    takes, gives = methods(PREDICTIONS)["Predict"]
    image = {"dtype": 7, "tensor_shape": {"dim": [{"size": 2}]}, "string_val": [PNG, PNG]}
    request = takes(model_spec={"name": "colours"}, inputs={"image": image})
    with grpc.insecure_channel(f"{client.base_url.host}:{client.base_url.port}") as channel:
        call = channel.unary_unary(
            f"/{PREDICTIONS}/Predict", takes.SerializeToString, gives.FromString
        )
        answer = call(request, timeout=20)
    found = np.reshape(answer.outputs["flat"].float_val, (2, -1))
    assert np.allclose(found, [FLAT, FLAT], atol=1e-5)


@pytest.fixture(scope="module")
def alone(serving, tmp_path_factory):
    repository = tmp_path_factory.mktemp("alone")
    models.colours(repository)
    return serving(repository)


CLOUDS = {
    "sagemaker": {"content": PNG, "headers": {"content-type": "image/png"}},
    "vertex": {"json": {"instances": [{"image": {"b64": TEXT64}}]}},
    "mlflow": {"json": {"dataframe_split": {"columns": ["image"], "data": [[TEXT64]]}}},
    "records": {"json": {"dataframe_records": [{"image": TEXT64}]}},
    "inputs": {"json": {"inputs": [TEXT64]}},
    "columns": {"json": {"inputs": {"image": [TEXT64]}}},
    "lines": {
        "content": json.dumps({"image": TEXT64}).encode(),
        "headers": {"content-type": "application/jsonlines"},
    },
    "form": {"files": {"image": ("a.png", PNG)}},
}


@pytest.mark.parametrize("body", CLOUDS.values(), ids=CLOUDS.keys())
def test_the_clouds_routes_take_pictures(alone, body):
    answer = alone.post("/invocations", **body)
    assert answer.status_code == 200, answer.text
    found = json.loads(answer.text) if "content" in body else answer.json()
    row = found["predictions"][0] if "predictions" in found else found
    assert np.allclose(row["flat"], FLAT, atol=1e-5)


def test_openapi_says_what_may_be_sent(client):
    told = client.get("/models/colours/openapi.json").json()
    sent = told["paths"]["/predict/colours"]["post"]["requestBody"]["content"]
    assert {"image/png", "image/webp", "multipart/form-data", "application/json"} <= sent.keys()
    schemas = told["components"]["schemas"]
    rows = [schemas[f"{kind}.colours"]["properties"]["image"] for kind in ("sent", "row")]
    assert [cell["type"] for cell in rows] == ["string", "array"]


def prepared(folder: Path) -> tuple[Preparing, Any]:
    package = models.colours(folder)
    found = preparing_of(package, lambda name: (package.folder / name).read_bytes())
    assert found is not None
    return found, package


def call_of(preparing: Preparing, pictures: list[Any], deadline: float = inf) -> Call:
    call = Call(None, 0.0, deadline, 0, True, lambda done: None)  # type: ignore[arg-type]
    preparing.finish(call, [Tensor(DTYPES["BYTES"], (len(pictures),), pictures)])
    return call


def test_rows_whose_arrays_would_not_fit_are_refused_before_they_are_made(tmp_path):
    preparing, _ = prepared(tmp_path / "models")
    with pytest.raises(TooManyRows, match="by the memory"):
        call_of(preparing, [PNG] * 300_000)


def test_pictures_that_nobody_waits_for_are_not_decoded(tmp_path):
    preparing, _ = prepared(tmp_path / "models")
    late, gone, live = (call_of(preparing, [b"none"], deadline) for deadline in (0, inf, inf))
    gone.gone = True
    with pytest.raises(DeadlineExceeded):
        preparing.arrays([late, gone], 2)
    with pytest.raises(PictureUnreadable):
        preparing.arrays([late, live], 2)


@given(st.recursive(st.none() | st.text(max_size=9) | st.floats(), st.lists, max_leaves=6))
def test_whatever_a_row_is_it_is_taken_or_refused(value):
    preparing = _made()
    for body in ([value], [{"image": value}], [{"image": {"b64": value}}], [{"b64": value}]):
        with suppress(FairleadError):
            preparing.of_rows(body)
        with suppress(FairleadError):
            preparing.of_columns(body[0])


@cache
def _made() -> Preparing:
    with TemporaryDirectory() as folder:
        return prepared(Path(folder) / "models")[0]


TEXTS = {
    "rows": ({"rows": [{"text": "calm sea"}, {"text": "storm"}]}, None),
    "bare": ({"rows": ["calm sea", "storm"]}, None),
    "columns": ({"columns": {"text": ["calm sea", "storm"]}}, None),
    "csv": (b"text\ncalm sea\nstorm\n", "text/csv"),
}


@pytest.mark.parametrize(("body", "media"), TEXTS.values(), ids=TEXTS.keys())
def test_texts_are_embedded(client, body, media):
    if media:
        answer = client.post("/predict/sentences", content=body, headers={"content-type": media})
    else:
        answer = client.post("/predict/sentences", json=body)
    assert answer.status_code == 200, answer.text
    found = [row["embedding"] for row in answer.json()["predictions"]]
    assert np.allclose(found, [models.embedding("calm sea"), models.embedding("storm")], atol=1e-6)


def test_a_text_is_a_body(client):
    plain = {"content-type": "text/plain; charset=utf-8"}
    answer = client.post("/predict/sentences", content="calm wind", headers=plain)
    found = answer.json()["predictions"][0]["embedding"]
    assert np.allclose(found, models.embedding("calm wind"), atol=1e-6)


LARGE = base64.b64encode(encoded("PNG", np.zeros((101, 100, 3), np.uint8))).decode()
BAD = {
    "too large": ("colours", {"rows": [{"image": LARGE}]}, 413, "100 x 101 pixels"),
    "no picture": ("colours", {"rows": [{"image": TEXT64}, {"image": "aGk="}]}, 400, "row 1"),
    "no base64": ("colours", {"rows": [{"image": "?"}]}, 400, "row 0"),
    "long text": ("sentences", {"rows": ["x", "y" * 61]}, 413, "row 1"),
    "unknown": ("sentences", {"rows": [{"text": "a", "more": 1}]}, 400, "more"),
    "mixed": ("colours", {"rows": [{"image": TEXT64}, {"image": [1]}]}, 400, "row 1"),
}


@pytest.mark.parametrize(("model", "body", "status", "told"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_said_with_its_row(client, model, body, status, told):
    answer = client.post(f"/predict/{model}", json=body)
    assert answer.status_code == status, answer.text
    assert told in answer.text


def test_another_kind_of_body_is_refused(client):
    for model, media in (("colours", "text/plain"), ("sentences", "image/png")):
        answer = client.post(f"/predict/{model}", content=b"x", headers={"content-type": media})
        assert answer.status_code == 415, answer.text


def test_one_bad_picture_does_not_spoil_its_neighbours(client):
    def post(raw: bytes) -> int:
        media = {"content-type": "image/png"}
        return client.post("/predict/colours", content=raw, headers=media).status_code

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(post, [PNG, PNG[:50]] * 20))
    assert found == [200, 400] * 20


def test_the_example_of_a_model_works_as_it_stands(client):
    for model, name in (("colours", "image"), ("sentences", "text")):
        about = client.get(f"/models/{model}").json()
        assert about["example"]["rows"][0].keys() == {name}
        assert about["takes"][0]["name"] == name
        assert client.post(about["predict"], json=about["example"]).status_code == 200
