"""What the tests of XGBoost, LightGBM and CatBoost share: tables with categories, and checks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from tests.packing.converters.subjects import Made, flats


def categories(cities: tuple[str, ...] = ("Bergen", "Oslo", "Tromso")) -> tuple[Any, Any]:
    """The table of flats with text and whole numbers as pandas categories, and labels 0 and 1."""
    frame, labels = flats(missing=True)
    frame = frame.assign(city=frame["city"].replace("Zürich", cities[2]))
    return (
        frame.assign(
            city=pd.Categorical(frame["city"], categories=cities),
            grade=frame["grade"].astype("category"),
            rooms=frame["rooms"].astype("category"),
        ),
        (labels == "sold").astype(int),
    )


def same_as(made: Made, model: Any, held: Any) -> None:
    """Fails unless the original's answers in the folder are those that the model itself gives."""
    answers = made.original
    if not hasattr(model, "predict_proba"):
        given = next(iter(answers.values()))
        assert np.array_equal(given, np.asarray(model.predict(held)).reshape(given.shape))
        return
    labels, scores = answers.values()
    assert (labels.ravel() == np.asarray(model.predict(held)).ravel()).all()
    assert np.allclose(scores, model.predict_proba(held), atol=1e-6)
