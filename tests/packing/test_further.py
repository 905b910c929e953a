"""Further signatures: made as the first one, placed beside it, and left out when they cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.models import graph, node, spec

from fairlead.core.errors import ConversionFailed
from fairlead.core.signature import Signature
from fairlead.packages.read import open_package, verify
from fairlead.packing.converters import samples
from fairlead.packing.faithful import Wanted
from fairlead.packing.pack import pack_converted
from fairlead.packing.rows import Table

TRIPLE = Signature((spec("x", "FP32", (-1,)),), (spec("y", "FP32", (-1,)),))
KINDS = {"again": "same", "negative": "rows", "broken": "other", "wrong": "other"}
NODES = {
    "": [node("Add", "x x", "y")],
    "negative": [node("Neg", "x", "y")],
    "wrong": [node("Abs", "x", "y")],
}
ANSWERS = {"": 2.0, "negative": -1.0, "wrong": -1.0}


class Converter:
    """Makes a graph for each signature; remembers what it was asked."""

    def __init__(self) -> None:
        self.jobs: list[dict[str, Any]] = []

    def __call__(self, job: dict[str, Any], out: Path) -> dict[str, Any]:
        self.jobs.append(job)
        name = job["signature"]
        if name == "broken":
            raise ConversionFailed("it is broken")
        if job.get("native"):
            raise ConversionFailed("it has no native form")
        x = np.array([1.0, 2.0, 3.0], np.float32)
        samples.save(out / "rows.npz", {"x": x})
        samples.save(out / "original.npz", {"y": x * np.float32(ANSWERS[name])})
        (out / "model.onnx").write_bytes(graph(NODES[name], TRIPLE))
        return {
            "runtime": "onnx", "graph": "model.onnx", "reason": "", "about": {}, "versions": {},
            "signature": TRIPLE.to_json(), "sampled": not job.get("rows"), "signatures": KINDS,
        }  # fmt: skip


@pytest.fixture
def said() -> list[tuple[str, str]]:
    return []


def packed(folder: Path, said: list[tuple[str, str]], **more: Any):
    converter = Converter()
    wanted = Wanted("m", folder, **more)
    package = pack_converted(wanted, converter, {}, lambda *told: said.append(told))
    verify(open_package(package.folder))
    return package, converter


def test_they_stand_beside_the_first_one_each_with_its_own_graph(tmp_path, said):
    package, _ = packed(tmp_path, said)
    assert [*package.signatures] == ["again", "negative"]
    assert package.signatures["again"] is None
    negative = package.signatures["negative"]
    assert negative is not None
    assert negative.graph != package.graph
    assert (package.folder / negative.graph).read_bytes() == graph(NODES["negative"], TRIPLE)
    told = [result for step, result in said if step == "signature"]
    assert told[-1] == "served without contract and guards: negative"


def test_what_cannot_be_packed_or_is_not_faithful_is_left_out_and_said_so(tmp_path, said):
    packed(tmp_path, said)
    told = "\n".join(result for step, result in said if step == "signature")
    assert "broken is left out: it is broken" in told
    assert "wrong is left out" in told


def test_reference_rows_are_for_those_that_take_them(tmp_path, said):
    rows = Table({"x": np.array([1.0, 2.0, 3.0], np.float32)})
    _, converter = packed(tmp_path, said, reference=rows)
    given = {job["signature"]: "rows" in job for job in converter.jobs}
    assert given == {"": True, "negative": True, "broken": False, "wrong": False}


def test_one_signature_alone_is_packed_when_that_is_asked_for(tmp_path, said):
    package, converter = packed(tmp_path, said, one_signature=True)
    assert not package.signatures
    assert {job["signature"] for job in converter.jobs} == {""}
