"""CatBoost models kept as they are, such as those that count categories themselves.

Standalone: the standard library, numpy, catboost and what native tables share.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from fairlead.runtimes.runner.tables import Predict, answering


def load(folder: Path, graph: str, about: dict[str, Any]) -> Predict:
    """The model in `graph`, as the estimator about["class"].

    about["asked"]: which of its predictions is the answer, as arguments of predict.
    """
    catboost: Any = import_module("catboost")
    model = getattr(catboost, about["class"])()
    model.load_model(str(folder / graph))
    return answering(about, lambda matrix: model.predict(matrix, thread_count=1, **about["asked"]))
