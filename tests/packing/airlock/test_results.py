"""What the airlock leaves behind is believed only as far as it is checked."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy
from onnx import TensorProto, helper

from fairlead.core.errors import AirlockFailed, FairleadError, UnsafeFile
from fairlead.packing.airlock import results

FACTS: dict[str, Any] = {
    "runtime": "onnx",
    "graph": "model.onnx",
    "reason": "",
    "sampled": True,
    "versions": {"numpy": "2.0"},
    "about": {},
    "signature": {
        "format": 1,
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 1]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 1]}],
    },
}


def graph(**more: Any) -> Any:
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [None, 1]) for n in "xy")
    node = helper.make_node("Identity", ["x"], ["y"], **more)
    return helper.make_model(helper.make_graph([node], "g", [x], [y]))


@pytest.fixture
def out(tmp_path) -> Path:
    (tmp_path / "model.onnx").write_bytes(graph().SerializeToString())
    (tmp_path / "facts.json").write_text(json.dumps(FACTS))
    for name in ("rows", "original"):
        np.savez(
            tmp_path / f"{name}.npz", x=np.ones(3), t=np.array(["a", "bc"]), e=np.zeros((0, 4))
        )
    (tmp_path / "scratch").mkdir()
    return tmp_path


def test_what_a_converter_promises_passes(out):
    results.check(FACTS, out)
    assert results.read_facts(out) == FACTS


WRONG: list[dict[str, Any]] = [
    {"graph": "../../etc/passwd"},
    {"graph": "/etc/passwd"},
    {"graph": "."},
    {"graph": ""},
    {"graph": "other.onnx"},
    {"graph": ["model.onnx"]},
    {"runtime": "../evil"},
    {"runtime": "os.path"},
    {"runtime": None},
    {"signature": {}},
    {"signature": {"format": 1, "inputs": [{}], "outputs": []}},
    {"signature": None},
    {"versions": []},
    {"versions": {"a": 1}},
    {"about": "x"},
    {"sampled": "yes"},
    {"reason": 5},
    {"signatures": ["serve"]},
    {"signatures": {"serve": 1}},
    {"signatures": {"": "same"}},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_facts_that_promise_something_else_are_refused(out, wrong):
    with pytest.raises(AirlockFailed):
        results.check({**FACTS, **wrong}, out)


@pytest.mark.parametrize("missing", FACTS)
def test_facts_that_lack_something_are_refused(out, missing):
    with pytest.raises(AirlockFailed):
        results.check({k: v for k, v in FACTS.items() if k != missing}, out)


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "\xff", "[" * 100_000, '{"a": 1e999999}x'])
def test_facts_that_are_no_object_of_json_are_refused(out, text):
    (out / "facts.json").write_bytes(text.encode("latin1"))
    with pytest.raises(AirlockFailed):
        results.read_facts(out)


def test_no_facts_are_none(tmp_path):
    assert results.read_facts(tmp_path) is None


def test_facts_are_read_through_no_link_and_wait_for_nobody(out):
    (out / "facts.json").unlink()
    os.symlink("/etc/passwd", out / "facts.json")
    with pytest.raises(AirlockFailed):
        results.read_facts(out)
    (out / "facts.json").unlink()
    os.mkfifo(out / "facts.json")
    with pytest.raises(AirlockFailed):
        results.read_facts(out)


@pytest.mark.parametrize("where", ["model.onnx", "rows.npz", "scratch/deep/er"])
@pytest.mark.parametrize("kind", ["symlink", "hard link", "fifo", "dangling"])
def test_links_and_special_files_are_refused_wherever_they_lie(out, tmp_path_factory, where, kind):
    secret = tmp_path_factory.mktemp("outside") / "secret"
    secret.write_text("secret")
    path = out / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "symlink":
        path.symlink_to(secret)
    elif kind == "dangling":
        path.symlink_to(out / "nowhere")
    elif kind == "hard link":
        path.hardlink_to(secret)
    else:
        os.mkfifo(path)
    with pytest.raises(UnsafeFile, match="link"):
        results.check(FACTS, out)


def test_a_graph_that_leads_outside_is_refused(out):
    model = graph()
    weight = model.graph.initializer.add()
    weight.name, weight.data_type, weight.data_location = "w", 1, 1
    weight.dims.append(1)
    weight.external_data.add(key="location", value="../secret")
    for bad in (model, graph(domain="my.own")):
        (out / "model.onnx").write_bytes(bad.SerializeToString())
        with pytest.raises(UnsafeFile):
            results.check(FACTS, out)


def array_file(shape: tuple[int, ...], kind: str, data: bytes) -> bytes:
    head = io.BytesIO()
    npy.write_array_header_1_0(head, {"descr": kind, "fortran_order": False, "shape": shape})
    return head.getvalue() + data


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("more than it holds", array_file((1 << 40,), "<f8", bytes(8))),
        ("a product that wraps around", array_file((1 << 32, 1 << 32), "<f8", bytes(8))),
        ("a negative side", array_file((-1,), "<f8", bytes(8))),
        ("objects", array_file((1,), "|O", b"\x80\x04N.")),
        ("a broken head", b"\x93NUMPY\x01\x00\xff\xff"),
        (
            "code in its head",
            b"\x93NUMPY\x01\x00" + struct.pack("<H", 20) + b"__import__('os')   \n",
        ),
        ("nothing", b""),
    ],
)
def test_arrays_that_claim_what_they_do_not_hold_are_refused(out, name, content):
    with zipfile.ZipFile(out / "rows.npz", "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(AirlockFailed, match="damaged"):
        results.check(FACTS, out)


def test_arrays_that_are_a_bomb_are_refused(out):
    with zipfile.ZipFile(out / "rows.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", array_file((1 << 20,), "<f8", bytes(8 << 20)))
    with pytest.raises(AirlockFailed, match="damaged"):
        results.check(FACTS, out)


@pytest.mark.parametrize("size", [0, 10, 100, 300])
def test_arrays_cut_short_are_refused(out, size):
    raw = (out / "rows.npz").read_bytes()
    (out / "rows.npz").write_bytes(raw[:size])
    with pytest.raises(AirlockFailed):
        results.check(FACTS, out)


def test_a_missing_file_of_arrays_is_refused(out):
    (out / "original.npz").unlink()
    with pytest.raises(FairleadError):
        results.check(FACTS, out)


def test_what_is_held_counts_empty_files_and_folders_too(out):
    before = results.held(out)
    (out / "scratch" / "a" / "b").mkdir(parents=True)
    (out / "scratch" / "a" / "b" / "c").write_bytes(bytes(1 << 20))
    assert results.held(out) >= before + (1 << 20) + 2 * 4096
