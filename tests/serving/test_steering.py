"""The desk of models: acts are held against what is there, and answered once they are so."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.core.audit import By
from fairlead.core.errors import BadUsage, ModelNotFound, ModelNotReady
from fairlead.core.model_record import ModelRecord
from fairlead.packages.repository import Found
from fairlead.serving.exchange import Within
from fairlead.serving.finding import Sighting
from fairlead.serving.rollouts import Rollouts
from fairlead.serving.steering import CHOSEN, Steering

ME = By("key_me", "127.0.0.1")


class Keeping:
    """Takes acts and answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any], Any]] = []
        self.noted: list[tuple[str, str]] = []

    def ask(self, kind, given, by, done) -> None:
        self.asked.append((kind, dict(given), done))

    def note(self, by, act, about) -> None:
        self.noted.append((act, about))


class Controlling:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def ask(self, act, model, told) -> None:
        self.asked.append((act, model))
        told(None)


class Desk:
    def __init__(self, *workers: dict[str, str]) -> None:
        self.workers = [*workers]
        self.keeping, self.controlling = Keeping(), Controlling()
        self.desk = Steering(self.keeping, self.controlling, self.pages)  # type: ignore[arg-type]
        self.answers: list[Any] = []
        self.answering = "m/1"

    def pages(self) -> list[dict[str, Any]]:
        return [
            {
                "models": {
                    key: {"state": state, "reason": "torn", "answers": key == self.answering}
                    for key, state in states.items()
                }
            }
            for states in self.workers
        ]

    def ask(self, act: str, **given: Any) -> None:
        self.desk.ask(f"models.{act}", given, ME, self.answers.append)


def test_a_promotion_is_answered_once_the_version_is_ready_in_every_worker():
    one, other = {"m/1": "ready", "m/2": "ready"}, {"m/1": "ready", "m/2": "warming"}
    desk = Desk(one, other)
    desk.ask("promote", model="m", version=2)
    kind, given, done = desk.keeping.asked[0]
    assert (kind, given["version"], given["answering"]) == ("models.promote", 2, 1)
    done({"stable": 2, "previous": 1, "answers": 2})
    desk.desk.beat()
    assert desk.answers == []
    other["m/2"] = "ready"
    desk.desk.beat()
    assert desk.answers == [], "it is ready, and does not answer yet"
    desk.answering = "m/2"
    desk.desk.beat()
    desk.desk.beat()
    assert desk.answers == [{"stable": 2, "previous": 1, "answers": 2}]


def test_the_candidate_that_follows_is_waited_for_by_its_own_number():
    desk = Desk({"m/1": "ready", "m/2": "ready"})
    desk.desk.learn({"m": ModelRecord("m", stable=1, labels={"candidate": 2}, follows=True)})
    desk.ask("promote", model="m")
    _, given, done = desk.keeping.asked[0]
    assert (given["version"], given["newest"]) == (0, 2)
    told = {"stable": 0, "previous": 1, "answers": 2}
    done(told)
    desk.desk.beat()
    assert desk.answers == []
    desk.answering = "m/2"
    desk.desk.beat()
    assert desk.answers == [told]


def test_a_promotion_of_a_model_that_sleeps_is_not_waited_for():
    awake, asleep = {"m/1": "unloaded", "m/2": "ready"}, {"m/1": "unloaded", "m/2": "unloaded"}
    desk = Desk(awake, asleep)
    desk.answering = "m/2"
    desk.ask("promote", model="m", version=2)
    told = {"stable": 2, "previous": 1, "answers": 2}
    desk.keeping.asked[0][2](told)
    desk.desk.beat()
    assert desk.answers == [told]


def test_a_promotion_whose_version_fails_says_so():
    states = {"m/1": "ready", "m/2": "unloaded"}
    desk = Desk(states)
    desk.ask("promote", model="m", version=2)
    desk.keeping.asked[0][2]({"stable": 2, "previous": 1, "answers": 2})
    states["m/2"] = "failed"
    desk.desk.beat()
    (error,) = desk.answers
    assert isinstance(error, ModelNotReady)
    assert "torn" in error.what


def test_a_rollback_knows_the_next_lower_version_that_is_sound():
    desk = Desk({"m/1": "unloaded", "m/2": "failed", "m/3": "ready"})
    desk.ask("rollback", model="m")
    assert desk.keeping.asked[0][1]["below"] == 1


def test_what_is_not_there_or_has_failed_is_refused_before_anything_changes():
    desk = Desk({"m/1": "ready", "m/2": "failed"})
    for act, given, error in [
        ("promote", {"model": "no"}, ModelNotFound),
        ("promote", {"model": "m", "version": 7}, ModelNotFound),
        ("promote", {"model": "m", "version": 2}, ModelNotReady),
        ("promote", {"model": "m"}, BadUsage),
        ("label", {"model": "m", "label": "canary", "version": 9}, ModelNotFound),
    ]:
        with pytest.raises(error):
            desk.ask(act, **given)
    assert desk.keeping.asked == []


def test_without_workers_what_is_said_is_kept_as_it_is():
    desk = Desk()
    desk.ask("promote", model="m", version=2)
    desk.keeping.asked[0][2]({"stable": 2, "previous": 0, "answers": 2})
    assert desk.answers == [{"stable": 2, "previous": 0, "answers": 2}]


def test_loading_and_ending_are_on_record_and_done_on_every_worker():
    desk = Desk({"m/1": "ready"})
    desk.ask("load", model="m")
    desk.ask("unload", model="m")
    assert desk.controlling.asked == [("load", "m"), ("end", "m")]
    assert desk.keeping.noted == [("models.load", "m"), ("models.unload", "m")]
    assert desk.answers == [{"model": "m"}, {"model": "m"}]


def test_workers_are_told_what_is_on_record_when_they_join_and_when_it_changes():
    desk = Desk({"m/1": "ready", "m/2": "ready"})
    told: dict[str, list[Any]] = {"early": [], "late": []}
    early, late = Within(told["early"].append), Within(told["late"].append)
    desk.desk.joined(early)
    assert told["early"] == []
    desk.desk.learn({"m": ModelRecord("m", stable=1)})
    desk.desk.learn({"m": ModelRecord("m", stable=1)})
    desk.desk.joined(late)
    assert [m["kind"] for m in (*told["early"], *told["late"])] == [CHOSEN, CHOSEN]
    assert desk.desk.labels("m") == {2: [], 1: ["answers", "stable"]}
    desk.desk.lost(early)
    desk.desk.learn({})
    assert len(told["early"]) == 1


@pytest.mark.parametrize("acts", ["list", "admits", "save"])
def test_the_pages_of_workers_are_read_once_however_many_versions_there_are(acts, tmp_path):
    desk = Desk({f"m{n % 40}/{n}": "ready" for n in range(400)}, {"m0/1": "failed"})
    read = []
    desk.desk._pages = lambda: read.append(1) or desk.pages()
    rollouts = Rollouts(tmp_path, desk.desk)
    found = [
        Sighting(Found(f"m{n % 40}", n, tmp_path / f"{n}"), f"{n}") for n in range(400)
    ]  # fmt: skip
    assert len(rollouts.admits(found)) == 400
    read.clear()
    match acts:
        case "list":
            desk.ask("list")
            assert {one["name"]: one["answers"] for one in desk.answers[0]["models"]} == {
                f"m{n}": 360 + n for n in range(40)
            }
        case "admits":
            rollouts.admits(found)
        case _:
            rollouts.save()
    assert read == [1]
