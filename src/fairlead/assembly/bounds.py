"""How a server bounds what waits in it, for who reckons with one."""

from __future__ import annotations

from fairlead.assembly.settings import Settings
from fairlead.costs.simulation import Bounds


def bounds_of(settings: Settings) -> Bounds:
    """Who is let in by a server of these settings."""
    limits = settings.limits
    return Bounds(
        limits.queue_calls, limits.queue_wait_s, limits.request_timeout_s, limits.body_mib
    )
