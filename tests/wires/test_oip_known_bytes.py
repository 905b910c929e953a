"""A request of a known form is read from the bytes of its tensors alone, as the full reading."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models import spec
from tests.serving.parts import Model, route, serve

from fairlead.core.call import Call, Head
from fairlead.core.errors import FairleadError
from fairlead.core.limits import STANDARD
from fairlead.core.signature import Signature
from fairlead.wires.oip_binary import HEADER
from fairlead.wires.oip_json import infer_decoder

PAIR = Signature(
    (spec("x", "FP32", (-1, 2)), spec("n", "INT64", (-1,))), (spec("y", "FP32", (-1, 2)),)
)


class Reader:
    """Reads requests as the wire does, for one served version."""

    def __init__(self, signature: Signature = PAIR) -> None:
        self._served = serve(Model(), signature)
        self._decode = infer_decoder(STANDARD)

    def call(self, body: bytes, size: int) -> Call:
        made = Call(route(), 0.0, 1.0, len(body), True, lambda call: None)
        made.lease = self._served
        headers = {HEADER: str(size)}
        head = Head("POST", "/v2/models/m/infer", "", headers, 0, True, route(), patience=1.0)
        self._decode(made, head, body)
        return made

    def read(self, body: bytes, size: int) -> Any:
        """Everything that the body decides, or the name and words of its error."""
        try:
            call = self.call(body, size)
        except FairleadError as error:
            return error.name, error.what
        tensors = [(t.dtype.name, t.shape, bytes(t.data)) for t in call.inputs]
        wanted = (call.encoder.outputs, type(call.encoder).__name__)
        return tensors, call.rows, wanted, call.note, call.deadline, call.parameters


def request(rows: int = 2, first: str = "x", cut: int = 0, seed: int = 1, **more: Any) -> Any:
    """A body for PAIR and the size of its JSON; `cut` bytes are missing at its end."""
    chance = np.random.default_rng(seed)
    blobs = {
        "x": chance.normal(size=(rows, 2)).astype("f4"), "n": chance.integers(0, 9, rows),
    }  # fmt: skip
    names = sorted(blobs, key=lambda name: name != first)
    inputs = [
        {
            "name": name,
            "shape": list(blobs[name].shape),
            "datatype": {"x": "FP32", "n": "INT64"}[name],
            "parameters": {"binary_data_size": blobs[name].nbytes},
        }
        for name in names
    ]
    text = json.dumps({"inputs": inputs, **more}).encode()
    body = text + b"".join(blobs[name].tobytes() for name in names)
    return body[: len(body) - cut], len(text)


def fail(*_: object) -> Any:
    raise AssertionError("this must not be called")


@pytest.mark.parametrize(
    "more",
    [{}, {"id": "a"}, {"outputs": [{"name": "y"}]}, {"parameters": {"binary_data_output": True}}],
    ids=["bare", "with an id", "with outputs", "with bytes wanted"],
)
def test_a_second_request_is_read_from_its_bytes_alone(monkeypatch, more):
    reader = Reader()
    reader.read(*request(seed=1, **more))
    full = Reader().read(*request(seed=2, **more))
    monkeypatch.setattr("fairlead.wires.oip_json.parse", fail)
    assert reader.read(*request(seed=2, **more)) == full


@pytest.mark.parametrize(
    "more",
    [{"parameters": {"timeout": 5_000}}, {"parameters": {"hot": 1}}],
    ids=["deadline", "parameter"],
)
def test_what_holds_for_one_request_alone_is_read_each_time(more):
    reader = Reader()
    first = reader.read(*request(seed=1, **more))
    assert reader.read(*request(seed=1, **more)) == first
    assert reader.read(*request(seed=1)) == Reader().read(*request(seed=1))


def test_a_bool_is_looked_at_each_time():
    flags = Signature((spec("f", "BOOL", (-1,)),), (spec("y", "FP32", (-1, 2)),))
    about = {"name": "f", "shape": [2], "datatype": "BOOL", "parameters": {"binary_data_size": 2}}
    text = json.dumps({"inputs": [about]}).encode()
    reader = Reader(flags)
    assert reader.read(text + b"\0\1", len(text))[1] == 2
    assert reader.read(text + b"\0\2", len(text))[0] == "DTYPE_RANGE"


requests = st.builds(
    request,
    rows=st.integers(1, 3),
    first=st.sampled_from("xn"),
    cut=st.sampled_from([0, 0, 0, 4]),
    seed=st.integers(1, 3),
)
moved = st.sampled_from([0, 0, 0, -1, 1])


@given(st.lists(st.tuples(requests, moved), min_size=2, max_size=6))
def test_whatever_was_read_before_a_request_means_the_same(asked):
    reader = Reader()
    for (body, size), by in asked:
        assert reader.read(body, size + by) == Reader().read(body, size + by)
