"""A version loaded here as a worker loads it: warmed, its guards read, ready to be asked."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fairlead.core.clock import now
from fairlead.core.package import Package
from fairlead.core.promises import LoadedModel, Runtime
from fairlead.packages.read import read_verified
from fairlead.profiling.asking import Asking
from fairlead.profiling.measuring import runtime_of
from fairlead.profiling.requests import asked_of
from fairlead.serving.loading import read_example, read_guards
from fairlead.serving.machine import usable_cores
from fairlead.serving.preparing import preparing_of
from fairlead.serving.warmup import warm


@contextmanager
def opened(
    package: Package, runtimes: Mapping[str, Runtime], rows: Path | None
) -> Generator[tuple[Asking, LoadedModel, dict[str, Any]]]:
    """What asks it, the model, and what loading found.

    rows: a file that it is asked with, None for its own example. What was found: {"load_s",
    "inline", "slots", "max_rows", "answered", "joins", "at_once"}; joins: whether calls may be
    joined; at_once: the most executions at once. Raises what loading and reading rows raise.
    """
    read = partial(read_verified, package)
    example = read_example(package)
    asked = asked_of(package, example, rows)
    began = now()
    preparing, guarding = preparing_of(package, read), read_guards(package)
    model = runtime_of(package, runtimes).load(package, read)
    try:
        plan = warm(package, model, example)
        load_s = now() - began
        told = package.decoupled or bool(package.takes)
        given = {**example, "rows": asked.rows} if rows is not None else example
        asking = Asking(package, model, guarding, preparing, given, asked.arrays)
        facts = {
            "load_s": load_s,
            "inline": plan.inline,
            "slots": plan.slots,
            "max_rows": plan.max_rows,
            "answered": asking.answered,
            "joins": package.signature.batched and not told,
            "at_once": 1 if package.isolated or told else usable_cores(),
        }
        yield asking, model, facts
    finally:
        model.close()
