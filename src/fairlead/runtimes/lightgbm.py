"""LightGBM boosters kept as they are.

Standalone: the standard library, numpy, lightgbm and what native tables share.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from fairlead.runtimes.runner.tables import Predict, answering


def load(folder: Path, graph: str, about: dict[str, Any]) -> Predict:
    """The booster in the text file `graph`."""
    lightgbm: Any = import_module("lightgbm")
    booster = lightgbm.Booster(model_file=str(folder / graph))
    return answering(about, lambda matrix: booster.predict(matrix, num_threads=1))
