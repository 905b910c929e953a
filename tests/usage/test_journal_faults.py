"""The journal on a disk that is full, gone or failing, and of a writer that dies."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import textwrap

import pytest
from tests.usage.test_journal import one, rows

from fairlead.core.errors import JournalUnavailable
from fairlead.usage import journal
from fairlead.usage.journal import Journal, sealed, segments

_FULL_DISK = """
    import resource, signal, sys
    from pathlib import Path
    from fairlead.core.errors import JournalUnavailable, StateInvalid
    from fairlead.usage.journal import Columns, Journal

    most = int(sys.argv[2])
    writer = Journal(Path(sys.argv[1]), "w")
    acknowledged, refused = [], 0

    def append(number):
        global refused
        try:
            writer.append("m", 1, Columns([number], [0], [0], [0], [0], [0]))
            acknowledged.append(number)
        except JournalUnavailable as error:
            refused += 1
            assert error.id == "FRL-1504"

    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    for number in range(24):
        append(number)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    before = refused
    for number in range(24, 28):
        append(number)
    assert refused == before, "it recovers without a restart"
    print(refused, *acknowledged)
"""


@pytest.mark.parametrize("most", [1, 30, 100, 200, 260, 301, 350, 433])
def test_a_full_disk_refuses_and_what_was_acknowledged_is_there(tmp_path, most):
    """The largest file is bounded so that a write is cut short, then refused; then it is not."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_FULL_DISK), str(tmp_path), str(most)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    refused, *acknowledged = map(int, done.stdout.split())
    assert refused > 0
    assert rows(tmp_path) == acknowledged
    assert acknowledged[-4:] == [24, 25, 26, 27]


def test_a_folder_that_has_gone_refuses_and_recovers_when_it_is_back(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 60)
    folder = tmp_path / "journal"
    writer = Journal(folder, "w")
    writer.append("m", 1, one(rows=1))
    folder.rename(tmp_path / "away")
    with pytest.raises(JournalUnavailable):
        writer.append("m", 1, one(rows=2))
    (tmp_path / "away").rename(folder)
    writer.append("m", 1, one(rows=3))
    writer.close()
    assert rows(folder) == [1, 3]


def test_no_descriptor_left_refuses_and_recovers_without_a_restart(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 60)
    writer = Journal(tmp_path, "w")
    writer.append("m", 1, one(rows=1))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Zero: what is open stays open, and nothing more can be opened, whatever number is free.
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(JournalUnavailable):
            writer.append("m", 1, one(rows=2))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    writer.append("m", 1, one(rows=3))
    writer.close()
    assert rows(tmp_path) == [1, 3]


# --- a writer that dies -------------------------------------------------------------------

_WRITER = """
    import sys
    from pathlib import Path
    from fairlead.usage.journal import Columns, Journal

    writer = Journal(Path(sys.argv[1]), "w")
    for number in range(10**9):
        writer.append("m", 1, Columns([number], [0], [0], [0], [0], [0]))
        print(number, flush=True)
"""


def test_a_killed_writer_loses_nothing_that_it_said_and_its_segment_is_sealed(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_WRITER), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line == "50\n":
            assert [sealed(s) for s in segments(tmp_path)] == [False]
            process.send_signal(signal.SIGKILL)
            break
    said = [50, *map(int, process.stdout.read().splitlines())]
    process.wait()
    process.stdout.close()
    found = rows(tmp_path)
    assert found[: said[-1] + 1] == list(range(said[-1] + 1))
    assert len(found) <= said[-1] + 2
    assert [sealed(s) for s in segments(tmp_path)] == [True]
