"""A packed scikit-learn model as an owner would have it, for pages to show."""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fairlead

random = np.random.default_rng(0)


def customers(count: int, older: float = 0.0) -> pd.DataFrame:
    """Rows of people who may leave: age in years, plan, months with us."""
    return pd.DataFrame(
        {
            "age": random.normal(45 + older, 12, count).clip(18, 95).round(),
            "plan": random.choice(["basic", "plus"], count),
            "months": random.integers(1, 60, count).astype(float),
        }
    )


def pack(repository: Path) -> None:
    """Trains `churn`, saves the file that a data scientist has, and packs it with its rows."""
    table = customers(1200)
    push = table["months"] + 20 * (table["plan"] == "plus") + random.normal(0, 6, 1200)
    label = np.where(push > 25, "stays", "leaves")
    columns = make_column_transformer(
        (StandardScaler(), ["age", "months"]), (OneHotEncoder(), ["plan"])
    )
    model = make_pipeline(columns, LogisticRegression()).fit(table[:800], label[:800])
    file = repository.parent / "churn.joblib"
    joblib.dump(model, file)
    fairlead.pack(
        file,
        name="churn",
        repository=repository,
        reference=table[:800],
        evaluation=(table[800:], label[800:]),
    )
