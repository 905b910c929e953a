"""LightGBM's estimators inside scikit-learn pipelines.

Standalone: the standard library, numpy, lightgbm and skl2onnx.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from . import booster_steps, lightgbm
from .scored import Columns, Scored


def register() -> None:
    """Teaches skl2onnx LightGBM's estimators. Raises ImportError when LightGBM is not here."""
    library: Any = import_module("lightgbm")
    booster_steps.register(
        [library.LGBMClassifier],
        [library.LGBMRegressor, library.LGBMRanker],
        _read,
        narrow=False,
    )


def _read(model: Any) -> tuple[Columns, Scored]:
    text: str = model.booster_.model_to_string()
    head, grown = lightgbm.parts(text)
    names = [str(i) for i in range(int(head["max_feature_idx"]) + 1)]
    columns = lightgbm.columns_of(text, head, grown, names)
    plain = lightgbm.answers_of(model, head, whole=False)
    return columns, lightgbm.scored_of(head, grown, plain)
