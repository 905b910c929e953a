"""Rows by columns on our own address beside the same rows as a tensor in JSON."""

from __future__ import annotations

from benchmarks import models
from benchmarks.forms import Comparison, Form, compared
from benchmarks.load import Patience
from benchmarks.report import Part

_ROWS = {1: 64, 100: 8}
"""Rows of a request, and connections."""


def run(rounds: int, seconds: int, patience: Patience) -> list[Part]:
    """Few rows and many. Raises NotStarted."""
    package = models.packed(models.BOOSTING)
    parts: list[Part] = []
    for count, connections in _ROWS.items():
        rows = models.data()[0][:count]
        tensor = models.oip_body(f"columns_{count}", rows, "FP32", "X", models.OUTPUT)
        columns = models.columns_body(f"columns_{count}", package, rows)
        wanted = f"/predict/{package.parent.name}"
        name = f"{count} row{'s' if count > 1 else ''}"
        parts.append(
            compared(
                Comparison(
                    f"{name} by columns and as a tensor in JSON",
                    connections,
                    f"{name}: columns to tensor",
                    0.8,
                ),
                package,
                {"columns": Form(columns, wanted), "tensor": Form(tensor)},
                rounds,
                seconds,
                patience,
            )
        )
    return parts
