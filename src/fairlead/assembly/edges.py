"""What the settings mean to the edge, to admission and to the wires."""

from __future__ import annotations

from fairlead.assembly.hosts import is_loopback
from fairlead.assembly.settings import Settings
from fairlead.core.limits import BodyLimits
from fairlead.edge.heads import HttpLimits
from fairlead.serving.admission import Policy


def policy(settings: Settings, platform_loads: bool) -> Policy:
    """How callers without a key are taken. platform_loads: the platform loads and ends models."""
    platform = settings.server.auth == "platform"
    inside = is_loopback(settings.server.host)
    return Policy(
        platform,
        inside,
        settings.state.stale_max_s,
        platform and platform_loads,
        settings.pages.guest,
        settings.pages.address,
    )


def http_limits(settings: Settings) -> HttpLimits:
    """The HTTP limits that the settings ask for."""
    own = settings.limits
    return HttpLimits(
        body=own.body_mib << 20,
        head=own.head_kib << 10,
        url=own.url_kib << 10,
        headers=own.headers,
        connections=own.connections,
        connections_per_ip=own.connections_per_ip,
        head_s=own.head_timeout_s,
        idle_s=own.idle_timeout_s,
        request_s=own.request_timeout_s,
        request_max_s=own.request_timeout_max_s,
        spans=bool(settings.trace.endpoint),
        untaken=own.untaken_mib << 20,
    )


def body_limits(settings: Settings) -> BodyLimits:
    """What the wires keep of the settings."""
    own = settings.limits
    return BodyLimits(
        depth=own.json_depth, parsed=own.body_mib << 20, answer=own.response_mib << 20
    )


def over_tls_alone(settings: Settings) -> bool:
    """Whether browsers send a session over TLS alone."""
    own = settings.server
    return settings.pages.secure or own.tls_elsewhere or bool(own.tls_cert)
