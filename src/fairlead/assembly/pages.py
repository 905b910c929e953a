"""The pages of one worker, put together from what it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fairlead.access.sessions import Sessions
from fairlead.assembly.edges import over_tls_alone
from fairlead.assembly.settings import Settings
from fairlead.pages.visit import Done, Known
from fairlead.pages.wire import Pages
from fairlead.serving.admission import Admission
from fairlead.serving.registry import Registry
from fairlead.wires.native import Native
from fairlead.wires.native_examples import example_row
from fairlead.wires.native_facts import described
from fairlead.wires.problem import error_reply


def pages_of(
    settings: Settings,
    registry: Registry,
    sessions: Sessions,
    admission: Admission,
    own: Native,
    left: Callable[..., None],
    ask: Callable[[Mapping[str, Any], Done], None],
    issuers: tuple[str, ...],
) -> Pages | None:
    """The pages that people get, None where the settings want none.

    own: our own protocol. left: asks what is left of limits; ask: asks the bookkeeper. issuers:
    with which people may sign in.
    """
    if not settings.pages.on:
        return None
    known = Known(
        registry,
        sessions,
        admission.caller,
        own.route,
        own.cards.of,
        admission.plan_of,
        left,
        ask,
        over_tls_alone(settings),
        settings.pages.guest,
        issuers,
        settings.pages.address,
    )
    return Pages(known, described, example_row, error_reply)
