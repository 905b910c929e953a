"""Spans as OpenTelemetry's collectors take them: OTLP over HTTP, through its own exporter.

Loaded only where traces are asked for. Names are those of its semantic conventions; what it has no
name for is below `fairlead.`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from fairlead.core.call import Trace
from fairlead.core.version import __version__
from fairlead.serving.tracing import Send, Span, span_id

_PATH = "/v1/traces"
_PATIENCE_S = 5
_SCOPE = InstrumentationScope("fairlead", __version__)
Value = str | int | float | bool


def sender(endpoint: str, scheme: str, instance: str) -> Send:
    """What sends spans to a collector.

    endpoint: its address, with or without /v1/traces. scheme: that callers use. instance: what this
    process is called. OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME and OTEL_EXPORTER_OTLP_HEADERS
    hold, as everywhere.
    """
    # A collector that is gone is counted and said in our own log.
    logger = logging.getLogger("opentelemetry")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    address = endpoint if endpoint.endswith(_PATH) else endpoint.rstrip("/") + _PATH
    exporter = OTLPSpanExporter(endpoint=address, timeout=_PATIENCE_S)
    resource = _resource(instance)

    def send(spans: Sequence[Span]) -> bool:
        made = [one for span in spans for one in spans_of(span, resource, scheme)]
        try:
            return exporter.export(made) is SpanExportResult.SUCCESS
        except Exception:
            return False  # Whatever a collector answers, its spans are lost and no more.

    return send


def _resource(instance: str) -> Resource:
    """Who sends: what the environment says, and ours where it says nothing."""
    made = Resource.create({"service.version": __version__, "service.instance.id": instance})
    if str(made.attributes["service.name"]).startswith("unknown_service"):
        made = made.merge(Resource({"service.name": "fairlead"}))
    return made


def spans_of(span: Span, resource: Resource, scheme: str) -> list[ReadableSpan]:
    """The server's span of a request, and those of its wait and its execution below it."""
    trace = span.trace
    own = _context(trace, trace.span)
    parent = _context(trace, trace.parent) if trace.parent else None
    failed = span.status >= 500 or span.grpc in _FAULTS_OF_OURS
    made = [
        ReadableSpan(
            _name(span),
            own,
            parent,
            resource,
            _attributes(span, scheme),
            kind=SpanKind.SERVER,
            status=Status(StatusCode.ERROR, span.error) if failed else Status(),
            start_time=span.began,
            end_time=span.ended,
            instrumentation_scope=_SCOPE,
        )
    ]
    if span.batch:
        ended = span.model_began + span.model_ns
        parts: list[tuple[str, int, int, dict[str, Value]]] = [
            ("queue", span.began, span.model_began, {}),
            ("predict", span.model_began, ended, {"fairlead.batch.rows": span.batch}),
        ]
        for name, start, stop, more in parts:
            about: dict[str, Value] = {"fairlead.model.name": span.model, **more}
            made.append(
                ReadableSpan(
                    name,
                    _context(trace, span_id()),
                    own,
                    resource,
                    about,
                    start_time=start,
                    end_time=max(start, stop),
                    instrumentation_scope=_SCOPE,
                )
            )
    return made


_FAULTS_OF_OURS = {2, 4, 12, 13, 14, 15}
"""Statuses of gRPC that are the server's fault, by the semantic conventions."""


def _context(trace: Trace, span: str) -> SpanContext:
    state = TraceState.from_header([trace.state]) if trace.state else TraceState()
    flags = TraceFlags(TraceFlags.SAMPLED)
    return SpanContext(int(trace.id, 16), int(span, 16), False, flags, state)


def _name(span: Span) -> str:
    if span.grpc >= 0 and span.route:
        return span.route[1:]
    return f"{span.method} {span.route}" if span.route else "HTTP"


def _attributes(span: Span, scheme: str) -> dict[str, Value]:
    made: dict[str, Value] = {}
    if span.grpc >= 0:
        service, _, method = span.route[1:].rpartition("/")
        made |= {"rpc.system": "grpc", "rpc.grpc.status_code": span.grpc}
        made |= {"rpc.service": service, "rpc.method": method} if span.route else {}
    else:
        made |= {"http.request.method": span.method if span.route else "_OTHER"}
        made |= {"http.response.status_code": span.status, "url.scheme": scheme}
        made |= {"http.route": span.route} if span.route else {}
    if span.error:
        made["error.type"] = span.error
    if span.request_id:
        made["fairlead.request.id"] = span.request_id
    if span.wire:
        made["fairlead.wire"] = span.wire
    if span.model:
        made |= {"fairlead.model.name": span.model, "fairlead.model.version": span.version}
        made |= {"fairlead.rows": span.rows}
    if span.decision:
        made["fairlead.decision"] = span.decision
    return made
