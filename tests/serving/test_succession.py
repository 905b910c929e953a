"""One bookkeeper at a time, and the next one ends the one before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.processes import until

from fairlead.serving import succession
from fairlead.serving.succession import FILE, succeed

_ONE = """
    import os, signal, sys, time
    from pathlib import Path
    from fairlead.serving.succession import succeed

    exec(sys.argv[2])
    handle = succeed(Path(sys.argv[1]), os.pipe()[0])
    print("here" if handle >= 0 else "gone", flush=True)
    if handle < 0:
        raise SystemExit(1)
    time.sleep(1000)
"""


def bookkeeper(folder: Path, first: str = "") -> subprocess.Popen[str]:
    """A process that takes the place of the one before, and stays."""
    command = [sys.executable, "-c", textwrap.dedent(_ONE), str(folder), first]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def numbers(folder: Path) -> list[int]:
    """Who has the lock, and who came last."""
    return [*map(int, (folder / FILE).read_text().split())]


def test_who_takes_over_ends_the_one_before(tmp_path):
    with bookkeeper(tmp_path) as first:
        assert line_of(first) == "here"
        pipe, other = os.pipe()
        handle = succeed(tmp_path, pipe)
        assert handle >= 0
        assert first.wait(10) == -signal.SIGTERM
        assert numbers(tmp_path)[0] == os.getpid()
        for one in (handle, pipe, other):
            os.close(one)


def test_who_waits_ends_with_the_supervisor(tmp_path):
    pipe, other = os.pipe()
    held = succeed(tmp_path, pipe)
    os.truncate(tmp_path / FILE, 0)  # whose lock it is was not written yet
    os.close(other)
    assert succeed(tmp_path, pipe) == -1
    os.close(pipe)
    os.close(held)


def test_what_a_dead_one_left_stops_nobody(tmp_path):
    (tmp_path / FILE).write_text("12345")
    pipe, other = os.pipe()
    handle = succeed(tmp_path, pipe)
    assert handle >= 0
    for one in (handle, pipe, other):
        os.close(one)
    assert numbers(tmp_path)[0] == os.getpid()


def test_of_two_that_wait_the_one_that_came_last_takes_over_and_is_ended_by_nobody(tmp_path):
    """The one before takes long to end, and the server is renewed once more meanwhile."""
    before = bookkeeper(tmp_path, "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    assert line_of(before) == "here"
    second, third = bookkeeper(tmp_path), None
    try:
        until(lambda: numbers(tmp_path)[1] == second.pid)
        third = bookkeeper(tmp_path)
        assert line_of(second) == "gone"
        assert second.wait(10) == 1
        assert before.poll() is None
        before.kill()
        assert line_of(third) == "here"
        assert third.poll() is None
    finally:
        for process in filter(None, (before, second, third)):
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def test_a_number_that_changes_while_it_is_looked_at_is_not_believed(tmp_path, monkeypatch):
    """Who has the lock since a moment has not written its own over that of a dead one."""
    pipe, other = os.pipe()
    held = succeed(tmp_path, pipe)
    told: list[int] = []
    monkeypatch.setattr(succession.os, "kill", lambda number, what: told.append(number))
    left = [1234567, 7654321, 7654321]

    def number(handle: int, place: int) -> int:
        if place != succession._HOLDER:
            return os.getpid()
        if not left:
            os.close(other)
        return left.pop(0) if left else 0

    monkeypatch.setattr(succession, "_number", number)
    assert succeed(tmp_path, pipe) == -1
    assert told == [7654321]
    os.close(pipe)
    os.close(held)
