"""Attacks by size: chunks without end, lengths that lie, small questions with huge answers.

A2, A3 and A16. What is large is sent once to the usual limits; the hundred repeats go to a server
whose limits are a sixty-fourth.
"""

import mmap
import os

import pytest
from tests.hostile.parts import (
    GOOD,
    Attack,
    attack,
    check_error,
    forget_peak,
    infer,
    inputs,
    memory,
    post,
    rows,
    tensor,
)
from tests.raw import Raw, chunked

MIB = 1 << 20
LARGE = "BODY_TOO_LARGE"
HEAD = "POST /predict/{} HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n"


def headed(model: str, header: str) -> bytes:
    return HEAD.format(model, header).encode()


def flood(model: str, chunk: bytes, count: int) -> bytes:
    return headed(model, "Transfer-Encoding: chunked") + chunk * count


FLOODS = [
    attack("one byte each", flood("total", b"1\r\nA\r\n", 1_000_000), LARGE, 413),
    attack("empty extensions", flood("total", b"1;\r\nA\r\n", 70_000), "HEAD_INVALID"),
    attack("extensions", flood("total", b"1;a=b\r\nA\r\n", 70_000), LARGE, 413),
    attack("below /v2", flood("total", b"1\r\nA\r\n", 70_000).replace(
        b"/predict/total", b"/v2/models/total/infer"), LARGE, 413),
]  # fmt: skip


def lies(most: int) -> list[Attack]:
    """Lengths that are not those of the body, for a limit of `most` bytes."""
    big = b"[" + b"1," * (most // 2 - 100) + b"1]"
    tensors = inputs(tensor([7], "FP64"))
    chunks = [*[b"1" * MIB] * (most // MIB), b"1"]
    return [
        attack("declared", headed("total", f"Content-Length: {most + 1}"), LARGE, 413),
        Attack("declared and sent", (headed("total", f"Content-Length: {most + 1}"), b"1" * MIB),
               413, LARGE),
        attack("chunked past the limit", chunked("/predict/total", *chunks), LARGE, 413),
        attack("numbers", infer("identity_fp64", tensors.replace(b"[7]", big)), LARGE, 413),
        attack("rows of numbers", rows("total", big), LARGE, 413),
        attack("objects", rows("total", b"[" + b"{}," * (most // 4) + b"{}]"), LARGE, 413),
        attack("not declared", headed("total", "A: b"), "BODY_MALFORMED"),
    ]  # fmt: skip


def wide(count: int) -> bytes:
    return inputs(tensor([0] * count, shape=[count, 1]))


LONG = inputs(tensor([0.5] * 300_000))
AMPLIFIED = [
    attack("a million rows", rows("total", b"[" + b"[1,2,3]," * 99_999 + b"[1,2,3]]"),
           "TOO_MANY_ROWS", 413),
    attack("rows", infer("logs", inputs(tensor([1] * 10_001, "FP64", shape=[10_001, 1]))),
           "TOO_MANY_ROWS", 413),
    attack("rows of csv", rows("logs", b"x\n" + b"1\n" * 200_000, "Content-Type: text/csv"),
           "TOO_MANY_ROWS", 413),
    attack("a gigabyte from a kilobyte", infer("wide", wide(9_000)), "ANSWER_TOO_LARGE", 413),
    attack("as rows", rows("wide", b"[" + b"1," * 9_000 + b"1]"), "ANSWER_TOO_LARGE", 413),
    attack("ten thousand outputs", infer("total", inputs(
        tensor([1, 2, 3]), outputs=[{"name": f"o{i}"} for i in range(10_000)])), "UNKNOWN_NAME"),
    attack("one output very often", infer("total", inputs(
        tensor([1, 2, 3]), outputs=[{"name": "value"}] * 10_000)), "DUPLICATE_NAME"),
    attack("ten thousand inputs", infer("total", inputs(*[tensor([1, 2, 3])] * 10_000)),
           "DUPLICATE_NAME"),
    attack("asked in the address", post("/predict/total?outputs=" + ",".join(["value"] * 1000),
                                        b"[1,2,3]"), "DUPLICATE_NAME"),
]  # fmt: skip


@pytest.mark.parametrize("one", FLOODS, ids=lambda one: one.name)
def test_a_flood_of_chunks_is_cut_off(usual, one):
    assert usual.survives(one).closes


@pytest.mark.parametrize("one", lies(64 * MIB), ids=lambda one: one.name)
def test_a_length_that_lies_is_answered_in_little_memory(usual, one):
    (worker,) = usual.running.workers
    forget_peak(worker)
    before = memory(worker)
    usual.survives(one)
    assert memory(worker, "VmHWM") - before <= 3 * 64 * MIB


def test_what_exceeds_a_length_that_is_too_small_is_no_second_request(usual):
    bad = headed("total", "Content-Length: 3") + b"[1,2,3]" + GOOD
    with Raw(usual.port) as raw:
        check_error(raw.ask(bad), "BODY_MALFORMED")
        last = raw.read()
        check_error(last, "HEAD_INVALID")
        assert last.closes
        assert raw.ended()


@pytest.mark.parametrize("one", AMPLIFIED, ids=lambda one: one.name)
def test_a_small_question_gets_no_huge_answer(usual, one):
    (worker,) = usual.running.workers
    forget_peak(worker)
    before = memory(worker)
    usual.survives(one)
    assert memory(worker, "VmHWM") - before <= 3 * 64 * MIB


def test_a_hundred_times_cost_no_memory(tight):
    tight.bears([*FLOODS[1:], *lies(MIB)])


def test_a_hundred_large_answers_cost_no_memory(terse):
    measured = attack("measured", infer("open", LONG), "ANSWER_TOO_LARGE", 413)
    terse.bears([*AMPLIFIED[1:], measured])


def test_memory_that_grows_is_seen():
    """The control of the oracle: what it measures does grow with what is held."""
    before = memory(os.getpid())
    # A mapping of its own: what an earlier test freed cannot stand in for it.
    held = mmap.mmap(-1, 8 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for start in range(0, 8 * MIB, 4096):
        held[start] = 1
    assert memory(os.getpid()) - before > 4 * MIB
    held.close()


def test_an_answer_as_large_as_the_limit_is_given_and_a_larger_one_is_not(tight):
    """The setting `response_mib` is 1 here; a row of `wide` has 100,000 numbers of 4 bytes."""
    with Raw(tight.port) as raw:
        for request in (infer("wide", wide(2)), rows("wide", b"[0,0]")):
            answer = raw.ask(request)
            assert (answer.status, len(answer.body) > 800_000) == (200, True)
    for request in (infer("wide", wide(3)), rows("wide", b"[0,0,0]")):
        tight.survives(attack("three rows", request, "ANSWER_TOO_LARGE", 413))


def test_an_answer_whose_size_nobody_could_know_is_measured(terse):
    """A model of any width answers as much as it was sent; text and numbers have any length."""
    with Raw(terse.port) as raw:
        assert raw.ask(infer("open", inputs(tensor([0.5] * 200_000)))).status == 200
        assert (
            raw.ask(infer("shout", inputs(tensor(["x" * 1_000_000], "BYTES", "text")))).status
            == 200
        )
    for request in (
        infer("open", LONG),
        infer("open", inputs(tensor([0.5] * 1_200_000))),
        infer("shout", inputs(tensor(["x" * MIB], "BYTES", "text"))),
        rows("open", b"[[" + b"0.5," * 300_000 + b"1]]"),
        rows("shout", b'["' + b"x" * MIB + b'"]'),
    ):
        terse.survives(attack("long", request, "ANSWER_TOO_LARGE", 413))
