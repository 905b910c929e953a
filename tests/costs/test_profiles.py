"""A profile is found where it was taken, where somebody names it, or in the package."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests import models
from tests.costs.samples import profile

from fairlead.core.errors import FileUnreadable, ProfileInvalid
from fairlead.costs.profiles import file_of, find, packed, packed_or_none
from fairlead.packing.settled import settled


@pytest.fixture
def package(tmp_path):
    return models.total(tmp_path / "models")


def keep(state, found, version=1):
    file = file_of(state, "total", version)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found.to_json()))
    return file


def amended(tmp_path, package, found):
    return settled(tmp_path / "models", package, max_batch=8, threads=2, profile=found.to_json())


def test_where_nothing_was_measured_there_is_none(package, tmp_path):
    assert find(package, tmp_path / "state") is None


def test_the_named_file_goes_first_then_the_state_folder_then_the_package(package, tmp_path):
    inside, here, named = (profile(load_s=s) for s in (1.0, 2.0, 3.0))
    second = amended(tmp_path, package, inside)
    assert find(second, tmp_path / "state") == packed(second) == inside
    keep(tmp_path / "state", here, 2)
    assert find(second, tmp_path / "state") == here
    file = keep(tmp_path / "elsewhere", named)
    assert find(second, tmp_path / "state", file) == named


def test_one_of_another_graph_of_that_name_is_not_this_models(package, tmp_path):
    own = package.files[package.graph].sha256
    keep(tmp_path, profile(graph_sha256="0" * 64))
    assert find(package, tmp_path) is None
    mine = profile(graph_sha256=own)
    keep(tmp_path, mine)
    assert find(package, tmp_path) == mine


@pytest.mark.parametrize("content", ["", "[]", "{", "{}", "[" * 100_000, '{"format": "x"}'])
def test_a_file_that_is_no_profile_is_said(package, tmp_path, content):
    file = keep(tmp_path, profile())
    file.write_text(content)
    with pytest.raises(ProfileInvalid):
        find(package, tmp_path)


def test_a_named_file_that_is_not_there_is_said(package, tmp_path):
    with pytest.raises(FileUnreadable):
        find(package, tmp_path, tmp_path / "none.json")


def test_who_has_more_to_show_does_not_stumble_over_a_bad_one(package, tmp_path):
    second = amended(tmp_path, package, profile())
    assert packed_or_none(second) == profile()
    (second.folder / "profile.json").write_text("{}")
    assert packed_or_none(second) is None
    odd = replace(second, files={})
    assert packed_or_none(odd) is None
