"""G6 and G7: records into the ledger, their size, replays, and verifying ten million of them."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks.report import Part, Promise, table
from fairlead.usage.journal import SEGMENT_BYTES, Columns, Journal, segments
from fairlead.usage.ledger import JOURNAL, Ledger, open_ledger
from fairlead.usage.query import totals
from fairlead.usage.verify import verify

EVENTS = 1_000_000
VERIFIED = 10_000_000
CALLERS = 1_000
MODELS = 5
_REPLAYS = 3
_TOGETHER = (1, 8, 64)


def run(events: int = EVENTS, verified: int = VERIFIED) -> Part:
    """Every batch has callers of its own mix. One process, so one core."""
    folder = Path(tempfile.mkdtemp(prefix="fairlead-ledger-"))
    try:
        found = {n: _one(folder / str(n), events, n) for n in _TOGETHER}
        power = _power(folder / "power")
        checked = _verified(folder / "verified", verified)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    rows = [
        [
            f"{n}", f"{one['append_us']:.2f}", f"{power[n]:.0f}", f"{one['bytes']:.1f}",
            f"{one['rate']:,.0f}", f"{one['changed']}",
        ]
        for n, one in found.items()
    ]  # fmt: skip
    slowest = min(one["rate"] for one in found.values())
    largest = max(one["bytes"] for one in found.values())
    changed = sum(one["changed"] for one in found.values())
    head = (
        "calls together", "append us", "with power us", "bytes per record", "records/s into SQLite",
        "sums changed by replays",
    )  # fmt: skip
    lines = [
        *table(head, rows),
        "",
        f"{CALLERS:,} callers and {MODELS} models, mixed in each batch of calls.",
        f"{verified:,} records verified in {checked['seconds']:.1f} s: "
        f"{checked['agree']:,} agree in {checked['segments']} segments",
    ]
    return Part(
        "Journal and ledger",
        lines,
        {"together": found, "power_us": power, "verify": checked},
        [
            Promise("G6 records/s into SQLite, one core", 100_000, slowest, f"{slowest:,.0f}"),
            Promise("G6 bytes per record", 64, largest, f"{largest:.1f}", most=True),
            Promise("G7 sums that replays changed", 0, changed, f"{changed}", most=True),
            Promise(
                "G7 verifying 10 M records, s", 60, checked["seconds"],
                f"{checked['seconds']:.1f}", most=True,
            ),
            Promise(
                "G7 records that agree", verified, checked["agree"], f"{checked['agree']:,}"
            ),
        ],
    )  # fmt: skip


def _batches(together: int) -> list[Columns]:
    """Some batches to be written again and again."""
    chance = random.Random(7)
    whos = [f'["k{n:021}","tenant-{n % 20}","gold","gold@3"]'.encode() for n in range(CALLERS)]
    return [
        Columns(
            rows=[chance.randrange(1, 9) for _ in range(together)],
            bytes_in=[chance.randrange(99, 999) for _ in range(together)],
            bytes_out=[chance.randrange(99, 999) for _ in range(together)],
            compute_ns=[chance.randrange(9_999, 99_999) for _ in range(together)],
            status=[0] * together,
            decision=[chance.choice((0, 0, 0, 1)) for _ in range(together)],
            who=[chance.choice(whos) for _ in range(together)],
        )
        for _ in range(500)
    ]


def _fill(state: Path, events: int, together: int) -> float:
    """Writes a journal; microseconds per append."""
    writer = Journal(state / JOURNAL, "3f2a1b0c9d8-0-0123456789abcdef")
    batches = _batches(together)
    count = events // together
    began = time.perf_counter()
    for number in range(count):
        writer.append(f"model-{number % MODELS}", 3, batches[number % len(batches)])
    taken = time.perf_counter() - began
    writer.close()
    return taken / count * 1e6


def _roll_up(book: Ledger, state: Path) -> int:
    done = 0
    for segment in segments(state / JOURNAL):
        while part := book.roll_up(segment):
            done += part
        book.finish(segment)
    return done


def _one(state: Path, events: int, together: int) -> dict[str, float]:
    append_us = _fill(state, events, together)
    sealed = [s.stat().st_size for s in segments(state / JOURNAL)]
    size = sum(sealed) / (events // together * together)
    with closing(open_ledger(state)) as book:
        began = time.perf_counter()
        done = _roll_up(book, state)
        rate = done / (time.perf_counter() - began)
        by = ("key", "model", "version", "status", "decision", "hour")
        before = totals(book.store, by)
    changed = 0
    for _ in range(_REPLAYS):
        with closing(open_ledger(state)) as book:
            changed += _roll_up(book, state)
            changed += totals(book.store, by) != before
    if max(sealed) < SEGMENT_BYTES:
        raise AssertionError("too few records to fill a segment")
    return {"append_us": append_us, "bytes": size, "rate": rate, "changed": changed}


def _power(folder: Path) -> dict[int, float]:
    """Microseconds of an append that waits for the disk, the median."""
    found: dict[int, float] = {}
    for together in _TOGETHER:
        writer = Journal(folder, f"power{together}", power=True)
        times: list[float] = []
        for batch in _batches(together)[:200]:
            began = time.perf_counter()
            writer.append("model", 3, batch)
            times.append(time.perf_counter() - began)
        writer.close()
        found[together] = sorted(times)[len(times) // 2] * 1e6
    return found


def _verified(state: Path, events: int) -> dict[str, float]:
    _fill(state, events, 8)
    with closing(open_ledger(state)) as book:
        _roll_up(book, state)
        began = time.perf_counter()
        findings = list(verify(book.store, state / JOURNAL))
        taken = time.perf_counter() - began
    agree = [finding for finding in findings if finding.verdict == "agrees"]
    return {
        "seconds": taken, "agree": sum(f.events for f in agree), "segments": len(agree),
    }  # fmt: skip
