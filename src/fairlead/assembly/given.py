"""Listening sockets that this process was given, as systemd and other supervisors hand them over.

LISTEN_FDS says how many there are, from descriptor 3 on, LISTEN_PID for whom, and LISTEN_FDNAMES
what each is for. Whoever keeps them open keeps callers waiting, not refused, while servers change.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fairlead.assembly.hosts import is_loopback
from fairlead.assembly.settings import Settings
from fairlead.core.errors import BindRefused

_FIRST = 3
_GRPC = "grpc"
_NAMES = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")


@dataclass(frozen=True, slots=True)
class Given:
    """Sockets that listen already.

    service: the one of the service, None when none was given; further: more of its kind.
    grpc:    the one named "grpc".
    facts:   what they say of the settings of [server].
    """

    service: socket.socket | None = None
    grpc: socket.socket | None = None
    further: tuple[socket.socket, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict[str, Any])

    def told(self, settings: Settings) -> Settings:
        """The settings with the address at which the sockets listen, whatever was asked for."""
        return replace(settings, server=replace(settings.server, **self.facts))


NOTHING = Given()


def given_sockets(environ: MutableMapping[str, str] | None = None) -> Given:
    """What this process was given; the variables that say so are taken out of the environment.

    Raises BindRefused for what is no listening TCP socket.
    """
    environ = os.environ if environ is None else environ  # noqa: TID251 - this is assembly
    count, pid, names = (environ.pop(name, "") for name in _NAMES)
    if not count.isascii() or not count.isdigit() or pid != str(os.getpid()):
        return NOTHING
    called = names.split(":")
    service: list[socket.socket] = []
    grpc: socket.socket | None = None
    for number in range(int(count)):
        taken = _listening(_FIRST + number)
        if called[number : number + 1] == [_GRPC]:
            grpc = taken
        else:
            service.append(taken)
    if not service:
        if grpc is not None:
            grpc.close()
        raise BindRefused(
            "no socket was given for the service",
            where="environment LISTEN_FDS",
            fix="Give one that is not named grpc",
        )
    facts = {"host": _host(service, grpc), "port": service[0].getsockname()[1]}
    return Given(service[0], grpc, tuple(service[1:]), facts)


def _host(service: Sequence[socket.socket], grpc: socket.socket | None) -> str:
    """Where the server can be reached: one address that others reach says so for all of them."""
    hosts = [one.getsockname()[0] for one in (*service, grpc) if one is not None]
    return next((host for host in hosts if not is_loopback(host)), hosts[0])


def _listening(handle: int) -> socket.socket:
    try:
        taken = socket.socket(fileno=handle)
    except OSError as error:
        raise _unfit(handle, str(error.strerror)) from error
    listens = socket.SOL_SOCKET, socket.SO_ACCEPTCONN
    family, kind = taken.family, taken.type
    tcp = family in (socket.AF_INET, socket.AF_INET6) and kind == socket.SOCK_STREAM
    if not tcp or not taken.getsockopt(*listens):
        taken.close()
        raise _unfit(handle, "it is no TCP socket that listens")
    return taken


def _unfit(handle: int, why: str) -> BindRefused:
    return BindRefused(
        f"descriptor {handle} cannot be served on: {why}",
        where="environment LISTEN_FDS",
        fix="Give sockets that listen, such as those of a systemd socket unit with ListenStream",
    )
