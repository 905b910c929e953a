"""A version is measured in a process of its own: what ends that process is an answer, no end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests import models

from fairlead.assembly import trial
from fairlead.core.errors import LoadFailed, PackageInvalid
from fairlead.packages.repository import Found


def found(package) -> Found:
    return Found("renamed", 7, package.folder)


def test_what_was_measured_comes_back_as_it_was(tmp_path):
    measured = trial.tried(found(models.classifier(tmp_path)))
    assert measured.strange == (0, 0, 4)
    assert measured.rows_per_s > 0
    assert measured.inline


def test_a_model_that_is_to_be_apart_is_measured_apart(tmp_path):
    measured = trial.tried(found(models.total(tmp_path)), isolated=True)
    assert set(measured.locks) == {"files", "network", "processes"}
    assert not measured.inline


def test_a_process_that_dies_is_a_model_that_does_not_load(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(LoadFailed, match="the process that measured it died") as caught:
        trial.tried(found(models.total(tmp_path)))
    assert caught.value.where == "renamed version 7"


def test_a_model_that_takes_too_long_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "_PATIENCE_S", 0.01)
    with pytest.raises(LoadFailed, match="it was not measured in 0 s"):
        trial.tried(found(models.total(tmp_path)))


def test_a_package_that_is_not_whole_is_said_by_its_own_error(tmp_path):
    package = models.total(tmp_path)
    Path(package.folder / "more.txt").write_text("")
    with pytest.raises(PackageInvalid, match=r"more\.txt is not in the manifest"):
        trial.tried(found(package))
