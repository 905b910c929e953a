"""A profile is read back as it was, or refused with what is wrong."""

from __future__ import annotations

import json

import pytest
from tests.costs.samples import profile

from fairlead.core.errors import ProfileInvalid
from fairlead.costs.profile import profile_of


def told() -> dict:
    return json.loads(json.dumps(profile().to_json()))


def test_a_profile_comes_back_from_its_file_as_it_was():
    assert profile_of(told()) == profile()


def test_a_profile_of_before_sleep_was_measured_is_read():
    found = told()
    del found["ways"], found["turn_s"], found["slowed"], found["unsteady"]
    assert profile_of(found) == profile()
    way = {"pause_s": 0.0, "quantiles": [0.1] * 101}
    assert profile_of({**found, "ways": [way]}).ways[0].quantiles[0] == 0.1


def test_what_is_no_profile_is_refused():
    with pytest.raises(ProfileInvalid, match="fairlead-profile/1"):
        profile_of({"format": "other"})


@pytest.mark.parametrize(
    "damage",
    [
        lambda found: found.pop("call_s"),
        lambda found: found.update(services=[]),
        lambda found: found["services"][0].update(rows=0),
        lambda found: found["services"][0]["quantiles"].reverse(),
        lambda found: found["services"][0]["quantiles"].pop(),
        lambda found: found["scaling"].update(unknown=1),
        lambda found: found["services"][0].update(quantiles=["fast"] * 101),
        lambda found: found.update(call_s="fast"),
        lambda found: found.update(load_s=float("nan")),
        lambda found: found.update(peak_bytes=-1),
        lambda found: found.update(disk_bytes=1e308),
        lambda found: found.update(machine="\x1b]0;title\x07"),
        lambda found: found.update(offer=5),
        lambda found: found.update(cores=0),
        lambda found: found.update(slowed=0.0),
        lambda found: found.update(unsteady=0.5),
        lambda found: found["services"][0].update(threads="many"),
        lambda found: found["payloads"][0].update(answer_bytes="x"),
        lambda found: found.update(ways=[{"pause_s": 0.0, "quantiles": [0.1]}]),
        lambda found: found.update(ways=[{"pause_s": -1.0, "quantiles": [0.1] * 101}]),
    ],
)
def test_a_profile_that_is_damaged_is_refused(damage):
    found = told()
    damage(found)
    with pytest.raises(ProfileInvalid, match="not whole"):
        profile_of(found)


def test_the_mean_is_that_of_the_distribution():
    assert profile(0.04).service(1).mean_s == pytest.approx(0.04)


def test_the_nearest_size_that_was_measured_stands_for_one_that_was_not():
    assert [profile().service(rows).rows for rows in (1, 3, 6, 7, 100)] == [1, 2, 4, 8, 8]
