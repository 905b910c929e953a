"""A request of a known form is read from its numbers alone, and always as the full reading."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models import spec
from tests.serving.parts import Model, route, serve

from fairlead.core.call import Call, Head
from fairlead.core.errors import FairleadError
from fairlead.core.limits import STANDARD, BodyLimits
from fairlead.core.signature import Signature
from fairlead.wires import oip_known
from fairlead.wires.oip_json import OipModel, infer_decoder

TABLE = Signature(
    (spec("x", "FP32", (-1, 2)),), (spec("label", "INT64", (-1,)), spec("y", "FP32", (-1, 2)))
)
COUNTS = Signature((spec("data", "INT64", (-1, 2)),), (spec("y", "FP32", (-1, 2)),))
HEAD = Head("POST", "/v2/models/m/infer", "", {}, 0, True, route(), patience=1.0)


class Reader:
    """Reads bodies as the wire does, for one served version."""

    def __init__(self, signature: Signature, limits: BodyLimits = STANDARD) -> None:
        self._served = serve(Model(), signature)
        self._decode = infer_decoder(limits)

    def call(self, body: bytes) -> Call:
        made = Call(route(), 0.0, 1.0, len(body), True, lambda call: None)
        made.lease = self._served
        self._decode(made, HEAD, body)
        return made

    def read(self, body: bytes) -> Any:
        """Everything that the body decides, or the name and words of its error."""
        try:
            call = self.call(body)
        except FairleadError as error:
            return error.name, error.what
        tensors = [(t.dtype.name, t.shape, t.data) for t in call.inputs]
        joins = call.group == call.encoder
        return tensors, call.rows, call.encoder.outputs, joins, call.note, call.deadline

    def forms(self) -> int:
        model: OipModel = self._served.derived("oip", lambda served: None)
        return sum(map(len, model.known._forms.values()))


def body(data: str = "[1, 2.5]", shape: str = "[1,2]", **more: Any) -> bytes:
    """A request for TABLE with this text as its data."""
    inputs = f'[{{"name":"x","shape":{shape},"datatype":"FP32","data":{data}}}]'
    rest = "".join(f',"{key}":{json.dumps(value)}' for key, value in more.items())
    return f'{{"inputs":{inputs}{rest}}}'.encode()


def read_after(known: bytes, asked: bytes, signature: Signature = TABLE) -> Any:
    """What a reader that has seen `known` makes of `asked`."""
    reader = Reader(signature)
    reader.read(known)
    return reader.read(asked)


def fail(*_: object) -> Any:
    raise AssertionError("this must not be called")


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        ("[1, 2]", "[-3.5, 4e-2]"),
        ("[[1, 2]]", "[[-3.5,4E-2]]"),
        ("[[1, 2]]", "[-3.5,0.04]"),
        ("[1, 2]", "[ [-3.5, 4e-2] ]"),
    ],
    ids=["flat", "nested", "flat after nested", "nested after flat"],
)
def test_a_second_request_is_read_from_its_numbers_alone(monkeypatch, known, asked):
    reader = Reader(TABLE)
    reader.read(body(known, outputs=[{"name": "y"}]))
    full = Reader(TABLE).read(body(asked, outputs=[{"name": "y"}]))
    monkeypatch.setattr("fairlead.wires.oip_json.parse", fail)
    call = reader.call(body(asked, outputs=[{"name": "y"}]))
    assert reader.read(body(asked, outputs=[{"name": "y"}])) == full
    assert call.inputs[0].array.tolist() == [[-3.5, pytest.approx(0.04)]]


def test_what_follows_the_numbers_may_differ(monkeypatch):
    reader = Reader(TABLE)
    wanted = [(1,), (0,), (0, 1)]
    asked = [body(outputs=[{"name": "y"}]), body(outputs=[{"name": "label"}]), body()]
    for one in asked:
        reader.read(one)
    monkeypatch.setattr("fairlead.wires.oip_json.parse", fail)
    assert sorted(reader.call(one).encoder.outputs for one in asked) == sorted(wanted)


def test_a_missing_number_is_read_from_a_known_form_where_the_model_takes_it(monkeypatch):
    gaps = Signature((spec("x", "FP32", (-1, 2), missing=True),), (spec("y", "FP32", (-1, 2)),))
    reader = Reader(gaps)
    reader.read(body("[1, 2]"))
    monkeypatch.setattr("fairlead.wires.oip_json.parse", fail)
    assert str(reader.call(body("[null, 2]")).inputs[0].array.tolist()) == "[[nan, 2.0]]"


_numbers = st.one_of(
    st.integers(-(10**25), 10**25),
    st.floats(allow_nan=False, allow_infinity=False),
)
_values = st.recursive(
    st.one_of(_numbers, st.none(), st.booleans(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=6,
)
_odd = st.sampled_from(
    [
        "[true,1]", "[1,false]", "[null,1]", '[1,"u"]',
        "[1,1e999]", "[NaN,1]", "[01,1]", "[1,]", "[1 2]", "[,]", "[]", "[", "1", "null", '"["',
        "[[1,2]]", "[[1],[2]]", "[1,[2]]", '[1,"]"]', '[1,{"a":1,"a":2}]', "[1,2],[3,4]",
        '[1,2],"data":[3,4]', '[1,2],"shape":[2,1]', "[1,2] ", "[1,2]}],[{", "[+1,2]", "[-0,1.0]",
    ]
)  # fmt: skip


@given(st.one_of(st.lists(_values, max_size=4).map(json.dumps), _odd))
def test_whatever_stands_for_the_data_is_read_as_by_a_reader_that_knows_nothing(data):
    assert read_after(body("[7, 8]"), body(data)) == Reader(TABLE).read(body(data))


@given(st.lists(_numbers, min_size=2, max_size=2).map(json.dumps))
def test_integers_keep_their_bounds_in_a_known_form(data):
    def counts(data: str) -> bytes:
        return b'{"inputs":[{"name":"data","datatype":"INT64","data":%b,"shape":[1,2]}]}' % (
            data.encode()
        )

    assert read_after(counts("[7, 8]"), counts(data), COUNTS) == Reader(COUNTS).read(counts(data))


def test_a_list_that_is_not_the_data_is_never_taken_for_it():
    def named(shape: str) -> bytes:
        return b'{"inputs":[{"name":"data","shape":%b,"data":[1,2],"datatype":"INT64"}]}' % (
            shape.encode()
        )

    reader = Reader(COUNTS)
    for shape in ("[1,2]", "[2,1]", "[1,3]"):
        assert reader.read(named(shape)) == Reader(COUNTS).read(named(shape))
    assert reader.forms() == 0


@pytest.mark.parametrize(
    "asked",
    [
        body(id="a"),
        body(parameters={"timeout": 5}),
        body("[1, 2]", more="kept apart"),
        body(shape="[1,2]" + " " * 2000),
        body("[1, 2]" + " " * 2000),
    ],
    ids=["id", "parameters", "further key", "long before", "long after"],
)
def test_a_request_with_more_than_numbers_in_it_leaves_no_form(asked):
    reader = Reader(TABLE)
    reader.read(asked)
    assert reader.forms() == 0


def test_a_refused_request_leaves_no_form():
    reader = Reader(TABLE)
    reader.read(body('[1, "2"]'))
    assert reader.forms() == 0


def test_forms_are_bounded():
    reader = Reader(TABLE)
    for spaces in range(oip_known._ENDS_KEPT + 10):
        reader.read(body() + b" " * spaces)
    assert reader.forms() == oip_known._ENDS_KEPT
    for spaces in range(oip_known._FORMS_KEPT + 10):
        reader.read(body("[1, 2]", shape="[1,2]" + " " * spaces))
    assert 0 < reader.forms() <= oip_known._FORMS_KEPT


def test_a_body_that_could_take_too_much_memory_is_not_read_at_all(monkeypatch):
    limits = BodyLimits(parsed=2048)
    reader, asked = Reader(TABLE, limits), body(f"[{','.join('1' * 100)}]")
    reader.read(body("[1, 2]"))
    assert reader.forms() == 1
    monkeypatch.setattr(oip_known.Form, "fill", fail)
    assert reader.read(asked)[0] == "BODY_TOO_LARGE"
    assert reader.read(asked) == Reader(TABLE, limits).read(asked)
