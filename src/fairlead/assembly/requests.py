"""What the settings say is told of each request."""

from __future__ import annotations

from collections.abc import Callable

from fairlead.assembly.settings import Settings
from fairlead.edge.templates import Templates
from fairlead.serving.log import write_apart
from fairlead.serving.requests import Known, Requests


def requests_of(settings: Settings, writer: str, templates: Callable[[], Templates]) -> Requests:
    """What tells of the requests of one process.

    writer: the first half of the usage ids that it gives. templates: the addresses that it answers.
    """
    lines = write_apart()

    def known(method: str, path: str) -> Known:
        return templates().of(method, path)

    text = settings.log.format == "text"
    return Requests(settings.log.requests, text, writer, lines.put, lambda: lines.lost, known)
