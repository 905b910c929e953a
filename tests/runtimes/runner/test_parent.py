"""Runners: whatever a model does costs its own call only, and the next one is answered."""

from __future__ import annotations

import os
import signal
import sys
from math import log2
from pathlib import Path

import pytest
from tests.runtimes.runner import parts
from tests.runtimes.runner.parts import DIES, HANGS, STAYS, UNFIT, Log, ask, gone, until
from tests.serving.parts import call

from fairlead.core.errors import (
    ModelBadAnswer,
    ModelCrashed,
    ModelError,
    ModelFailed,
    ModelHung,
    ModelNotReady,
)
from fairlead.runtimes.runner import frame, parent
from fairlead.serving.execute import execute
from fairlead.serving.served import Served

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


@pytest.fixture(scope="module")
def patient():
    """A model that is never hurried."""
    log = Log()
    model = parts.load(log=log)
    yield model
    model.close()
    assert log.named("runner_ended") == []


def test_it_answers_as_the_function_does(patient):
    assert ask(patient, 100.0, 100.75) == [200.0, 201.5]


@linux
def test_what_computes_gives_way_to_what_answers(loading):
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    runner = loading().runner
    assert os.getpriority(os.PRIO_PROCESS, runner.pid) == min(19, mine + 5)
    group = Path(f"/proc/{runner.pid}/autogroup")
    told = group.read_text() if group.exists() else ""
    assert not told or told.split()[-1] == "5"


def test_rows_may_be_none(loading):
    model = loading("def predict(x): return x + 1")
    assert ask(model) == []


@pytest.mark.parametrize("what", STAYS)
def test_a_model_that_raises_says_why_and_lives_on(patient, what):
    before = patient.runner.pid
    with pytest.raises(ModelError) as failed:
        ask(patient, what)
    assert STAYS[what] in failed.value.what
    assert ask(patient, 100.0) == [200.0]
    assert patient.runner.pid == before


@pytest.mark.parametrize("what", UNFIT)
def test_an_answer_that_cannot_travel_is_a_bad_answer(patient, what):
    before = patient.runner.pid
    with pytest.raises(ModelBadAnswer) as failed:
        ask(patient, what)
    assert UNFIT[what] in failed.value.what
    assert patient.runner.pid == before


def test_what_a_model_prints_goes_nowhere(patient, capfd):
    assert ask(patient, 10.0) == [20.0]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("what", DIES)
def test_a_model_that_dies_fails_its_call_and_is_there_for_the_next(loading, what):
    log = Log()
    model = loading(log=log)
    before = model.runner.pid
    with pytest.raises(ModelCrashed):
        ask(model, what)
    assert ask(model, 100.0) == [200.0]
    assert model.runner.pid != before
    assert gone(before)
    assert [e["why"] for e in log.named("runner_ended")] == ["died"]


@pytest.mark.parametrize("what", HANGS, ids=["in Python", "in C, holding Python's lock"])
def test_a_model_that_hangs_is_stopped_and_is_there_for_the_next(loading, what):
    model = loading(time_budget_s=0.2)
    before = model.runner.pid
    with pytest.raises(ModelHung) as failed:
        ask(model, what)
    assert "0.2 s" in failed.value.what
    assert ask(model, 100.0) == [200.0]
    assert gone(before)


def test_a_runner_that_died_between_calls_is_nobodys_fault(loading):
    log = Log()
    model = loading(log=log)
    os.kill(model.runner.pid, signal.SIGKILL)
    until(lambda: not model.runner.alive)
    assert ask(model, 100.0) == [200.0]
    assert [e["why"] for e in log.named("runner_ended")] == ["died while idle"]


def test_a_runner_that_died_while_nobody_asked_is_there_before_somebody_does(loading):
    log = Log()
    model = loading(log=log)
    dead = model.runner
    os.kill(dead.pid, signal.SIGKILL)
    until(lambda: not dead.alive)
    model.revive()
    until(lambda: model.runner is not None)
    assert model.runner is not dead
    model.revive()
    assert [e["why"] for e in log.named("runner_ended")] == ["died while idle"]
    assert ask(model, 100.0) == [200.0]


def test_where_no_thread_can_be_had_the_next_call_has_the_runner_started(loading, monkeypatch):
    """It is said at once, and nobody waits for what nobody starts."""

    class NoThread:
        def __init__(self, **told: object) -> None:
            pass

        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    log = Log()
    model = loading(log=log)
    with monkeypatch.context() as patched:
        patched.setattr(parent, "Thread", NoThread)
        os.kill(model.runner.pid, signal.SIGKILL)
        until(lambda: not model.runner.alive)
        for _ in range(2):
            with pytest.raises(ModelNotReady):
                ask(model, 100.0)
        model.revive()
    assert ask(model, 100.0) == [200.0]
    assert {e["reason"] for e in log.named("runner_not_started")} == {"can't start new thread"}
    assert len(log.named("runner_ended")) == 1


@linux
def test_a_model_that_takes_memory_without_end_is_stopped_by_its_bound(loading):
    source = """
        import numpy as np
        kept = []
        def predict(x):
            while x[0]:
                kept.append(np.empty(1 << 24, dtype=np.uint8))
            return x
    """
    model = loading(parts.dedent(source), memory=512 << 20)
    with pytest.raises(ModelError, match="MemoryError"):
        ask(model, 1.0)


def test_an_answer_of_a_dead_attempt_is_never_given(loading):
    """The model forges an answer to its call, so that its own comes one call late."""
    source = """
        import gc, socket
        import numpy as np
        from fairlead.runtimes.runner import frame
        channel = next(o for o in gc.get_objects() if isinstance(o, socket.socket))
        def predict(x):
            if x[0] == 7:
                frame.send(channel, frame.ANSWER, 1, frame.pack([np.array([777.0])]))
            return x
    """
    log = Log()
    model = loading(parts.dedent(source), log=log)
    assert ask(model, 7.0) == [777.0]
    with pytest.raises(ModelCrashed):
        ask(model, 8.0)
    assert ask(model, 9.0) == [9.0]
    assert len(log.named("runner_ended")) == 1


@pytest.mark.parametrize(
    "said",
    [
        b"garbage that is no frame at all",
        frame._HEAD.pack(frame._MAGIC, frame.ANSWER, 1, 3) + b"abc",
        frame._HEAD.pack(frame._MAGIC, frame.ANSWER, 1, frame.MOST_BYTES + 1),
    ],
    ids=["no frame", "no tensors", "too large"],
)
def test_a_model_that_breaks_the_framing_is_replaced(loading, said):
    source = f"""
        import gc, socket
        channel = next(o for o in gc.get_objects() if isinstance(o, socket.socket))
        def predict(x):
            if x[0] == 7:
                channel.sendall({said!r})
            return x
    """
    model = loading(parts.dedent(source))
    with pytest.raises(ModelCrashed):
        ask(model, 7.0)
    assert ask(model, 9.0) == [9.0]


@pytest.mark.parametrize("bad", [0, 11, 15])
@pytest.mark.parametrize("what", [1, 20, 22])
def test_neighbours_in_the_batch_are_answered_and_few_runners_are_spent(loading, bad, what):
    log = Log()
    model = loading(log=log, time_budget_s=0.2)
    served = Served(parts.package(time_budget_s=0.2)[0], model, {})
    calls = [call(served, what if n == bad else 100.0 + n) for n in range(16)]
    found = {}
    for answered, _, (output,), *_ in execute(served, calls):
        found.update(zip(map(id, answered), output.tolist(), strict=True))
    assert isinstance(calls[bad].error, ModelFailed)
    for n, one in enumerate(calls):
        if n != bad:
            assert one.error is None
            assert found[id(one)] == 200.0 + 2 * n
    assert len(log.named("runner_ended")) <= log2(16) + 1


def test_one_that_keeps_dying_is_left_alone_for_a_while(loading, monkeypatch):
    monkeypatch.setattr(parent, "_FREE_DEATHS", 2)
    model = loading()
    for _ in range(3):
        with pytest.raises(ModelCrashed):
            ask(model, 23.0)
    with pytest.raises(ModelNotReady):
        ask(model, 100.0)
    until(lambda: model.runner is not None)
    assert ask(model, 100.0) == [200.0]


def test_one_that_cannot_start_again_is_not_ready_until_it_can(loading, tmp_path, monkeypatch):
    monkeypatch.setattr(parent, "_LONGEST_S", 1.5)
    interpreter = tmp_path / "python"
    parts.stand_in(interpreter)
    log = Log()
    model = loading(log=log, environment={"python": str(interpreter)})
    assert ask(model, 100.0) == [200.0]
    interpreter.unlink()
    os.kill(model.runner.pid, signal.SIGKILL)
    until(lambda: not model.runner.alive)
    with pytest.raises(ModelNotReady):
        ask(model, 100.0)
    until(lambda: len(log.named("runner_not_started")) >= 2)
    parts.stand_in(interpreter)
    until(lambda: model.runner is not None)
    assert ask(model, 100.0) == [200.0]


def test_a_fresh_runner_finds_an_empty_folder_to_write_into(loading):
    source = """
        import os
        def predict(x):
            found = len(os.listdir("."))
            open("left behind", "w").close()
            if x[0] == 7:
                os._exit(1)
            return x * 0 + found
    """
    model = loading(parts.dedent(source))
    assert [ask(model, 1.0), ask(model, 1.0)] == [[0.0], [1.0]]
    with pytest.raises(ModelCrashed):
        ask(model, 7.0)
    assert ask(model, 1.0) == [0.0]


def test_closing_leaves_neither_process_nor_file(tmp_path):
    model = parts.load(homes=tmp_path / "homes")
    pid = model.runner.pid
    (home,) = (tmp_path / "homes").iterdir()
    assert (home / "files/native/model.py").is_file()
    assert (tmp_path / "homes").stat().st_mode & 0o077 == 0
    model.close()
    assert gone(pid)
    assert list((tmp_path / "homes").iterdir()) == []
    with pytest.raises(ModelNotReady):
        ask(model, 100.0)


def test_closing_while_it_starts_again_leaves_no_process(tmp_path, monkeypatch):
    """The fresh runner is ready only after the model was closed."""
    started = []
    real = parent.process.start

    def start(*given):
        started.append(real(*given))
        if len(started) == 2:
            model.close()
        return started[-1]

    monkeypatch.setattr(parent.process, "start", start)
    model = parts.load(homes=tmp_path)
    with pytest.raises(ModelCrashed):
        ask(model, 22.0)
    until(lambda: len(started) == 2 and gone(started[1].pid))
    assert model.runner is None
    assert list(tmp_path.iterdir()) == []
