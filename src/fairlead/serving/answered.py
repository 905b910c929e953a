"""What an execution gives back: calls, their joined rows, and what was decided of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fairlead.core.call import Call
from fairlead.core.decision import Verdicts
from fairlead.core.tensor import Array


class Answered(NamedTuple):
    """Calls with the inputs and outputs of their joined rows, and what the guards decided.

    predicted: the output that the outcome log keeps, whole and untouched; None without a log.
    """

    calls: Sequence[Call]
    inputs: list[Array]
    outputs: list[Array]
    verdicts: Verdicts | None
    predicted: Array | None = None
