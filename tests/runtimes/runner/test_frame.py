"""Frames: every array arrives as it was, and nothing broken is taken for one."""

from __future__ import annotations

import gc
import os
import socket
import struct
import tracemalloc
from threading import Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fairlead.runtimes.runner import child, frame

NUMBERS = [t for t in frame._TYPES if t != "O"]

shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
numbers = st.sampled_from(NUMBERS).flatmap(lambda t: hnp.arrays(np.dtype(t), shapes))
texts = hnp.arrays(
    object, shapes, elements=st.text(st.characters(exclude_categories=["Cs"])), fill=st.just("")
)
arrays = st.one_of(numbers, texts)


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def body(pieces: list[bytes]) -> memoryview:
    return memoryview(bytearray(b"".join(pieces)))


def there_and_back(*given: Any) -> list[Any]:
    return frame.unpack(body(frame.pack(given)), 0)


def same(found: Any, given: Any) -> bool:
    """Equal in shape, datatype and every bit (NaNs too)."""
    if given.dtype == object:
        return found.shape == given.shape and found.tolist() == given.tolist()
    native = given.astype(given.dtype.newbyteorder("="))
    return (
        found.shape == native.shape
        and found.dtype == native.dtype
        and found.tobytes() == native.tobytes()
    )


@given(st.lists(arrays, max_size=4))
def test_every_array_arrives_bit_for_bit(given):
    found = there_and_back(*given)
    assert len(found) == len(given)
    assert all(map(same, found, given))


@given(st.lists(st.integers(0, 65535), max_size=5), st.lists(arrays, max_size=3))
def test_a_request_carries_the_wanted_outputs_and_the_inputs(outputs, given):
    positions, found = frame.wanted(body(frame.request(given, outputs)))
    assert positions == outputs
    assert all(map(same, found, given))


@pytest.mark.parametrize("datatype", [t for t in NUMBERS if np.dtype(t).itemsize > 1])
def test_the_byte_order_of_the_sender_does_not_change_a_value(datatype):
    given = np.array([[1, 2], [3, 100]]).astype(np.dtype(datatype).newbyteorder(">"))
    (found,) = there_and_back(given)
    assert found.dtype == np.dtype(datatype)
    assert found.tolist() == given.tolist()


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=3, min_side=1)))
def test_an_array_that_is_not_contiguous_arrives_in_its_own_order(given):
    for view in (given.T, given[::-1], given[:, ::2], np.broadcast_to(given[:1], given.shape)):
        (found,) = there_and_back(view)
        assert same(found, view)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 5), ()])
@pytest.mark.parametrize("datatype", frame._TYPES)
def test_an_array_without_elements_keeps_its_shape(datatype, shape):
    given = np.full(shape, "" if datatype == "O" else 0, dtype=datatype)
    (found,) = there_and_back(given)
    assert found.shape == shape


def test_text_of_any_numpy_kind_arrives_as_str():
    for texts in (["a", "ä", ""], [b"a", "ä".encode(), b""]):
        (found,) = there_and_back(np.array(texts, dtype=object if b"" in texts else None))
        assert found.tolist() == ["a", "ä", ""]
        assert {type(v) for v in found} == {str}


@pytest.mark.parametrize(
    "given",
    [
        np.array([None], dtype=object),
        np.array([1.5], dtype=object),
        np.array([{"a": 1}], dtype=object),
        np.array(["\ud800"], dtype=object),
        np.array([b"\xff"], dtype=object),
        np.array([1 + 2j]),
        np.array(["2020-01-01"], dtype="datetime64[D]"),
        np.array([1], dtype=np.longdouble),
        np.zeros(1, dtype=[("a", "f4")]),
    ],
    ids=str,
)
def test_what_is_neither_number_nor_text_does_not_travel(given):
    with pytest.raises(frame.BadFrame):
        frame.pack([given])


def test_an_array_that_arrived_may_be_changed():
    """Many functions of people write into their input."""
    (found,) = there_and_back(np.array([1.0, 2.0]))
    found += 1
    assert found.tolist() == [2.0, 3.0]


@given(st.lists(arrays, min_size=1, max_size=3), st.data())
def test_a_truncated_body_is_refused(given, data):
    whole = b"".join(frame.pack(given))
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(frame.BadFrame):
        frame.unpack(memoryview(whole[:cut]), 0)


@given(st.lists(arrays, max_size=3), st.binary(min_size=1, max_size=9))
def test_bytes_after_the_last_tensor_are_refused(given, more):
    with pytest.raises(frame.BadFrame):
        frame.unpack(body([*frame.pack(given), more]), 0)


@given(st.binary(max_size=200))
def test_any_bytes_are_either_tensors_or_refused(raw):
    """Nothing else is raised, whatever a model writes into its channel."""
    try:
        found = frame.unpack(memoryview(raw), 0)
    except frame.BadFrame:
        return
    assert b"".join(frame.pack(found)) == raw


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(arrays, min_size=1, max_size=2), st.data())
def test_any_changed_bytes_are_either_tensors_or_refused(given, data):
    raw = bytearray(b"".join(frame.pack(given)))
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=3)):
        raw[place] = data.draw(st.integers(0, 255))
    try:
        found = frame.unpack(memoryview(raw), 0)
    except frame.BadFrame:
        return
    assert all(isinstance(array, np.ndarray) for array in found)


@pytest.mark.parametrize(
    ("code", "shape", "data"),
    [
        (10, [1 << 62, 1 << 62], b""),
        (10, [(1 << 64) - 1], b"\0" * 4),
        (10, [1 << 40], b"\0" * 4),
        (12, [1 << 40], struct.pack("<I", 0)),
        (12, [1], struct.pack("<I", 0xFFFFFFFF) + b"abc"),
        (12, [1], struct.pack("<I", 2) + b"\xff\xfe"),
        (0, [1], b"\x02"),
        (13, [1], b"\0"),
        (10, [1] * 33, b"\0" * 4),
    ],
)
def test_a_tensor_that_lies_about_itself_is_refused_before_memory_is_taken(code, shape, data):
    raw = struct.pack("<HBBQ", 1, code, len(shape), len(data))
    raw += struct.pack(f"<{len(shape)}Q", *shape) + data
    tracemalloc.start()
    try:
        with pytest.raises(frame.BadFrame):
            frame.unpack(memoryview(raw), 0)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_frame_crosses_the_channel(pair):
    ours, theirs = pair
    given = np.arange(700_000, dtype=np.float64)
    sender = Thread(target=frame.send, args=(theirs, frame.ANSWER, 7, frame.pack([given])))
    sender.start()
    kind, attempt, found = frame.receive(ours, 60)
    sender.join(60)
    assert (kind, attempt) == (frame.ANSWER, 7)
    assert same(frame.unpack(found, 0)[0], given)


def test_a_head_that_claims_much_takes_no_memory(pair):
    ours, theirs = pair
    theirs.sendall(frame._HEAD.pack(frame._MAGIC, frame.ANSWER, 1, frame.MOST_BYTES))
    theirs.shutdown(socket.SHUT_WR)
    tracemalloc.start()
    try:
        with pytest.raises(frame.Closed):
            frame.receive(ours, 60)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "head",
    [
        frame._HEAD.pack(0x1234, frame.ANSWER, 1, 0),
        frame._HEAD.pack(frame._MAGIC, frame.ANSWER, 1, frame.MOST_BYTES + 1),
        b"Traceback (most recent call last):",
    ],
)
def test_what_is_no_frame_is_refused(pair, head):
    ours, theirs = pair
    theirs.sendall(head)
    with pytest.raises(frame.BadFrame):
        frame.receive(ours, 60)


@pytest.mark.parametrize("said", [b"", b"\x17", frame._HEAD.pack(frame._MAGIC, 2, 1, 10) + b"abc"])
def test_an_end_in_the_middle_is_told_apart(pair, said):
    ours, theirs = pair
    theirs.sendall(said)
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(frame.Closed):
        frame.receive(ours, 60)


def test_sending_to_one_who_has_ended_says_so(pair):
    ours, theirs = pair
    theirs.close()
    with pytest.raises(frame.Closed):
        frame.send(ours, frame.PREDICT, 1, [b"x" * 100])


def test_the_time_is_for_the_whole_frame_and_not_for_each_piece(pair):
    """One who says a byte now and then must not be listened to for ever."""
    ours, theirs = pair
    over = []

    def dribble() -> None:
        theirs.sendall(frame._HEAD.pack(frame._MAGIC, frame.ANSWER, 1, 1 << 30))
        while not over:
            try:
                theirs.sendall(b"x")
            except OSError:
                return
            os.sched_yield()

    slow = Thread(target=dribble)
    slow.start()
    try:
        with pytest.raises(TimeoutError):
            frame.receive(ours, 0.05)
    finally:
        over.append(True)
        ours.close()
        slow.join(60)


def test_one_who_does_not_read_is_not_waited_for(pair):
    ours, _ = pair
    with pytest.raises(TimeoutError):
        frame.send(ours, frame.PREDICT, 1, [b"x" * (8 << 20)], 0.05)


def test_a_frame_beyond_the_bound_is_not_sent(pair, monkeypatch):
    ours, theirs = pair
    monkeypatch.setattr(frame, "MOST_BYTES", 1000)
    with pytest.raises(frame.BadFrame):
        frame.send(ours, frame.ANSWER, 1, [b"x" * 1001])
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)


# --- what is said beside the tensors, and answers one by one --------------------------------


@given(st.binary(max_size=200), st.lists(st.integers(0, 65_535), max_size=4), st.lists(arrays))
def test_what_is_asked_arrives_with_what_is_said(said, outputs, inputs):
    found, rest = frame.asked(body(frame.asking(inputs, outputs, said)))
    assert found == said
    positions, values = frame.wanted(rest)
    assert positions == outputs
    assert len(values) == len(inputs)
    assert all(map(same, values, inputs))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_question_or_refused(raw):
    try:
        said, rest = frame.asked(memoryview(raw))
        frame.wanted(rest)
    except frame.BadFrame:
        return
    assert len(said) + 4 + len(rest) == len(raw)


KINDS = [frame.ASK, frame.PREDICT, frame.NEXT, frame.STOP]
COUNT = 3
steps = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 3)), max_size=30)


class Model:
    """Answers an ASK with as many answers as its input says, and a PREDICT with one."""

    def __init__(self) -> None:
        self.open = 0

    def __call__(self, inputs: Any, outputs: Any, said: Any = None) -> Any:
        return [inputs[0]] if said is None else self._many(int(inputs[0][0]))

    def _many(self, count: int) -> Any:
        self.open += 1
        try:
            for number in range(count):
                yield [np.array([number])]
        finally:
            self.open -= 1


@settings(max_examples=40)
@given(steps)
def test_whatever_is_asked_in_whatever_order_each_frame_has_one_answer_of_its_attempt(given):
    """Against the state that the worker would keep: how far each attempt has come."""
    model, known = Model(), dict[int, int]()
    open_ones: dict[int, Any] = {}
    question = frame.request([np.array([COUNT])], [0])
    for kind, attempt in given:
        if kind == frame.ASK:
            pieces = frame.asking([np.array([COUNT])], [0], b"{}")
        else:
            pieces = question if kind == frame.PREDICT else []
        if kind == frame.NEXT and attempt not in known:
            with pytest.raises(KeyError):  # it is said to the worker as FAILED
                child._step(model, open_ones, kind, attempt, body(pieces))
            continue
        answered, told = child._step(model, open_ones, kind, attempt, body(pieces))
        if kind == frame.PREDICT:
            assert answered == frame.ANSWER
            continue
        if kind == frame.STOP:
            known.pop(attempt, None)
            assert (answered, told) == (frame.END, [])
            continue
        number = known[attempt] = 0 if kind == frame.ASK else known[attempt] + 1
        if number < COUNT:
            assert answered == frame.MORE
            assert frame.unpack(body(told), 0)[0].tolist() == [number]
        else:
            assert answered == frame.END
            del known[attempt]
    assert set(open_ones) == set(known)
    gc.collect()
    assert model.open == len(known), "what was ended or asked anew is closed"


def test_a_channel_that_was_closed_on_our_side_meanwhile_is_closed(pair):
    ours, _ = pair
    ours.close()
    with pytest.raises(frame.Closed):
        frame.send(ours, frame.PREDICT, 1, [])
    with pytest.raises(frame.Closed):
        frame.receive(ours, 1.0)
