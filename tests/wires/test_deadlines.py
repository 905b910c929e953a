"""How long a caller waits: the settings, the header, the protocol's own parameter."""

import pytest

TENSOR = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}


@pytest.fixture(scope="module")
def settings(serving, small_models, tmp_path_factory):
    """Starts a server with these limits."""

    def start(**limits):
        config = tmp_path_factory.mktemp("settings") / "fairlead.toml"
        lines = [f"{key} = {value}" for key, value in limits.items()]
        config.write_text("\n".join(["[limits]", *lines]))
        return serving(small_models, config=config)

    return start


def ask(server, milliseconds=None, **parameters):
    """The status and the code of a prediction on each wire."""
    head = {} if milliseconds is None else {"x-request-timeout": str(milliseconds)}
    rows = server.post("/predict/total", json=[1, 2, 3], headers=head)
    body = {"inputs": [TENSOR], "parameters": parameters}
    tensors = server.post("/v2/models/total/infer", json=body, headers=head)
    return {(a.status_code, a.json().get("code")) for a in (rows, tensors)}


GOOD, LATE = (200, None), (504, "DEADLINE_EXCEEDED")


def test_a_caller_without_time_left_is_too_late(serving, small_models):
    server = serving(small_models)
    assert ask(server) == {GOOD}
    assert ask(server, 0) == {LATE}
    assert ask(server, 20_000) == {GOOD}
    assert ask(server, 20_000, timeout=1) == {GOOD, LATE}


def test_the_usual_time_is_a_setting_and_a_caller_may_ask_for_more(settings):
    server = settings(request_timeout_s=1e-6)
    assert ask(server) == {LATE}
    assert ask(server, 20_000) == {GOOD}
    assert ask(server, timeout=20_000_000) == {LATE}


def test_no_caller_may_ask_for_more_than_the_setting_allows(settings):
    server = settings(request_timeout_s=1e-6, request_timeout_max_s=2e-6)
    assert ask(server, 20_000) == {LATE}


def test_the_callers_id_is_on_answers_and_errors_of_every_wire(serving, small_models):
    server = serving(small_models)
    head = {"x-request-id": "abc-1"}
    for answer in (
        server.post("/predict/total", json=[1, 2, 3], headers=head),
        server.post("/predict/total", json=[1, 2], headers=head),
        server.post("/predict/logs", json=[-1], headers=head),
        server.post("/v2/models/total/infer", json={"inputs": [TENSOR]}, headers=head),
        server.post("/v2/models/none/infer", json={}, headers=head),
        server.get("/models", headers=head),
        server.get("/v2/nothing", headers=head),
    ):
        assert answer.headers["x-request-id"] == "abc-1"
