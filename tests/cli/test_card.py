"""`fairlead card`: every form of the card, and a figure that is not true is named."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import fairlead
from fairlead.cli.main import FAILED, main


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    random = np.random.default_rng(1)
    x = random.normal(size=(200, 2))
    y = np.where(x[:, 0] > 0, "yes", "no")
    folder = tmp_path_factory.mktemp("models")
    fairlead.pack(
        LogisticRegression().fit(x, y),
        name="m",
        repository=folder,
        reference={"a": x[:, 0], "b": x[:, 1]},
        evaluation=({"a": x[:, 0], "b": x[:, 1]}, y),
    )
    return folder


def card(repository: Path, *words: str) -> int:
    return main(["card", "m", "--repository", str(repository), *words])


@pytest.mark.parametrize(
    ("form", "begins"),
    [
        ("md", "---\n"),
        ("html", "<!DOCTYPE html>"),
        ("json", '{\n  "format": 1'),
        ("cyclonedx", '{\n  "$schema": "http://cyclonedx.org'),
        ("toolkit", '{\n  "schema_version": "0.0.2"'),
    ],
)
def test_every_form_is_printed_or_written(repository, tmp_path, capsys, form, begins):
    assert card(repository, "--format", form) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(begins)
    file = tmp_path / "card"
    assert card(repository, "--format", form, "--output", str(file)) == 0
    assert file.read_text(encoding="utf-8") == printed
    assert capsys.readouterr().out == f"the card of m version 1 in {file}\n"


def test_a_card_that_says_what_is_measured_is_verified(repository, capsys):
    assert card(repository, "--verify") == 0
    assert "is what is measured now, to the last digit" in capsys.readouterr().out


def test_a_figure_that_differs_is_named_and_the_status_says_so(repository, tmp_path, capsys):
    folder = tmp_path / "models" / "m" / "1"
    folder.parent.mkdir(parents=True)
    shutil.copytree(repository / "m" / "1", folder)
    told = json.loads((folder / "card.json").read_text())
    told["metrics"][0]["value"] = 0.123
    raw = json.dumps(told).encode()
    (folder / "card.json").write_bytes(raw)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["card.json"] = {"size": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert card(tmp_path / "models", "--verify") == 1
    said = capsys.readouterr().out
    assert "1 figure of the card of m version 1 not as measured now" in said
    assert "metrics[accuracy].value: the card says 0.123" in said


@pytest.mark.parametrize(
    "words",
    [
        ("--verify", "--evaluation", "rows.csv"),
        ("--evaluation", "rows.csv", "--target", "y"),
        ("--format", "pdf"),
        ("--output", "/absent/folder/card"),
        ("--verify", "--evaluation", "absent.csv", "--target", "y"),
    ],
)
def test_what_cannot_be_done_is_said(repository, capsys, words):
    assert card(repository, *words) == FAILED
    assert "FRL-" in capsys.readouterr().err
