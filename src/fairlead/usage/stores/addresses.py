"""The address of a PostgreSQL database, read strictly: a wrong word is told, never ignored."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from fairlead.core.errors import DatabaseAddressInvalid

_SCHEMES = ("postgresql", "postgres")
_MODES = ("disable", "require", "verify-ca", "verify-full")
_OPTIONS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "host")
_LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is and how it is reached. `str()` of it holds no password.

    host: "" for a socket of this machine, which is `socket` then.
    ssl:  None where nothing is encrypted.
    """

    user: str
    password: str | None = field(repr=False)
    host: str
    port: int
    database: str
    socket: str | None
    ssl: ssl.SSLContext | None = field(repr=False)

    def __str__(self) -> str:
        place = self.socket or f"{self.host}:{self.port}"
        return f"{self.database} at {place} as {self.user}"


def parse_address(text: str) -> Address:
    """The address of a text such as postgresql://user:password@host:5432/name?sslmode=verify-full.

    Without `sslmode` a server elsewhere must prove who it is (verify-full), and one of this
    machine (localhost or a socket: `?host=/var/run/postgresql`) is reached without TLS. Raises
    DatabaseAddressInvalid; its text holds nothing of the address, which may be a password.
    """
    try:
        parts = urlsplit(text)
        asked = parts.query
        options = dict(
            parse_qsl(asked, keep_blank_values=True, strict_parsing=True) if asked else []
        )
    except ValueError:
        raise _wrong("it cannot be read") from None
    port = _port(parts)
    if parts.scheme not in _SCHEMES or parts.fragment:
        raise _wrong("it does not begin with postgresql://")
    for name in options:
        if name not in _OPTIONS:
            raise _wrong(f"it has an option that is not known: {name[:40]!r}", ", ".join(_OPTIONS))
    user, database = unquote(parts.username or ""), unquote(parts.path[1:])
    if not user or not database or "/" in database:
        raise _wrong("it names no user or no database")
    folder = options.get("host", "")
    host = "" if folder else (parts.hostname or "localhost")
    if folder and not folder.startswith("/"):
        raise _wrong("its option `host` is the folder of a socket, such as /var/run/postgresql")
    password = None if parts.password is None else unquote(parts.password)
    socket = f"{folder}/.s.PGSQL.{port}" if folder else None
    return Address(user, password, host, port, database, socket, _tls(host, options))


def _port(parts: SplitResult) -> int:
    try:
        return parts.port or 5432
    except ValueError:
        raise _wrong("its port is no number from 1 to 65535") from None


def _tls(host: str, options: dict[str, str]) -> ssl.SSLContext | None:
    local = not host or host in _LOCAL
    mode = options.get("sslmode", "disable" if local else "verify-full")
    if mode not in _MODES:
        raise _wrong(f"its sslmode is {mode[:20]!r}", " or ".join(_MODES))
    if mode == "disable":
        return None
    try:
        context = ssl.create_default_context(cafile=options.get("sslrootcert"))
        if "sslcert" in options:
            context.load_cert_chain(options["sslcert"], options.get("sslkey"))
    except (OSError, ValueError) as error:
        raise _wrong(f"its certificates cannot be read: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = mode == "verify-full"
    if mode == "require":
        context.verify_mode = ssl.CERT_NONE
    return context


def _wrong(what: str, known: str = "") -> DatabaseAddressInvalid:
    return DatabaseAddressInvalid(
        f"the address of the database cannot be used: {what}",
        fix=f"Known are {known}"
        if known
        else "Write postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full",
    )
