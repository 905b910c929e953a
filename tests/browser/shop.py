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

from fairlead.cli.main import main as command

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


WORDS = """
[words]
purpose = "Tells which customers are about to leave, so that somebody calls them first."
users = "The people who call customers."
out_of_scope = "Prices, credit, or anything else that is decided about a person."
owners = "The retention team"
contact = "retention@example.org"
licence = "Apache-2.0"
training_data = "800 made-up customers."
evaluation_data = "400 more, held out."

[units]
age = "years"
"""


def pack(repository: Path) -> None:
    """Trains `churn`, saves what a data scientist has, and packs it as anyone would."""
    table = customers(1200)
    push = table["months"] + 20 * (table["plan"] == "plus") + random.normal(0, 6, 1200)
    table["label"] = np.where(push > 25, "stays", "leaves")
    columns = make_column_transformer(
        (StandardScaler(), ["age", "months"]), (OneHotEncoder(), ["plan"])
    )
    rows = table.drop(columns="label")
    model = make_pipeline(columns, LogisticRegression()).fit(rows[:800], table["label"][:800])
    folder = repository.parent
    joblib.dump(model, folder / "churn.joblib")
    rows[:800].to_csv(folder / "train.csv", index=False)
    table[800:].to_csv(folder / "test.csv", index=False)
    (folder / "model.toml").write_text(WORDS)
    words = ["pack", folder / "churn.joblib", "--name", "churn", "--repository", repository]
    words += ["--reference", folder / "train.csv", "--evaluation", folder / "test.csv"]
    words += ["--target", "label", "--model-toml", folder / "model.toml"]
    assert command([str(word) for word in words]) == 0
