"""`python -m benchmarks.access`: measures what access promises, and says what is kept."""

from __future__ import annotations

import argparse
import sys

from benchmarks import machine
from benchmarks.access import admission
from benchmarks.report import summary


def main() -> int:
    """0 when every promise is kept, 1 when one is broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.access", description=__doc__)
    parser.add_argument("--calls", type=int, default=admission.CALLS, help="how many are timed")
    options = parser.parse_args()
    print("\n".join(f"{name}: {value}" for name, value in machine.describe().items()))
    part = admission.run(options.calls)
    print(f"\n## {part.title}\n", *part.lines, sep="\n")
    print("\n## Promises\n", *summary([part]), sep="\n")
    return 0 if all(promise.kept for promise in part.promises) else 1


if __name__ == "__main__":
    sys.exit(main())
