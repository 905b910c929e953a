"""A lighter variant is made, timed and compared where that is worth trying."""

from __future__ import annotations

from tests import models
from tests.packing.test_lighten import layered

from fairlead.assembly import trial
from fairlead.packages.repository import Found


def tried(package):
    return trial.tried(Found(package.name, 1, package.folder))


def test_a_large_graph_is_compared_with_its_variant(tmp_path):
    package = layered(tmp_path, 400)
    light = tried(package).lighter
    assert light is not None
    assert light.size < 0.4 * package.files["graph/model.onnx"].size
    assert light.median_s > 0
    assert light.difference < 0.01


def test_a_small_graph_is_let_be(tmp_path):
    assert tried(models.total(tmp_path)).lighter is None
