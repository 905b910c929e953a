"""R17: what the whole chain of guards adds to a request of one row, in process.

The same model is packed with and without rows. A call goes through execution and encoding, and is
noted for drift and misuse, as in a worker; its rows differ from call to call. What is looked at
later, off the path, is timed by itself.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

import fairlead
from benchmarks.report import Part, Promise, table
from fairlead.core.call import Call, Route
from fairlead.core.clock import now
from fairlead.core.limits import STANDARD
from fairlead.core.tensor import Tensor
from fairlead.packages.read import open_package, read_verified
from fairlead.runtimes.onnx import OnnxRuntime
from fairlead.serving.execute import execute
from fairlead.serving.guarding import load_guards
from fairlead.serving.record import encode
from fairlead.serving.served import Served
from fairlead.serving.watching import Watch
from fairlead.wires.native import error_reply
from fairlead.wires.native_rows import NativeModel

_COLUMNS, _TRAIN, _ASKED = 30, 6000, 256
_ROUNDS, _REPEATS = 15, 4
_ROUTE = Route("predict", error_reply, decode=lambda call, head, body: None)


def run(seed: int = 0) -> Part:
    """Quantiles of one call with and without guards; the least of several rounds of each.

    Of rows that are served; one in a hundred is rejected, and its reason takes longer to find.
    """
    random = np.random.default_rng(seed)
    rows = random.normal(size=(_TRAIN, 6)) @ random.normal(size=(6, _COLUMNS))
    rows += 0.5 * random.normal(size=rows.shape)
    labels = rows[:, 0] + random.normal(size=_TRAIN) > 0
    model = LogisticRegression(max_iter=2000).fit(rows[:3000], labels[:3000])
    with tempfile.TemporaryDirectory() as folder:
        known = {"reference": rows[:3000], "evaluation": (rows[3000:5000], labels[3000:5000])}
        packages = {
            name: fairlead.pack(model, name=name, repository=Path(folder), **more).folder
            for name, more in (("plain", {}), ("guarded", known))
        }
        served = {name: _served(place) for name, place in packages.items()}
        found: dict[str, list[Any]] = {name: [] for name in served}
        some, odd = _told_apart(served["guarded"], rows[5000:].astype(np.float32))
        for _ in range(_ROUNDS):
            for name, one in served.items():
                found[name].append(_quantiles(one, some))
        least = {name: np.min(quantiles, axis=0) for name, quantiles in found.items()}
        looking = _looking(served["guarded"], some)
        reason = float(_quantiles(served["guarded"], odd)[0])
    middle, high = least["guarded"] - least["plain"]
    shown = [[name, f"{q[0]:.1f}", f"{q[1]:.1f}"] for name, q in least.items()]
    lines = [
        f"seed {seed}; {_COLUMNS} columns, one row a call",
        *table(("package", "p50, us", "p99, us"), shown),
        f"a row that is rejected, with its reason: {reason:.0f} us",
        f"looked at later, per row: {looking:.1f} us",
    ]
    promises = [
        Promise("R17 the chain adds, us p50", 60, float(middle), f"{middle:.1f}", True),
        Promise("R17 the chain adds, us p99", 150, float(high), f"{high:.1f}", True),
    ]
    return Part("The whole chain, one row", lines, {}, promises)


def _told_apart(served: Served, rows: Any) -> tuple[Any, Any]:
    """Rows that are served, and rows that are rejected."""
    encoder = NativeModel(served, STANDARD).encoder(())
    calls = [_call(served, encoder, row) for row in rows]
    (answer,) = execute(served, calls)
    novel = answer.verdicts.novel if answer.verdicts is not None else None
    if novel is None or not novel.any():
        raise RuntimeError("no row is rejected")
    return rows[~novel][:_ASKED], rows[novel]


def _served(folder: Path) -> Served:
    package = open_package(folder)

    def read(name: str) -> bytes:
        return read_verified(package, name)

    guarding = load_guards(package, read)
    served = Served(package, OnnxRuntime().load(package, read), {}, guarding)
    if guarding is not None:
        served.watch = Watch(package.name, package.version, "", guarding, lambda: None)
    return served


def _call(served: Served, encoder: Any, row: Any) -> Call:
    call = Call(_ROUTE, now(), now() + 1e6, 10, True, lambda finished: None)
    call.inputs, call.rows, call.lease = [Tensor.of(row[None])], 1, served
    call.encoder = call.group = encoder
    return call


def _quantiles(served: Served, rows: Any) -> Any:
    """Median and 99th percentile of a call in microseconds."""
    encoder = NativeModel(served, STANDARD).encoder(())
    took: list[int] = []
    for _ in range(_REPEATS):
        for row in rows:
            call = _call(served, encoder, row)
            started = perf_counter_ns()
            answers = execute(served, [call])
            encode(answers)
            if served.watch is not None:
                served.watch.note(answers)
            took.append(perf_counter_ns() - started)
            if call.payload is None:
                raise RuntimeError(f"there is no answer: {call.error}")
        while served.watch is not None and served.watch.look():
            pass
    return np.percentile(took, [50, 99]) / 1e3


def _looking(served: Served, rows: Any) -> float:
    """Microseconds a row of what is looked at later, when rows come one by one."""
    watch = Watch("m", 1, "", served.guarding, lambda: None)  # type: ignore[arg-type]
    encoder = NativeModel(served, STANDARD).encoder(())
    for row in rows:
        watch.note(execute(served, [_call(served, encoder, row)]))
    started = perf_counter_ns()
    while watch.look():
        pass
    return (perf_counter_ns() - started) / 1e3 / len(rows)
