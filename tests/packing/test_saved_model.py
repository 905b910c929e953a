"""A SavedModel is read from its bytes: here from ones made by hand, without TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.core.errors import UnsafeFile
from fairlead.packing import saved_model
from fairlead.packing.airlock.process import Airlock
from fairlead.packing.inspection import inspect, summary


def field(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(raw)) + raw


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def tensor(name: str, kind: int, sizes: list[int]) -> bytes:
    shape = b"".join(field(2, field(1, size) if size else b"") for size in sizes)
    return field(1, name) + field(2, field(1, "x:0") + field(2, kind) + field(3, shape))


def signature(name: str, inputs: list[bytes], outputs: list[bytes]) -> bytes:
    held = b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs)
    return field(5, field(1, name) + field(2, held))


def graph(operators: list[str], inside: list[str]) -> bytes:
    nodes = b"".join(field(1, field(1, f"n{op}") + field(2, op)) for op in operators)
    function = b"".join(field(3, field(2, op)) for op in inside)
    return field(2, nodes + field(2, field(1, function)))


def model(operators: list[str], inside: list[str] | None = None, version: str = "2.18.0") -> bytes:
    default = signature("serving_default", [tensor("x", 1, [-1, 4])], [tensor("y", 9, [-1, 0])])
    hidden = signature("__saved_model_init_op", [], [tensor("init", 7, [])])
    meta = field(1, field(5, version)) + graph(operators, inside or []) + default + hidden
    return field(1, 1) + field(2, meta)


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "saved" / "variables").mkdir(parents=True)
    (tmp_path / "saved" / "variables" / "variables.data-00000-of-00001").write_bytes(bytes(4000))
    return tmp_path / "saved"


def looked(folder: Path, raw: bytes) -> dict[str, Any]:
    (folder / "saved_model.pb").write_bytes(raw)
    return saved_model.look(folder)


def test_version_inputs_outputs_and_sizes_are_told(folder):
    facts = looked(folder, model(["MatMul", "Relu"]))
    assert facts["trained_with"] == {"tensorflow": "2.18.0"}
    assert facts["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
    assert facts["outputs"] == [{"name": "y", "datatype": "INT64", "shape": [-1, 0]}]
    assert facts["weight_bytes"] == 4000
    assert facts["parameters"] == 1000
    assert facts["code"] == {"holds": False, "touches": [], "refused": []}


@pytest.mark.parametrize("operator", ["PyFunc", "EagerPyFunc", "ReadFile", "WriteFile"])
@pytest.mark.parametrize("where", ["graph", "function"])
def test_operators_that_run_code_or_reach_for_files_are_told_wherever_they_are(
    folder, operator, where
):
    raw = model([operator]) if where == "graph" else model(["MatMul"], [operator])
    assert looked(folder, raw)["code"]["refused"] == [operator]


def test_inspect_shows_it(folder):
    (folder / "saved_model.pb").write_bytes(model(["MatMul"], version="2.1\x1b[2J"))
    facts = inspect(str(folder), Airlock())
    assert facts["framework"] == "TensorFlow"
    assert facts["verdict"] in ("unknown", "drift", "match")
    assert all(line.isprintable() for line in summary(facts))


def test_a_damaged_one_is_refused(folder):
    raw = model(["MatMul"])
    for size in range(1, len(raw), 7):
        try:
            looked(folder, raw[:size])
        except UnsafeFile:
            continue


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0), st.binary(max_size=3)), min_size=1, max_size=5))
def test_any_damage_is_read_or_refused(folder, changes):
    raw = bytearray(model(["MatMul", "PyFunc"], ["Relu"]))
    for place, piece in changes:
        at = place % len(raw)
        raw[at : at + 1] = piece
    try:
        looked(folder, bytes(raw))
    except UnsafeFile:
        return


def test_one_larger_than_any_is_refused_unread(folder):
    with (folder / "saved_model.pb").open("wb") as file:
        file.truncate(2 << 30)
    with pytest.raises(UnsafeFile, match="1 GiB"):
        saved_model.look(folder)
