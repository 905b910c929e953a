"""CatBoost's estimators inside scikit-learn pipelines.

Standalone: the standard library, numpy, catboost and skl2onnx.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from . import booster_steps, catboost
from .scored import Columns, Scored


def register() -> None:
    """Teaches skl2onnx CatBoost's estimators. Raises ImportError when CatBoost is not here."""
    library: Any = import_module("catboost")
    booster_steps.register(
        [library.CatBoostClassifier], [library.CatBoostRegressor], _read, narrow=True
    )


def _read(model: Any) -> tuple[Columns, Scored]:
    described = catboost.described(model)
    columns = catboost.columns_of(model, {})
    loss = catboost.loss_of(model)
    return columns, catboost.scored_of(described, loss, catboost.answers_of(model, loss))
