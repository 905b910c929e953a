"""TLS: a certificate and its key, tried before they are used, and taken anew when files change.

What is served is a whole context or the one before it: a new certificate, its key and the client
authority take effect together, for handshakes that begin afterwards. Open connections stay.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from fairlead.core.errors import TlsInvalid

HTTP2, HTTP1 = "h2", "http/1.1"
"""What the two are called in a handshake."""

ClientCert = Literal["optional", "required"]
"""Whether a caller must show a certificate of the client authority."""

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: forward secrecy and authenticated encryption; those of TLS 1.3 all have both."""
_OPTIONS = ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
_NOT_YET, _EXPIRED = 9, 10
_WHY = {
    "KEY_VALUES_MISMATCH": "the certificate and the key do not belong together",
    "EE_KEY_TOO_SMALL": "the key of the certificate is too small to be safe",
    "CA_MD_TOO_WEAK": "the certificate is signed with a hash that is not safe any more",
}

_Stamp = tuple[tuple[int, int, int], ...]


class ServerTls:
    """What a listener needs to speak TLS.

    cert:        PEM file of the certificate and those between it and its authority, in order.
    key:         PEM file of its key, unencrypted, which others cannot read.
    client_ca:   PEM file of the authorities whose client certificates are accepted; "" for none.
    client_cert: whether callers must show one.
    protocols:   what is offered inside TLS (ALPN).
    Raises TlsInvalid, which says which file is wrong and how.
    """

    def __init__(
        self,
        cert: str,
        key: str,
        client_ca: str = "",
        client_cert: ClientCert = "required",
        protocols: Sequence[str] = ("http/1.1",),
    ) -> None:
        self._cert, self._key, self._client_ca = cert, key, client_ca
        self._client_cert = client_cert
        self._protocols = list(protocols)
        self._taken: _Stamp = self._stamp()
        self._seen: _Stamp = self._taken
        self._refused: _Stamp = self._taken
        self.context, self.ends = self._build()

    def reload(self) -> bool:
        """Looks at the files; whether another content of them was taken.

        Files that are just being written are let be: a change is taken at the look after the one
        that saw it first. Raises TlsInvalid, once per change, for what cannot be used; then what
        was there before goes on.
        """
        found = self._stamp()
        if found in (self._taken, self._refused):
            self._seen = found
            return False
        if found != self._seen:
            self._seen = found
            return False
        try:
            self.context, self.ends = self._build()
        except TlsInvalid:
            self._refused = found
            raise
        self._taken = self._refused = found
        return True

    def _stamp(self) -> _Stamp:
        return tuple(_facts(file) for file in (self._cert, self._key, self._client_ca) if file)

    def _build(self) -> tuple[ssl.SSLContext, datetime]:
        """A context of what the files hold now, and when its certificate ends."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS)
        context.options |= _OPTIONS
        context.set_alpn_protocols(self._protocols)
        self._load_pair(context)
        ends = _tried(context, self._cert)
        if self._client_ca:
            self._load_authorities(context)
        return context, ends

    def _load_pair(self, context: ssl.SSLContext) -> None:
        if _facts(self._key)[0] & 0o027:
            raise TlsInvalid(
                "others can read or change the key of the certificate",
                where=self._key,
                fix="Close it with chmod 600, and take a new key if somebody may have read it",
            )
        asked: list[str] = []

        def password() -> str:
            asked.append(self._key)  # without this, OpenSSL would ask at the terminal
            return ""

        try:
            context.load_cert_chain(self._cert, self._key, password)
        except ssl.SSLError as error:
            raise TlsInvalid(
                "the key is encrypted" if asked else _why(error),
                where=f"{self._cert}, {self._key}",
                fix="Name PEM files of one pair, the key unencrypted",
            ) from None
        except OSError as error:
            wrong = self._key if Path(self._cert).exists() else self._cert
            raise TlsInvalid(f"it cannot be read: {error.strerror}", where=wrong) from None

    def _load_authorities(self, context: ssl.SSLContext) -> None:
        try:
            context.load_verify_locations(self._client_ca)
        except ssl.SSLError as error:
            raise TlsInvalid(_why(error), where=self._client_ca, fix="Name a PEM file") from None
        except OSError as error:
            raise TlsInvalid(
                f"it cannot be read: {error.strerror}", where=self._client_ca
            ) from None
        if not context.cert_store_stats()["x509_ca"]:
            raise TlsInvalid(
                "none of its certificates is of an authority",
                where=self._client_ca,
                fix="Name the certificate of the authority that issues those of your callers",
            )
        wanted = self._client_cert == "required"
        context.verify_mode = ssl.CERT_REQUIRED if wanted else ssl.CERT_OPTIONAL


def _facts(file: str) -> tuple[int, int, int]:
    """Mode, place and last change of a file; zeros where there is none."""
    try:
        found = os.stat(file)
    except OSError:
        return 0, 0, 0
    return found.st_mode & 0o777, found.st_ino, found.st_mtime_ns


def _why(error: ssl.SSLError) -> str:
    """What OpenSSL found, in words."""
    known = _WHY.get(error.reason or "")
    if known:
        return known
    if error.reason in (None, "NO_START_LINE", "NO_CERTIFICATE_OR_CRL_FOUND"):
        return "it is no PEM file of what is needed here"
    return f"OpenSSL refuses it: {error.reason.lower().replace('_', ' ')}"


def _tried(server: ssl.SSLContext, where: str) -> datetime:
    """Lets a client shake hands with `server`: whether the certificate holds, and until when.

    The client trusts exactly this certificate, so that its authority need not be known here.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    try:
        der = _shaken(server, client).getpeercert(binary_form=True)
        assert der is not None
        client.load_verify_locations(cadata=der)
        client.verify_mode = ssl.CERT_REQUIRED
        client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        shown: Any = _shaken(server, client).getpeercert()
    except ssl.SSLCertVerificationError as error:
        what = {
            _NOT_YET: "the certificate is not valid yet",
            _EXPIRED: "the certificate has expired",
        }.get(error.verify_code, f"callers would refuse the certificate: {error.verify_message}")
        raise TlsInvalid(what, where=where, fix="Name one that is valid now") from None
    except ssl.SSLError as error:
        raise TlsInvalid(_why(error), where=where) from None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(shown["notAfter"]), UTC)


def _shaken(server: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    """The client's end of a handshake in memory. Raises SSLError."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(back, there)
    asked = server.wrap_bio(there, back, server_side=True)
    for end in (asking, asked, asking, asked):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return asking
