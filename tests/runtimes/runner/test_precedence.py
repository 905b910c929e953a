"""Whose process goes first: what is said of a session can be taken back, without any rights."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.processes import until
from tests.runtimes.runner import parts

from fairlead.runtimes.runner import precedence

grouped = pytest.mark.skipif(
    not Path("/proc/self/autogroup").exists(), reason="this kernel knows no sessions' shares"
)
AS_NOBODY = """
import ctypes, os, subprocess
from pathlib import Path
from tests.processes import until
from fairlead.runtimes.runner.precedence import place, session_of

if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as it would be had it begun as nobody
with subprocess.Popen(["sleep", "60"], start_new_session=True) as child:
    session = session_of(child.pid)
    for degrees in (15, 5):
        until(lambda: place(session, degrees))
        print(Path(f"/proc/{child.pid}/autogroup").read_text().split()[-1])
    until(lambda: place(session, 15) and not place(session, 5))
    print("unheard")
    child.kill()
"""
SLEEPS = "import time\ndef predict(x): time.sleep(float(x[0])); return x"


def degrees(process: int) -> int:
    return int(Path(f"/proc/{process}/autogroup").read_text().split()[-1])


@pytest.fixture
def stack():
    with ExitStack() as made:
        yield made


@grouped
def test_a_session_is_placed_behind_others_and_back(stack):
    waiting = [sys.executable, "-c", "import time; time.sleep(60)"]
    child = stack.enter_context(subprocess.Popen(waiting, start_new_session=True))
    stack.callback(child.kill)
    session = precedence.session_of(child.pid)
    for wanted in (precedence.LAST, precedence.USUAL, precedence.LAST):
        until(lambda wanted=wanted: precedence.place(session, wanted))
        assert degrees(child.pid) == wanted
    child.kill()
    child.wait()
    assert not precedence.place(session, precedence.USUAL), "nobody is there"
    precedence.close(session)


def test_where_there_are_no_sessions_nothing_is_said_and_nothing_fails():
    session = precedence.session_of(1 << 30)
    assert session == -1
    assert not precedence.place(session, precedence.LAST)
    precedence.close(session)


@grouped
def test_a_model_gives_way_and_takes_its_place_again(stack):
    model = parts.load()
    stack.callback(model.close)
    for last in (False, True, False, True):
        until(lambda last=last: model.give_way(last))
        assert model.last == last
        wanted = precedence.LAST if last else precedence.USUAL
        assert degrees(model.runner.pid) == wanted


@grouped
def test_a_fresh_process_of_a_model_is_told_its_place_anew(stack):
    model = parts.load()
    stack.callback(model.close)
    first = model.runner.pid
    until(lambda: model.give_way(True))
    model.runner._process.kill()
    until(lambda: model.revive() or (model.runner is not None and model.runner.pid != first))
    assert not model.last
    for last in (False, True):
        until(lambda last=last: model.give_way(last))
        assert (degrees(model.runner.pid) == precedence.LAST) == last


def test_what_has_taken_a_tenth_of_its_time_may_not_wait_for_others_any_more(stack):
    """Else it would be taken for hung where others use the cores all the time."""
    model = parts.load(SLEEPS, time_budget_s=5.0)
    stack.callback(model.close)
    assert model.may_wait
    assert not model.busy
    asked = stack.enter_context(parts.asking(model, 1.5))
    until(lambda: model.busy)
    assert model.may_wait
    until(lambda: not model.may_wait)
    assert not asked.done(), "it is still at it"
    asked.result()
    assert not model.may_wait, "nor at once after that"
    until(lambda: model.may_wait)


@pytest.mark.parametrize("budget", [0.2, 1.0, 4.9])
def test_what_has_little_time_never_waits_for_others(stack, budget):
    model = parts.load(time_budget_s=budget)
    stack.callback(model.close)
    assert not model.may_wait


@grouped
def test_without_any_rights_places_are_given_and_taken_back_one_change_at_a_time():
    found = subprocess.run([sys.executable, "-c", AS_NOBODY], capture_output=True, text=True)
    assert found.stdout.split() == ["15", "5", "unheard"], found.stderr


def test_a_model_whose_process_is_away_has_no_place():
    model = parts.load()
    model.close()
    assert model.give_way(True), "nothing is left to say"
    assert model.runner is None
    assert not model.last
