"""Exporters' graphs made to fit a signature."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fairlead.core.signature import Signature
from fairlead.packing.converters import tensor_graphs
from fairlead.packing.faithful import load_graph


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes, inputs, outputs, weights=(), domains=("",)):
    graph = helper.make_graph(nodes, "exported by someone", inputs, outputs, list(weights))
    opsets = [helper.make_opsetid(d, 18 if not d else 1) for d in domains]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def signature(inputs, outputs):
    def specs(named):
        return [{"name": n, "datatype": k, "shape": list(s)} for n, (k, s) in named.items()]

    return {"format": 1, "inputs": specs(inputs), "outputs": specs(outputs)}


def affine(counter=0, order=1):
    """2 * x + 1 with names that count upwards and nodes in no order of use."""
    names = [f"thing_{counter + i}" for i in range(4)]
    nodes = [
        helper.make_node("Mul", ["given", names[0]], [names[1]], name=f"Mul__{counter}"),
        helper.make_node("Add", [names[1], names[2]], ["answer"], name=f"Add__{counter}"),
        helper.make_node("Neg", ["given"], [names[3]], name="unused"),
    ]
    nodes[0].metadata_props.add(key="stack_trace", value="/home/someone/model.py")
    nodes[0].doc_string = "/home/someone"
    weights = [
        numpy_helper.from_array(np.float32(2), names[0]),
        numpy_helper.from_array(np.float32(1), names[2]),
        numpy_helper.from_array(np.float32(7), "unused_weight"),
    ][::order]
    made = model(
        nodes, [value("given", [f"unk__{counter}", 3])], [value("answer", ["n", 3])], weights
    )
    made.metadata_props.add(key="where", value="/home/someone")
    return made


AFFINE = signature({"x": ("FP32", [-1, 3])}, {"y": ("FP32", [-1, 3])})


def answered(raw, told, *inputs):
    one = Signature.from_json(told)
    return load_graph("model", one, raw).predict(list(inputs), range(len(one.outputs)))


def test_the_graph_answers_as_before_under_the_signatures_names():
    raw = tensor_graphs.fitted(affine(), AFFINE)
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(answered(raw, AFFINE, x)[0], 2 * x + 1)


def test_counters_order_of_weights_and_dead_nodes_change_no_byte():
    first = tensor_graphs.fitted(affine(), AFFINE)
    assert tensor_graphs.fitted(affine(counter=40, order=-1), AFFINE) == first
    read = onnx.load_from_string(first)
    assert [node.op_type for node in read.graph.node] == ["Mul", "Add"]
    assert len(read.graph.initializer) == 2


def test_nothing_of_the_machine_is_left():
    assert b"someone" not in tensor_graphs.fitted(affine(), AFFINE)


def test_names_that_values_inside_have_already_are_no_trouble():
    told = signature({"v2": ("FP32", [-1, 3])}, {"thing_1": ("FP32", [-1, 3])})
    x = np.ones((2, 3), dtype=np.float32)
    assert np.array_equal(answered(tensor_graphs.fitted(affine(), told), told, x)[0], 2 * x + 1)


def test_values_that_only_a_graph_inside_a_node_uses_are_kept_and_renamed():
    inside = [
        helper.make_graph(
            [helper.make_node("Mul", ["outer", "weight"], [f"{name}_out"])],
            name,
            [],
            [value(f"{name}_out", ["n", 3])],
        )
        for name in ("yes", "no")
    ]
    nodes = [
        helper.make_node(
            "If", ["choice"], ["answer"], then_branch=inside[0], else_branch=inside[1]
        ),
        helper.make_node("Neg", ["given"], ["outer"]),
    ]
    weights = [numpy_helper.from_array(np.float32(3), "weight")]
    inputs = [value("given", ["n", 3]), value("choice", [], TensorProto.BOOL)]
    made = model(nodes, inputs, [value("answer", ["n", 3])], weights)
    told = signature({"x": ("FP32", [-1, 3]), "flag": ("BOOL", [])}, {"y": ("FP32", [-1, 3])})
    x = np.ones((2, 3), dtype=np.float32)
    raw = tensor_graphs.fitted(made, told)
    assert np.array_equal(answered(raw, told, x, np.array(True))[0], -3 * x)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (signature({"x": ("FP64", [-1, 3])}, {"y": ("FP32", [-1, 3])}), "is FP32"),
        (signature({"x": ("FP32", [-1, 4])}, {"y": ("FP32", [-1, 3])}), "not FP32"),
        (signature({"x": ("FP32", [-1, 3, 1])}, {"y": ("FP32", [-1, 3])}), "not FP32"),
        (
            signature({"x": ("FP32", [-1, 3]), "z": ("FP32", [-1])}, {"y": ("FP32", [-1, 3])}),
            "has 1 where the signature has 2",
        ),
    ],
)
def test_a_graph_that_is_not_the_signatures_is_refused(told, said):
    with pytest.raises(ValueError, match=said):
        tensor_graphs.fitted(affine(), told)


def test_a_graph_fixed_where_the_signature_is_free_is_refused():
    nodes = [helper.make_node("Neg", ["given"], ["answer"])]
    made = model(nodes, [value("given", [1, 3])], [value("answer", [1, 3])])
    with pytest.raises(ValueError, match=r"\[1, 3\], not FP32 \[-1, 3\]"):
        tensor_graphs.fitted(made, AFFINE)


@pytest.mark.parametrize(
    ("kind", "domain"), [("Shout", ""), ("Neg", "someone.else"), ("StringNormalizer", "")]
)
def test_operators_that_onnx_has_not_or_that_do_something_else_are_refused(kind, domain):
    nodes = [helper.make_node(kind, ["given"], ["answer"], domain=domain)]
    inputs, outputs = [value("given", ["n", 3])], [value("answer", ["n", 3])]
    made = model(nodes, inputs, outputs, domains=("", domain) if domain else ("",))
    with pytest.raises(ValueError, match=f"no ONNX operator that does the same as {kind}"):
        tensor_graphs.fitted(made, AFFINE, frozenset(("StringNormalizer",)))
