"""[rollout] in model.toml: checked, with the nearest key for a wrong one."""

from __future__ import annotations

import pytest
from tests import models

from fairlead.core.errors import PackageInvalid
from fairlead.core.package import RolloutChoice
from fairlead.packages.read import open_package, read_words
from fairlead.packages.rollout import KEYS, rollout_of


def test_what_is_said_stands_in_the_package(tmp_path):
    words = '[rollout]\nmode = "canary"\nshare = 0.5\nassignment = "caller"\nautomatic = false\n'
    package = models.total(tmp_path, words=words)
    expected = RolloutChoice("canary", 0.5, "caller", automatic=False)
    assert open_package(package.folder).rollout == expected


def test_a_version_comes_at_once_where_nothing_is_said(tmp_path):
    assert models.total(tmp_path).rollout == RolloutChoice()
    assert RolloutChoice().mode == "none"


def test_a_mode_alone_is_a_whole_rule():
    assert rollout_of({"rollout": {"mode": "shadow"}}, "here") == RolloutChoice("shadow")


def test_a_section_without_a_mode_is_refused_since_it_would_do_nothing():
    with pytest.raises(PackageInvalid, match="says no mode") as found:
        rollout_of({"rollout": {"share": 0.2}}, "here")
    assert found.value.fix == 'mode = "canary", or "shadow"'


def test_an_unknown_key_is_refused_with_the_nearest():
    with pytest.raises(PackageInvalid, match=r"\[rollout\] shares is not known") as near:
        rollout_of({"rollout": {"shares": 0.1}}, "here")
    assert near.value.fix == "Did you mean share?"
    with pytest.raises(PackageInvalid) as far:
        rollout_of({"rollout": {"zzz": 5}}, "here")
    assert far.value.fix == f"Known: {', '.join(KEYS)}"


@pytest.mark.parametrize(
    "line",
    [
        'mode = "blue"',
        "mode = true",
        "mode = []",
        "share = 0",
        "share = 0.51",
        "share = nan",
        'assignment = "sticky"',
        "automatic = 1",
        "error_points = 0",
        "error_points = 101",
        "latency_factor = 1",
        "latency_factor = inf",
        "decision_points = -1",
        'prediction_points = "1"',
        "requests = 99",
        "requests = 1000.0",
        'otherwise = "roll back"',
        "minutes = -1",
        "minutes = true",
    ],
)
def test_an_impossible_value_is_refused(line):
    with pytest.raises(PackageInvalid, match=r"\[rollout\] \w+ must be"):
        read_words(f"[rollout]\n{line}\n".encode(), "here")


def test_it_is_a_table():
    with pytest.raises(PackageInvalid, match=r"\[rollout\] must be a table"):
        read_words(b"rollout = 3\n", "here")
