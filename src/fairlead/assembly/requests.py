"""What the settings say is told of each request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec

from fairlead.assembly.settings import Settings
from fairlead.core.errors import MissingExtra
from fairlead.edge.templates import Templates
from fairlead.serving.log import write_apart
from fairlead.serving.requests import Known, Requests
from fairlead.serving.tracing import Send, Tracer


def check_traces(settings: Settings) -> None:
    """Raises MissingExtra where traces are asked for and what sends them is absent."""
    if not settings.trace.endpoint:
        return
    try:
        found = find_spec("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise MissingExtra(
            "traces are sent by OpenTelemetry, which is not installed",
            where="trace.endpoint",
            fix="pip install 'fairlead[otel]'",
        )


class Told:
    """Tells of the requests of one process.

    requests: what the edge and the prediction path tell.
    """

    def __init__(
        self,
        settings: Settings,
        writer: str,
        templates: Callable[[], Templates],
        *,
        traced: bool,
    ) -> None:
        """writer: the first half of the usage ids that it gives. templates: the addresses that it
        answers. traced: whether its requests become spans."""
        lines = write_apart()

        def known(method: str, path: str) -> Known:
            return templates().of(method, path)

        self._tracer = None
        if traced and settings.trace.endpoint:
            sender = partial(_sender, settings, writer)
            self._tracer = Tracer(settings.trace.sample, sender, known)
        text = settings.log.format == "text"
        self.requests = Requests(
            settings.log.requests,
            text,
            writer,
            lines.put,
            lambda: lines.lost,
            known,
            self._tracer,
        )

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """What of it is not in the log, and how many requests became spans."""
        told: dict[str, Mapping[str, int]] = {"lines_lost": self.requests.lines_lost()}
        if self._tracer is not None:
            told["spans"] = {"sent": self._tracer.sent, "lost": self._tracer.lost}
        return told


def _sender(settings: Settings, writer: str) -> Send:
    from fairlead.serving.otlp import sender

    scheme = "https" if settings.server.tls_cert else "http"
    return sender(settings.trace.endpoint, scheme, writer)
