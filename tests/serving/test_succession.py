"""One bookkeeper at a time, and the next one ends the one before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

from tests.processes import until

from fairlead.serving.succession import FILE, succeed

_FIRST = """
    import os, sys, time
    from pathlib import Path
    from fairlead.serving.succession import succeed

    succeed(Path(sys.argv[1]), os.pipe()[0])
    print("here", flush=True)
    time.sleep(1000)
"""


def test_who_takes_over_ends_the_one_before(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(_FIRST), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "here\n"
        pipe, other = os.pipe()
        handle = succeed(tmp_path, pipe)
        assert handle >= 0
        assert first.wait(10) == -signal.SIGTERM
        assert (tmp_path / FILE).read_text().strip() == str(os.getpid())
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
    assert until(lambda: (tmp_path / FILE).read_text().strip()) == str(os.getpid())
