"""Small real trained files of every format that needs no large framework, made once per session."""

from __future__ import annotations

import pickle
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn import linear_model
from sklearn.datasets import load_iris

X, Y = load_iris(return_X_y=True)
X = X.astype(np.float32).astype(np.float64)


@cache
def estimator() -> Any:
    """A fitted classifier."""
    return linear_model.RidgeClassifier().fit(X, Y)


@cache
def contents() -> dict[str, bytes]:
    """Whole files by title; the format is the title's first word."""
    found = {
        "pickle": pickle.dumps(estimator()),
        "pickle of protocol 2": pickle.dumps(estimator(), 2),
        "onnx": _onnx(),
        "python": b"def predict(a, b):\n    return a + b\n",
        "torchscript": _zip("m/constants.pkl", "m/code/__torch__.py", "m/data.pkl"),
        "torch-export": _zip("m/archive_format", "m/models/model.json"),
    }
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        for compress in ("zlib", "gzip", "bz2", "xz", "lzma"):
            joblib.dump(estimator(), base / "m", compress=(compress, 3))
            found[f"pickle by joblib and {compress}"] = (base / "m").read_bytes()
        joblib.dump(estimator(), base / "m")
        found["pickle by joblib"] = (base / "m").read_bytes()
        found |= _boosters(base)
    return found


def _boosters(base: Path) -> dict[str, bytes]:
    import catboost
    import lightgbm
    import skops.io
    import xgboost

    booster = xgboost.train({}, xgboost.DMatrix(X, Y), 2)
    light = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(X, Y)
    cat = catboost.CatBoostClassifier(iterations=2, verbose=0, allow_writing_files=False)
    cat.fit(X, Y).save_model(str(base / "m.cbm"))
    skops.io.dump(estimator(), base / "m.skops")
    return {
        "xgboost as JSON": bytes(booster.save_raw("json")),
        "xgboost as UBJSON": bytes(booster.save_raw("ubj")),
        "lightgbm": light.booster_.model_to_string().encode(),
        "catboost": (base / "m.cbm").read_bytes(),
        "skops": (base / "m.skops").read_bytes(),
    }


def _onnx() -> bytes:
    from skl2onnx import to_onnx

    model: Any = to_onnx(
        estimator(), X[:1].astype(np.float32), target_opset={"": 18, "ai.onnx.ml": 3}
    )
    return model.SerializeToString()


def _zip(*names: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m"
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"1")
        return path.read_bytes()
