"""Graphs mended: names, inputs and outputs of a signature, the same bytes every time."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from fairlead.packing.converters import graphs

FLOAT, DOUBLE, INT, TEXT = (
    TensorProto.FLOAT,
    TensorProto.DOUBLE,
    TensorProto.INT64,
    TensorProto.STRING,
)


def model(nodes, inputs, outputs):
    graph = helper.make_graph(
        [helper.make_node(*node[:3], **(node[3] if len(node) > 3 else {})) for node in nodes],
        "a name made up each time",
        [helper.make_tensor_value_info(*i) for i in inputs],
        [helper.make_tensor_value_info(*o) for o in outputs],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def run(raw, **inputs):
    session = onnxruntime.InferenceSession(raw)
    assert {i.name for i in session.get_inputs()} == set(inputs)
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def negated():
    """`label` is a value inside that has the name that the output is to have."""
    return model(
        [("Neg", ["x"], ["label"]), ("Abs", ["label"], ["out"])],
        [("x", FLOAT, [None, 2])],
        [("out", FLOAT, [None, 2])],
    )


def test_a_new_name_makes_room_for_itself():
    raw = graphs.finish(negated(), {"out": "label"})
    (found,) = run(raw, x=np.array([[1, -2]], np.float32)).items()
    assert found[0] == "label"
    assert found[1].tolist() == [[1, 2]]


def test_bytes_depend_on_nothing_but_the_graph():
    first, second = negated(), negated()
    first.graph.name, second.graph.name = "a", "b"
    first.producer_name = "c"
    assert graphs.finish(first, {}) == graphs.finish(second, {})


def test_lower_case_needs_no_locale_of_a_country():
    normal = model(
        [("StringNormalizer", ["t"], ["y"], {"case_change_action": "LOWER", "locale": "en_US"})],
        [("t", TEXT, [None])],
        [("y", TEXT, [None])],
    )
    raw = graphs.finish(normal, {})
    assert b"en_US" not in raw
    assert run(raw, t=np.array(["ÅB"], object))["y"].tolist() == ["åb"]


def test_a_zipmap_becomes_a_plain_tensor():
    zipped = model(
        [
            ("Neg", ["x"], ["p"]),
            ("ZipMap", ["p"], ["z"], {"classlabels_strings": ["a", "b"], "domain": "ai.onnx.ml"}),
        ],
        [("x", FLOAT, [None, 2])],
        [("z", FLOAT, [None])],
    )
    assert graphs.drop_zipmap(zipped)
    assert not graphs.drop_zipmap(zipped)
    assert graphs.specs(zipped.graph.output) == [
        {"name": "p", "datatype": "FP32", "shape": [-1, 2]}
    ]
    onnx.checker.check_model(zipped)


def doubled(count):
    return model(
        [("Add", ["x", "x"], ["y"])], [("x", FLOAT, [None, count])], [("y", FLOAT, [None, count])]
    )


def entry(name, datatype="FP32"):
    return {"name": name, "datatype": datatype, "shape": [-1, 1]}


def test_columns_of_several_kinds_are_joined():
    mender = graphs.Mender(doubled(3))
    mender.join_columns([entry("x"), entry("b", "BOOL"), entry("n", "INT64")], False)
    raw = mender.outputs([("y", {"name": "out", "datatype": "FP32", "shape": [-1, 3]})])
    one = np.array([[1.5]], np.float32)
    found = run(raw, x=one, b=np.array([[True]]), n=np.array([[7]]))
    assert found["out"].tolist() == [[3, 2, 14]]


def two_columns():
    return model(
        [("Sub", ["a", "b"], ["y"])],
        [("a", FLOAT, [None, 1]), ("b", FLOAT, [None, 1])],
        [("y", FLOAT, [None, 1])],
    )


def test_one_input_is_split_into_columns():
    mender = graphs.Mender(two_columns())
    mender.split_columns({"name": "b"}, ["a", "b"], False)
    raw = mender.outputs([("y", {"name": "y", "datatype": "FP32", "shape": [-1, 1]})])
    assert run(raw, b=np.array([[5, 2]], np.float32))["y"].tolist() == [[3]]


def test_yes_and_no_and_whole_numbers_are_cast_on_the_way_in():
    mender = graphs.Mender(two_columns())
    mender.cast_inputs([entry("a", "BOOL"), entry("b", "INT64")], False)
    raw = mender.outputs([("y", {"name": "y", "datatype": "FP32", "shape": [-1, 1]})])
    assert run(raw, a=np.array([[True]]), b=np.array([[3]]))["y"].tolist() == [[-2]]


@pytest.mark.parametrize(
    ("wanted", "answer"),
    [
        ({"datatype": "FP32", "shape": [-1, 2]}, [[2, 4]]),
        ({"datatype": "FP64", "shape": [-1, 2]}, [[2, 4]]),
        ({"datatype": "BOOL", "shape": [-1, 2]}, [[True, True]]),
        ({"datatype": "FP32", "shape": [-1], "position": 1}, [4]),
        ({"datatype": "FP32", "shape": [-1]}, [2, 4]),
        ({"datatype": "FP32", "shape": [-1, 1], "swapped": True}, [[2], [4]]),
    ],
)
def test_an_output_is_brought_into_its_signature(wanted, answer):
    raw = graphs.Mender(doubled(2)).outputs([("y", {"name": "x2", **wanted})])
    found = run(raw, x=np.array([[1, 2]], np.float32))
    assert found["x2"].tolist() == answer


def test_one_value_may_be_two_outputs():
    wanted = {"datatype": "FP32", "shape": [-1, 2]}
    raw = graphs.Mender(doubled(2)).outputs(
        [("y", {"name": "first", **wanted}), ("y", {"name": "second", **wanted})]
    )
    found = run(raw, x=np.array([[1, 2]], np.float32))
    assert found["first"].tolist() == found["second"].tolist() == [[2, 4]]


def test_what_text_gives_can_be_made_wide():
    mender = graphs.Mender(doubled(2))
    mender.widen("Add")
    assert [n.op_type for n in mender.graph.node] == ["Add", "Cast"]
    assert mender.graph.node[1].output[0] == "y"


def test_booleans_are_taken_for_whole_attributes_inside_the_block_only():
    before = helper.make_attribute
    with graphs.tolerant_attributes():
        assert helper.make_attribute("a", True).i == 1
        assert list(helper.make_attribute("a", [True, False]).ints) == [1, 0]
        assert list(helper.make_attribute("a", np.array([True])).ints) == [1]
        assert list(helper.make_attribute("a", [np.bool_(True), 0]).ints) == [1, 0]
        assert helper.make_attribute("a", 0.5).f == 0.5
    assert helper.make_attribute is before
