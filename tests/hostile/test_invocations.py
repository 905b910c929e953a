"""What `/invocations` takes beside JSON: bodies within the limit that would fill the memory."""

from __future__ import annotations

import io

import numpy as np
import pytest
from tests import models
from tests.hostile.parts import forget_peak, memory
from tests.processes import server
from tests.raw import Raw, get, post

MIB = 1 << 20
SIZE = 60 * MIB


def npy(shape: tuple[int, ...], kind: str = "i1") -> bytes:
    file = io.BytesIO()
    np.save(file, np.ones(shape, kind))
    return file.getvalue()


BODIES = {
    "commas": ("text/csv", b"," * SIZE),
    "commas below names": ("text/csv", b"a,b,c\n" + b"," * SIZE),
    "empty lines of CSV": ("text/csv", b"a,b,c\n" + b"\n" * SIZE),
    "quotes": ("text/csv", b'a,b,c\n"' + b"x" * SIZE),
    "empty lists as lines": ("application/jsonlines", b"[]\n" * (SIZE // 3)),
    "lists of empty lists": ("application/jsonlines", b"[" + b"[]," * (SIZE // 3) + b"[]]\n"),
    "empty lines": ("application/jsonlines", b"\n" * SIZE),
    "a long array": ("application/x-npy", npy((SIZE // 3, 3))),
    "a wide array": ("application/x-npy", npy((1, SIZE))),
    "parts": (
        "multipart/form-data; boundary=b",
        b"--b" + b"\r\n\r\n\r\n--b" * (SIZE // 9) + b"--\r\n",
    ),
    "a form": ("application/x-www-form-urlencoded", b"a=1&" * (SIZE // 4)),
}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    models.total(folder)
    with server(folder, state=tmp_path_factory.mktemp("state"), workers=1) as made:
        yield made


@pytest.mark.parametrize("name", BODIES)
def test_it_is_refused_in_little_memory(running, name):
    media, body = BODIES[name]
    (worker,) = running.workers
    forget_peak(worker)
    before = memory(worker)
    with Raw(running.port) as raw:
        answer = raw.ask(post("/invocations", body, f"content-type: {media}"))
        assert raw.ask(get("/ping")).status == 200
    assert answer.status in (400, 413, 415), answer
    assert answer.json()["error_code"] == "BAD_REQUEST"
    assert memory(worker, "VmHWM") - before <= 3 * 64 * MIB
    assert running.workers == [worker]
