"""The keys of issuers, fetched in the background: by https from an issuer, or from a file.

This is the only place of the server that calls out. It goes where the owner's file says, and from
there at most to the one address that the issuer's description names: no redirect is followed, no
proxy of the environment is used, and size and time are bounded. Nobody waits for it.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Event, Thread, Timer
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from fairlead.access.identity_rules import IdentityRules, Issuer, is_safe_address
from fairlead.access.tokens import MOST_KEYS, PUBLIC
from fairlead.core.clock import now, wall_ns

PERIOD_S = 600.0
"""How often keys are fetched."""
WANTED_S = 30.0
"""Seconds between two fetches, however often keys are missed: nobody makes us call out more."""
MOST_BYTES = 1 << 20
PATIENCE_S = 5.0
"""Seconds that a whole answer may take."""

_FIRST_RETRY_S, _LAST_RETRY_S = 5.0, 60.0

Told = Callable[[str, list[dict[str, Any]], int], None]
"""Takes the name of an issuer, its keys, and when they were fetched (wall clock, nanoseconds)."""


class Unreachable(Exception):
    """Keys could not be fetched, and why; nothing of it comes from the issuer's answer."""


class KeySource(Thread):
    """Fetches the keys of one issuer again and again, in a thread of its own.

    told:   called from this thread with every set of keys.
    failed: called from this thread with the issuer's name and why, once per reason.
    """

    def __init__(
        self,
        issuer: Issuer,
        told: Told,
        failed: Callable[[str, str], None],
        period_s: float = PERIOD_S,
        wanted_s: float = WANTED_S,
    ) -> None:
        super().__init__(name=f"keys of {issuer.name}", daemon=True)
        self._issuer = issuer
        self._told = told
        self._failed = failed
        self._period_s, self._wanted_s = period_s, wanted_s
        self._wake = Event()
        self._over = Event()

    def want(self) -> None:
        """Keys were missed: they are fetched soon, at most once in `wanted_s`."""
        self._wake.set()

    def close(self) -> None:
        """Ends the thread; one that is waiting for an issuer ends within PATIENCE_S."""
        self._over.set()
        self._wake.set()

    def run(self) -> None:
        said, retry_s = "", _FIRST_RETRY_S
        while not self._over.is_set():
            begun = now()
            try:
                keys = keys_of(self._issuer)
            except Unreachable as error:
                if str(error) != said:
                    said = str(error)
                    self._failed(self._issuer.name, said)
                self._rest(begun, retry_s)
                retry_s = min(2 * retry_s, _LAST_RETRY_S)
            else:
                said, retry_s = "", _FIRST_RETRY_S
                if not self._over.is_set():
                    self._told(self._issuer.name, keys, wall_ns())
                self._rest(begun, self._period_s)

    def _rest(self, begun: float, seconds: float) -> None:
        """Waits for so long, or until keys are wanted and the last fetch is some time ago."""
        self._wake.wait(seconds)
        self._over.wait(max(0.0, min(self._wanted_s, seconds) - (now() - begun)))
        self._wake.clear()


def keys_of(issuer: Issuer) -> list[dict[str, Any]]:
    """The public keys of an issuer now, as JSON Web Keys. Raises Unreachable."""
    where = issuer.jwks
    if issuer.discovery:
        where = description_of(issuer).get("jwks_uri", "")
        if not isinstance(where, str) or not is_safe_address(where):
            raise Unreachable("its description names no https address of keys")
    if where.startswith(("https://", "http://")):
        raw = fetch(where, issuer.ca, issuer.bearer_file)
    else:
        raw = _file(where)
    found = _parsed(raw).get("keys")
    if not isinstance(found, list):
        raise Unreachable("what it gives is no set of keys")
    every = cast("list[dict[str, Any]]", found)
    keys = [cleaned(one) for one in every if type(one) is dict]
    if not keys:
        raise Unreachable("its set of keys is empty")
    return keys[:MOST_KEYS]


def description_of(issuer: Issuer) -> dict[str, Any]:
    """What an issuer says of itself. Raises Unreachable."""
    told = _parsed(fetch(issuer.discovery, issuer.ca, issuer.bearer_file))
    if told.get("issuer") != issuer.issuer:
        raise Unreachable("its description is of another issuer")
    return told


def cleaned(key: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a key that verifying needs, whatever else its issuer has put in."""
    return {name: key[name] for name in PUBLIC if isinstance(key.get(name), str)}


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise Unreachable("what it gives is no JSON") from None
    if not isinstance(found, dict):
        raise Unreachable("what it gives is no JSON object")
    return cast("dict[str, Any]", found)


def _file(name: str) -> bytes:
    try:
        with Path(name).open("rb") as opened:
            raw = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise Unreachable(f"its file of keys cannot be read: {error.strerror}") from None
    if len(raw) > MOST_BYTES:
        raise Unreachable("its file of keys is too large")
    return raw


def secret_in(name: str) -> str:
    """A secret that lies in a file, read each time. Raises Unreachable."""
    return _file(name).decode("ascii", "ignore").strip()


def fetch(
    address: str, ca: str = "", bearer_file: str = "", form: Mapping[str, str] | None = None
) -> bytes:
    """The body at an address. Raises Unreachable.

    ca: a file with the authority of its web server; "" for those that this machine trusts.
    bearer_file: a file with a token to show, read each time, since such tokens are renewed.
    form: is sent there, where there is one.
    """
    parts = urlsplit(address)
    headers = {"Accept": "application/json", "Connection": "close"}
    if bearer_file:
        headers["Authorization"] = f"Bearer {secret_in(bearer_file)}"
    body = None if form is None else urlencode(form)
    if body is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    try:
        with closing(socket.create_connection((host, port), PATIENCE_S)) as plain:
            sock = _secured(plain, host, ca) if secure else plain
            # What drips in byte by byte would keep each single read short of its own patience.
            slow = Event()
            limit = Timer(PATIENCE_S, _cut, [sock, slow])
            limit.daemon = True
            limit.start()
            try:
                raw = _asked(sock, host, port, target, headers, body)
            finally:
                limit.cancel()
                sock.close()
    except ssl.SSLError as error:
        raise Unreachable(f"TLS with {host} fails: {error.reason or 'it broke off'}") from None
    except (OSError, HTTPException, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it broke off"
        raise Unreachable(f"{host} does not answer: {why}") from None
    if slow.is_set():
        raise Unreachable(f"{host} answers too slowly")
    return raw


def _secured(plain: socket.socket, host: str, ca: str) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=ca or None)
    return context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)


def _cut(sock: socket.socket, slow: Event) -> None:
    slow.set()
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _asked(
    sock: socket.socket,
    host: str,
    port: int,
    target: str,
    headers: dict[str, str],
    body: str | None,
) -> bytes:
    if isinstance(sock, ssl.SSLSocket):
        sock.do_handshake()
    connection = HTTPConnection(host, port, timeout=PATIENCE_S)
    connection.sock = sock
    connection.request("GET" if body is None else "POST", target, body, headers)
    with connection.getresponse() as answer:
        if answer.status != 200:
            raise Unreachable(f"{host} answers with {answer.status}")
        raw = answer.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise Unreachable(f"{host} answers with too much")
    return raw


class KeySources:
    """The sources of all issuers."""

    def __init__(
        self,
        rules: IdentityRules,
        told: Told,
        failed: Callable[[str, str], None],
        wanted_s: float = WANTED_S,
    ) -> None:
        self._sources = {
            issuer.name: KeySource(issuer, told, failed, PERIOD_S, wanted_s)
            for issuer in rules.issuers.values()
        }

    def start(self) -> None:
        """Begins to fetch."""
        for source in self._sources.values():
            source.start()

    def want(self, name: str) -> None:
        """The keys of an issuer were missed."""
        source = self._sources.get(name)
        if source is not None:
            source.want()

    def close(self) -> None:
        """Ends every thread, as soon as it does not wait for an issuer any more."""
        for source in self._sources.values():
            source.close()
