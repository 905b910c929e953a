"""What the promises are measured on: a real server of small models, in a folder of its own."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import models
from tests.processes import Running, server

from benchmarks.reliability.load import Seen
from benchmarks.report import Part, Promise, summary

WORKERS = 2


@contextmanager
def standing(environ: dict[str, str] | None = None, **more: Any) -> Generator[tuple[Running, Path]]:
    """A server of two workers that answers, and its folder."""
    with tempfile.TemporaryDirectory(prefix="fairlead-reliability-") as place:
        folder = Path(place)
        models.total(folder / "models")
        state = folder / "state"
        with server(
            folder / "models", state=state, workers=WORKERS, environ=environ, **more
        ) as running:
            yield running, folder


def none(text: str, found: int, of: int) -> Promise:
    """A promise that something never happens."""
    return Promise(text, 0, found, f"{found} of {of:,}", most=True)


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which a share of them lies; 0 of none."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0


def told(seen: Seen) -> list[str]:
    """What became of a load, in lines."""
    lines = [
        f"{seen.sent:,} calls: {seen.answered:,} answered, {seen.cancelled:,} given up by their "
        f"caller, {len(seen.failed)} failed, {seen.hung} without an answer; p50 "
        f"{1e3 * quantile(seen.waits, 0.5):.1f} ms, p99 {1e3 * quantile(seen.waits, 0.99):.1f} ms.",
    ]
    lines += [f"first attempts: {how}: {count}" for how, count in sorted(seen.tries.items())]
    lines += [f"failed: {which} {how} after {s:.2f} s" for which, how, _, s in seen.failed[:10]]
    return lines


def options(about: str, **defaults: float) -> argparse.Namespace:
    """The arguments of a command: a number each, and the seed."""
    parser = argparse.ArgumentParser(description=about)
    for name, value in {**defaults, "seed": 7}.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    return parser.parse_args()


def shown(parts: Sequence[Part]) -> int:
    """Prints what was measured; the exit status: 0 when every promise is kept."""
    for part in parts:
        print(f"\n## {part.title}\n", *part.lines, sep="\n")
    print("\n## Promises\n", *summary(parts), sep="\n")
    return 0 if all(promise.kept for part in parts for promise in part.promises) else 1


def pause(seconds: float) -> None:
    """Lets the load go on for so long."""
    time.sleep(seconds)
