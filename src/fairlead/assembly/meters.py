"""Where limits are counted that several hosts share: a store that a setting refers to."""

from __future__ import annotations

from fairlead.assembly.places import referred
from fairlead.assembly.settings import Settings
from fairlead.core.errors import DatabaseAddressInvalid
from fairlead.core.metering import MeterStore
from fairlead.usage.stores.meters_postgres import PostgresMeters
from fairlead.usage.stores.meters_redis import RedisMeters


def meter_store(settings: Settings) -> MeterStore | None:
    """The store of shared limits, not connected yet; None where this host counts for itself.

    Raises DatabaseAddressInvalid, which says nothing of what was read, and MissingExtra.
    """
    address = referred("limits.shared", settings.limits.shared)
    if address is None:
        return None
    scheme = address.partition(":")[0]
    if scheme in ("redis", "rediss"):
        return RedisMeters(address)
    if scheme in ("postgresql", "postgres"):
        return PostgresMeters(address)
    raise DatabaseAddressInvalid(
        "limits are shared in PostgreSQL or Redis",
        where="limits.shared",
        fix="Begin the address with postgresql://, redis:// or rediss://",
    )


def check_meter_store(settings: Settings) -> None:
    """What can be said before anything starts; the store itself may be away. Raises as above."""
    store = meter_store(settings)
    if store is not None:
        store.close()
