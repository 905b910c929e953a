"""Messages between processes: whole or not at all, bounded, and from the folder's owner only."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import struct
from contextlib import asynccontextmanager

import pytest

from fairlead.serving import exchange
from fairlead.serving.exchange import SOCKET, ask, connect, listen, packed


class Heard:
    """What one end has heard and lost."""

    def __init__(self) -> None:
        self.messages: list[dict] = []
        self.lost = 0
        self.more = asyncio.Event()

    def heard(self, line, message) -> None:
        self.messages.append(message)
        self.more.set()

    def gone(self, line) -> None:
        self.lost += 1
        self.more.set()

    async def until(self, true) -> None:
        while not true():
            self.more.clear()
            await asyncio.wait_for(self.more.wait(), 10)


@asynccontextmanager
async def both(folder):
    """Two ends: what the bookkeeper's hears, what the worker's hears, and the worker's line."""
    office, worker = Heard(), Heard()
    server = await listen(folder, office.heard, office.gone)
    line = await connect(folder, worker.heard, worker.gone)
    yield office, worker, line
    line.close()
    await worker.until(lambda: worker.lost)
    server.close()
    await office.until(lambda: office.lost)


def test_messages_arrive_whole_and_in_order_however_they_are_cut(tmp_path):
    async def run() -> None:
        async with both(tmp_path) as (office, _, line):
            for number in range(50):
                assert line.send({"number": number, "filler": "x" * (number * 997)})
            await office.until(lambda: len(office.messages) == 50)
            assert [m["number"] for m in office.messages] == list(range(50))

    asyncio.run(run())


def test_what_is_no_message_ends_the_line_and_only_that_line(tmp_path):
    async def run() -> None:
        async with both(tmp_path) as (office, _, line):
            for raw in (
                struct.pack("<I", 2**31),
                struct.pack("<I", 4) + b"nope",
                struct.pack("<I", 2) + b"[]",
            ):
                reader, writer = await asyncio.open_unix_connection(str(tmp_path / SOCKET))
                writer.write(raw)
                assert await reader.read() == b""
                writer.close()
            assert line.send({"still": "here"})
            await office.until(lambda: bool(office.messages))
            assert office.messages == [{"still": "here"}]

    asyncio.run(run())


def test_a_line_whose_other_end_is_gone_takes_no_message(tmp_path):
    async def run() -> None:
        async with both(tmp_path) as (_, worker, line):
            line.close()
            await worker.until(lambda: worker.lost == 1)
            assert not line.send({"kind": "seen"})

    asyncio.run(run())


def test_what_the_other_side_does_not_take_is_not_piled_up(tmp_path, monkeypatch):
    monkeypatch.setattr(exchange, "_MOST_UNSENT", 1 << 20)

    async def run() -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / SOCKET))
        listener.listen()
        ends = Heard()
        line = await connect(tmp_path, ends.heard, ends.gone)
        sent = 0
        while line.send({"filler": "x" * 100_000}):
            sent += 1
            assert sent < 100
        assert sent >= 10
        listener.close()
        await ends.until(lambda: ends.lost)

    asyncio.run(run())


def test_only_the_owner_of_the_state_folder_may_connect(tmp_path):
    async def run() -> None:
        ends = Heard()
        server = await listen(tmp_path, ends.heard, ends.gone)
        mode = (tmp_path / SOCKET).stat().st_mode
        assert stat.S_IMODE(mode) == 0o600
        server.close()

    asyncio.run(run())


def test_who_is_at_the_other_end_is_told_by_the_system(tmp_path):
    async def run() -> None:
        said: asyncio.Queue[int] = asyncio.Queue()
        server = await listen(tmp_path, lambda line, message: said.put_nowait(line.uid), print)
        heard = Heard()
        line = await connect(tmp_path, heard.heard, heard.gone)
        line.send({"kind": "hello", "uid": 12345})
        assert await asyncio.wait_for(said.get(), 10) == os.getuid()
        line.close()
        await heard.until(lambda: heard.lost)
        assert line.uid == -1
        server.close()

    asyncio.run(run())


def test_a_state_folder_may_lie_deeper_than_a_sockets_address_is_long(tmp_path):
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)

    async def run() -> None:
        async with both(deep) as (office, _, line):
            line.send({"a": 1})
            await office.until(lambda: bool(office.messages))

    asyncio.run(run())


def test_the_socket_of_a_server_that_was_killed_is_no_hindrance(tmp_path):
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / SOCKET))
    left.close()

    async def run() -> None:
        async with both(tmp_path) as (_, _, line):
            assert line.send({"a": 1})

    asyncio.run(run())


def test_a_command_gets_the_answer_to_its_message(tmp_path):
    async def run() -> None:
        def heard(line, message) -> None:
            line.send({"kind": "standing"})  # news that every line gets
            line.send({"kind": "answer", "said": message["word"]})

        ends = Heard()
        server = await listen(tmp_path, heard, ends.gone)
        answer = await asyncio.to_thread(ask, tmp_path, {"word": "yes"})
        assert answer == {"kind": "answer", "said": "yes"}
        server.close()
        await ends.until(lambda: ends.lost)

    asyncio.run(run())


def test_without_a_bookkeeper_a_command_is_told_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        ask(tmp_path, {"kind": "list"})


def test_a_message_that_is_too_long_is_an_error_of_its_sender(monkeypatch):
    monkeypatch.setattr(exchange, "MOST_BYTES", 100)
    with pytest.raises(ValueError, match="too long"):
        packed({"filler": "x" * 200})


def test_what_the_other_side_waits_for_is_sent_however_much_is_unsent(tmp_path, monkeypatch):
    monkeypatch.setattr(exchange, "_MOST_UNSENT", 1 << 20)

    async def run() -> None:
        async with both(tmp_path) as (office, _, line):
            while line.send({"filler": "x" * (1 << 18)}):
                pass
            line.press({"kind": "lent"})
            await office.until(lambda: {"kind": "lent"} in office.messages)

    asyncio.run(run())


def test_a_line_that_cannot_take_what_is_waited_for_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(exchange, "_MOST_UNSENT", 1 << 20)
    monkeypatch.setattr(exchange, "_MOST_PRESSED", 1 << 20)

    async def run() -> None:
        async with both(tmp_path) as (office, worker, line):
            while line.send({"filler": "x" * (1 << 18)}):
                pass
            line.press({"kind": "lent"})
            await worker.until(lambda: worker.lost == 1)
            assert {"kind": "lent"} not in office.messages

    asyncio.run(run())
