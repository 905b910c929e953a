"""What is simulated knows the server's own numbers, though it stands below it."""

from __future__ import annotations

from fairlead.assembly.bounds import bounds_of
from fairlead.assembly.config import read
from fairlead.costs import simulation
from fairlead.serving import batcher


def test_a_simulated_queue_is_bounded_as_the_settings_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert bounds_of(read({})) == simulation.USUAL


def test_it_is_as_short_as_the_batcher_makes_it_while_calls_are_refused():
    assert (simulation._BRIEF_S, simulation._BRIEF) == (batcher._BRIEF_S, batcher._BRIEF)
