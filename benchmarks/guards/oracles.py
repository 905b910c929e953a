"""Run by the oracles' interpreter: what the libraries make of the same rows.

Usage: python oracles.py KIND IN.npz OUT.npz. Inputs and results are plain arrays.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np


def detectors(given: Any) -> dict[str, Any]:
    """Scores of PyOD's detectors, higher is stranger, and its own 1 % thresholds."""
    from pyod.models.ecod import ECOD
    from pyod.models.iforest import IForest
    from pyod.models.knn import KNN
    from pyod.models.lof import LOF

    train, test = given["train"], given["test"]
    found: dict[str, Any] = {}
    for name, make in (("KNN", KNN), ("LOF", LOF), ("IForest", IForest), ("ECOD", ECOD)):
        more = {"random_state": 0} if name == "IForest" else {}
        detector = make(contamination=0.01, **more).fit(train)
        found[name] = detector.decision_function(test)
        found[f"{name}.limit"] = detector.threshold_
    return found


def sets(given: Any) -> dict[str, Any]:
    """Conformal sets of crepes and of MAPIE's formula at each coverage."""
    from crepes import ConformalClassifier
    from crepes.extras import hinge

    found: dict[str, Any] = {}
    classes = np.arange(given["seen"].shape[1])
    alphas = hinge(given["seen"], classes, given["labels"])
    classifier = ConformalClassifier().fit(alphas)
    tested = hinge(given["fresh"])
    for coverage in given["coverages"].tolist():
        made = classifier.predict_set(tested, confidence=coverage, smoothing=False)
        found[f"crepes.{coverage}"] = np.asarray(made).astype(bool)
    return found


def adwin(given: Any) -> dict[str, Any]:
    """Rows until river's ADWIN sees a change of a stream of confidences; -1 for never."""
    from river.drift import ADWIN

    first: list[int] = []
    for stream in given["streams"]:
        detector, at = ADWIN(), -1
        for i, value in enumerate(stream.tolist()):
            detector.update(value)
            if detector.drift_detected:
                at = i
                break
        first.append(at)
    return {"first": np.array(first)}


def main() -> None:
    warnings.simplefilter("ignore")
    kind, source, target = sys.argv[1:]
    with np.load(source) as given:
        found = {"detectors": detectors, "sets": sets, "adwin": adwin}[kind](given)
    np.savez(target, **found)


main()
