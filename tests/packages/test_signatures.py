"""Further signatures in a manifest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests import models

from fairlead.core.errors import PackageInvalid
from fairlead.packages import manifest
from fairlead.packages.read import open_package
from fairlead.packages.signatures import listed


def test_further_signatures_come_back_as_they_were_listed(tmp_path):
    package = open_package(models.several(tmp_path).folder)
    assert [*package.signatures] == ["kinds", "negative", "shares", "sum", "twice"]
    assert package.signatures["sum"] is None
    twice = package.signatures["twice"]
    assert twice is not None
    assert [spec.name for spec in twice.signature.outputs] == ["y"]
    assert (twice.name, twice.graph) == ("several", "graph/twice.onnx")
    told = json.loads((package.folder / manifest.NAME).read_text())["signatures"]
    assert listed(package.signatures) == told


def test_a_package_without_them_has_none(tmp_path):
    assert not open_package(models.total(tmp_path).folder).signatures


@pytest.mark.parametrize(
    "change",
    [
        {"graph": "graph/absent.onnx"},
        {"graph": "../total/1/graph/model.onnx"},
        {"signature": {"format": 1, "inputs": [], "outputs": []}},
        {"signature": None},
        {"about": 7},
    ],
    ids=["absent", "elsewhere", "empty", "nothing", "about"],
)
def test_what_cannot_be_a_signature_is_no_package(tmp_path, change):
    folder = models.several(tmp_path).folder
    file = folder / manifest.NAME
    told: dict[str, Any] = json.loads(file.read_text())
    told["signatures"]["twice"] |= change
    file.write_text(json.dumps(told))
    with pytest.raises(PackageInvalid):
        open_package(folder)
