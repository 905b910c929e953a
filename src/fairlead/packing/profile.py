"""How fast the model is, and what it weighs, measured in a fraction of a second while packing."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from fairlead.core.promises import LoadedModel
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array
from fairlead.core.timing import timed

BATCH = 64
_FAST_S, _MOST_S = 0.05, 0.7
"""Seconds for each size of call: as long as it takes for the fewest calls, and not longer."""

_LEAST_CALLS, _MOST_CALLS = 5, 300


def loaded(load: Callable[[], LoadedModel]) -> tuple[LoadedModel, dict[str, Any]]:
    """The model, and what loading it took: {"load_s", "memory_bytes"}, the latter where known."""
    before, started = _resident(), perf_counter()
    model = load()
    took = perf_counter() - started
    after = _resident()
    grown = None if before is None or after is None else max(0, after - before)
    return model, {"load_s": took, "memory_bytes": grown}


def profile_of(
    model: LoadedModel, signature: Signature, inputs: Sequence[Array], *, isolated: bool
) -> dict[str, Any]:
    """{"one": call, "batch": call, "rows_per_s", "cpu_s_per_1000_rows", "machine"}, in process.

    A call is {"rows", "calls", "p50_ms", "p99_ms"}. cpu_s_per_1000_rows: None of a model that runs
    in a process of its own. Without a network, a queue and guards: what the model itself takes.
    """
    sizes = (1, BATCH) if signature.batched else (1,)
    told: dict[str, Any] = {}
    for words, size in zip(("one", "batch"), sizes, strict=False):
        made = _repeated(inputs, size) if signature.batched else [array[0] for array in inputs]
        times, cpu_s = _timed(model, signature, made)
        told[words] = {
            "rows": size,
            "calls": len(times),
            "p50_ms": float(np.median(times)) * 1e3,
            "p99_ms": float(np.quantile(times, 0.99)) * 1e3,
        }
        told["rows_per_s"] = size * len(times) / max(1e-9, sum(times))
        rows = size * len(times)
        told["cpu_s_per_1000_rows"] = None if isolated else cpu_s / rows * 1000
    told["machine"] = machine()
    return told


def machine() -> str:
    """Where this was measured, as far as timings depend on it."""
    return f"{platform.machine()}, {os.cpu_count()} cores, {_processor()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "unknown")


def _timed(
    model: LoadedModel, signature: Signature, inputs: Sequence[Array]
) -> tuple[list[float], float]:
    """Seconds of each call, and CPU seconds of all of them; the first call is not counted."""
    outputs = range(len(signature.outputs))
    model.predict(inputs, outputs)
    cpu = process_time()
    times = timed(
        lambda: model.predict(inputs, outputs),
        least=_LEAST_CALLS,
        most=_MOST_CALLS,
        enough_s=_FAST_S,
        longest_s=_MOST_S,
    )
    return times, process_time() - cpu


def _repeated(inputs: Sequence[Array], size: int) -> list[Array]:
    """So many rows, from as many as there are."""
    return [np.ascontiguousarray(np.resize(a, (size, *a.shape[1:]))) for a in inputs]


def _resident() -> int | None:
    """Bytes of memory that this process holds; None where the system does not say."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
