"""Memory that was left behind is given back; what is in use stays."""

import subprocess
import sys

import pytest

from fairlead.serving.memory import Memory, resident

PROGRAM = """
import os
from fairlead.serving.memory import Memory, resident

memory = Memory()
start = resident()
# Blocks of a size that the allocator takes from its heap, with a small one kept above them.
blocks = [os.urandom(100_000) for _ in range(800)]
kept = [os.urandom(1000) for _ in range(50)]
full = resident()
memory.settle()
while_used = resident()
del blocks
memory._needed = start
memory.settle()
print(start, full, while_used, resident(), len(kept))
"""


@pytest.mark.skipif(resident() == 0, reason="the system does not say what a process holds")
def test_what_was_freed_is_given_back_and_what_is_used_is_kept():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    start, full, while_used, after, _ = map(int, done.stdout.split())
    mib = 1 << 20
    assert full - start > 60 * mib
    assert full - while_used < 5 * mib
    assert after - start < 20 * mib


def test_a_system_without_such_an_allocator_is_left_alone():
    memory = Memory()
    memory._trim = None
    memory._needed = 0
    memory.settle()
    assert memory._needed == pytest.approx(resident(), abs=10 << 20)
