"""An issuer of the tests: its keys, its tokens, and what it serves over HTTP."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey
from tests.access.parts import NOW, SECOND

from fairlead.access.identities import Identities
from fairlead.access.identity_rules import parse_identities
from fairlead.access.tokens import IssuerKeys

ISSUER, AUDIENCE = "https://login.example.org", "fairlead"
NOW_S = NOW // SECOND
RULES = """
[[issuer]]
name = "shop"
issuer = "https://login.example.org"
audience = "fairlead"
algorithms = ["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"]
jwks = "keys.json"
tenant = "acme"
scopes = ["predict:iris"]
"""
CERTIFIED = """
[[certificate]]
subject = "spiffe://example.org/checkout"
tenant = "shop"
scopes = ["predict:*"]
"""


class Anything(jws.JWSRegistry):
    """Signs by any algorithm, however bad."""

    max_header_length = 1 << 20

    def get_alg(self, name):
        return self.algorithms[name]

    def check_header(self, header):
        """Anything goes."""


@cache
def signing_key(kind: str = "ES256") -> Any:
    """A private key for an algorithm; its id is the algorithm's name."""
    named = {"kid": kind}
    if kind[:2] in ("RS", "PS"):
        return RSAKey.generate_key(2048, named)
    if kind[:2] == "ES":
        curves = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
        return ECKey.generate_key(curves[kind], named)
    return OKPKey.generate_key("Ed25519", named)


def public(*kinds: str) -> list[dict[str, Any]]:
    """The public halves of keys, as a JSON Web Key Set holds them."""
    return [signing_key(kind).as_dict(private=False) for kind in kinds]


def claims(**changed: Any) -> dict[str, Any]:
    """What a good token says, with changes; None takes a claim away."""
    usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": NOW_S, "exp": NOW_S + 300}
    return {k: v for k, v in (usual | changed).items() if v is not None}


def signed(
    told: dict[str, Any] | bytes | None = None,
    algorithm: str = "ES256",
    key: Any = None,
    **header: Any,
) -> str:
    """A token. told: its claims, or its payload as bytes."""
    payload = told if isinstance(told, bytes) else json.dumps(claims() if told is None else told)
    named = {"alg": algorithm, "kid": algorithm, "typ": "JWT"} | header
    named = {k: v for k, v in named.items() if v is not None}
    key = signing_key(algorithm) if key is None else key
    return jws.serialize_compact(named, payload, key, registry=Anything(algorithms=[algorithm]))


def identities(rules: str = RULES, kinds: tuple[str, ...] = ("ES256",), **more: Any) -> Identities:
    """Identities that have heard the keys of every issuer a moment ago."""
    parsed = parse_identities(rules, Path("identities.toml"))
    made = Identities(parsed, **more)
    for issuer in parsed.issuers.values():
        made.adopt(issuer.name, IssuerKeys(public(*kinds), NOW))
    return made


# --- an issuer's web server -------------------------------------------------------------------


class Web:
    """What it serves, by path: (status, headers, body); and what it was asked."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[tuple[str, str]] = []
        self.address = ""

    def page(self, path: str, content: Any, status: int = 200, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.pages[path] = status, headers, body


@contextmanager
def web(tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    """A web server on this machine."""
    made = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append((self.path, self.headers.get("authorization", "")))
            status, headers, body = made.pages.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    made.address = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join(20)
        server.server_close()
