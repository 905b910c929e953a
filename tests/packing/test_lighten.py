"""A graph with 8-bit weights: a quarter of the size, and nearly the same answers."""

from __future__ import annotations

import numpy as np
import pytest
from tests import models

from fairlead.core.errors import ConversionFailed
from fairlead.core.package import Package
from fairlead.core.signature import Signature
from fairlead.packing.lighten import eight_bit

WIDTH = 64


def layered(folder, width: int = WIDTH) -> Package:
    """Two layers of weights drawn at random."""
    signature = Signature(
        (models.spec("x", "FP32", (-1, width)),), (models.spec("y", "FP32", (-1, width)),)
    )
    nodes = [
        models.node("MatMul", "x first", "h"),
        models.node("Relu", "h", "r"),
        models.node("MatMul", "r second", "y"),
    ]
    draw = np.random.default_rng(0).normal
    weights = {
        n: (draw(size=(width, width)) / width).astype(np.float32) for n in ("first", "second")
    }
    return models.commit(folder, "layered", signature, nodes, weights)


def test_weights_take_a_quarter(tmp_path):
    graph = layered(tmp_path).graph_path.read_bytes()
    light = eight_bit(graph)
    assert len(light) < 0.4 * len(graph)


def test_a_graph_without_weights_is_not_made_lighter(tmp_path):
    graph = models.total(tmp_path).graph_path.read_bytes()
    assert len(eight_bit(graph)) == pytest.approx(len(graph), abs=200)


def test_what_is_no_graph_is_said():
    with pytest.raises(ConversionFailed, match="cannot be made lighter"):
        eight_bit(b"no graph")
