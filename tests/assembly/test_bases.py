"""What a base of SavedModels holds while a server runs; with TensorFlow in tests/frameworks."""

from __future__ import annotations

import pytest
from tests import models
from tests.assembly.test_versions import saved, settings

from fairlead.assembly.bases import bases_of
from fairlead.assembly.versions import CACHE, bases_among
from fairlead.core.errors import FairleadError, LoadFailed
from fairlead.packages.repository import committed


def test_versions_that_have_come_since_are_seen_and_packages_stay(tmp_path):
    folder, state = tmp_path / "models", tmp_path / "state"
    models.total(folder)
    found = committed(folder)
    held = bases_of([str(folder)], settings(), state)
    assert {n: make() for n, make in held("total", found).items()} == {1: found[0]}
    saved(folder / "half", "1", "00000123")
    assert [*held("half", [])] == [1, 123]
    assert held("nobody", []) == {}
    saved(folder / "total", "4")
    assert [*held("total", found)] == [1, 4]


def test_what_was_packed_of_a_version_that_is_gone_is_not_held_any_more(tmp_path):
    base, state = saved(tmp_path / "half", "1"), tmp_path / "state"
    packed = models.total(state / CACHE / "0123456789abcdef", "half", version=2)
    found = committed(packed.folder.parent.parent)
    held = bases_of([str(tmp_path)], settings(), state)
    assert [*held("half", found)] == [1]
    (base / "1" / "saved_model.pb").unlink()
    # Without a base it is a trained file's, which stays.
    assert [*held("half", found)] == [2]


def test_what_is_wrong_with_a_saved_model_is_told_by_the_process_that_packs_it(tmp_path):
    folder = saved(tmp_path / "half", "1")
    (folder / "1" / "link").symlink_to("/etc/passwd")
    held = bases_of([str(tmp_path)], settings(), tmp_path / "state")
    with pytest.raises(FairleadError) as refused:
        held("half", [])[1]()
    assert refused.value.name == "FILE_UNSAFE"
    assert refused.value.where == "link"


def test_a_process_that_ends_without_a_word_is_a_failed_load(tmp_path, monkeypatch):
    saved(tmp_path / "half", "1")
    held = bases_of([str(tmp_path)], settings(), tmp_path / "state")
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(LoadFailed, match="it could not be packed") as refused:
        held("half", [])[1]()
    assert refused.value.where == "half version 1"


def test_only_folders_that_can_hold_bases_are_looked_at_again(tmp_path):
    package = models.total(tmp_path / "repository")
    single = saved(tmp_path / "half", "1") / "1"
    (tmp_path / "file.onnx").touch()
    paths = [tmp_path / "repository", package.folder, single, tmp_path / "file.onnx"]
    assert bases_among([*map(str, paths), f"{tmp_path}/source.py:predict"]) == [
        str(tmp_path / "repository")
    ]
