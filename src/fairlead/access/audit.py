"""The audit trail: who did what to keys, tenants, plans and state. A chain that shows its wounds.

Each record is hashed together with the hash of the one before it, so a record that was altered,
taken out, put in or moved no longer fits its neighbours. What was cut off at the end leaves no such
wound: so the newest record is also noted in a small file elsewhere (`Head`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from fairlead.access.secrets import without_secrets
from fairlead.core.audit import NOTHING, Act, Head, Record

_LONGEST = 200


def record_of(act: Act, head: Head) -> Record:
    """The record that follows `head`."""
    given = (
        head.number + 1,
        act.time_ns,
        tidy(act.by.who),
        tidy(act.by.where),
        tidy(act.act),
        tidy(act.about),
        canonical(act.before),
        canonical(act.after),
    )
    return Record(*given, hash=_hashed(head.hash, given))


def canonical(value: object) -> str:
    """A JSON value in its only spelling; pure ASCII, so that every database keeps it as it is."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def tidy(text: str) -> str:
    """A text that may come from anybody, so that it can be kept and shown: escaped, cut, and
    without what may be a secret."""
    text = without_secrets(text)
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def _hashed(before: bytes, fields: tuple[object, ...]) -> bytes:
    return hashlib.sha256(before + canonical(fields).encode("ascii")).digest()


def hash_of(record: Record, before: bytes) -> bytes:
    """The hash that a record must have after one whose hash is `before`."""
    fields = (record.number, record.time_ns, record.who, record.place, record.act, record.about)
    return _hashed(before, (*fields, record.before, record.after))


@dataclass(frozen=True, slots=True)
class Checked:
    """What a look over the whole trail has found.

    records: how many fit. fault: what is wrong with the first that does not; "" when all fit.
    number:  of that record.
    """

    records: int
    head: Head
    number: int = 0
    fault: str = ""


def check_trail(records: Iterable[Record], noted: Iterable[Head] = ()) -> Checked:
    """Whether each record fits the one before it, and the heads that were noted fit the records.

    records: in the order of their numbers. noted: what files elsewhere say was there.
    """
    wanted = {head.number: head.hash for head in noted if head.number}
    last = NOTHING
    for record in records:
        if record.number != last.number + 1:
            fault = f"record {last.number + 1} is missing: {record.number} follows {last.number}"
            return Checked(last.number, last, last.number + 1, fault)
        if record.hash != hash_of(record, last.hash):
            fault = f"record {record.number} is not what was written, or does not belong there"
            return Checked(last.number, last, record.number, fault)
        if wanted.get(record.number, record.hash) != record.hash:
            fault = f"record {record.number} is another than the one that was noted when it came"
            return Checked(last.number, last, record.number, fault)
        last = Head(record.number, record.hash)
    newest = max(wanted, default=0)
    if newest > last.number:
        fault = f"record {last.number + 1} is missing: {newest} were noted, {last.number} are here"
        return Checked(last.number, last, last.number + 1, fault)
    return Checked(last.number, last)
