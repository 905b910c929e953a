"""The repository: committed versions only, by name and number, and the next free number."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import models

from fairlead.core.errors import FileUnreadable
from fairlead.core.names import is_name
from fairlead.packages import manifest
from fairlead.packages.repository import committed, is_package, next_version, stamp


def make(repository, name, *versions, finished=True):
    for version in versions:
        folder = repository / name / str(version)
        folder.mkdir(parents=True)
        if finished:
            (folder / manifest.NAME).write_text("{}")


def listed(repository):
    return [(found.name, found.version) for found in committed(repository)]


def test_versions_are_listed_by_name_and_by_number_not_by_text(tmp_path):
    make(tmp_path, "b", 10, 9, 1)
    make(tmp_path, "a", 2)
    assert listed(tmp_path) == [("a", 2), ("b", 1), ("b", 9), ("b", 10)]


def test_a_half_written_version_is_invisible_until_its_manifest_is_there(tmp_path):
    package = models.total(tmp_path)
    file = package.folder / manifest.NAME
    file.rename(package.folder / "manifest.json.part")
    assert listed(tmp_path) == []
    assert not is_package(package.folder)
    (package.folder / "manifest.json.part").rename(file)
    assert listed(tmp_path) == [("total", 1)]


def test_what_is_no_version_is_passed_over(tmp_path):
    make(tmp_path, "a", 1)
    make(tmp_path, "a", "01", "1x", "-1", "v2", "1.0", "latest", ".packing-x", "\uff19", "1" * 19)
    make(tmp_path, ".hidden", 1)
    make(tmp_path, "bad name", 1)
    make(tmp_path, "a..b", 1)
    (tmp_path / "file").write_text("x")
    (tmp_path / "a" / "2").write_text("a file named like a version")
    assert listed(tmp_path) == [("a", 1)]


def test_a_model_folder_that_is_a_link_is_passed_over(tmp_path):
    make(tmp_path / "elsewhere", "m", 1)
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "m").symlink_to(tmp_path / "elsewhere" / "m")
    assert listed(repository) == []


def test_a_repository_that_cannot_be_listed_is_said(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "absent", tmp_path / "file"):
        with pytest.raises(FileUnreadable, match="cannot be read") as caught:
            committed(path)
        assert caught.value.where == str(path)


def test_a_model_that_cannot_be_read_is_said_and_the_others_are_listed(tmp_path, monkeypatch):
    make(tmp_path, "a", 1)
    make(tmp_path, "b", 2)
    scandir = os.scandir

    def denied(path):
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    unread: dict[str, FileUnreadable] = {}
    found = committed(tmp_path, unread.__setitem__)
    assert [(one.name, one.version) for one in found] == [("b", 2)]
    assert list(unread) == ["a"]
    assert unread["a"].where == str(tmp_path / "a")
    with pytest.raises(FileUnreadable, match="the model cannot be read: Permission denied"):
        committed(tmp_path)


@given(st.sets(st.integers(min_value=0, max_value=10**12), max_size=6))
def test_the_next_version_is_above_every_folder_committed_or_not(tmp_path_factory, versions):
    repository = tmp_path_factory.mktemp("repository")
    half = sorted(versions)[: len(versions) // 2]
    make(repository, "m", *half, finished=False)
    make(repository, "m", *(versions - set(half)))
    assert next_version(repository, "m") == max(versions, default=0) + 1


def test_the_first_version_of_a_new_model_is_1(tmp_path):
    assert next_version(tmp_path, "m") == 1
    (tmp_path / "m").mkdir()
    assert next_version(tmp_path, "m") == 1


@given(st.text(max_size=140))
def test_a_name_that_may_name_a_model_stays_one_folder_below_the_repository(name):
    """Whatever is let through has no separator, no dot-dot, and fits a file name."""
    if is_name(name):
        assert name.isascii()
        assert not set("/\\\0:") & set(name)
        assert ".." not in name
        assert not name.startswith(".")
        assert len(name) <= 128


def test_a_version_with_a_file_name_that_is_no_text_has_a_stamp_like_any_other(tmp_path):
    before = stamp(tmp_path)
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).touch()
    except OSError:  # this file system holds no such names
        (tmp_path / "other").touch()
    assert stamp(tmp_path) not in ("", before)
