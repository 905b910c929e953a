"""A rollout from the version that appears to its verdict, by a real server of two workers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests import models
from tests.processes import Running, server, until

from fairlead.core.signature import Signature

ROW = {"a": 1, "b": 2, "c": 3}
RULE = """[rollout]
mode = "{mode}"
share = 0.5
requests = {requests}
minutes = 0
"""


def words(package, mode: str = "canary", requests: int = 200) -> str:
    text = (package.folder / "model.toml").read_text()
    head = next(line for line in text.splitlines() if line.startswith("[rollout]"))
    return text.replace(head, RULE.format(mode=mode, requests=requests))


def moody(repository: Path, words: str) -> None:
    """A version of `total` that answers its own example, and fails where the sum is above 4."""
    package = first(repository)
    nodes = [
        models.node("ReduceSum", "x last", "sum", keepdims=1),
        models.node("Cast", "sum", "index", to=7),
        models.node("Gather", "table index", "value"),
    ]
    held = {"last": np.array([1], np.int64), "table": np.arange(5, dtype=np.float32)}
    example = {"a": 0.0, "b": 1.0, "c": 1.0}
    models.commit(repository, "total", package.signature, nodes, held, example=example, words=words)


@pytest.fixture
def repository(tmp_path) -> Path:
    models.total(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def running(repository, tmp_path):
    with server(repository, state=tmp_path / "state", workers=2) as made:
        until(made.ready)
        until(lambda: made.asked("/predict/total", body=ROW)[0] == 200)
        yield made


def answering(running: Running, times: int = 20) -> set[int]:
    told = [running.asked("/predict/total", body=ROW) for _ in range(times)]
    return {body["version"] if status == 200 else -status for status, body, _ in told}


def first(repository: Path):
    from fairlead.packages.read import open_package

    return open_package(repository / "total" / "1")


def answered_by(running: Running, state: Path) -> None:
    """The desk remembers what answered before."""
    until(lambda: '"total": 1' in (state / "rollouts.json").read_text())


def test_a_canary_answers_a_share_and_is_promoted_when_nothing_speaks_against_it(
    running, repository, tmp_path
):
    answered_by(running, tmp_path / "state")
    models.total(repository, words=words(first(repository)))
    until(lambda: answering(running) == {1, 2})
    until(lambda: answering(running) == {2}, 60)
    (decided,) = running.events("rollout_decided")
    assert decided["verdict"] == "promote"
    models.total(repository)
    until(lambda: answering(running) == {3})


def test_a_canary_that_fails_is_rolled_back_and_not_tried_again(running, repository, tmp_path):
    answered_by(running, tmp_path / "state")
    moody(repository, words(first(repository), requests=5000))
    until(lambda: -500 in answering(running), 60)
    until(lambda: bool(answering(running)) and bool(running.events("rollout_decided")), 60)
    (decided,) = running.events("rollout_decided")
    assert decided["verdict"] == "roll back"
    until(lambda: answering(running) == {1})
    assert running.events("rollout_begun")[0]["model"] == "total/2"
    assert len(running.events("rollout_begun")) == 1


def test_a_candidate_that_takes_other_inputs_is_rolled_back_before_anybody_is_refused(
    running, repository, tmp_path
):
    answered_by(running, tmp_path / "state")
    package = first(repository)
    signature = Signature(
        (models.spec("x", "FP32", (-1, 2), columns=("a", "d")),), package.signature.outputs
    )
    nodes = [models.node("ReduceSum", "x last", "value", keepdims=1)]
    held = {"last": np.array([1], np.int64)}
    models.commit(repository, "total", signature, nodes, held, words=words(package))
    seen = set[int]()

    def decided() -> bool:
        seen.update(answering(running))
        return bool(running.events("rollout_decided"))

    until(decided, 60)
    assert "other inputs" in running.events("rollout_decided")[0]["why"]
    assert seen == {1}


def test_a_shadow_answers_nobody_and_is_in_no_journal(running, repository, tmp_path):
    answered_by(running, tmp_path / "state")
    models.total(repository, words=words(first(repository), mode="shadow", requests=100))
    until(lambda: bool(running.events("rollout_begun")))
    seen: set[int] = set()

    def promoted() -> bool:
        found = answering(running)
        if running.events("rollout_decided"):
            return True
        seen.update(found)
        return False

    until(promoted, 60)
    assert seen == {1}
    (decided,) = running.events("rollout_decided")
    assert decided["verdict"] == "promote"
    until(lambda: answering(running) == {2})
    metrics = running.get("/metrics")[1].decode()
    begins = 'fairlead_calls_total{model="total",version="2"'
    (line,) = [line for line in metrics.splitlines() if line.startswith(begins)]
    assert float(line.rpartition(" ")[2]) <= 40
