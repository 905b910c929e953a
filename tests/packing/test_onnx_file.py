"""What is read from an ONNX file agrees with onnx; what lies or leads outside is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from tests.packing import graphs

from fairlead.core.errors import UnsafeFile
from fairlead.packing import onnx_file


def read(model: onnx.ModelProto) -> onnx_file.OnnxFacts:
    return onnx_file.read(model.SerializeToString())


def tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (t for t in [attribute.t, *attribute.tensors] if t.data_type)
            for inner in [attribute.g, *attribute.graphs]:
                yield from tensors(inner)


LEARNT = (
    "coefficients", "intercepts", "nodes_values", "class_weights", "target_weights",
    "base_values", "support_vectors", "rho",
)  # fmt: skip
"""Where linear models, trees and support vectors keep their numbers."""


def nodes(model: onnx.ModelProto) -> Iterator[Any]:
    waiting: list[Any] = [model.graph, *model.functions]
    while waiting:
        for node in waiting.pop().node:
            yield node
            for attribute in node.attribute:
                waiting += [g for g in [attribute.g, *attribute.graphs] if g.node]


def shape(value: Any) -> list[int]:
    return [d.dim_value or -1 for d in value.type.tensor_type.shape.dim]


@pytest.mark.parametrize("title", graphs.HONEST)
def test_it_agrees_with_onnx(title):
    model = graphs.HONEST[title]()
    found = read(model)
    assert found.ir == model.ir_version
    assert found.producer == f"{model.producer_name} {model.producer_version}".strip()
    assert found.opsets == {o.domain: o.version for o in model.opset_import}
    counted = [int(np.prod(t.dims, dtype=object)) for t in tensors(model.graph)]
    counted += [len(a.floats) for n in nodes(model) for a in n.attribute if a.name in LEARNT]
    assert found.parameters == sum(counted)
    held = {t.name for t in model.graph.initializer}
    inputs = [v for v in model.graph.input if v.name not in held]
    for ours, theirs in ((found.inputs, inputs), (found.outputs, model.graph.output)):
        assert [v["name"] for v in ours] == [v.name for v in theirs]
        for mine, other in zip(ours, theirs, strict=True):
            if other.type.HasField("tensor_type"):
                assert mine["datatype"] == onnx_file.TYPES[other.type.tensor_type.elem_type]
                assert mine["shape"] == shape(other)
            else:
                assert (mine["datatype"], mine["shape"]) == ("", None)
    expected: dict[str, int] = {}
    for node in nodes(model):
        key = f"{node.domain}:{node.op_type}"
        expected[key] = expected.get(key, 0) + 1
    assert found.operators == expected
    assert found.foreign == []
    assert found.external == {}


def test_bytes_of_weights_are_those_of_their_elements():
    for kind, bytes_ in ((TensorProto.INT4, 1), (TensorProto.FLOAT16, 4), (TensorProto.INT64, 16)):
        assert read(graphs.of_type(kind)).weight_bytes == bytes_
    assert read(graphs.added(graphs.weight())).weight_bytes == 8


def test_labels_of_a_classifier_are_told():
    assert read(graphs.forest()).classes == ["0", "1", "2"]
    assert read(graphs.with_maps()).classes == ["setosa", "versicolor", "virginica"]
    assert read(graphs.added(graphs.weight())).classes == []


def test_branches_and_loops_are_told():
    assert read(graphs.of_branches()).branches
    assert not read(graphs.forest()).branches


def test_operators_of_a_library_are_foreign_and_functions_of_the_file_are_not():
    node = helper.make_node("Evil", ["x"], ["y"], domain="my.own")
    custom = graphs.model([node], [graphs.value("x")], [graphs.value("y")], domains={"my.own": 1})
    assert read(custom).foreign == ["my.own:Evil"]
    inside = graphs.of_functions()
    inside.functions[0].node[0].domain = "other"
    assert read(inside).foreign == ["other:Add"]
    hidden = graphs.of_branches()
    hidden.graph.node[0].attribute[0].g.node[0].domain = "other"
    assert read(hidden).foreign == ["other:Add"]


# --- external data ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "location",
    [
        "../secret", "/etc/passwd", "a/../../secret", "sub/weights", "..", ".", "", "a\0b",
        "..\\secret", "C:\\secret", "weights\n", "./weights", "weights/", "\ud7ff/..", "\x1b[2J",
    ],
)  # fmt: skip
def test_data_from_outside_its_folder_is_refused(location):
    with pytest.raises(UnsafeFile, match="outside its own folder"):
        read(graphs.outside(location=location))


@pytest.mark.parametrize(
    "places",
    [
        {"location": "w", "basepath": "/etc"},
        {"location": "w", "__class__": "x"},
        {"location": "w", "raw_data": "x"},
    ],
)
def test_unknown_keys_are_refused(places):
    with pytest.raises(UnsafeFile, match="unknown keys"):
        read(graphs.outside(**places))


def test_a_key_twice_is_refused():
    model = graphs.outside(location="w")
    model.graph.initializer[0].external_data.add(key="location", value="../secret")
    with pytest.raises(UnsafeFile, match="unknown keys"):
        read(model)


@pytest.mark.parametrize("key", ["offset", "length"])
@pytest.mark.parametrize("number", ["-1", "1e3", " 8", "8 ", "٨", "9" * 5000, "0x8", "", "4"])
def test_broken_numbers_are_refused(key, number):
    if (key, number) == ("offset", "4"):
        assert read(graphs.outside(location="w", offset="4")).external == {"w": 12}
        return
    with pytest.raises(UnsafeFile, match="broken numbers"):
        read(graphs.outside(location="w", **{key: number}))


def test_an_absent_location_is_refused():
    with pytest.raises(UnsafeFile, match="outside"):
        read(graphs.outside(offset="0"))


def hide(model: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """The same weight, in a place where a reader may not look."""
    bad = onnx.TensorProto()
    bad.CopyFrom(model.graph.initializer[0])
    made = graphs.of_branches()
    if where == "a branch":
        made.graph.node[0].attribute[0].g.initializer.append(bad)
    elif where == "an attribute":
        made.graph.node.append(helper.make_node("Constant", [], ["k"], value=bad))
    elif where == "attributes":
        made.graph.node[0].attribute.add(name="k", type=9).tensors.append(bad)
    elif where == "a sparse weight":
        made.graph.sparse_initializer.add().values.CopyFrom(bad)
    elif where == "where a sparse weight stands":
        made.graph.sparse_initializer.add().indices.CopyFrom(bad)
    elif where == "a sparse attribute":
        made.graph.node[0].attribute.add(name="k", type=11).sparse_tensor.values.CopyFrom(bad)
    elif where == "sparse attributes":
        made.graph.node[0].attribute.add(name="k", type=12).sparse_tensors.add().values.CopyFrom(
            bad
        )
    elif where == "a function":
        made = graphs.of_functions()
        made.functions[0].node.append(helper.make_node("Constant", [], ["k"], value=bad))
    elif where == "a default of a function":
        made = graphs.of_functions()
        made.functions[0].attribute_proto.add(name="k", type=4).t.CopyFrom(bad)
    else:
        made.training_info.add().initialization.initializer.append(bad)
    return made


@pytest.mark.parametrize(
    "where",
    [
        "a branch", "an attribute", "attributes", "a sparse weight", "where a sparse weight stands",
        "a sparse attribute", "sparse attributes", "a function", "a default of a function",
        "training",
    ],
)  # fmt: skip
def test_external_data_is_found_wherever_it_hides(where):
    with pytest.raises(UnsafeFile, match="outside its own folder"):
        read(hide(graphs.outside(location="../secret"), where))
    assert read(hide(graphs.outside(location="w"), where)).external == {"w": 8}


@pytest.fixture
def beside(tmp_path) -> tuple[onnx_file.OnnxFacts, Path]:
    (tmp_path / "model").mkdir()
    (tmp_path / "secret").write_bytes(b"secret!!" * 10)
    return read(graphs.outside(location="weights")), tmp_path / "model"


def test_a_plain_file_beside_it_passes_and_is_copied(beside, tmp_path):
    facts, folder = beside
    (folder / "weights").write_bytes(b"12345678 and more")
    assert onnx_file.check_external(facts, folder) == 17
    (tmp_path / "copy").mkdir()
    onnx_file.copy_external(facts, folder, tmp_path / "copy")
    assert (tmp_path / "copy" / "weights").read_bytes() == b"12345678 and more"


@pytest.mark.parametrize(
    "kind", ["symlink", "hard link", "fifo", "folder", "dangling", "missing", "shorter", "empty"]
)
def test_anything_else_beside_it_is_refused_and_not_read(beside, tmp_path, kind):
    facts, folder = beside
    path = folder / "weights"
    if kind == "symlink":
        path.symlink_to(tmp_path / "secret")
    elif kind == "dangling":
        path.symlink_to(tmp_path / "nowhere")
    elif kind == "hard link":
        path.hardlink_to(tmp_path / "secret")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes(b"1234567" if kind == "shorter" else b"")
    (tmp_path / "copy").mkdir()
    for do in (
        lambda: onnx_file.check_external(facts, folder),
        lambda: onnx_file.copy_external(facts, folder, tmp_path / "copy"),
    ):
        with pytest.raises(UnsafeFile, match="data file 'weights'"):
            do()
    assert list((tmp_path / "copy").iterdir()) == []


# --- lies about sizes ---------------------------------------------------------------------


def lying(**changes: Any) -> onnx.ModelProto:
    model = graphs.added(graphs.weight())
    weight = model.graph.initializer[0]
    for name, value in changes.items():
        if name == "dims":
            del weight.dims[:]
            weight.dims.extend(value)
        else:
            setattr(weight, name, value)
    return model


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"dims": [1 << 40]}, "claims more data"),
        ({"dims": [1 << 62, 1 << 62, 1 << 62]}, "claims more data"),
        ({"dims": [1 << 32, 1 << 32, 0, 1 << 32]}, ""),
        ({"dims": [-1]}, "shape that none has"),
        ({"dims": [-4, -4]}, "shape that none has"),
        ({"dims": [1] * 65}, "shape that none has"),
        ({"dims": [1000], "raw_data": b""}, "claims more data"),
        ({"data_type": TensorProto.STRING, "dims": [1 << 30]}, "claims more data"),
        ({"data_type": TensorProto.COMPLEX128, "dims": [1 << 20]}, "claims more data"),
        ({"data_type": TensorProto.INT4, "dims": [1 << 20]}, "claims more data"),
        ({"data_type": 99}, "element type"),
        ({"data_type": -1}, "element type"),
    ],
)
def test_a_weight_that_claims_what_the_file_does_not_hold_is_refused(changes, why):
    if not why:
        assert read(lying(**changes)).parameters == 0
        return
    with pytest.raises(UnsafeFile, match=why):
        read(lying(**changes))


def test_a_weights_name_cannot_write_to_the_terminal():
    with pytest.raises(UnsafeFile) as refused:
        read(lying(dims=[1 << 40], name="\x1b[2J" + "x" * 500))
    assert refused.value.line().isprintable()
    assert len(refused.value.line()) < 200


def test_a_graph_nested_too_deep_is_refused():
    inner = graphs.added(graphs.weight()).graph
    for _ in range(20):
        node = helper.make_node("If", ["c"], ["y"])
        node.attribute.add(name="then_branch", type=5).g.CopyFrom(inner)
        inner = helper.make_graph([node], "g", [], [])
    model = graphs.added(graphs.weight())
    model.graph.CopyFrom(inner)
    with pytest.raises(UnsafeFile, match="nested deeper"):
        read(model)


def test_more_nodes_than_any_model_has_are_refused(monkeypatch):
    monkeypatch.setattr(onnx_file, "_MOST_NODES", 5)
    model = graphs.added(graphs.weight())
    model.graph.node.extend([model.graph.node[0]] * 5)
    with pytest.raises(UnsafeFile, match="more nodes"):
        read(model)


@pytest.mark.parametrize(
    "raw",
    [b"", b"\x08\x07", b"\x08", b"\x0a", b"garbage that is none", b"\x00" * 100, b"\xff" * 100],
)
def test_what_is_no_graph_is_refused(raw):
    with pytest.raises(UnsafeFile, match="damaged"):
        onnx_file.read(raw)


def test_two_graphs_or_none_are_refused():
    raw = graphs.added(graphs.weight()).SerializeToString()
    with pytest.raises(UnsafeFile, match="no ONNX graph"):
        onnx_file.read(raw + raw)


SEEDS = ("one weight", "branches", "functions", "sparse", "text", "int4", "maps")


@settings(max_examples=600)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0), st.binary(max_size=4)), min_size=1, max_size=6),
    st.integers(0, 3),
)
def test_a_damaged_graph_is_read_or_refused_and_nothing_else(title, changes, cut):
    raw = bytearray(_raw(title))
    for place, piece in changes:
        at = place % len(raw)
        raw[at : at + 1] = piece
    if cut == 0:
        del raw[changes[0][0] % (len(raw) + 1) :]
    try:
        found = onnx_file.read(bytes(raw))
    except UnsafeFile:
        return
    assert found.opsets


_held: dict[str, bytes] = {}


def _raw(title: str) -> bytes:
    if title not in _held:
        _held[title] = graphs.HONEST[title]().SerializeToString()
    return _held[title]


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw):
    for head in (b"", b"\x08\x07", b"\x08\x07\x42\x02\x10\x14\x3a\x7f"):
        try:
            onnx_file.read(head + raw)
        except UnsafeFile:
            continue
