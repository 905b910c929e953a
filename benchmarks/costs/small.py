"""Three small models of the kinds that people have: a table, pictures, and texts as vectors."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

import fairlead
from benchmarks import models
from benchmarks.graphs import Builder
from benchmarks.places import GRAPHS, PACKED

_IMAGE, _TOKENS, _WORDS, _WIDE = 32, 32, 2000, 128


def table() -> Path:
    """100 boosted trees over 30 columns."""
    return models.packed(models.BOOSTING)


def image() -> Path:
    """Four convolutions over pictures of 32 by 32."""
    build, path = Builder(), GRAPHS / "small_image.onnx"

    def conv(flow: str, wide: int, to: int, stride: int) -> str:
        weights = build.weight(to, wide, 3, 3), build.constant(np.zeros(to, np.float32))
        return build.node(
            "Relu", build.node("Conv", flow, *weights, strides=[stride] * 2, pads=[1] * 4)
        )

    flow = "x"
    for wide, to, stride in ((3, 16, 1), (16, 32, 2), (32, 64, 2), (64, 64, 1)):
        flow = conv(flow, wide, to, stride)
    flow = build.node("Flatten", build.node("GlobalAveragePool", flow))
    build.save(path, build.dense(flow, 64, 10), "FLOAT", (3, _IMAGE, _IMAGE), 10)
    return _packed("small-image", path)


def embedding() -> Path:
    """Words to vectors, two layers over each, and their mean."""
    build, path = Builder(), GRAPHS / "small_embedding.onnx"
    flow = build.node("Gather", build.weight(_WORDS, _WIDE), "x")
    for _ in range(2):
        inner = build.node("Relu", build.dense(flow, _WIDE, 2 * _WIDE))
        flow = build.node("Add", flow, build.dense(inner, 2 * _WIDE, _WIDE))
    flow = build.node("ReduceMean", flow, build.integers(1), keepdims=0)
    build.save(path, flow, "INT64", (_TOKENS,), _WIDE)
    return _packed("small-embedding", path)


def _packed(name: str, graph: Path) -> Path:
    shutil.rmtree(PACKED / name, ignore_errors=True)
    return fairlead.pack(graph, name=name, repository=PACKED).folder


MODELS: dict[str, Callable[[], Path]] = {"table": table, "image": image, "embedding": embedding}
"""Each packs a model and gives the folder of its package."""
