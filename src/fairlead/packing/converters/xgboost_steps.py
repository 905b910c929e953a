"""XGBoost's estimators inside scikit-learn pipelines.

Standalone: the standard library, numpy, xgboost and skl2onnx.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

from . import booster_steps, xgboost
from .scored import Columns, Scored


def register() -> None:
    """Teaches skl2onnx XGBoost's estimators. Raises ImportError when XGBoost is not here."""
    library: Any = import_module("xgboost")
    booster_steps.register(
        [library.XGBClassifier, library.XGBRFClassifier],
        [library.XGBRegressor, library.XGBRFRegressor, library.XGBRanker],
        _read,
        narrow=True,
    )


def _read(model: Any) -> tuple[Columns, Scored]:
    learner = json.loads(bytes(model.get_booster().save_raw("json")))["learner"]
    count = int(learner["learner_model_param"]["num_feature"])
    columns = xgboost.columns_of(learner, [str(i) for i in range(count)], {})
    if model.missing is not None:
        columns.missing = float(model.missing)
    plain = xgboost.answers_of(model, learner, whole=False)
    return columns, xgboost.scored_of(learner, xgboost.rounds_of(model), plain)
