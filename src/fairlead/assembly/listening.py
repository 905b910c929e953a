"""Taking an address, or saying why it cannot be had."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from fairlead.core.errors import BindRefused

_BACKLOG = 1024
_GRPC_ABOVE = 1
"""The port of gRPC, above that of the service."""
_ABOVE = 2
"""The port of the administration, above that of the service."""


def listen(host: str, port: int, flag: str = "--port") -> socket.socket:
    """A listening socket. flag: what chose the port. Raises BindRefused saying what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise BindRefused(
            f"port {port} on {host} cannot be used: {error.strerror}",
            fix=f"Choose another with {flag}"
            + (" (0 takes a free one)" if flag == "--port" else ""),
        ) from error
    return listener


def above(port: int) -> int:
    """Where gRPC listens unless somebody says otherwise: above the service; 0 for a free port."""
    return port + _GRPC_ABOVE if port and port + _GRPC_ABOVE <= 65_535 else 0


def listen_for_grpc(where: int | str, host: str, port: int) -> socket.socket | None:
    """The listening socket of gRPC; None for off.

    where: the setting `server.grpc_port`. port: of the service, as it was asked for. None too when
    nobody asked for a port and the one above is taken: the service's own speaks gRPC as well.
    Raises BindRefused saying why and what to do.
    """
    if where == "off":
        return None
    beside = above(port)
    try:
        return listen(host, where if isinstance(where, int) else beside)
    except BindRefused as error:
        if where == "auto":
            return None
        raise BindRefused(
            f"gRPC cannot listen: {error.what}",
            fix="Choose another port with --grpc-port (0 takes a free one, off none: the port of "
            "the service speaks gRPC too)",
        ) from None


def listen_for_admin(
    where: str, port: int, scheme: str = "http"
) -> tuple[socket.socket, str] | None:
    """The listening socket of the administration and its address as people read it; None for off.

    where: the setting `server.admin`. port: of the service. scheme: what is spoken there.
    Raises BindRefused saying why and what to do.
    """
    if where == "off":
        return None
    if where.startswith("unix:"):
        return _listen_at(Path(where.removeprefix("unix:"))), where
    if where == "auto":
        beside = port + _ABOVE if port else 0
        host, number = "127.0.0.1", beside if beside <= 65_535 else 0
    else:
        host, _, text = where.rpartition(":")
        host, number = host.strip("[]"), int(text)
    try:
        listener = listen(host, number)
    except BindRefused as error:
        raise BindRefused(
            f"the administration cannot listen: {error.what}",
            fix="Name another address with --admin (127.0.0.1:0 takes a free port, off none)",
        ) from None
    shown = f"[{host}]" if ":" in host else host
    return listener, f"{scheme}://{shown}:{listener.getsockname()[1]}"


def _listen_at(path: Path) -> socket.socket:
    """A Unix socket that only its owner may connect to; one that a dead server left is replaced."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        with suppress(FileNotFoundError):
            if stat.S_ISSOCK(path.lstat().st_mode):
                path.unlink()
        listener.bind(str(path))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise BindRefused(
            f"the administration cannot listen at {path}: {error.strerror}",
            fix="Name another address with --admin",
        ) from error
    finally:
        os.umask(before)
    return listener
