"""What a package watches for drift: inputs as in reference rows, answers as in evaluation rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from tests import models

import fairlead
from fairlead.guards.drift import CONFIDENT, MOST_COLUMNS, PREDICTED, Drift
from fairlead.guards.files import DRIFT
from fairlead.packages.read import read_verified
from fairlead.packing.evaluate import Answers, answer
from fairlead.packing.faithful import silent
from fairlead.packing.learn_drift import learn_watch, watched_answers
from fairlead.packing.rows import Table
from fairlead.runtimes.onnx import OnnxRuntime


def table(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {name: random.normal(size=count) for name in models.FEATURES}


def answers(package, rows):
    model = OnnxRuntime().load(package, lambda name: read_verified(package, name))
    try:
        labels = {"truth": np.zeros(len(next(iter(rows.values()))))}
        found = answer(model, package.signature, Table(rows | labels), "truth")
        return watched_answers(package.signature, found)
    finally:
        model.close()


def test_a_classifier_is_watched_by_its_classes_and_how_sure_it_is(tmp_path):
    rows = table(300)
    found = {w.name: w for w in answers(models.classifier(tmp_path), rows)}
    chosen = np.stack(list(rows.values()), axis=1)[:, :3].astype(np.float32)
    odds = np.exp(chosen) / np.exp(chosen).sum(axis=1, keepdims=True)
    assert list(found) == [PREDICTED, CONFIDENT]
    assert list(found[PREDICTED].categories) == list(models.CLASSES)
    assert found[PREDICTED].filled[:3].tolist() == np.bincount(odds.argmax(axis=1)).tolist()
    assert found[CONFIDENT].rows == 300
    assert found[CONFIDENT].spread == pytest.approx(odds.max(axis=1).std(), rel=1e-3)
    assert [w.kind for w in found.values()] == ["prediction", "confidence"]


def test_a_regression_is_watched_by_its_number(tmp_path):
    rows = {name: np.arange(50.0) for name in ("a", "b", "c")}
    (found,) = answers(models.total(tmp_path), rows)
    assert (found.name, found.kind, found.rows) == (PREDICTED, "prediction", 50)
    assert found.spread == pytest.approx(np.std(3 * np.arange(50.0)))


@pytest.mark.parametrize("model", ["identity", "fixed"])
def test_a_model_that_predicts_nothing_or_has_no_rows_has_no_answers_to_watch(tmp_path, model):
    signature = getattr(models, model)(tmp_path).signature
    found = {spec.name: np.ones((6, 2)) for spec in signature.outputs}
    assert watched_answers(signature, Answers(np.ones(6), found)) == []


def test_columns_beyond_the_most_are_left_out_and_it_is_said(tmp_path):
    columns = {f"x{i}": np.arange(20.0) for i in range(MOST_COLUMNS + 10)}
    said: dict[str, str] = {}
    known = answers(models.classifier(tmp_path), table(40))
    files = learn_watch(columns, known, lambda step, words: said.update({step: words}))
    drift = Drift.from_bytes(files[DRIFT])
    assert [w.name for w in drift.watched[-3:]] == ["x509", PREDICTED, CONFIDENT]
    assert drift.left_out == 12
    assert said["drift"] == (
        "510 columns watched, predictions and confidence from 40 evaluation rows, "
        "12 more columns are not watched: 512 are the most"
    )


def test_a_column_that_is_called_like_an_answer_is_not_watched_in_its_place(tmp_path):
    columns = {PREDICTED: np.arange(9.0), CONFIDENT: np.arange(9.0), "a": np.arange(9.0)}
    files = learn_watch(columns, answers(models.classifier(tmp_path), table(40)), silent)
    kinds = [w.kind for w in Drift.from_bytes(files[DRIFT]).watched]
    assert kinds == ["input", "prediction", "confidence"]


def test_nothing_is_written_where_nothing_can_be_watched():
    assert learn_watch({}, [], silent) == {}


@pytest.fixture(scope="module")
def flowers():
    random = np.random.default_rng(0)
    rows = random.normal(size=(200, 3)).astype(np.float32)
    return rows, np.where(rows[:, 0] > 0, "up", "down")


def watched(package) -> dict[str, str]:
    drift = Drift.from_bytes(read_verified(package, DRIFT))
    return {w.name: w.kind for w in drift.watched}


def test_pack_watches_inputs_and_answers_and_is_the_same_every_time(flowers, tmp_path):
    rows, labels = flowers
    model = LogisticRegression().fit(rows, labels)
    said: dict[str, str] = {}
    made = [
        fairlead.pack(
            model, name=name, repository=tmp_path, reference=rows[:150],
            evaluation=(rows[150:], labels[150:]), say=lambda s, w: said.update({s: w}),
        )
        for name in ("one", "two")
    ]  # fmt: skip
    assert list(watched(made[0]).values()) == ["input"] * 3 + ["prediction", "confidence"]
    assert said["drift"] == (
        "3 columns watched, predictions and confidence from 50 evaluation rows"
    )
    assert made[0].files[DRIFT] == made[1].files[DRIFT]


def test_answers_are_never_watched_by_reference_rows(flowers, tmp_path):
    """On rows that it was trained on a model is surer than on any others."""
    rows, _ = flowers
    model = LinearRegression().fit(rows, rows[:, 0])
    package = fairlead.pack(model, name="m", repository=tmp_path, reference=rows)
    assert list(watched(package).values()) == ["input"] * 3
