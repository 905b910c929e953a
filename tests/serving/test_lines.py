"""Lines of a stream that nobody may read: written in order and whole, or left out and counted."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
from tests.processes import until

from fairlead.serving.lines import Apart, Lines
from fairlead.serving.renewal import HANDLED


@pytest.fixture
def pipe():
    read, write = os.pipe()
    yield read, write
    for handle in (read, write):
        with suppress(OSError):
            os.close(handle)


def emptied(read: int) -> bytes:
    """Everything that is in a pipe now."""
    fcntl.fcntl(read, fcntl.F_SETFL, os.O_NONBLOCK)
    found = b""
    with suppress(BlockingIOError):
        while piece := os.read(read, 1 << 16):
            found += piece
    return found


def test_lines_are_written_whole_and_in_order(pipe):
    read, write = pipe
    lines = Lines(write)
    for number in range(200):
        lines.put(b"%d\n" % number)
    assert lines.flush(10)
    assert emptied(read) == b"".join(b"%d\n" % number for number in range(200))
    assert lines.lost == 0


def test_nobody_who_says_something_waits_for_a_reader_and_what_is_lost_is_counted(pipe):
    """A pipe holds 64 KiB, the room 100,000 bytes; a megabyte is said."""
    read, write = pipe
    lines = Lines(write, most=100_000)
    line = b"x" * 99 + b"\n"
    for _ in range(10_000):
        lines.put(line)
    assert 8_000 < lines.lost < 10_000
    written = b""

    def all_read() -> bool:
        nonlocal written
        written += emptied(read)
        return lines.flush(0.0)

    until(all_read, 30)
    written += emptied(read)
    assert set(written.split(b"\n")) == {b"x" * 99, b""}
    assert written.count(b"\n") + lines.lost == 10_000


def test_a_stream_whose_reader_is_gone_loses_lines_and_breaks_nothing(pipe):
    read, write = pipe
    os.close(read)
    lines = Lines(write)
    lines.put(b"one\ntwo\n")
    assert lines.flush(10)
    assert lines.lost == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_loses_lines_and_breaks_nothing():
    handle = os.open("/dev/full", os.O_WRONLY)
    try:
        lines = Lines(handle)
        lines.put(b"one\n")
        lines.put(b"two\n")
        assert lines.flush(10)
        assert lines.lost == 2
    finally:
        os.close(handle)


def test_a_stream_that_another_process_made_not_waiting_is_waited_for(pipe):
    read, write = pipe
    os.set_blocking(write, False)
    lines = Lines(write)
    for _ in range(2_000):
        lines.put(b"x" * 99 + b"\n")
    written = b""

    def all_read() -> bool:
        nonlocal written
        written += emptied(read)
        return lines.flush(0.0)

    until(all_read, 30)
    assert (written + emptied(read)).count(b"\n") == 2_000
    assert lines.lost == 0


def test_what_the_interpreter_says_is_written_line_by_line(pipe):
    read, write = pipe
    lines = Lines(write)
    said = Apart(lines)
    for piece in ("Traceback", " (most", "\n", "é\ud800\nrest"):
        assert said.write(piece) == len(piece)
    assert lines.flush(10)
    assert emptied(read) == b"Traceback (most\n\xc3\xa9\\ud800\n"


def test_what_was_said_last_is_written_at_the_end_of_a_process(tmp_path):
    program = (
        "from fairlead.serving.log import configure, log, write_apart\n"
        "configure('info', 'json')\nwrite_apart()\nlog('ended', number=1)\n"
        "raise ValueError('it broke')\n"
    )
    with (tmp_path / "said").open("wb") as file:
        done = subprocess.run([sys.executable, "-c", program], stderr=file, timeout=60, check=False)
    said = (tmp_path / "said").read_text().splitlines()
    assert done.returncode == 1
    assert json.loads(said[0])["event"] == "ended"
    assert said[-1] == "ValueError: it broke"


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
def test_the_thread_that_writes_takes_no_signal(pipe):
    """One that came to it would be lost where another program takes the place of this one."""
    lines = Lines(pipe[1])
    lines.put(b"x\n")
    assert lines.flush(10)
    status = Path(f"/proc/self/task/{lines._thread.native_id}/status").read_text()
    blocked = int(status.partition("SigBlk:")[2].split()[0], 16)
    for number in HANDLED:
        assert blocked >> (number - 1) & 1, number.name


class Interrupted(deque[bytes]):
    """Room for lines; while one is put there, what is called says another."""

    def __init__(self, says: Callable[[bytes], None]) -> None:
        super().__init__()
        self._says: Callable[[bytes], None] | None = says

    def append(self, lines: bytes) -> None:
        super().append(lines)
        says, self._says = self._says, None
        if says is not None:
            says(b"within\n")


def test_what_interrupts_somebody_who_says_something_may_say_something_too(pipe):
    """A signal comes, or an object ends whose end is told on standard error."""
    read, write = pipe
    lines = Lines(write)
    lines._waiting = Interrupted(lines.put)
    saying = Thread(target=lines.put, args=(b"without\n",), daemon=True)
    saying.start()
    saying.join(10)
    assert not saying.is_alive(), "it waits for itself"
    assert lines.flush(10)
    assert emptied(read) == b"without\nwithin\n"


def test_lines_wait_while_no_thread_can_be_had_and_are_written_by_the_next(tmp_path, monkeypatch):
    with (tmp_path / "log").open("wb", buffering=0) as file:
        lines = Lines(file.fileno(), 1 << 20)
        start, tries = Thread.start, list[int]()

        def refused(self: Thread) -> None:
            tries.append(1)
            if len(tries) == 1:
                raise RuntimeError("can't start new thread")
            start(self)

        monkeypatch.setattr(Thread, "start", refused)
        lines.put(b"one\n")
        lines.put(b"two\n")
        assert lines.flush(10.0)
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
