"""Spans: a request is one of its caller's trace, and no collector can hold up the service."""

from __future__ import annotations

import json
from contextlib import closing
from threading import Event

import grpc
import pytest
from tests import models
from tests.collector import collector
from tests.processes import free_port, server, until
from tests.serving.parts import Model, call, serve

from fairlead.core.call import Head, Reply, Trace
from fairlead.core.errors import ModelError
from fairlead.protos.pool import message
from fairlead.serving import tracing
from fairlead.serving.tracing import MOST_PER_S, Span, Tracer

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
KEPT = f"00-{TRACE}-{PARENT}-01"
ROW = {"a": 1, "b": 2, "c": 3}


def ask(running, path="/predict/total", body=ROW, **headers):
    with closing(running.connect()) as connection:
        given = {"content-type": "application/json", **headers}
        connection.request("POST", path, json.dumps(body), given)
        answer = connection.getresponse()
        answer.read()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """A server whose collector keeps what it is sent."""
    folder = tmp_path_factory.mktemp("traced")
    models.total(folder / "models")
    with collector() as (kept, address):
        environ = {"FAIRLEAD_TRACE__ENDPOINT": address, "FAIRLEAD_TRACE__SAMPLE": "0"}
        with server(folder / "models", state=folder / "state", environ=environ) as running:
            yield running, kept


def test_a_request_is_a_span_of_its_callers_trace_and_the_answer_names_it(traced):
    running, kept = traced
    more = {"traceparent": KEPT, "tracestate": "vendor=1", "x-request-id": "known"}
    status, told = ask(running, **more)
    assert status == 200
    span = until(lambda: [s for s in kept.spans if s.get("fairlead.request.id") == "known"])[0]
    assert told["traceparent"] == f"00-{TRACE}-{span['id']}-01"
    assert span["name"] == "POST /predict/{model}"
    assert (span["trace"], span["parent"], span["state"]) == (TRACE, PARENT, "vendor=1")
    assert span["kind"] == 2
    expected = {
        "http.request.method": "POST", "http.route": "/predict/{model}",
        "http.response.status_code": 200, "url.scheme": "http", "fairlead.model.name": "total",
        "fairlead.model.version": 1, "fairlead.rows": 1, "fairlead.decision": "serve",
        "failed": False,
    }  # fmt: skip
    assert {name: span[name] for name in expected} == expected
    assert kept.resource["service.name"] == "fairlead"
    below = {s["name"]: s for s in kept.spans if s["parent"] == span["id"]}
    assert set(below) == {"queue", "predict"}
    assert below["predict"]["fairlead.batch.rows"] == 1
    assert span["start"] == below["queue"]["start"] <= below["queue"]["end"]
    assert below["queue"]["end"] == below["predict"]["start"] <= below["predict"]["end"]
    assert below["predict"]["end"] <= span["end"] + 1_000_000


def test_a_request_that_its_caller_does_not_keep_is_none_where_the_share_is_nothing(traced):
    running, kept = traced
    _, told = ask(running, traceparent=f"00-{TRACE}-{PARENT}-00", **{"x-request-id": "unkept"})
    assert told["traceparent"].startswith(f"00-{TRACE}-")
    assert told["traceparent"].endswith("-00")
    ask(running, traceparent=KEPT, **{"x-request-id": "after"})
    until(lambda: any(s.get("fairlead.request.id") == "after" for s in kept.spans))
    assert not any(s.get("fairlead.request.id") == "unkept" for s in kept.spans)


def test_a_refused_request_is_a_span_with_its_error_and_its_address_makes_no_name(traced):
    running, kept = traced
    ask(running, body={"a": 1}, traceparent=KEPT, **{"x-request-id": "lacking"})
    ask(running, path="/what/is/this", traceparent=KEPT, **{"x-request-id": "nowhere"})
    lacking = until(lambda: [s for s in kept.spans if s.get("fairlead.request.id") == "lacking"])[0]
    assert lacking["error.type"] == "MISSING_FIELD"
    assert lacking["http.response.status_code"] == 400
    assert not lacking["failed"]
    nowhere = until(lambda: [s for s in kept.spans if s.get("fairlead.request.id") == "nowhere"])[0]
    assert nowhere["name"] == "HTTP"
    assert "http.route" not in nowhere


def test_a_call_over_grpc_is_a_span_named_by_its_method(traced):
    running, kept = traced

    with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:
        method = channel.unary_unary("/inference.GRPCInferenceService/ModelMetadata")
        asked = message("inference.ModelMetadataRequest")(name="total").SerializeToString()
        _, under_way = method.with_call(asked, metadata=(("traceparent", KEPT),), timeout=30)
        told = dict(under_way.initial_metadata()) | dict(under_way.trailing_metadata())
    name = "inference.GRPCInferenceService/ModelMetadata"
    span = until(lambda: kept.named(name))[0]
    assert span["id"] in told["traceparent"]
    assert span["rpc.system"] == "grpc"
    assert span["rpc.method"] == "ModelMetadata"
    assert span["rpc.grpc.status_code"] == 0


def test_a_collector_that_is_gone_harms_nobody_and_its_loss_is_counted(tmp_path):
    models.total(tmp_path / "models")
    gone = f"http://127.0.0.1:{free_port()}"
    environ = {"FAIRLEAD_TRACE__ENDPOINT": gone, "FAIRLEAD_TRACE__SAMPLE": "1"}
    with server(tmp_path / "models", state=tmp_path / "state", environ=environ) as running:
        assert {ask(running)[0] for _ in range(50)} == {200}
        lost = 'fairlead_spans_total{outcome="lost"} '

        def count() -> int:
            lines = running.get("/metrics")[1].decode().splitlines()
            return next(int(line.removeprefix(lost)) for line in lines if line.startswith(lost))

        until(lambda: count() >= 50, 40)
        assert ask(running)[0] == 200
        assert running.stop() == 0


# --- which requests -----------------------------------------------------------------------------


def traced_head(*, sampled: bool) -> Head:
    unused = None
    trace = Trace(TRACE, PARENT, "1" * 16, sampled)
    return Head("POST", "/predict/total", "", {}, 0, True, unused, 1.0, trace=trace)  # type: ignore[arg-type]


class Taken:
    """Keeps what is sent once it may. taking: whether it takes anything."""

    def __init__(self) -> None:
        self.may, self.taking = Event(), True
        self.spans: list[Span] = []

    def send(self, spans) -> bool:
        self.may.wait(30)
        self.spans += spans
        return self.taking


def test_whatever_callers_keep_a_worker_sends_no_more_than_so_many_in_a_second():
    taken = Taken()
    taken.may.set()
    tracer = Tracer(0.0, lambda: taken.send, lambda method, path: ("/predict/{model}", "native"))
    one = call(serve(Model()), [1, 2])
    one.head = traced_head(sampled=True)
    tracer.answered([one] * (MOST_PER_S + 100), one.received)
    tracer.close()
    assert (tracer.sent, tracer.lost) == (MOST_PER_S, 100)
    assert len(taken.spans) == MOST_PER_S


def test_what_no_collector_takes_is_lost_and_the_next_is_sent_all_the_same():
    taken = Taken()
    taken.taking = False
    taken.may.set()
    tracer = Tracer(1.0, lambda: taken.send, lambda method, path: ("", ""))
    one = call(serve(Model()), [1, 2])
    one.head = traced_head(sampled=False)
    tracer.answered([one], one.received)
    tracer.plain(one.head, Reply(404, b""), ModelError("no"), one.received)
    tracer.close()
    assert (tracer.sent, tracer.lost) == (0, 2)
    assert [span.error for span in taken.spans] == ["", "MODEL_ERROR"]


def test_spans_that_cannot_be_made_cost_themselves_and_the_next_are_sent(capsys, monkeypatch):
    taken = Taken()
    taken.may.set()
    faults = [OSError("no room"), ValueError("a span of ours")]

    def sender():
        if len(faults) == 2:
            raise faults.pop(0)

        def send(spans) -> bool:
            if faults:
                raise faults.pop(0)
            return taken.send(spans)

        return send

    tracer = Tracer(1.0, sender, lambda method, path: ("", ""))
    one = call(serve(Model()), [1, 2])
    one.head = traced_head(sampled=False)
    for count in (1, 2, 3):
        tracer.answered([one], one.received)
        tracer._wake.set()
        until(lambda count=count: tracer.lost + tracer.sent == count)
    assert (tracer.sent, tracer.lost) == (1, 2)
    monkeypatch.setattr(tracing, "_TELL_S", -1.0)
    tracer.tick()
    tracer.close()
    assert "ValueError('a span of ours')" in capsys.readouterr().err


def test_the_end_of_a_worker_waits_no_longer_than_it_may_for_a_collector():
    taken = Taken()
    tracer = Tracer(1.0, lambda: taken.send, lambda method, path: ("", ""))
    one = call(serve(Model()), [1, 2])
    one.head = traced_head(sampled=False)
    tracer.answered([one], one.received)
    tracer.close(0.0)
    assert (tracer.sent, tracer.lost) == (0, 0), "it was not waited for"
    taken.may.set()
    until(lambda: tracer.sent == 1)
