"""MLflow's scoring client, as it is."""

from __future__ import annotations

import pandas as pd
import pytest
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from tests.clients.conftest import PYTHON, serving
from tests.clients.parts import check_coverage

ROWS = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "c": [5.0, 6.0]})


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    place = tmp_path_factory.mktemp("one")
    command = [str(PYTHON), "-m", "tests.clients.serve_one", "total", str(place)]
    ports = ["--port", "0", "--grpc-port", "0", "--admin", "off", "--workers", "1"]
    with serving([*command, *ports]) as (answers, _):
        host, _, port = answers.http.rpartition(":")
        yield ScoringServerClient(host, port)


def test_every_public_method_is_tried_here():
    check_coverage(__file__, ScoringServerClient, "mlflow")


def test_it_is_there(client):
    client.ping()
    client.wait_server_ready(timeout=5)
    assert client.get_version().strip()


def test_a_frame_is_answered_row_by_row(client):
    found = client.invoke(ROWS).get_predictions()
    assert isinstance(found, pd.DataFrame)
    assert found["value"].tolist() == [9.0, 12.0]


def test_what_is_wrong_is_said(client):
    with pytest.raises(Exception, match="400"):
        client.invoke(pd.DataFrame({"a": [1.0]}))
