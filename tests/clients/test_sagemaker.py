"""boto3's sagemaker-runtime, as it is, through a shim that strips what SageMaker itself strips."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import boto3
import pytest
from botocore.config import Config
from tests.clients.conftest import PYTHON, serving

ENDPOINT = "/endpoints/total/invocations"
KEPT = ("content-type", "accept", "x-amzn-sagemaker-")


@pytest.fixture(scope="module")
def runtime(tmp_path_factory) -> Iterator[object]:
    place = tmp_path_factory.mktemp("one")
    command = [str(PYTHON), "-m", "tests.clients.serve_one", "total", str(place)]
    ports = ["--grpc-port", "0", "--admin", "off", "--workers", "1"]
    environ = {"SAGEMAKER_BIND_TO_PORT": "0"}
    with serving([*command, *ports], environ) as (answers, _), shim(answers.http) as address:
        yield boto3.client(
            "sagemaker-runtime",
            region_name="eu-west-1",
            endpoint_url=address,
            aws_access_key_id="none",
            aws_secret_access_key="none",
            config=Config(retries={"max_attempts": 0}),
        )


class shim:
    """SageMaker's front: /endpoints/NAME/invocations becomes /invocations, failures become 424."""

    def __init__(self, behind: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == ENDPOINT
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {k: v for k, v in self.headers.items() if k.lower().startswith(KEPT)}
                connection = HTTPConnection(behind, timeout=60)
                connection.request("POST", "/invocations", body, headers)
                answer = connection.getresponse()
                raw = answer.read()
                connection.close()
                if answer.status != 200:
                    raw = json.dumps(
                        {"OriginalStatusCode": answer.status, "OriginalMessage": raw.decode()}
                    ).encode()
                self.send_response(200 if answer.status == 200 else 424)
                if answer.status != 200:
                    self.send_header("x-amzn-errortype", "ModelError")
                self.send_header("content-type", answer.getheader("content-type") or "")
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *args: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def __exit__(self, *args: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def test_rows_as_json(runtime):
    answer = runtime.invoke_endpoint(
        EndpointName="total",
        ContentType="application/json",
        Accept="application/json",
        CustomAttributes="trace=1",
        Body=json.dumps({"instances": [{"a": 1, "b": 2, "c": 3}]}).encode(),
    )
    assert json.loads(answer["Body"].read())["predictions"] == [{"value": 6.0}]


def test_rows_as_csv(runtime):
    answer = runtime.invoke_endpoint(
        EndpointName="total", ContentType="text/csv", Accept="text/csv", Body=b"1,2,3\n4,5,6\n"
    )
    assert answer["ContentType"].startswith("text/csv")
    assert [float(v) for v in answer["Body"].read().split()] == [6.0, 15.0]


def test_rows_as_an_array(runtime):
    numpy = pytest.importorskip("numpy", reason="listed as a requirement of this environment")
    raw = io.BytesIO()
    numpy.save(raw, numpy.array([[1, 2, 3]], numpy.float32))
    answer = runtime.invoke_endpoint(
        EndpointName="total",
        ContentType="application/x-npy",
        Accept="application/x-npy",
        Body=raw.getvalue(),
    )
    assert numpy.load(io.BytesIO(answer["Body"].read())).ravel().tolist() == [6.0]


def test_a_refusal_is_a_model_error_with_the_reason(runtime):
    with pytest.raises(runtime.exceptions.ModelError) as refused:
        runtime.invoke_endpoint(
            EndpointName="total", ContentType="application/json", Body=b'{"instances": [{"a": 1}]}'
        )
    assert refused.value.response["OriginalStatusCode"] == 400
    assert "b" in refused.value.response["OriginalMessage"]
