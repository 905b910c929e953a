"""ONNX files become packages that answer as onnxruntime does, with roles and rows that work."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.packing import graphs

from fairlead.core.errors import ConversionFailed, FairleadError, UnsafeFile
from fairlead.core.package import Package
from fairlead.core.preparation import Meaning
from fairlead.packages.read import read_verified, verify
from fairlead.packing import pack_onnx
from fairlead.packing.compare import run
from fairlead.packing.declared import Declared
from fairlead.packing.faithful import Wanted, load_graph, silent
from fairlead.packing.rows import Table, inputs_of
from fairlead.packing.verify_card import differences

FLOAT, INT, TEXT = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
Pack = Callable[..., Package]


@pytest.fixture
def pack(tmp_path) -> Pack:
    """Packs a model or file; further fields of Wanted by name."""

    def do(model: onnx.ModelProto | Path, **more: Any) -> Package:
        path = model if isinstance(model, Path) else tmp_path / "model.onnx"
        if not isinstance(model, Path):
            path.write_bytes(model.SerializeToString())
        wanted = Wanted("m", tmp_path / "repository", **more)
        package = pack_onnx.pack_onnx(wanted, path, {"format": "onnx"}, silent)
        verify(package)
        return package

    return do


def answers(package: Package, **inputs: Any) -> dict[str, Any]:
    graph = read_verified(package, package.graph)
    given = [np.asarray(inputs[s.name], dtype=s.dtype.numpy) for s in package.signature.inputs]
    return run(load_graph("m", package.signature, graph), package.signature, given)


def example(package: Package) -> dict[str, Any]:
    return json.loads(read_verified(package, "examples.json"))


def shapes(package: Package) -> list[tuple[str, str, tuple[int, ...]]]:
    specs = (*package.signature.inputs, *package.signature.outputs)
    return [(s.name, s.dtype.name, s.shape) for s in specs]


def test_a_plain_graph_is_packed_as_it_is(pack, tmp_path):
    package = pack(graphs.added(graphs.weight()))
    assert read_verified(package, package.graph) == (tmp_path / "model.onnx").read_bytes()
    assert shapes(package) == [("x", "FP32", (-1, 2)), ("y", "FP32", (-1, 2))]
    assert package.runtime == "onnx"
    assert not package.isolated
    assert answers(package, x=[[1, 2]])["y"].tolist() == [[2, 3]]
    assert len(example(package)["rows"]) == 8


def test_equal_files_are_packed_into_equal_bytes(pack):
    first, second = pack(graphs.with_maps()), pack(graphs.with_maps())
    assert second.version == first.version + 1
    for relative in ("graph/model.onnx", "signature.json", "examples.json", "model.toml"):
        assert read_verified(first, relative) == read_verified(second, relative)


def test_maps_at_the_end_become_tensors_with_the_same_numbers(pack):
    package = pack(graphs.with_maps())
    label, scores = package.signature.outputs
    assert (label.role, scores.role) == ("label", "scores")
    assert label.classes == scores.classes == ("setosa", "versicolor", "virginica")
    assert scores.shape == (-1, 3)
    session = onnxruntime.InferenceSession(graphs.with_maps().SerializeToString())
    labels, maps = session.run(None, {"X": graphs.X})
    found = answers(package, X=graphs.X)
    assert found[label.name].tolist() == labels.tolist()
    expected = [[row[name] for name in scores.classes] for row in maps]
    np.testing.assert_array_equal(found[scores.name], np.array(expected, np.float32))


def test_a_map_that_goes_on_into_the_graph_is_refused(pack):
    maps = helper.make_node(
        "ZipMap", ["x"], ["m"], domain="ai.onnx.ml", classlabels_strings=["a", "b"]
    )
    last = helper.make_node("Identity", ["m"], ["y"])
    kind = helper.make_sequence_type_proto(
        helper.make_map_type_proto(TEXT, helper.make_tensor_type_proto(FLOAT, []))
    )
    model = graphs.model([maps, last], [graphs.value("x")], [helper.make_value_info("y", kind)])
    with pytest.raises(ConversionFailed, match="no tensor"):
        pack(model)


def test_a_forest_has_label_and_scores(pack):
    label, scores = pack(graphs.forest()).signature.outputs
    assert (label.role, label.classes) == ("label", ("0", "1", "2"))
    assert (scores.role, scores.shape) == ("scores", (-1, 3))


def test_several_inputs_of_numbers_and_text_become_columns(pack):
    package = pack(graphs.table())
    assert [c.name for c in package.signature.columns] == ["c0", "c1", "c2", "c3", "town"]
    assert package.signature.inputs[4].dtype.name == "BYTES"
    assert set(example(package)["rows"][0]) == {"c0", "c1", "c2", "c3", "town"}


def test_text_alone_goes_in_and_out(pack):
    package = pack(graphs.of_text())
    found = answers(package, x=np.array([["a", "b"]], dtype=object))
    assert found["y"].tolist() == [["aa", "b\u00e9"]]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (TensorProto.FLOAT16, "FP16"), (TensorProto.DOUBLE, "FP64"), (TensorProto.UINT8, "UINT8"),
        (TensorProto.BOOL, "BOOL"), (TensorProto.INT8, "INT8"), (INT, "INT64"),
    ],
)  # fmt: skip
def test_every_element_type_is_kept(pack, kind, name):
    node = helper.make_node("Identity", ["x"], ["y"])
    model = graphs.model([node], [graphs.value("x", kind)], [graphs.value("y", kind)])
    assert shapes(pack(model)) == [("x", name, (-1, 2)), ("y", name, (-1, 2))]


@pytest.mark.parametrize("kind", [TensorProto.BFLOAT16, TensorProto.COMPLEX64])
def test_an_element_type_that_no_wire_carries_is_refused(pack, kind):
    node = helper.make_node("Identity", ["x"], ["y"])
    with pytest.raises(ConversionFailed):
        pack(graphs.model([node], [graphs.value("x", kind)], [graphs.value("y", kind)]))


def test_symbolic_dimensions_are_open_and_fixed_ones_stay(pack):
    node = helper.make_node("Identity", ["x"], ["y"])
    for given, found in (
        (["batch", 3], (-1, 3)),
        ([2, 3], (2, 3)),
        (["batch", "width"], (-1, -1)),
        ([None, 4, "seq", 5], (-1, 4, -1, 5)),
        ([1], (1,)),
    ):
        model = graphs.model(
            [node], [graphs.value("x", FLOAT, given)], [graphs.value("y", FLOAT, given)]
        )
        package = pack(model)
        assert package.signature.inputs[0].shape == found
        assert package.signature.batched == (found[0] == -1)


def test_an_open_dimension_gets_a_size_that_works(pack):
    """Only rows of 16 fit the weight."""
    weight = graphs.weight(np.ones((16, 2), np.float32))
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    model = graphs.model(
        [node], [graphs.value("x", FLOAT, [None, "n"])], [graphs.value("y")], weights=[weight]
    )
    tensors = example(pack(model))["inputs"]
    assert tensors[0]["shape"] == [1, 16]


def test_a_graph_for_which_no_row_can_be_made_up_is_packed_and_said(pack, tmp_path):
    """It divides into a shape that only the owner knows."""
    node = helper.make_node("Reshape", ["x", "w"], ["y"])
    shape = numpy_helper.from_array(np.array([-1, 7], np.int64), "w")
    model = graphs.model(
        [node], [graphs.value("x", FLOAT, [None, "n"])], [graphs.value("y")], weights=[shape]
    )
    told: list[tuple[str, str]] = []
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    wanted = Wanted("m", tmp_path / "repository")
    package = pack_onnx.pack_onnx(wanted, path, {}, lambda step, text: told.append((step, text)))
    assert "examples.json" not in package.files
    assert ("examples", "no row could be made up that the graph takes: give --reference") in told


def reference(names: list[str]) -> Table:
    return Table({name: np.array([1.0, np.nan, 3.0]) for name in names})


def test_reference_rows_name_the_columns_and_show_missing_values(pack):
    model = graphs.added(graphs.weight())
    spec = pack(model, reference=reference(["length", "width"])).signature.inputs[0]
    assert spec.columns == ("length", "width")
    assert spec.missing
    assert pack(model).signature.inputs[0].columns == ()


def test_evaluation_rows_are_scored(pack):
    rows = {f"f{n}": graphs.X[:, n].astype(np.float64) for n in range(4)}
    table = Table({**rows, "species": graphs.Y})
    package = pack(graphs.forest(), evaluation=table, target="species")
    measured = json.loads(read_verified(package, "measured.json"))
    assert measured["evaluation"]["accuracy"] > 0.95
    assert package.signature.inputs[0].columns == ("f0", "f1", "f2", "f3")


def plain_scores() -> onnx.ModelProto:
    """A network's last layer: nothing in it says that what comes out are classes."""
    return graphs.model(
        [helper.make_node("Softmax", ["x"], ["y"], axis=1)],
        [graphs.value("x")],
        [graphs.value("y", shape=(None, 2))],
    )


def test_scores_that_only_the_owner_can_name_are_judged_once_they_are(pack):
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 2))
    truth = np.where(x[:, 1] > x[:, 0], "yes", "no").astype(object)
    table = Table({"a": x[:, 0], "b": x[:, 1], "truth": truth})
    silence = pack(plain_scores(), evaluation=table, target="truth")
    assert json.loads(read_verified(silence, "card.json"))["performance"] == "unknown"
    said = Declared(
        '[outputs.y]\nrole = "scores"\nclasses = ["no", "yes"]\n',
        meanings=(Meaning("y", "scores", ("no", "yes")),),
    )
    package = pack(plain_scores(), evaluation=table, target="truth", declared=said)
    (spec,) = package.signature.outputs
    assert (spec.role, spec.classes) == ("scores", ("no", "yes"))
    assert json.loads(read_verified(package, "measured.json"))["evaluation"]["accuracy"] == 1.0
    card = json.loads(read_verified(package, "card.json"))
    assert [m["name"] for m in card["metrics"]][:4] == [
        "accuracy", "macro_f1", "balanced_accuracy", "auc",
    ]  # fmt: skip
    assert "guards/confidence.npz" in package.files
    assert differences(package) == []


def test_rows_that_the_graph_does_not_take_are_refused(pack, tmp_path):
    with pytest.raises(FairleadError):
        pack(graphs.added(graphs.weight()), reference=reference(["a", "b", "c"]))
    assert not list((tmp_path / "repository").glob("m/[0-9]*"))


def test_a_real_graph_of_somebody_else_is_packed_and_answers_as_it_did(pack):
    package = pack(graphs.magika())
    (spec,) = package.signature.inputs
    random = np.random.default_rng(0).integers(0, 257, (4, *spec.shape[1:])).astype(np.int32)
    found = answers(package, **{spec.name: random})
    session = onnxruntime.InferenceSession(str(graphs.magika()))
    (expected,) = session.run(None, {spec.name: random})
    np.testing.assert_allclose(found[package.signature.outputs[0].name], expected, atol=1e-6)
    assert example(package)["inputs"][0]["shape"] == [1, *spec.shape[1:]]


# --- what is refused ----------------------------------------------------------------------


def test_data_beside_the_graph_is_packed_into_it(pack, tmp_path):
    model = graphs.outside(location="weights.bin", offset="4", length="8")
    (tmp_path / "weights.bin").write_bytes(np.array([9, 5, 7], np.float32).tobytes())
    package = pack(model)
    assert answers(package, x=[[1, 2]])["y"].tolist() == [[6, 9]]
    raw = read_verified(package, package.graph)
    assert b"weights.bin" not in raw


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "sub/w"])
def test_data_from_elsewhere_is_refused_and_nothing_is_packed(pack, tmp_path, location):
    (tmp_path.parent / "secret").write_bytes(b"12345678")
    with pytest.raises(UnsafeFile):
        pack(graphs.outside(location=location))
    assert not (tmp_path / "repository").exists()


def test_a_secret_behind_a_link_never_gets_into_a_package(pack, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(np.array([4, 2], np.float32).tobytes())
    for link in (lambda p: p.symlink_to(secret), lambda p: p.hardlink_to(secret)):
        link(tmp_path / "weights")
        with pytest.raises(UnsafeFile, match="link"):
            pack(graphs.outside(location="weights"))
        (tmp_path / "weights").unlink()


def test_data_that_onnx_would_leave_outside_is_refused(pack, tmp_path):
    """The library embeds no sparse weights."""
    bad = graphs.outside(location="weights").graph.initializer[0]
    model = graphs.of_sparse_weights()
    model.graph.sparse_initializer[0].values.CopyFrom(bad)
    model.graph.sparse_initializer[0].values.dims[:] = [1]
    (tmp_path / "weights").write_bytes(bytes(8))
    with pytest.raises(FairleadError):
        pack(model)


def test_operators_of_a_library_are_refused_by_name(pack):
    node = helper.make_node("Evil", ["x"], ["y"], domain="my\x1b[2J")
    model = graphs.model([node], [graphs.value("x")], [graphs.value("y")], domains={"my\x1b[2J": 1})
    with pytest.raises(ConversionFailed, match="library of its own") as failed:
        pack(model)
    assert failed.value.line().isprintable()
    assert pack(graphs.of_functions()).runtime == "onnx"


def test_a_graph_that_onnxruntime_does_not_take_is_one_clear_line(pack):
    node = helper.make_node("NoSuchOperator", ["x"], ["y"])
    with pytest.raises(ConversionFailed, match="onnxruntime cannot load the graph") as failed:
        pack(graphs.model([node], [graphs.value("x")], [graphs.value("y")]))
    assert failed.value.line().isprintable()
    broken = graphs.added(graphs.weight())
    broken.graph.output[0].name = "nobody"
    with pytest.raises(ConversionFailed, match="onnxruntime cannot load the graph"):
        pack(broken)


def test_a_graph_without_inputs_is_refused(pack):
    node = helper.make_node("Identity", ["w"], ["y"])
    model = graphs.model([node], [], [graphs.value("y", FLOAT, [2])], weights=[graphs.weight()])
    with pytest.raises(ConversionFailed, match="takes nothing in"):
        pack(model)


def test_a_file_larger_than_any_is_refused_unread(pack, tmp_path):
    path = tmp_path / "model.onnx"
    with path.open("wb") as file:
        file.truncate(3 << 30)  # it has no blocks
    with pytest.raises(UnsafeFile, match="2 GiB"):
        pack(path)


@pytest.mark.parametrize(
    "title", [t for t in graphs.HONEST if t not in ("bfloat16", "float8", "int4")]
)
def test_every_honest_graph_is_packed(pack, title):
    package = pack(graphs.HONEST[title]())
    assert package.signature.outputs
    if package.signature.columns:
        rows = example(package)["rows"]
        names = [c.name for c in package.signature.columns]
        columns = {name: np.array([row[name] for row in rows]) for name in names}
        assert inputs_of(Table(columns), package.signature)
