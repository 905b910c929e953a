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
    process = model.runner.pid
    for last in (True, False, True):

        def placed(last: bool = last) -> bool:
            model.give_way(last)
            return degrees(process) == (precedence.LAST if last else precedence.USUAL)

        until(placed)


@grouped
def test_a_fresh_process_of_a_model_begins_in_its_usual_place(stack):
    model = parts.load()
    stack.callback(model.close)
    first = model.runner.pid
    until(lambda: model.give_way(True) or degrees(first) == precedence.LAST)
    model.runner._process.kill()
    until(lambda: model.revive() or (model.runner is not None and model.runner.pid != first))
    assert degrees(model.runner.pid) == precedence.USUAL
    second = model.runner.pid
    until(lambda: model.give_way(True) or degrees(second) == precedence.LAST)


@grouped
def test_what_has_taken_a_tenth_of_its_time_goes_before_others_again(stack):
    """Else it would be taken for hung where others use the cores all the time."""
    model = parts.load(SLEEPS, time_budget_s=20.0)
    stack.callback(model.close)
    process = model.runner.pid
    until(lambda: model.give_way(True) or degrees(process) == precedence.LAST)
    asked = stack.enter_context(parts.asking(model, 6.0))
    until(lambda: model.give_way(True) or degrees(process) == precedence.USUAL)
    assert not asked.done(), "it is still at it"
    asked.result()
    until(lambda: model.give_way(True) or degrees(process) == precedence.LAST)


def test_a_model_whose_process_is_away_has_no_place():
    model = parts.load()
    model.close()
    model.give_way(True)
    assert model.runner is None
