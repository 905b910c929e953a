"""PostgreSQL's words for what SQLite and we say: types of a schema, and errors."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fairlead.core.errors import (
    FairleadError,
    StateConflict,
    StateDamaged,
    StateInvalid,
    StateUnavailable,
    StateValueInvalid,
)

# Text is compared byte by byte, as in SQLite, whatever the language of the server.
_TYPES = {
    "INTEGER": "BIGINT",
    "BLOB": "BYTEA",
    "REAL": "DOUBLE PRECISION",
    "TEXT": 'TEXT COLLATE "C"',
}
_ONLY_SQLITE = re.compile(r"\)\s*(?:(?:STRICT|WITHOUT\s+ROWID)\s*,?\s*)+(?=;|\Z)")


_ENDED = {"57P01", "57P02", "57P03", "25P03", "08000", "08003", "08006", "26000", "0A000"}
"""The server ends, restarts, has ended this connection, or has forgotten or changed what a prepared
statement is about."""


class Broken(Exception):
    """The line to the server is dead. Only between the modules of this folder."""


def translated(schema: str) -> str:
    """A schema in the types of PostgreSQL."""
    plain = _ONLY_SQLITE.sub(")", schema)
    return re.sub(r"\b(INTEGER|BLOB|REAL|TEXT)\b", lambda m: _TYPES[m[0]], plain)


def error_of(told: Mapping[str, str], what: str) -> FairleadError | Broken:
    """What an error of the server means, by its SQLSTATE."""
    state, said = told.get("C", ""), told.get("M", "no reason given")
    if state[:2] == "23":
        return StateConflict("a rule of the database forbids this", where=said)
    if state[:2] == "22":
        return StateValueInvalid(
            "a value cannot be kept: text with a NUL or half a character, or a number too large"
        )
    if state in _ENDED:
        return Broken(said)
    if state in ("XX001", "XX002"):
        return StateDamaged(
            f"the database of {what} is damaged: {said}", fix="Restore it from a backup"
        )
    if state[:2] == "42" and state != "42501":
        return StateInvalid(
            f"the database of {what} is not of the form that is expected: {said}",
            fix="Restore it from a backup",
        )
    return StateUnavailable(
        f"the database of {what} does not work: {said}",
        fix="Look whether its disk is full, whether it is read-only, and what this user may do",
    )
