"""`python -m benchmarks.access`: measures what access promises, and says what is kept."""

from __future__ import annotations

import argparse
import sys

from benchmarks import machine
from benchmarks.access import (
    admission,
    book,
    doors,
    kills,
    leases,
    leases_served,
    ledger,
    rating,
    revocation,
)  # fmt: skip
from benchmarks.report import summary


def main() -> int:
    """0 when every promise is kept, 1 when one is broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.access", description=__doc__)
    parser.add_argument("--calls", type=int, default=admission.CALLS, help="how many are timed")
    parser.add_argument("--kills", type=int, default=kills.KILLS, help="of each signal")
    parser.add_argument(
        "--away",
        type=float,
        default=10.0,
        metavar="S",
        help="seconds without the bookkeeper, a turn",
    )
    parser.add_argument("--revoked", type=int, default=revocation.KEYS, help="keys, in 100 s")
    options = parser.parse_args()
    print("\n".join(f"{name}: {value}" for name, value in machine.describe().items()))
    parts = [
        admission.run(options.calls),
        leases.run(),
        leases_served.run(),
        rating.run(),
        ledger.run(),
        doors.run(),
        book.run(),
    ]
    parts += [revocation.run(options.revoked, max(1, options.revoked // 100))]
    parts += [kills.run(options.kills), kills.away(options.away)]
    for part in parts:
        print(f"\n## {part.title}\n", *part.lines, sep="\n")
    print("\n## Promises\n", *summary(parts), sep="\n")
    return 0 if all(promise.kept for part in parts for promise in part.promises) else 1


if __name__ == "__main__":
    sys.exit(main())
