"""Open Inference Protocol over HTTP: routes, metadata, readiness, index and errors."""

import json

import pytest
from tests import models

from fairlead.core.datatypes import DTYPES
from fairlead.core.errors import CATALOGUE, Code, MethodNotAllowed
from fairlead.core.version import __version__
from fairlead.wires import oip_rest

ROWS = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]}


@pytest.fixture(scope="module")
def server(serving, small_models):
    return serving(small_models)


@pytest.fixture(scope="module")
def versions(serving, tmp_path_factory):
    """Versions 1, 2 and 10 of `total`, all served, and a version that cannot be loaded."""
    folder = tmp_path_factory.mktemp("versions")
    for number in (1, 2, 10):
        models.total(folder / "models", version=number)
    models.broken(folder / "models")
    config = folder / "fairlead.toml"
    config.write_text('[models]\nversions = "all"\n')
    return serving(folder / "models", config=config)


def error(answer, status):
    """The text of an error answer in the protocol's own shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert isinstance(body["error"], str)
    assert body["error"]
    return body["error"]


@pytest.mark.parametrize("address", ["/v2", "/v2/"])
def test_the_server_says_who_it_is(server, address):
    told = server.get(address).json()
    assert (told["name"], told["version"]) == ("fairlead", __version__)
    assert {"classification", "binary_tensor_data", "statistics"} <= {*told["extensions"]}
    assert "system_shared_memory" not in told["extensions"]


def test_health_answers_with_a_body_that_clients_can_read(server):
    assert server.get("/v2/health/live").json() == {"live": True}
    assert server.get("/v2/health/ready").json() == {"ready": True}


def test_the_models_are_listed(server):
    names = server.get("/v2/models").json()["models"]
    assert {"total", "classifier", "fixed"} <= set(names)
    assert names == sorted(names)


def test_metadata_is_the_signature(server):
    assert server.get("/v2/models/mixed").json() == {
        "name": "mixed",
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [
            {"name": "numbers", "datatype": "FP32", "shape": [-1, 2]},
            {"name": "count", "datatype": "INT64", "shape": [-1, 1]},
            {"name": "colour", "datatype": "BYTES", "shape": [-1, 1]},
        ],
        "outputs": [
            {"name": "value", "datatype": "FP32", "shape": [-1, 1]},
            {"name": "paint", "datatype": "BYTES", "shape": [-1, 1]},
        ],
    }


@pytest.mark.parametrize("datatype", list(DTYPES))
def test_metadata_names_every_datatype(server, datatype):
    about = server.get(f"/v2/models/identity_{datatype.lower()}").json()
    assert about["inputs"][0]["datatype"] == about["outputs"][0]["datatype"] == datatype


def test_a_ready_model_is_ready(server):
    for address in ("/v2/models/total/ready", "/v2/models/total/versions/1/ready"):
        answer = server.get(address)
        assert (answer.status_code, answer.json()) == (200, {"name": "total", "ready": True})


# --- versions and states --------------------------------------------------------------------


def test_the_newest_version_answers_when_none_is_named(versions):
    assert versions.post("/v2/models/total/infer", json=ROWS).json()["model_version"] == "10"
    for number in ("1", "2", "10"):
        answer = versions.post(f"/v2/models/total/versions/{number}/infer", json=ROWS)
        assert answer.json()["model_version"] == number


def test_metadata_lists_the_versions_in_the_order_of_their_numbers(versions):
    assert versions.get("/v2/models/total").json()["versions"] == ["1", "2", "10"]
    assert versions.get("/v2/models/total/versions/2").json()["versions"] == ["2"]


def test_a_version_that_failed_to_load_is_known_and_not_ready(versions):
    for address in ("", "/ready", "/versions/1", "/versions/1/ready"):
        answer = versions.get(f"/v2/models/broken{address}")
        assert "failed" in error(answer, 503)
        assert answer.headers["retry-after"].isdigit()
    assert "failed" in error(versions.post("/v2/models/broken/infer", json=ROWS), 503)
    assert versions.get("/v2/health/ready").status_code == 503
    assert versions.get("/v2/health/live").status_code == 200


def test_the_index_lists_every_version_with_its_state(versions):
    everything = versions.post("/v2/repository/index").json()
    found = {(v["name"], v["version"]): v for v in everything}
    assert list(found) == [("broken", "1"), ("total", "1"), ("total", "2"), ("total", "10")]
    assert found["total", "2"] == {"name": "total", "version": "2", "state": "READY"}
    assert found["broken", "1"]["state"] == "UNAVAILABLE"
    assert "NoSuchThing" in found["broken", "1"]["reason"]


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b"", 4),
        (b"  ", 4),
        (b"{}", 4),
        (b'{"ready":false}', 4),
        (b'{"ready":true}', 3),
        (b'{"other":1}', 4),
    ],
)
def test_the_index_may_be_asked_for_ready_versions_only(versions, body, count):
    assert len(versions.post("/v2/repository/index", content=body).json()) == count


@pytest.mark.parametrize("body", [b"{", b"[]", b"5", b'{"ready":1}', b'{"ready":null,"ready":true}',
                                  b'{"ready":"true"}', b"[" * 101 + b"]" * 101])  # fmt: skip
def test_the_index_refuses_a_body_that_is_no_question(versions, body):
    error(versions.post("/v2/repository/index", content=body), 400)


# --- addresses and errors -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["%74otal", "tot%61l", "%74%6F%74%61%6C", "%74%6f%74%61%6c"])
def test_a_percent_encoded_name_is_the_name(server, name):
    answer = server.post(f"/v2/models/{name}/infer", json=ROWS)
    assert answer.json()["model_name"] == "total"
    assert server.get(f"/v2/models/{name}/ready").status_code == 200


@pytest.mark.parametrize(
    "address",
    ["models/none", "models/none/ready", "models/none/versions/1", "models/total/versions/2",
     "models/total/versions/2/ready", "models/total/versions/01", "models/total/versions/-1",
     "models/total/versions/1_0", "models/total/versions/%31", "models/total/versions/",
     "models/total/versions/99999999999999999999", "models/a%20b", "models/a%2Fb", "models/...",
     "models/%2e%2e", "models/%252e", "models/a%00", "models/%ff", "models/%EF%BD%81", "models/",
     "models//", "models/total/", "models/total/nothing", "nothing", "health", "health/live/",
     "health/dead", "repository", "models/" + "a" * 129]
)  # fmt: skip
def test_an_unknown_address_is_a_404_in_the_protocols_shape(server, address):
    error(server.get(f"/v2/{address}"), 404)


@pytest.mark.parametrize("address", ["/V2", "/v2x", "/v20/models", "//v2", "/v2;a"])
def test_an_address_outside_is_a_problem(server, address):
    answer = server.get(str(server.base_url).rstrip("/") + address)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "address", "allow"),
    [
        ("POST", "/v2", "GET, HEAD"),
        ("DELETE", "/v2/models", "GET, HEAD"),
        ("POST", "/v2/health/live", "GET, HEAD"),
        ("PUT", "/v2/models/total", "GET, HEAD"),
        ("GET", "/v2/models/total/infer", "POST"),
        ("HEAD", "/v2/models/total/infer", "POST"),
        ("OPTIONS", "/v2/models/total/infer", "POST"),
        ("GET", "/v2/repository/index", "POST"),
        ("PATCH", "/v2/models/none/infer", "POST"),
    ],
)
def test_another_method_is_a_405_that_says_which_there_are(server, method, address, allow):
    answer = server.request(method, address)
    assert answer.headers["allow"] == allow
    if method == "HEAD":
        assert (answer.status_code, answer.content) == (405, b"")
    else:
        error(answer, 405)


def test_a_body_of_another_kind_is_a_400_in_the_protocols_shape(server):
    for body in (b"", b"{", b"[]", b"5", b'"x"', b"\xff"):
        error(server.post("/v2/models/total/infer", content=body), 400)


@pytest.mark.parametrize("cls", CATALOGUE.values(), ids=lambda cls: cls.id)
def test_every_error_has_the_protocols_shape(cls):
    made = cls("GET", ["POST"]) if cls is MethodNotAllowed else cls("what", where="at", fix="do")
    if made.code is Code.RESOURCE_EXHAUSTED:
        made.retry_after = 7
    reply = oip_rest.error_reply(made)
    body = json.loads(reply.body)
    assert set(body) == {"error", "code", "id"}
    assert (body["code"], body["id"]) == (cls.name, cls.id)
    assert made.what in body["error"]
    again = made.code in (Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED)
    again = again and getattr(made, "retry_after", 1) is not None
    assert ("retry-after" in dict(reply.headers)) == again
