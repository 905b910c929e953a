"""A database in PostgreSQL, for when one machine is not enough. Needs the extra `postgres`.

All tables lie in the schema `fairlead`. One connection, opened anew after it broke; nothing waits
longer than a few seconds. A change whose end was not heard, because the line broke just then, is
looked up by the number of its transaction.
"""

from __future__ import annotations

import re
import socket
import zlib
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, Protocol, cast

from fairlead.core.clock import monotonic_ns
from fairlead.core.errors import FairleadError, MissingExtra, StateUnavailable, StateUncertain
from fairlead.usage.stores.addresses import Address, parse_address
from fairlead.usage.stores.formats import Part, bring_up
from fairlead.usage.stores.postgres_words import Broken, error_of, translated

_SCHEMA = "fairlead"
_WAITS_S = 10
"""Until the other end is taken for dead. The server gives up sooner (below)."""
_PATIENCE = {
    "search_path": _SCHEMA,
    "client_encoding": "utf8",
    "statement_timeout": "8000",
    "lock_timeout": "5000",
    "idle_in_transaction_session_timeout": "60000",
}
_PAUSE_NS = 500_000_000
"""Between two tries to connect: a database that is away delays nobody who asks often."""
_MOST_PREPARED = 200
_NUMERIC = 1700
_DURABLE = """
SELECT set_config('synchronous_commit', 'on', false) FROM pg_settings
WHERE name = 'synchronous_commit' AND setting = 'off'
"""
_FORMATS = """
CREATE SCHEMA IF NOT EXISTS fairlead;
CREATE TABLE IF NOT EXISTS fairlead.format (name TEXT PRIMARY KEY, version BIGINT NOT NULL)
"""
_NUMBER = (
    "SELECT pg_current_xact_id_if_assigned()::text, "
    "left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)"
)
"""Of the transaction, and of the server's history: another one counts its own transactions."""
_FATE = (
    "SELECT pg_xact_status(CAST(? AS xid8)), left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)"
)
_LOOKS = 20


class _Prepared(Protocol):
    def run(self, **values: object) -> list[list[Any]] | None: ...


class PostgresDatabase:
    """The database of an address (`addresses.parse_address`). Raises MissingExtra, and as
    `Database`; the first connection is made with the first question."""

    def __init__(self, address: str, what: str) -> None:
        try:
            import pg8000.native
        except ImportError:
            raise MissingExtra(
                "a PostgreSQL database needs pg8000", fix="pip install 'fairlead[postgres]'"
            ) from None
        self._library = pg8000.native
        self._address: Address = parse_address(address)
        self._what = what
        self._lock = zlib.crc32(f"{_SCHEMA}.{what}".encode())
        self._parts: list[Part] = []
        self._connection: Any = None
        self._prepared: dict[str, _Prepared] = {}
        self._inside = False
        self._failed: tuple[int, StateUnavailable] | None = None

    def adopt(self, part: Part) -> None:
        self._connected()
        bring_up(self, part)
        self._parts = [*(p for p in self._parts if p.name != part.name), part]

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        if self._inside:
            return self._run(sql, values)
        try:
            return self._run(sql, values)
        except Broken as error:
            if not sql.lstrip()[:6].upper() == "SELECT":
                raise self._uncertain() from error
        return self._once_more(lambda: self._run(sql, values))

    def many(self, sql: str, values: Iterable[Sequence[object]]) -> None:
        for row in values:
            self._run(sql, row)

    @contextmanager
    def writing(self) -> Generator[None, None, None]:
        # Writers of one database follow each other, as they do in SQLite.
        with self._transaction("BEGIN READ WRITE", f"SELECT pg_advisory_xact_lock({self._lock})"):
            yield
            number, history = self._run(_NUMBER)[0]
            try:
                self._run("COMMIT")
            except Broken as error:
                self._end(number, history, error)

    @contextmanager
    def reading(self) -> Generator[None, None, None]:
        with self._transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"):
            yield
            self._run("COMMIT")

    @contextmanager
    def _transaction(self, *begin: str) -> Generator[None, None, None]:
        """Begins, on a new connection where the old one is dead; rolls back after an error."""
        if self._inside:
            raise RuntimeError("a change within a change")

        def start() -> None:
            for statement in begin:
                self._run(statement)

        try:
            try:
                start()
            except Broken:
                self._once_more(start)
            self._inside = True
            yield
        except BaseException as error:
            self._roll_back()
            if isinstance(error, Broken):
                raise self._unavailable(str(error)) from error
            raise
        finally:
            self._inside = False

    def _roll_back(self) -> None:
        if self._connection is not None:
            try:
                self._run("ROLLBACK")
            except (Broken, FairleadError):
                self.close()

    def _end(self, number: str | None, history: str, error: Broken) -> None:
        """What became of a transaction whose end was not heard. Returns where it is kept."""
        self.close()
        self._inside = False
        if number is None:
            return  # nothing was changed in it
        try:
            for _ in range(_LOOKS):
                fate, now = self._run(_FATE, (number,))[0]
                if now != history or fate not in ("committed", "aborted", "in progress"):
                    break
                if fate == "committed":
                    return
                if fate == "aborted":
                    raise self._unavailable(str(error)) from error
                self._run("SELECT pg_sleep(0.05)")
        except Broken as still:
            raise self._uncertain() from still
        except StateUnavailable as known:
            if self._connection is not None:
                raise
            raise self._uncertain() from known
        raise self._uncertain() from error

    def close(self) -> None:
        connection, self._connection = self._connection, None
        self._prepared.clear()
        if connection is not None:
            with suppress(self._library.Error, OSError, AttributeError):
                connection.close()

    # --- formats ----------------------------------------------------------------------------

    def noted(self, name: str) -> int | None:
        there = self._run("SELECT to_regclass('fairlead.format') IS NOT NULL")[0][0]
        if not there:
            return None
        found = self._run("SELECT version FROM fairlead.format WHERE name = ?", (name,))
        return found[0][0] if found else None

    def note(self, name: str, number: int) -> None:
        note = (
            "INSERT INTO fairlead.format VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET version = ?"
        )
        self._run(note, (name, number, number))

    def script(self, statements: str) -> None:
        self._simple(_FORMATS)
        if statements.strip():
            self._simple(translated(statements))

    def keep_copy(self, part: Part) -> None:
        """All tables, in a schema fairlead_before_PART_N. The user must be allowed to make it."""
        copy = f"{_SCHEMA}_before_{part.name}_{part.format}"
        self._simple(f"DROP SCHEMA IF EXISTS {copy} CASCADE; CREATE SCHEMA {copy}")
        tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = ?"
        for (table,) in self._run(tables, (_SCHEMA,)):
            self._simple(f"CREATE TABLE {copy}.{table} AS TABLE {_SCHEMA}.{table}")

    # --- the connection ---------------------------------------------------------------------

    def _once_more(self, act: Any) -> Any:
        self.close()
        try:
            return act()
        except Broken as error:
            raise self._unavailable(str(error)) from error

    def _connected(self) -> Any:
        if self._connection is not None:
            return self._connection
        if self._inside:
            raise Broken("the line broke within a change")
        if self._failed is not None and monotonic_ns() - self._failed[0] < _PAUSE_NS:
            raise self._failed[1]
        try:
            self._connect()
            for part in self._parts:  # it may be another one, or an older one that was restored
                bring_up(self, part)
        except (Broken, StateUnavailable) as error:
            self.close()
            told = error if isinstance(error, StateUnavailable) else self._unavailable(str(error))
            self._failed = monotonic_ns(), told
            raise told from error
        except BaseException:
            self.close()
            raise
        self._failed = None
        return self._connection

    def _connect(self) -> None:
        address = self._address
        with self._told():
            self._connection = self._library.Connection(
                address.user,
                host=address.host or None,
                port=address.port,
                database=address.database,
                password=address.password,
                unix_sock=address.socket,
                ssl_context=False if address.ssl is None else address.ssl,
                timeout=_WAITS_S,
                application_name="fairlead",
                startup_params=dict(_PATIENCE),
            )
            if address.socket is None:
                # A long statement is several pieces; without this the last of them waits 40 ms.
                line: Any = self._connection._usock
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connection.register_in_adapter(_NUMERIC, _number)
            self._connection.run(_DURABLE)

    def _run(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        connection = self._connected()
        with self._told():
            statement = self._prepared.get(sql)
            if statement is None:
                if len(self._prepared) >= _MOST_PREPARED:
                    oldest = next(iter(self._prepared))
                    cast("Any", self._prepared.pop(oldest)).close()
                statement = self._prepared[sql] = connection.prepare(_numbered(sql))
            found = statement.run(**{f"p{n}": value for n, value in enumerate(values)})
        return [tuple(row) for row in found or ()]

    def _simple(self, statements: str) -> None:
        with self._told():
            self._connected().run(statements)

    @contextmanager
    def _told(self) -> Generator[None, None, None]:
        """Errors of the library, the line and the server in our words."""
        try:
            yield
        except self._library.DatabaseError as error:
            told = error_of(error.args[0] if error.args else {}, self._what)
            if isinstance(told, Broken):
                self.close()
            raise told from error
        except UnicodeEncodeError as error:
            raise error_of({"C": "22021"}, self._what) from error
        except (self._library.InterfaceError, OSError, AttributeError) as error:
            self.close()
            raise Broken(_reason(error)) from error

    def _unavailable(self, reason: str) -> StateUnavailable:
        return StateUnavailable(
            f"the database of {self._what} does not work: {reason}",
            where=str(self._address),
            fix="Look whether it runs and can be reached",
        )

    def _uncertain(self) -> StateUncertain:
        return StateUncertain(
            "the line to the database broke at the end of a change",
            where=str(self._address),
            fix="Look whether the change is there before you make it again",
        )


def _reason(error: BaseException) -> str:
    cause = error.__cause__
    told = cause if isinstance(cause, OSError) else error
    return str(told) or type(told).__name__


def _number(text: str) -> int | float:
    """A sum of whole numbers is one."""
    return float(text) if re.search(r"[.eNI]", text) else int(text)


@lru_cache(1024)
def _numbered(sql: str) -> str:
    """`?` as names of the library. No `?` may stand in a literal."""
    first, *others = sql.split("?")
    return first + "".join(f":p{n}{piece}" for n, piece in enumerate(others))
