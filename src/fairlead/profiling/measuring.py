"""What a version does on this machine: loaded as a worker loads it, and asked for its example.

The model is asked in process, guards included; a model that is code is asked through its runner.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from fairlead.core.clock import now
from fairlead.core.errors import LoadFailed
from fairlead.core.package import Package
from fairlead.core.promises import LoadedModel, Runtime
from fairlead.core.tensor import Array
from fairlead.core.timing import timed
from fairlead.packages.read import read_verified
from fairlead.profiling.asking import Asking, runner_of, spent
from fairlead.readiness.facts import Measured
from fairlead.serving.loading import APART, read_example, read_guards
from fairlead.serving.memory import resident
from fairlead.serving.preparing import preparing_of
from fairlead.serving.warmup import warm

_LEAST_RUNS, _MOST_RUNS = 5, 1000
_ENOUGH_S = 1.0
_BATCH = 64

Read = Callable[[str], bytes]
"""Gives the bytes of one of a package's files."""


def measure(
    package: Package, runtimes: Mapping[str, Runtime], read: Read | None = None
) -> Measured:
    """Loads, asks, times and closes a version; takes a few seconds.

    read: other bytes than those of the package. Raises what loading raises, and LoadFailed where
    the model does not answer its own example.
    """
    read = read or partial(read_verified, package)
    runtime = runtime_of(package, runtimes)
    base, began = resident(), now()
    preparing, guarding, example = preparing_of(package, read), read_guards(package), {}
    model = runtime.load(package, read)
    try:
        example = read_example(package)
        plan = warm(package, model, example)
        load_s = now() - began
        asking = Asking(package, model, guarding, preparing, example)
        batch = min(_BATCH, plan.max_rows) if package.signature.batched else 1
        before = spent(model)
        median, slow, runs = _times(lambda: asking.ask(1))
        each, _, more = (median, slow, 0) if batch == 1 else _times(lambda: asking.ask(batch))
        rows = runs + more * batch
        cpu = spent(model) - before
        return Measured(
            load_s=load_s,
            base=base,
            model=max(0, resident() - base) + _runner_memory(model),
            median_s=median,
            slow_s=slow,
            rows_per_s=batch / max(each, 1e-9),
            batch=batch,
            cpu_s=1000 * cpu / max(rows, 1),
            request_bytes=_json_bytes(_sent(example, asking.plain)),
            answer_bytes=_json_bytes(asking.answer),
            real=asking.real,
            answered=asking.answered,
            finite=_finite(asking.outputs),
            passes=asking.passes,
            strange=asking.strange(),
            inline=plan.inline,
            slots=plan.slots,
            locks=_locks(model),
            guards=guarding.about if guarding is not None else {},
        )
    finally:
        model.close()


def answers(
    package: Package, runtimes: Mapping[str, Runtime], read: Read | None = None
) -> dict[str, Any]:
    """What a version answers to its example, by output, as lists. Raises as `measure` does."""
    read = read or partial(read_verified, package)
    preparing, example = preparing_of(package, read), read_example(package)
    model = runtime_of(package, runtimes).load(package, read)
    try:
        return Asking(package, model, None, preparing, example).answer
    finally:
        model.close()


def runtime_of(package: Package, runtimes: Mapping[str, Runtime]) -> Runtime:
    """The runtime that loads a package. Raises LoadFailed where it is not known."""
    apart = APART if package.isolated and package.runtime == "onnx" else package.runtime
    found = runtimes.get(apart)
    if found is None:
        raise LoadFailed(f"no runtime {package.runtime[:80]!r} is known here")
    return found


def _times(run: Callable[[], Any]) -> tuple[float, float, int]:
    """Median and 99th percentile of the seconds of one run, and how many there were."""
    times = sorted(
        timed(
            run,
            least=_LEAST_RUNS,
            most=_MOST_RUNS,
            enough_s=_ENOUGH_S,
            longest_s=4 * _ENOUGH_S,
        )
    )
    return times[len(times) // 2], times[min(len(times) - 1, int(0.99 * len(times)))], len(times)


def _finite(outputs: Sequence[Array]) -> bool:
    return all(bool(np.isfinite(a).all()) for a in outputs if a.dtype.kind == "f")


def _sent(example: Mapping[str, Any], plain: Sequence[Array]) -> Any:
    """One row as a caller sends it."""
    rows: list[Any] = example.get("rows") or [[array.tolist() for array in plain]]
    return rows[0]


def _json_bytes(value: Any) -> int:
    return len(json.dumps(value, default=str, separators=(",", ":")).encode())


def _locks(model: LoadedModel) -> dict[str, bool]:
    runner = runner_of(model)
    return dict(runner.locks) if runner is not None else {}


def _runner_memory(model: LoadedModel) -> int:
    runner = runner_of(model)
    return resident(runner.pid) if runner is not None else 0
