"""Amending: other words are the next version with the same graph; wrong words are no version."""

from __future__ import annotations

import pytest
from tests import models

from fairlead.core.errors import BadUsage, FileUnreadable, ModelNotFound, PackageInvalid
from fairlead.packages.read import read_verified
from fairlead.packing.amend import amend


@pytest.fixture
def repository(tmp_path):
    models.classifier(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def words(tmp_path):
    """Writes a model.toml and gives its path."""

    def write(text: str):
        file = tmp_path / "model.toml"
        file.write_text(text)
        return file

    return write


def versions(repository) -> list[str]:
    return sorted(folder.name for folder in (repository / "classifier").iterdir())


def test_new_words_are_the_next_version_with_the_same_graph(repository, words):
    before = amend(repository, "classifier", words("[words]\npurpose = 'colours'\n"))
    after = amend(repository, "classifier", words("[limits]\nmax_rows = 3\n"))
    assert (before.version, after.version) == (2, 3)
    assert before.words["words"]["purpose"] == "colours"
    assert after.limits.max_rows == 3
    assert read_verified(before, before.graph) == read_verified(after, after.graph)


def test_a_version_that_is_named_is_the_one_that_changes(repository, words):
    amend(repository, "classifier", words("[words]\npurpose = 'first'\n"))
    first = (repository / "classifier" / "1" / "model.toml").read_text()
    with pytest.raises(BadUsage, match="already"):
        amend(repository, "classifier@1", words(first))
    assert amend(repository, "classifier@2", words(first)).version == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[limits]\nmax_row = 3\n", "max_row is not known"),
        ("[limits]\nmax_rows = 0\n", "above 0"),
        ("[label]\nred = 'Red'\n", r"\[label\] is not known"),
        ("labels = 3\n", "must be a table"),
        ("x = = 3\n", "not valid TOML"),
    ],
)
def test_words_that_cannot_be_served_are_refused_by_their_file_and_leave_no_version(
    repository, words, text, says
):
    file = words(text)
    with pytest.raises(PackageInvalid, match=says) as refused:
        amend(repository, "classifier", file)
    assert refused.value.where == str(file)
    assert versions(repository) == ["1"]


def test_a_model_or_a_file_that_is_not_there_is_named(repository, words, tmp_path):
    with pytest.raises(ModelNotFound, match="rose"):
        amend(repository, "rose", words("[words]\n"))
    with pytest.raises(ModelNotFound, match="classifier@7"):
        amend(repository, "classifier@7", words("[words]\n"))
    with pytest.raises(FileUnreadable, match=r"absent\.toml"):
        amend(repository, "classifier", tmp_path / "absent.toml")
