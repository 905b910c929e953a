"""Part 2: 100 trees as scikit-learn runs them against the same trees as Fairlead packs them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import models
from benchmarks.load import Noisy, Patience, Watch
from benchmarks.report import Part, promise, spread, table
from fairlead.packages.read import open_package, read_verified
from fairlead.runtimes.onnx import OnnxRuntime

ROWS = 10_000
_NATIVE_RUNS, _PACKED_RUNS = 60, 5_000


@dataclass(frozen=True, slots=True)
class Times:
    """Median microseconds of one row in both forms, and cores that others used meanwhile."""

    native_us: float
    packed_us: float
    foreign: float


def run(rounds: int, patience: Patience) -> Part:
    """Times of one row in turn, and the labels of 10,000 rows."""
    native = models.trained(models.FOREST)
    package = open_package(models.packed(models.FOREST))
    packed = OnnxRuntime().load(package, lambda relative: read_verified(package, relative))
    specs = package.signature.outputs
    label = next(i for i, spec in enumerate(specs) if spec.role == "label")
    scores = next(i for i, spec in enumerate(specs) if spec.role == "scores")
    many = _like_the_data(ROWS)
    one = many[:1]

    def times() -> Times:
        watch = Watch()
        theirs = _us(lambda: native.predict_proba(one), _NATIVE_RUNS)
        ours = _us(lambda: packed.predict([one], [scores]), _PACKED_RUNS)
        return Times(theirs, ours, watch.cores()[2])

    found: list[Times] = []
    for _ in range(rounds):
        with suppress(Noisy):
            found.append(patience.undisturbed(times))
    theirs, ours = [t.native_us for t in found], [t.packed_us for t in found]
    changed = int((packed.predict([many], [label])[0] != native.predict(many)).sum())
    part = Part("Random forest of 100 trees, scores of one row, in process")
    part.lines = table(
        ("form", "us per row"),
        [["scikit-learn", spread(theirs)], ["packed", spread(ours, ".1f")]],
    )
    part.figures = {"native_us": theirs, "packed_us": ours, "changed": changed}
    ratios = [t.native_us / t.packed_us for t in found]
    part.promises = [
        promise("forest: times faster packed than native, one row", 300, ratios, ".0f"),
        promise(f"forest: labels changed in {ROWS:,} rows", 0, [changed], ".0f", most=True),
    ]
    return part


def _us(call: Callable[[], Any], times: int) -> float:
    """Median microseconds of a call."""
    call()
    spent: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        spent.append(time.perf_counter() - began)
    return float(np.median(spent)) * 1e6


def _like_the_data(count: int) -> models.Rows:
    """Rows around the training rows, close to many of the trees' thresholds."""
    known = models.data()[0]
    random = np.random.default_rng(0)
    rows = known[random.integers(0, len(known), count)]
    noise = random.standard_normal(rows.shape).astype(np.float32) * known.std(axis=0) * 0.3
    return np.ascontiguousarray(rows + noise, np.float32)
