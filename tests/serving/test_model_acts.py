"""What is said of models is kept in both databases, each change on record, nothing by halves."""

from __future__ import annotations

import pytest
from tests.serving.parts_keys import act, room, trail

from fairlead.core.errors import BadUsage, FairleadError, KeyFieldInvalid, ModelNotFound
from fairlead.core.model_record import ModelRecord
from fairlead.serving.choosing import Choice, choices_of, parse_policy, policy_text


@pytest.fixture
def keys(place, tmp_path):
    opened = room(place, tmp_path)
    yield opened
    opened.close()


def test_a_version_is_promoted_and_rolled_back_to_the_one_before(keys):
    told = act(keys, "models.promote", model="m", version=5, answering=4)
    assert (told["stable"], told["previous"]) == (5, 4)
    assert act(keys, "models.promote", model="m", version=5)["previous"] == 4
    told = act(keys, "models.rollback", model="m")
    assert (told["stable"], told["previous"]) == (4, 5)
    told = act(keys, "models.rollback", model="m")
    assert (told["stable"], told["previous"]) == (5, 4)
    assert trail(keys) == [
        ("models.promote", "m"),
        ("models.rollback", "m"),
        ("models.rollback", "m"),
    ]


def test_a_rollback_goes_to_the_next_lower_version_where_nothing_was_promoted(keys):
    told = act(keys, "models.rollback", model="m", answering=7, below=6)
    assert (told["stable"], told["previous"]) == (6, 7)
    with pytest.raises(ModelNotFound, match="which version"):
        act(keys, "models.rollback", model="n", answering=1)


def test_the_candidate_is_promoted_where_no_version_is_named_and_is_one_no_more(keys):
    with pytest.raises(ModelNotFound, match="no candidate"):
        act(keys, "models.promote", model="m")
    act(keys, "models.label", model="m", label="candidate", version=3)
    told = act(keys, "models.promote", model="m", answering=2)
    assert (told["stable"], told["labels"]) == (3, {})
    act(keys, "models.label", model="m", label="candidate", version=4)
    act(keys, "models.label", model="m", label="canary", version=4)
    assert act(keys, "models.rollback", model="m")["labels"] == {"canary": 4}


def _rolling(keys, version=5, answering=4):
    return act(keys, "models.rollout", model="m", version=version, answering=answering)


def test_what_was_followed_is_followed_again_unless_something_newer_is_there(keys):
    _rolling(keys)
    told = act(keys, "models.promote", model="m", answering=4, newest=5)
    assert (told["stable"], told["answers"], told["rollout"]) == (0, 5, "")
    act(keys, "models.label", model="m", label="stable", version=0)
    _rolling(keys, 7, 5)
    told = act(keys, "models.promote", model="m", answering=5, newest=8)
    assert (told["stable"], told["answers"]) == (7, 7), "8 would answer for it"


@pytest.mark.parametrize("kind", ["models.promote", "models.rollback"])
def test_a_verdict_on_one_rollout_changes_nothing_of_the_next(keys, kind):
    first = _rolling(keys)
    second = _rolling(keys, 6, 4)
    assert first["rollout"] != second["rollout"]
    told = act(keys, kind, model="m", rollout=first["rollout"], why=["too slow"])
    assert (told["rollout"], told["labels"]) == (second["rollout"], {"candidate": 6})


def test_a_rollout_ends_when_another_version_is_made_the_candidate(keys):
    _rolling(keys)
    told = act(keys, "models.label", model="m", label="candidate", version=9)
    assert (told["labels"], told["rollout"], told["follows"]) == ({"candidate": 9}, "", False)
    assert told["stable"] == 4


def test_nothing_is_rolled_out_any_more_once_the_newest_is_to_answer(keys):
    _rolling(keys)
    told = act(keys, "models.label", model="m", label="stable")
    assert (told["stable"], told["labels"], told["rollout"]) == (0, {}, "")


def test_labels_are_put_moved_and_taken_away(keys):
    act(keys, "models.label", model="m", label="canary", version=3)
    assert act(keys, "models.label", model="m", label="canary", version=4)["labels"] == {
        "canary": 4
    }
    assert act(keys, "models.label", model="m", label="canary")["labels"] == {}
    told = act(keys, "models.label", model="m", label="stable", version=2)
    assert (told["stable"], told["labels"]) == (2, {})
    assert act(keys, "models.label", model="m", label="stable")["stable"] == 0
    assert len(trail(keys)) == 5


def test_what_changes_nothing_is_no_act(keys):
    for _ in range(2):
        act(keys, "models.choose", model="m", versions="latest:2")
    assert len(trail(keys)) == 1
    assert [m["versions"] for m in act(keys, "models.list")["models"]] == ["latest:2"]


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("models.choose", {"model": "m", "versions": "newest"}),
        ("models.choose", {"model": "../m", "versions": "all"}),
        ("models.label", {"model": "m", "label": "No", "version": 1}),
        ("models.label", {"model": "m", "label": "x" * 41, "version": 1}),
        ("models.label", {"model": "m", "label": "a", "version": -1}),
        ("models.promote", {"model": "m", "version": "3"}),
        ("models.promote", {"model": "m", "version": 3, "other": 1}),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(keys, kind, given):
    with pytest.raises(FairleadError):
        act(keys, kind, **given)
    assert trail(keys) == []


def test_a_model_has_only_so_many_labels(keys):
    for number in range(20):
        act(keys, "models.label", model="m", label=f"l{number}", version=1)
    with pytest.raises(KeyFieldInvalid, match="at most 20"):
        act(keys, "models.label", model="m", label="one-more", version=1)


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("latest", Choice(exact=True)),
        ("latest:3", Choice(newest=3, exact=True)),
        ("all", Choice(newest=0, exact=True)),
        ("5,3,5", Choice(only=(3, 5), exact=True)),
        ("0", Choice(only=(0,), exact=True)),
    ],
)
def test_which_versions_are_wanted_is_spelt_in_one_way(text, choice):
    assert parse_policy(text) == choice
    assert parse_policy(policy_text(choice)) == choice


@pytest.mark.parametrize(
    "text", ["", "latest:0", "latest:", "01", "1,", "-1", "ALL", "1 ,2", "\uff11"]
)
def test_what_is_no_policy_is_refused(text):
    with pytest.raises(BadUsage):
        parse_policy(text)


def test_what_is_on_record_goes_before_what_the_server_says_of_all():
    records = [ModelRecord("a", stable=2, labels={"canary": 3}), ModelRecord("b", "all")]
    found = choices_of(records, "latest:2")
    assert found["a"] == Choice(newest=2, exact=True, labels={"canary": 3, "stable": 2}, default=2)
    assert (found["b"].newest, found["b"].default) == (0, 0)
    assert Choice.from_json(found["a"].to_json()) == found["a"]
