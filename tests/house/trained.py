"""The model that pages speak of as the reader's own: `model.joblib`, `train.csv`, `test.csv`."""

from __future__ import annotations

TRAIN = """
import joblib
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

rng = np.random.default_rng(0)
table = pd.DataFrame({
    "age": rng.integers(18, 80, 400).astype(float),
    "plan": rng.choice(["basic", "plus"], 400),
    "months": rng.integers(1, 60, 400).astype(float),
})
label = np.where(table["months"] + 20 * (table["plan"] == "plus") > 25, "stays", "leaves")
model = make_pipeline(
    make_column_transformer(
        (StandardScaler(), ["age", "months"]), (OneHotEncoder(), ["plan"]),
    ),
    LogisticRegression(),
).fit(table, label)
X_train, X_test, y_test = table[:300], table[300:], label[300:]
joblib.dump(model, "model.joblib")
X_train.to_csv("train.csv", index=False)
X_test.assign(churned=y_test).to_csv("test.csv", index=False)
"""
