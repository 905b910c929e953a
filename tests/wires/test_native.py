"""Our own routes: what is served, health, metrics, and errors as problems."""

import json

import pytest
from tests import models

from fairlead.core.errors import CATALOGUE, Code, MethodNotAllowed
from fairlead.wires import native, oip_rest


@pytest.fixture(scope="module")
def server(serving, small_models):
    return serving(small_models)


@pytest.fixture(scope="module")
def failing(serving, tmp_path_factory):
    """A good model and one that cannot be loaded."""
    folder = tmp_path_factory.mktemp("failing")
    models.total(folder)
    models.broken(folder)
    return serving(folder)


def problem(answer, status):
    """The body of an error answer, which must be a whole RFC 9457 problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["type"] == f"urn:fairlead:error:{body['id']}"
    assert body["title"]
    assert body["detail"]
    return body


def test_liveness_readiness_and_the_front_door_answer(server):
    assert server.get("/").json() == {"status": "alive"}
    assert server.get("/livez").json() == {"live": True}
    assert server.get("/readyz").json() == {"ready": True}


def test_readiness_is_refused_while_a_model_is_not_ready(failing):
    assert failing.get("/livez").status_code == 200
    answer = failing.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False, "why": "1 of 2 models has no version that is ready",
    }  # fmt: skip
    of_model = failing.get("/models/broken/readyz")
    assert of_model.status_code == 503
    assert of_model.json()["why"].startswith("version 1 is failed: ")


def test_the_models_are_listed_with_their_versions(server, failing):
    listed = {model["name"]: model for model in server.get("/models").json()["models"]}
    assert listed["total"] == {
        "name": "total",
        "versions": [{"version": 1, "state": "ready"}],
        "address": "/models/total",
    }
    broken = failing.get("/models").json()["models"][0]
    assert broken["name"] == "broken"
    assert broken["versions"][0]["state"] == "failed"
    assert "NoSuchThing" in broken["versions"][0]["reason"]


def test_a_model_that_is_not_ready_is_described_as_far_as_it_is_known(failing):
    assert failing.get("/models/broken").json().keys() == {"name", "versions"}


def test_a_model_is_described_by_its_signature(server):
    about = server.get("/models/classifier").json()
    assert about["columns"] == list(models.FEATURES)
    assert about["inputs"] == [
        {"name": "x", "datatype": "FP32", "shape": [-1, 4], "columns": list(models.FEATURES)}
    ]
    assert [o["role"] for o in about["outputs"]] == ["label", "scores"]
    assert about["version"] == 1
    assert about["guards"] == "unlearnt"
    assert about["limits"] == {"max_rows": 10_000}


def test_the_example_of_every_model_really_works(server):
    names = [model["name"] for model in server.get("/models").json()["models"]]
    assert len(names) >= 25
    for name in names:
        about = server.get(f"/models/{name}").json()
        address = about.get("predict") or about["infer"]
        answer = server.post(address, json=about["example"])
        assert answer.status_code == 200, (name, answer.text)


def test_an_example_is_the_packages_own_row_when_it_has_one(server):
    assert server.get("/models/total").json()["example"] == {"rows": [{"a": 1, "b": 2, "c": 3.5}]}


def test_metrics_come_in_both_texts(server):
    plain = server.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# EOF" not in plain.text
    openmetrics = server.get("/metrics", headers={"accept": "application/openmetrics-text"})
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    assert openmetrics.text.endswith("# EOF\n")


@pytest.mark.parametrize(
    "address",
    ["/nothing", "/models/none", "/models/...", "/models/%2e%2e", "/models/a%2Fb", "/models/",
     "/models/total/", "/models/total/1", "/predict", "/predict/", "/predict/total/1",
     "/predict/total/version/1", "/livez/", "/metrics/x", "/predict/total/versions/1/2",
     "/models/\u0661".encode("ascii", "backslashreplace").decode(), "/favicon.ico", "/.env"],
)  # fmt: skip
def test_an_unknown_address_is_a_problem(server, address):
    assert problem(server.get(address), 404)["code"] in ("ADDRESS_NOT_FOUND", "MODEL_NOT_FOUND")


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("/predict/none", "MODEL_NOT_FOUND"),
        ("/predict/%2E%2e", "MODEL_NOT_FOUND"),
        ("/predict/total/versions/2", "MODEL_NOT_FOUND"),
        ("/predict/total/versions/01", "MODEL_NOT_FOUND"),
        ("/predict/total/versions/x", "MODEL_NOT_FOUND"),
    ],
)
def test_an_unknown_model_or_version_cannot_be_asked(server, address, code):
    assert problem(server.post(address, json=[1, 2, 3]), 404)["code"] == code


def test_a_model_that_failed_to_load_cannot_be_asked(failing):
    answer = failing.post("/predict/broken", json=[1])
    assert problem(answer, 503)["code"] == "MODEL_NOT_READY"
    assert answer.headers["retry-after"].isdigit()


@pytest.mark.parametrize(
    ("method", "address", "allow"),
    [
        ("POST", "/", "GET, HEAD"),
        ("POST", "/models", "GET, HEAD"),
        ("DELETE", "/models/total", "GET, HEAD"),
        ("PUT", "/livez", "GET, HEAD"),
        ("GET", "/predict/total", "POST"),
        ("OPTIONS", "/predict/total/versions/1", "POST"),
    ],
)
def test_another_method_is_a_405_that_says_which_there_are(server, method, address, allow):
    answer = server.request(method, address)
    assert answer.headers["allow"] == allow
    assert problem(answer, 405)["code"] == "METHOD_NOT_ALLOWED"


def test_a_percent_encoded_name_is_the_name(server):
    assert server.get("/models/%74otal").json()["name"] == "total"
    assert server.post("/predict/tot%61l", json=[1, 2, 3]).json()["model"] == "total"


def test_a_head_request_has_the_headers_and_no_body(server):
    for address in ("/", "/models", "/readyz", "/models/total"):
        full, head = server.get(address), server.head(address)
        assert head.status_code == 200
        assert head.content == b""
        assert head.headers["content-length"] == full.headers["content-length"]
    assert server.head("/nothing").status_code == 404


@pytest.mark.parametrize("cls", CATALOGUE.values(), ids=lambda cls: cls.id)
def test_every_error_is_a_problem_with_the_status_of_every_wire(cls):
    if cls is MethodNotAllowed:
        made = cls("GET", ["POST"])
    else:
        made = cls("what", where="at", fix="do", row=3, column="a")
    if made.code is Code.RESOURCE_EXHAUSTED:
        made.retry_after = 7
    reply = native.error_reply(made)
    body = json.loads(reply.body)
    assert reply.media_type == "application/problem+json"
    assert body["status"] == reply.status == oip_rest.error_reply(made).status
    assert (body["code"], body["id"], body["detail"]) == (cls.name, cls.id, made.what)
    if cls is not MethodNotAllowed:
        assert [body[k] for k in ("where", "fix", "row", "column")] == ["at", "do", 3, "a"]
    again = made.code in (Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED)
    again = again and getattr(made, "retry_after", 1) is not None
    assert ("retry-after" in dict(reply.headers)) == again
