"""WebSockets on a real server, spoken by a library that is not ours, and by hand."""

from __future__ import annotations

import base64
import io
import json
import socket

import httpx
import numpy as np
import pytest
from tests import models
from tests.functions import packed
from tests.processes import server as started
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from fairlead.cli.main import main as command

PATH = "/invocations-bidirectional-stream"
ROWS = {"instances": [[1, 2, 3], [4, 5, 6]]}
ANSWER = {"predictions": [{"value": 6.0}, {"value": 15.0}]}

SOURCE = '''
    import numpy as np

    def tokens(count):
        """As many answers as the row says."""
        for number in range(int(count[0])):
            yield {"number": np.array([number])}
'''


@pytest.fixture(scope="module")
def server(serving, tmp_path_factory) -> httpx.Client:
    folder = tmp_path_factory.mktemp("one")
    models.total(folder)
    return serving(folder)


def where(server: httpx.Client) -> str:
    return f"ws://127.0.0.1:{server.base_url.port}{PATH}"


def opened(server: httpx.Client, **how) -> ClientConnection:
    return connect(where(server), proxy=None, open_timeout=30, close_timeout=30, **how)


def asked(line: ClientConnection, message: str | bytes) -> str | bytes:
    line.send(message)
    return line.recv(timeout=30)


def test_a_message_is_answered_by_a_message_and_the_next_one_too(server):
    with opened(server) as line:
        for _ in range(3):
            assert json.loads(asked(line, json.dumps(ROWS))) == ANSWER


def test_a_text_in_fragments_is_one_message(server):
    text = json.dumps(ROWS)
    with opened(server) as line:
        line.send(text[at : at + 3] for at in range(0, len(text), 3))
        assert json.loads(line.recv(timeout=30)) == ANSWER


def test_pings_are_answered_also_between_fragments(server):
    with opened(server) as line:
        assert line.ping(b"here").wait(30)

        def parts():
            yield '{"instances": '
            line.ping(b"between")
            yield "[[1, 2, 3]]}"

        line.send(parts())
        assert json.loads(line.recv(timeout=30)) == {"predictions": [{"value": 6.0}]}


def test_bytes_are_answered_by_bytes_in_the_media_types_of_the_request(server):
    npy = "application/x-npy"
    headers = {"content-type": npy, "accept": npy}
    file = io.BytesIO()
    np.save(file, np.array([[1, 2, 3]], "f4"))
    with opened(server, additional_headers=headers) as line:
        told = asked(line, file.getvalue())
        assert isinstance(told, bytes)
        assert np.load(io.BytesIO(told)).ravel().tolist() == [6.0]


def test_what_is_wrong_with_a_message_is_its_answer_and_the_next_is_answered(server):
    with opened(server) as line:
        for wrong in ("{", "{}", '{"instances": []}', ""):
            told = json.loads(asked(line, wrong))
            assert told["error_code"] == "BAD_REQUEST", wrong
        assert json.loads(asked(line, json.dumps(ROWS))) == ANSWER


def test_many_messages_at_once_are_answered_in_their_order(server):
    with opened(server) as line:
        for number in range(200):
            line.send(json.dumps([[number, 0, 0]]))
        told = [json.loads(line.recv(timeout=30)) for _ in range(200)]
    assert [t["predictions"][0]["value"] for t in told] == [float(n) for n in range(200)]


def test_a_model_of_many_answers_gives_a_message_each(serving, tmp_path):
    with opened(serving(packed(tmp_path, SOURCE, "tokens"))) as line:
        for count in (3, 0, 2):
            line.send(json.dumps([{"count": count}]))
        numbers = [json.loads(line.recv(timeout=30))["predictions"][0]["number"] for _ in range(5)]
    assert numbers == [0, 1, 2, 0, 1]


def test_a_message_that_is_too_large_ends_the_connection_by_its_code(server):
    with opened(server, max_size=None) as line:
        with pytest.raises(ConnectionClosed) as closed:
            asked(line, "x" * (65 << 20))
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
    assert server.get("/readyz").status_code == 200


HEADERS = {
    "host": "127.0.0.1",
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": base64.b64encode(b"0123456789abcdef").decode(),
}


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"upgrade": "h2c"}, 400),
        ({"sec-websocket-version": "8"}, 400),
        ({"sec-websocket-key": "short"}, 400),
        ({"origin": "https://elsewhere.example"}, 403),
    ],
    ids=str,
)
def test_a_handshake_that_is_none_is_refused_in_words(server, changed, status):
    answer = server.get(PATH, headers=HEADERS | changed)
    assert answer.status_code == status
    assert answer.headers["sec-websocket-version"] == "13"
    assert answer.json()["message"]
    assert server.get(PATH).status_code == 400
    assert server.post(PATH).status_code == 405


def raw(server: httpx.Client, *frames: bytes) -> bytes:
    """All that comes back to a handshake and these bytes, sent at once."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    with socket.create_connection(("127.0.0.1", server.base_url.port or 0), 30) as line:
        line.sendall(f"GET {PATH} HTTP/1.1\r\n{lines}\r\n".encode() + b"".join(frames))
        found = b""
        while part := line.recv(65536):
            found += part
    return found


def frame(first: int, payload: bytes) -> bytes:
    """A frame with a mask of zeros."""
    return bytes([first, 0x80 | len(payload)]) + bytes(4) + payload


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([b"\x81\x05hello"], 1002),
        ([frame(0x80, b"x")], 1002),
        ([frame(0x83, b"x")], 1002),
        ([frame(0xC1, b"x")], 1002),
        ([frame(0x09, b"x")], 1002),
        ([frame(0x81, b"\xff")], 1007),
        ([frame(0x88, b"\x03")], 1002),
        ([frame(0x88, (1000).to_bytes(2, "big"))], 1000),
    ],
    ids=["unmasked", "continuation", "opcode", "reserved", "long ping", "utf-8", "close", "end"],
)
def test_frames_that_are_none_end_the_connection_by_their_code(server, frames, code):
    """What follows the request at once is read as frames already."""
    told = raw(server, *frames)
    head, _, rest = told.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"sec-websocket-accept: " in head
    assert rest[0] == 0x88
    assert int.from_bytes(rest[2:4], "big") == code


def test_a_server_that_ends_says_so_to_who_asks_nothing(tmp_path):
    models.total(tmp_path / "models")
    with started(tmp_path / "models", state=tmp_path / "state") as running:
        url = f"ws://127.0.0.1:{running.port}{PATH}"
        with connect(url, proxy=None, close_timeout=30) as line:
            assert json.loads(asked(line, json.dumps(ROWS))) == ANSWER
            running.process.terminate()
            with pytest.raises(ConnectionClosed) as closed:
                line.recv(timeout=30)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
        assert running.process.wait(30) == 0


def test_who_needs_a_key_is_asked_for_it_before_the_handshake(tmp_path):
    models.total(tmp_path / "models")
    words = ["keys", "create", "--name", "me", "--scope", "predict:*"]
    assert command([*words, "--state", str(tmp_path / "state")]) == 0
    with started(tmp_path / "models", state=tmp_path / "state") as running:
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://127.0.0.1:{running.port}{PATH}", proxy=None)
        assert refused.value.response.status_code == 401
