"""XGBoost boosters kept as they are.

Standalone: the standard library, numpy, xgboost and what native tables share.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.runtimes.runner.tables import Predict, answering


def load(folder: Path, graph: str, about: dict[str, Any]) -> Predict:
    """The booster in `graph`.

    about: "missing" is its mark of a missing value beside NaN, "rounds" how many rounds predict
    (0 for all), "margins" that its objective gives a bare label, so scores are made of margins.
    """
    xgboost: Any = import_module("xgboost")
    booster = xgboost.Booster()
    booster.load_model(str(folder / graph))
    booster.set_param({"nthread": 1})
    missing = np.nan if about["missing"] is None else float(about["missing"])
    margins, rounds = bool(about["margins"]), int(about["rounds"])

    def ask(matrix: Any) -> Any:
        data = xgboost.DMatrix(
            matrix,
            missing=missing,
            feature_names=about["features"],
            feature_types=about["types"],
            enable_categorical=True,
            nthread=1,
        )
        scores: Any = booster.predict(data, output_margin=margins, iteration_range=(0, rounds))
        if not margins:
            return scores
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    return answering(about, ask)
