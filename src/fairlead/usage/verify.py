"""Whether the ledger says what the journal says: every sum is computed again from the records.

A segment agrees when its sums are those that the ledger has of it, its bytes are those that were
hashed when it was finished, and it names the hash of the segment before it. Sums of segments that
have been removed since, as they are after a while, cannot be computed again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from fairlead.core.errors import StateInvalid
from fairlead.usage.ledger import digest
from fairlead.usage.records import KIND_HEADER, Header, Names, header_of, who_of
from fairlead.usage.segments import frames, segments
from fairlead.usage.stores.ledger import FINISHED, FOLDED, OLD, Followed, LedgerStore
from fairlead.usage.sums import Sums, add, counted, summed

AGREES, PENDING, EARLIER = "agrees", "pending", "earlier"
DIFFERS, GONE, CUT, ALTERED, BROKEN = "differs", "gone", "cut", "altered", "broken"
WORDS: Mapping[str, str] = {
    AGREES: "the ledger has exactly what it holds",
    PENDING: "nothing of it is in the ledger yet",
    EARLIER: "it was rolled up by an earlier release, which kept no sums of single segments",
    DIFFERS: "the ledger has other sums than it holds",
    GONE: "the file is gone, and the ledger has not removed it",
    CUT: "the file is shorter than what was rolled up of it",
    ALTERED: "its bytes are not those that were rolled up",
    BROKEN: "the segment before it is missing, or is not the one that its writer wrote",
}
"""Every verdict on a segment, and what it means."""
GOOD = frozenset({AGREES, PENDING, EARLIER})
_CHUNK_BYTES = 8 << 20


class Finding(NamedTuple):
    """The verdict on one segment. events: records of it in the ledger."""

    segment: str
    verdict: str
    events: int


def verify(store: LedgerStore, folder: Path) -> Iterator[Finding]:
    """The verdict on every segment of a journal's folder and of the ledger, in order of names.

    It may run beside the bookkeeper. Raises StateInvalid for a segment of a newer format.
    """
    known = store.followed()
    here = {segment.name for segment in segments(folder)}
    hashes: dict[str, str] = {}
    for name in sorted(known.keys() | here):
        verdict, events = _one(store, folder / name, hashes)
        if verdict:
            yield Finding(name, verdict, events)


def pending(store: LedgerStore, folder: Path) -> int:
    """How many records stand in the journal and not in the ledger yet."""
    count = 0
    for segment in segments(folder):
        offset = store.reached(segment.name)
        try:
            if segment.stat().st_size > offset:
                count += counted(segment, offset)
        except FileNotFoundError:
            continue  # rolled up and removed meanwhile
    return count


def _one(store: LedgerStore, segment: Path, hashes: dict[str, str]) -> tuple[str, int]:
    """The verdict on one segment, "" for one that nothing needs to be said of."""
    with store.database.reading():
        known = store.followed().get(segment.name)
        sums = store.sums_of(segment.name)
    try:
        if known is None:
            return (PENDING if segment.exists() else ""), 0
        if known.state == FOLDED:
            return "", 0  # on its way out
        return _held_against(store, segment, known, sums, hashes), known.events
    except FileNotFoundError:
        after = store.followed().get(segment.name)
        return ("", 0) if after is None or after.state == FOLDED else (GONE, after.events)


def _held_against(
    store: LedgerStore, segment: Path, known: Followed, sums: Sums, hashes: dict[str, str]
) -> str:
    if segment.stat().st_size < known.reached:
        return CUT
    if known.state == OLD:
        return EARLIER
    try:
        found = _recomputed(segment, known.reached)
    except (StateInvalid, KeyError, ValueError):
        found = None  # it was read once, and is not what it was
    if found is None:
        return ALTERED
    if known.state == FINISHED:
        hashes[segment.name] = digest(segment)
        if hashes[segment.name] != known.sha256:
            return ALTERED
    if found != _by_who(sums):
        return DIFFERS
    return AGREES if _is_linked(store, segment, hashes) else BROKEN


def _is_linked(store: LedgerStore, segment: Path, hashes: dict[str, str]) -> bool:
    """Whether the segment before is the one whose hash this one names."""
    header = _header(segment)
    if header is None or not header.previous:
        return True
    before = hashes.get(header.previous)
    if before is None:
        there = segment.with_name(header.previous)
        if there.exists():
            before = digest(there)
        else:
            name, before = store.links().get(header.writer, ("", ""))
            if name > header.previous:
                return True  # removed long ago
            if name != header.previous:
                return False
    return before == header.sha256


def _header(segment: Path) -> Header | None:
    for _, kind, content in frames(segment):
        return header_of(content) if kind == KIND_HEADER else None
    return None


def _recomputed(segment: Path, until: int) -> Sums | None:
    """The sums of a segment up to an offset; None when no frame ends there."""
    sums: Sums = {}
    offset, names = 0, Names()
    while offset < until:
        found = summed(segment, offset, names, min(_CHUNK_BYTES, until - offset))
        if found.reached == offset:
            return None
        for key, values in found.sums.items():
            add(sums, key, values)
        offset = found.reached
    return _by_who(sums) if offset == until else None


def _by_who(sums: Sums) -> Sums:
    """The same, with every caller written in one way."""
    made: Sums = {}
    for key, values in sums.items():
        add(made, (*key[:3], who_of(key[3]).written(), *key[4:]), values)
    return made
