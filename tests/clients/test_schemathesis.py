"""Schemathesis over our own OpenAPI documents: no 5xx, and no answer that is not declared.

It makes requests from the documents, good ones and bad ones, and holds every answer against them.
"""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.clients.conftest import PYTHON, Served, serving

CONFORMS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SEED = 20_261_123
OF_THE_SERVER, OF_A_MODEL, OF_WHAT_ONLY_TELLS, SHOWN = 16, 5, 3, 4
"""Requests that are made of each operation, and examples of the document that are tried."""

NAMED = ["total", "gaps", "mixed", "classifier", "grid", "fixed"]
"""What an address with a name is asked about; their own documents are gone through as well."""
STREAMED = "tokens"
"""A model that answers many times, and that nothing is asked of which has one answer."""
ENDING = "/v2/repository/models/"
"""What begins so loads and ends models, and comes last."""

UNSUPPORTED = {
    "/v2/systemsharedmemory/region/{name}/register": "no memory is shared",
    "/v2/cudasharedmemory/region/{name}/register": "no memory is shared",
    "/v1/models/{model}:explain": "models have no explainers",
    "/v1/models/{model}/versions/{version}:explain": "as above",
    "/v1/models/{model}/labels/{label}:explain": "as above",
    "/v2/logging": "settings are not changed while the server runs",
    "/v2/trace/setting": "as above",
    "/v2/models/{model}/trace/setting": "as above",
    "/v2/models/{model}/versions/{version}/trace/setting": "as above",
    "/v2/models/{model}/generate": "the model has not one answer to this, but none or many",
    "/v2/models/{model}/versions/{version}/generate": "as above",
    "/v2/repository/models/{model}/load": "models are loaded as their repository has them",
    "/v2/repository/models/{model}/unload": "as above",
}
"""The only operations that may answer 501, and why; all of them declare it."""
NO_ANSWER = "FRL-18"
"""Ids of 500s that are the model's: its graph fails on a row, or a sum is no finite number."""


def operations(served: Served, path: str) -> Iterator[Any]:
    """The operations of a document, with names that are there wherever an address has one."""
    with urllib.request.urlopen(f"http://{served.http}{path}") as answer:
        told = json.load(answer)
    for item in told["paths"].values():
        for operation in item.values():
            for parameter in operation["parameters"]:
                known = parameter.get("schema", {}).get("examples")
                if parameter.get("in") == "path" and known:
                    parameter["schema"]["enum"] = NAMED if parameter["name"] == "model" else known
            # Who asks is tried elsewhere; a deadline makes a 504 of any good request.
            deadline = {"$ref": "#/components/parameters/Timeout"}
            operation["parameters"] = [p for p in operation["parameters"] if p != deadline]
    schema = schemathesis.openapi.from_dict(told)
    schema.config.update(base_url=f"http://{served.http}")
    schema.config.generation.update(with_security_parameters=False)
    for found in schema.get_all_operations():
        yield found.ok()


def address(operation: Any, model: str) -> str:
    """An operation's address as it is written for any model."""
    return operation.path.replace(f"/{model}", "/{model}") if model else operation.path


def forgiven(path: str, answer: Any) -> bool:
    """Whether a 5xx is declared for what was asked, and no failure of the server."""
    if answer.status_code == 501:
        return path in UNSUPPORTED
    return answer.status_code == 500 and answer.json()["id"].startswith(NO_ANSWER)


def asked(operation: Any, examples: int, ask: Callable[[Any], None]) -> None:
    """Asks what the examples of the document, and the same seed every time, make of it."""
    shown = list(operation.get_strategies_from_examples())[:SHOWN]
    modes = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
    made = [operation.as_strategy(mode) for mode in modes]

    def run(strategy: Any, count: int) -> None:
        seed(SEED)(
            settings(
                max_examples=count,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )(given(strategy)(ask))
        )()

    for strategy in shown:
        run(strategy, 1)
    run(st.one_of(made), examples)


def wrong(
    operation: Any, examples: int, statuses: Counter[tuple[str, int]], model: str = ""
) -> list[str]:
    """What is wrong with the answers of an operation, each kind once."""
    said: dict[str, str] = {}
    path = address(operation, model)

    def ask(case: Any) -> None:
        answer = case.call(session=session)
        statuses[f"{operation.method} {path}", answer.status_code] += 1
        checks = CONFORMS if forgiven(path, answer) else [*CONFORMS, not_a_server_error]
        try:
            case.validate_response(answer, checks=checks)
        except (Failure, FailureGroup) as failure:
            for one in getattr(failure, "exceptions", [failure]):
                kind = f"{operation.label}: {type(one).__name__} {answer.status_code}"
                said.setdefault(kind, f"{one}\n{case.as_curl_command()}\n{answer.text[:300]}")

    with requests.Session() as session:
        asked(operation, examples, ask)
    return [f"{kind} {words}" for kind, words in said.items()]


def few(operation: Any, many: int) -> int:
    """How many requests are made of an operation: few of one that only tells."""
    return many if operation.method == "post" else OF_WHAT_ONLY_TELLS


def kept(
    served: Served, path: str, many: int, wanted: Callable[[str], bool], model: str = ""
) -> Counter[tuple[str, int]]:
    """Fails unless the operations that are wanted answer as they are declared; their statuses."""
    statuses: Counter[tuple[str, int]] = Counter()
    found: list[str] = []
    for operation in operations(served, path):
        if wanted(operation.path):
            found += wrong(operation, few(operation, many), statuses, model)
    assert not found, "\n\n".join(found)
    return statuses


def goes_on(path: str) -> bool:
    return not path.startswith(ENDING)


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Iterator[Served]:
    """A server of one model, which is asked without its name."""
    command = [str(PYTHON), "-m", "tests.clients.serve_one", "mixed"]
    ports = ["--port", "0", "--grpc-port", "0", "--admin", "off", "--workers", "1"]
    with serving([*command, str(tmp_path_factory.mktemp("one")), *ports]) as (answers, _):
        yield answers


def test_the_document_of_the_server_is_kept(served):
    statuses = kept(served, "/openapi.json", OF_THE_SERVER, goes_on)
    assert {status for _, status in statuses} >= {200, 400, 404, 409, 501}
    assert len({operation for operation, _ in statuses}) > 70


@pytest.mark.parametrize("model", [*NAMED, STREAMED])
def test_the_document_of_a_model_is_kept(served, model):
    statuses = kept(served, f"/models/{model}/openapi.json", OF_A_MODEL, goes_on, model)
    answered = {operation for operation, status in statuses if status == 200}
    assert {"post /v2/models/{model}/infer_stream", "get /v1/models/{model}"} <= answered
    assert ("post /v2/models/{model}/infer" in answered) is (model != STREAMED)
    assert ("post /predict/{model}" in answered) is (model not in ("fixed", STREAMED))


def test_what_is_asked_without_a_name_is_kept(alone):
    unnamed = ("/invocations", "/score")
    statuses = kept(alone, "/openapi.json", OF_THE_SERVER, lambda path: path in unnamed)
    assert all(statuses[f"post {path}", 200] for path in unnamed)


def test_models_are_loaded_and_ended_as_is_declared(served):
    path = "/models/total/openapi.json"
    statuses = kept(served, path, OF_A_MODEL, lambda path: not goes_on(path), "total")
    assert {status for _, status in statuses} >= {200, 400}
