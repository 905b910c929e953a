"""What paths on a command line hold: packages, repositories, SavedModels by version."""

from __future__ import annotations

import pytest
from tests import models

from fairlead.assembly import config
from fairlead.assembly.versions import find_versions, newest, saved_versions
from fairlead.core.errors import BadUsage, FileUnreadable, PackageInvalid


def settings(**flags: object):
    """Settings with these flags, by "section_key"."""
    return config.load({name.replace("_", ".", 1): v for name, v in flags.items()}, {}, None)


def saved(base, *versions):
    """Folders of SavedModels, of which nothing is read here."""
    for version in versions:
        (base / version).mkdir(parents=True)
        (base / version / "saved_model.pb").touch()
    return base


def test_repositories_and_packages_are_found_together(tmp_path):
    models.total(tmp_path / "one")
    models.total(tmp_path / "one")
    single = models.grid(tmp_path / "two")
    found = find_versions([str(tmp_path / "one"), str(single.folder)], settings())
    assert [(f.name, f.version) for f in found] == [("total", 1), ("total", 2), ("grid", 1)]


def test_a_single_package_may_be_given_another_name(tmp_path):
    package = models.total(tmp_path)
    (found,) = find_versions([str(package.folder)], settings(server_name="mine"))
    assert (found.name, found.version) == ("mine", 1)
    with pytest.raises(BadUsage, match="--name is for a single package"):
        find_versions([str(tmp_path)], settings(server_name="mine"))


def test_a_version_named_twice_is_refused(tmp_path):
    package = models.total(tmp_path)
    with pytest.raises(BadUsage, match="total version 1 is named by two paths"):
        find_versions([str(tmp_path), str(package.folder)], settings())


def test_a_repository_without_a_finished_version_says_how_to_pack_one(tmp_path):
    with pytest.raises(FileUnreadable, match="no finished version") as caught:
        find_versions([str(tmp_path)], settings())
    assert "fairlead pack" in caught.value.line()


def test_a_damaged_package_named_by_its_path_is_refused_at_once(tmp_path):
    package = models.total(tmp_path)
    (package.folder / "model.toml").write_text("x = 1")
    with pytest.raises(PackageInvalid):
        find_versions([str(package.folder)], settings())


# --- as TensorFlow Serving lays them out ----------------------------------------------------


def test_a_base_is_one_model_with_its_versions(tmp_path):
    base = saved(tmp_path / "half", "2", "10", "00000123", "temp-7")
    (base / "3").mkdir()
    (base / "readme").touch()
    found = saved_versions(base)
    assert [(one.name, one.version, one.folder.name) for one in found] == [
        ("half", 2, "2"),
        ("half", 10, "10"),
        ("half", 123, "00000123"),
    ]
    assert {one.name for one in saved_versions(base, "other")} == {"other"}


def test_bases_beside_each_other_are_models_by_their_folders(tmp_path):
    saved(tmp_path / "half", "1", "2")
    saved(tmp_path / "third", "7")
    saved(tmp_path / "no name", "1")
    found = saved_versions(tmp_path)
    assert [(one.name, one.version) for one in found] == [("half", 1), ("half", 2), ("third", 7)]
    assert [(one.name, one.version) for one in newest(found)] == [("half", 2), ("third", 7)]
    assert saved_versions(tmp_path, "mine") == []


def test_a_base_whose_folder_cannot_name_a_model_wants_a_name(tmp_path):
    with pytest.raises(BadUsage, match="no name"):
        saved_versions(saved(tmp_path / "no name", "1"))
