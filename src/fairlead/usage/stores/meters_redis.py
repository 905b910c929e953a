"""Limits of several hosts, counted in Redis or Valkey. Needs the extra `redis`.

A script does each call as a whole, so everything of it is done or nothing. Every row expires by
itself, but those of credits, which would come back by it. The server must not throw rows away
(`maxmemory-policy noeviction`) nor forget them (`appendonly yes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from fairlead.core.errors import DatabaseAddressInvalid, MissingExtra, StateUnavailable
from fairlead.core.metering import PRESENT_NS, Asked, Returned, Told
from fairlead.usage.stores.meter_words import told, written
from fairlead.usage.stores.meters_lua import LEAVE, LEND, PRESENT

_PREFIX = "fairlead:{limits}:"
_HOLDERS = _PREFIX + "holders"
_PRESENT_US = PRESENT_NS // 1000
_WAITS_S = 1.0


class RedisMeters:
    """See MeterStore. It connects with the first call. Raises MissingExtra and
    DatabaseAddressInvalid, which says nothing of the address."""

    def __init__(self, address: str) -> None:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError:
            raise MissingExtra(
                "limits shared in Redis need the library redis",
                fix="pip install 'fairlead[redis]'",
            ) from None
        self._where = check_address(address)
        self._errors = redis.RedisError, OSError
        try:
            # What was not answered is never said again: it may have been done.
            self._client: Any = cast("Any", redis.Redis).from_url(
                address,
                socket_timeout=_WAITS_S,
                socket_connect_timeout=_WAITS_S,
                retry=Retry(NoBackoff(), 0),
                decode_responses=True,
            )
        except (ValueError, redis.RedisError):
            raise _wrong("it cannot be read") from None
        self._lend = self._client.register_script(LEND)
        self._present = self._client.register_script(PRESENT)
        self._leave = self._client.register_script(LEAVE)

    def lend(
        self, holder: str, groups: Sequence[Sequence[Asked]], returned: Sequence[Returned]
    ) -> list[list[Told]]:
        """As MeterStore."""
        keys, said = written(groups, returned)
        rows = [_HOLDERS, *(_PREFIX + "row:" + key for key in keys)]
        return told(self._run(self._lend, rows, [holder, _PRESENT_US, said]))

    def present(self, holder: str) -> int:
        """As MeterStore."""
        return int(self._run(self._present, [_HOLDERS], [holder, _PRESENT_US]))

    def leave(self, holder: str) -> None:
        """As MeterStore."""
        self._run(self._leave, [_HOLDERS], [holder])

    def close(self) -> None:
        """As MeterStore."""
        with suppress(*self._errors):
            self._client.close()

    def _run(self, script: Any, keys: list[str], arguments: list[Any]) -> Any:
        try:
            return script(keys=keys, args=arguments)
        except self._errors as error:
            raise StateUnavailable(
                f"the store of shared limits does not work: {str(error)[:200]}",
                where=self._where,
                fix="Look whether it runs, can be reached and may be written",
            ) from error


def check_address(address: str) -> str:
    """What an address may be called in the open. Raises DatabaseAddressInvalid."""
    try:
        parts = urlsplit(address)
        port = parts.port or 6379
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
    except ValueError:
        if "?" in address or not address.startswith(("redis://", "rediss://")):
            raise _wrong("it cannot be read") from None
        options = {}
        parts, port = urlsplit(address), _port(address)
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or parts.fragment:
        raise _wrong("it does not begin with redis://HOST or rediss://HOST")
    if parts.path.strip("/") and not parts.path.strip("/").isdecimal():
        raise _wrong("what follows the host is the number of a database, such as /0")
    for name in options:
        if name != "ssl_ca_certs" or parts.scheme != "rediss":
            raise _wrong(f"it has an option that is not known: {name[:40]!r}")
    return f"redis at {parts.hostname}:{port}"


def _port(address: str) -> int:
    try:
        return urlsplit(address).port or 6379
    except ValueError:
        raise _wrong("its port is no number from 1 to 65535") from None


def _wrong(what: str) -> DatabaseAddressInvalid:
    return DatabaseAddressInvalid(
        f"the address of the store of shared limits cannot be used: {what}",
        fix="Write redis://[USER]:PASSWORD@HOST:PORT/0, or rediss:// for TLS",
    )
