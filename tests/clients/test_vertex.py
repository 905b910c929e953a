"""Vertex AI's REST transport, as it is, against the predict route that the platform would give."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest
from google.api_core.exceptions import BadRequest
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform_v1
from google.cloud.aiplatform_v1.services.prediction_service.transports import (
    PredictionServiceRestTransport,
)
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Value
from tests.clients.conftest import PYTHON, serving

ENDPOINT = "projects/p/locations/l/endpoints/e"


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[str]:
    place = tmp_path_factory.mktemp("one")
    command = [str(PYTHON), "-m", "tests.clients.serve_one", "mixed", str(place)]
    ports = ["--grpc-port", "0", "--admin", "off", "--workers", "1"]
    environ = {
        "AIP_HTTP_PORT": "0",
        "AIP_MODE": "PREDICTION",
        "AIP_HEALTH_ROUTE": f"/v1/{ENDPOINT}",
        "AIP_PREDICT_ROUTE": f"/v1/{ENDPOINT}:predict",
    }
    with serving([*command, *ports], environ) as (answers, _):
        yield answers.http


@pytest.fixture(scope="module")
def client(place):
    transport = PredictionServiceRestTransport(
        host=place, credentials=AnonymousCredentials(), url_scheme="http"
    )
    return aiplatform_v1.PredictionServiceClient(transport=transport)


def test_the_health_route_is_the_platforms(place):
    connection = http.client.HTTPConnection(place)
    connection.request("GET", f"/v1/{ENDPOINT}")
    assert connection.getresponse().status == 200
    connection.close()


def test_whole_numbers_arrive_as_fractions_and_are_taken(client):
    given = json_format.ParseDict({"numbers": [1, 2], "count": 3, "colour": "red"}, Value())
    answer = client.predict(endpoint=ENDPOINT, instances=[given, given])
    found = [
        json_format.MessageToDict(p) for p in aiplatform_v1.PredictResponse.pb(answer).predictions
    ]
    assert found == [{"value": 9.0, "paint": "red"}] * 2


def test_what_is_wrong_is_a_bad_request(client):
    with pytest.raises(BadRequest):
        client.predict(endpoint=ENDPOINT, instances=[json_format.ParseDict({"count": 1}, Value())])
