"""The pages of one worker, put together from what it has."""

from __future__ import annotations

from fairlead.assembly.settings import Settings
from fairlead.pages.visit import Known
from fairlead.pages.wire import Pages
from fairlead.wires.native_examples import example_row
from fairlead.wires.native_facts import described
from fairlead.wires.problem import error_reply


def pages_of(known: Known, settings: Settings) -> Pages | None:
    """The pages that people get, None where the settings want none."""
    return Pages(known, described, example_row, error_reply) if settings.pages.on else None
