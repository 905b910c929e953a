"""An issuer with which people sign in: the code flow of OpenID Connect, with real signatures."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.access.issuing import public, signed

CLIENT, SECRET = "fairlead", "a secret of the client"


class Issuer:
    """What it has let in, and how it behaves.

    subject: who signs in. nonce: what it puts into tokens, None for what was asked.
    """

    def __init__(self) -> None:
        self.address = ""
        self.subject = "ann@example.org"
        self.nonce: str | None = None
        self.codes: dict[str, dict[str, str]] = {}

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser goes once its person has signed in."""
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, given: dict[str, str]) -> tuple[int, dict[str, str]]:
        """The answer to a code, which is good once."""
        asked = self.codes.pop(given.get("code", ""), None)
        if asked is None:
            return 400, {"error": "invalid_grant"}
        digest = sha256(given["code_verifier"].encode()).digest()
        challenge = urlsafe_b64encode(digest).decode().rstrip("=")
        right = challenge == asked["code_challenge"] and given["client_secret"] == SECRET
        if not right or given["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        told = {
            "iss": self.address,
            "aud": CLIENT,
            "sub": self.subject,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"] if self.nonce is None else self.nonce,
        }
        return 200, {"token_type": "Bearer", "id_token": signed(told, "RS256")}

    @property
    def description(self) -> dict[str, str]:
        here = self.address
        return {
            "issuer": here,
            "jwks_uri": f"{here}/keys",
            "authorization_endpoint": f"{here}/authorize",
            "token_endpoint": f"{here}/token",
        }


@contextmanager
def issuer() -> Iterator[Issuer]:
    """The issuer on this machine."""
    made = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/authorize":
                asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self.send_response(302)
                self.send_header("location", made.authorize(asked))
                self.send_header("content-length", "0")
                self.end_headers()
            elif parts.path == "/keys":
                self._tell(200, {"keys": public("RS256")})
            else:
                self._tell(200, made.description)

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"])).decode()
            self._tell(*made.token({name: values[0] for name, values in parse_qs(raw).items()}))

        def _tell(self, status: int, content: object) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.address = f"http://127.0.0.1:{web.server_address[1]}"
    thread = Thread(target=web.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        web.shutdown()
        thread.join(20)
        web.server_close()
