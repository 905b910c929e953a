"""What a torch.export archive may hold; torch itself is not needed to look."""

from __future__ import annotations

import json
import zipfile

import pytest

from fairlead.packing.converters import pt2
from fairlead.packing.converters.tensors import Refused


def node(target="torch.ops.aten.linear.default", name="linear"):
    return {"target": target, "inputs": [{"name": "self"}], "outputs": [], "name": name}


def program(**fields):
    graph = {"nodes": [fields.pop("node", node())]}
    return {"graph_module": {"graph": graph}, "range_constraints": {"s0": {}}, **fields}


def archive(path, entries):
    with zipfile.ZipFile(path, "w") as file:
        for name, content in entries:
            file.writestr(name, content if isinstance(content, bytes) else json.dumps(content))
    return path


def checked(tmp_path, content, *more):
    entries = [("m/archive_format", b"pt2"), ("m/models/model.json", content), *more]
    pt2.check(archive(tmp_path / "model.pt2", entries))


def spec(*keys):
    arguments = {"type": "builtins.dict", "context": json.dumps(keys), "children_spec": []}
    return json.dumps([1, {"type": "builtins.tuple", "children_spec": [arguments]}])


@pytest.mark.parametrize(
    "content",
    [
        program(),
        program(node=node("torch.sym_max")),
        program(node=node("_operator.floordiv")),
        program(node=node("math.ceil")),
        program(node=node("torch.ops.higher_order.cond")),
        program(guards_code=["L['mask'].size()[0] == L['ids'].size()[0]", "not Mod(3, 2) == 0"]),
        program(value={"expr_str": "Mul(Integer(2), Symbol('s97', positive=True, integer=True))"}),
        program(value={"expr_str": "Max(1, s0 + 2*s1)"}),
        program(in_spec=spec("mask", "ids"), forward_arg_names=["ids", "mask"]),
    ],
)
def test_operators_sizes_guards_and_arguments_of_honest_programs_pass(tmp_path, content):
    checked(tmp_path, content)


@pytest.mark.parametrize(
    "target",
    [
        "torch.os.system",
        "torch.hub.load",
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.from_file",
        "torch.ops.__class__.mro",
        "torch.ops.aten.linear.default.__class__.x",
        "torch.load",
        "_operator.call",
        "_operator.attrgetter",
        "_operator.add.__self__",
        "math.__loader__.load_module",
        "#namespace:operator",
        "os.system",
        "torch.ops.aten.linear.default\n",
    ],
)
def test_a_node_that_calls_anything_but_an_operator_is_refused(tmp_path, target):
    with pytest.raises(Refused, match="is no operator of torch"):
        checked(tmp_path, program(node=node(target)))


def test_a_call_hidden_in_an_inner_graph_is_refused(tmp_path):
    inner = {"nodes": [node("torch.os.system")]}
    content = program(more=[{"as_graph": {"name": "inner", "graph": inner}}])
    with pytest.raises(Refused, match=r"torch\.os\.system"):
        checked(tmp_path, content)


EVIL = "__import__('os').system('id')"


@pytest.mark.parametrize(
    "text",
    [
        EVIL,
        "exec(s0)",
        "s0.func",
        "Symbol('s0').func",
        "Symbol('__import__')",
        "lambdify(s0, s1)",
        "[s0]",
        "s0 if s1 else s2",
        "'s0'",
        "S(s0)",
    ],
)
def test_a_size_that_is_more_than_arithmetic_is_refused(tmp_path, text):
    with pytest.raises(Refused, match="is no size"):
        checked(tmp_path, program(value={"expr_str": text}))
    with pytest.raises(Refused, match="is no size"):
        checked(tmp_path, program(range_constraints={text: {}}))


@pytest.mark.parametrize(
    "text",
    [
        EVIL,
        "L['x'].data",
        "L['x'].size().__class__",
        "(lambda: 1)()",
        "open",
        "L['x'](1)",
        "(y := 1)",
        "1 ==",
    ],
)
def test_a_guard_that_does_more_than_compare_sizes_is_refused(tmp_path, text):
    with pytest.raises(Refused, match="is no guard"):
        checked(tmp_path, program(guards_code=[text]))


@pytest.mark.parametrize("name", ["a b", "a=1", "a\nb", "x.y", "a;b", "1a", "é"])
def test_names_that_are_no_identifiers_are_refused(tmp_path, name):
    for content in (
        program(node=node(name=name)),
        program(value={"as_name": name}),
        program(forward_arg_names=[name]),
        program(in_spec=spec(name)),
    ):
        with pytest.raises(Refused, match="is no name of a value"):
            checked(tmp_path, content)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("m/data/aotinductor/model/code.cpp", "compiled code"),
        ("m/data/weights/lib.so", "compiled code"),
        ("m/data/constants/custom_obj_0", "no tensor"),
        ("m/data/constants/opaque_obj_0", "no tensor"),
    ],
)
def test_what_is_no_operator_and_no_tensor_is_refused(tmp_path, entry, said):
    with pytest.raises(Refused, match=said):
        checked(tmp_path, program(), (entry, b"x"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_that_is_given_twice_is_refused(tmp_path):
    with pytest.raises(Refused, match="twice"):
        checked(tmp_path, program(), ("m/models/model.json", program(node=node("os.system"))))


def test_what_is_no_archive_or_no_json_is_said(tmp_path):
    path = tmp_path / "model.pt2"
    path.write_bytes(b"PK\x03\x04 no more")
    with pytest.raises(ValueError, match="cannot be read"):
        pt2.check(path)
    with pytest.raises(ValueError, match="is not JSON"):
        checked(tmp_path, b"{")
    with pytest.raises(ValueError, match="cannot be read"):
        checked(tmp_path, b'{"a":' * 100_000 + b"1" + b"}" * 100_000)
