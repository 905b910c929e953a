"""Amending writes the next version with other words and the same graph, or nothing at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import models

from fairlead.core.errors import (
    BadUsage,
    FairleadError,
    FileUnreadable,
    ModelNotFound,
    PackageInvalid,
)
from fairlead.packages.read import open_package, read_verified, verify
from fairlead.packages.repository import committed
from fairlead.packing.amend import amend, find

WORDS = '[words]\npurpose = "to tell colours"\n[limits]\nmax_rows = 7\n'


@pytest.fixture
def repository(tmp_path) -> Path:
    models.classifier(tmp_path / "repository", name="m")
    return tmp_path / "repository"


def words(folder: Path, text: str | bytes = WORDS) -> Path:
    path = folder.parent / "model.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def versions(repository: Path) -> list[int]:
    return [found.version for found in committed(repository)]


def test_the_next_version_has_the_new_words_and_everything_else_byte_for_byte(repository):
    first = find(repository, "m")
    second = amend(repository, "m", words(repository))
    assert (second.version, second.name) == (2, "m")
    assert second.limits.max_rows == 7
    assert second.words["words"]["purpose"] == "to tell colours"
    assert set(second.files) == set(first.files)
    for relative in first.files:
        if relative != "model.toml":
            assert read_verified(second, relative) == read_verified(first, relative)
            assert second.files[relative].sha256 == first.files[relative].sha256
    assert second.signature == first.signature
    assert second.trained == first.trained
    verify(first)
    verify(second)
    assert open_package(first.folder).limits.max_rows != 7


def test_the_newest_is_amended_unless_another_is_named(repository):
    amend(repository, "m", words(repository))
    third = amend(repository, "m", words(repository, WORDS + "max_batch = 3\n"))
    assert third.limits.max_batch == 3
    fourth = amend(repository, "m@1", words(repository, "[limits]\nmax_batch = 9\n"))
    assert fourth.version == 4
    assert fourth.limits.max_rows == find(repository, "m@1").limits.max_rows
    assert "words" not in fourth.words


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[limits]\nmax_rows = 'many'", "max_rows must be a whole number"),
        ("[limits]\nmax_rows = 0", "above 0"),
        ("[limits]\nmax_rows = -1", "above 0"),
        ("[limits]\nmax_rows = 1.5", "whole number"),
        ("[limits]\nmax_rows = true", "whole number"),
        ("[limits]\ntime_budget_s = nan", "above 0"),
        ("[limits]\nmax_rws = 5", "max_rws is not known"),
        ("limits = 5", "must be a table"),
        ("[word]\npurpose = 'x'", r"\[word\] is not known"),
        ("[words", "not valid TOML"),
        (b"\xff\xfe", "not valid TOML"),
    ],
)
def test_words_that_cannot_be_served_are_refused_and_write_nothing(repository, text, why):
    with pytest.raises(PackageInvalid, match=why):
        amend(repository, "m", words(repository, text))
    assert versions(repository) == [1]
    assert [p.name for p in (repository / "m").iterdir()] == ["1"]


def test_words_that_are_the_same_are_refused(repository):
    same = read_verified(find(repository, "m"), "model.toml")
    with pytest.raises(BadUsage, match="already"):
        amend(repository, "m", words(repository, same))
    assert versions(repository) == [1]


@pytest.mark.parametrize("relative", ["model.toml", "graph/model.onnx", "signature.json"])
def test_a_version_that_was_edited_in_place_is_refused_and_names_amend(repository, relative):
    path = repository / "m" / "1" / relative
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(PackageInvalid, match="edited or damaged") as edited:
        amend(repository, "m", words(repository))
    assert "fairlead amend" in (edited.value.fix or "")
    assert versions(repository) == [1]


@pytest.mark.parametrize("model", ["m@2", "other", "m@0", "m@-1", "m@one", "m@", "m@1_0"])
def test_a_version_that_is_not_there_is_said_with_those_that_are(repository, model):
    with pytest.raises(ModelNotFound) as missing:
        amend(repository, model, words(repository))
    if model == "m@2":
        assert missing.value.fix == "Versions of m: 1"


@pytest.mark.parametrize("model", ["../m", "m/1", "", "a\0b"])
def test_a_name_that_is_none_touches_no_file(repository, model):
    with pytest.raises(FairleadError, match="cannot name a model"):
        amend(repository, model, words(repository))


def test_a_file_of_words_that_cannot_be_read_is_said(repository):
    with pytest.raises(FileUnreadable, match="cannot be read"):
        amend(repository, "m", repository / "absent.toml")
    with pytest.raises(FileUnreadable, match="cannot be read"):
        amend(repository, "m", repository)
    with pytest.raises(FileUnreadable, match="larger than 1 MiB"):
        amend(repository, "m", words(repository, b"#" * (2 << 20)))
    with pytest.raises(FileUnreadable, match="larger than 1 MiB"):
        amend(repository, "m", Path("/dev/zero"))
    assert versions(repository) == [1]


def test_a_repository_that_is_not_there_is_said(tmp_path):
    with pytest.raises(FileUnreadable):
        amend(tmp_path / "absent", "m", words(tmp_path))
