"""Runners: whatever a model does costs its own call only, and the next one is answered."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from math import log2
from pathlib import Path

import numpy as np
import pytest
from tests.models import spec
from tests.runtimes.runner import parts
from tests.runtimes.runner.parts import DIES, HANGS, PLAIN, STAYS, UNFIT, Log, ask, gone, until
from tests.serving.parts import call

from fairlead.core.errors import (
    LoadFailed,
    ModelBadAnswer,
    ModelCrashed,
    ModelError,
    ModelFailed,
    ModelHung,
    ModelNotReady,
)
from fairlead.core.signature import Signature
from fairlead.runtimes.runner import frame, parent
from fairlead.runtimes.runner.parent import IsolatedRuntime
from fairlead.serving.execute import execute
from fairlead.serving.registry import Served

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


@pytest.fixture(scope="module")
def patient():
    """A model that is never hurried."""
    log = Log()
    model = parts.load(log=log)
    yield model
    model.close()
    assert log.named("runner_ended") == []


@pytest.fixture
def loading():
    """Loads models that are closed at the end of the test."""
    loaded = []

    def load(*given, **more):
        loaded.append(parts.load(*given, **more))
        return loaded[-1]

    yield load
    for model in loaded:
        model.close()


def test_it_answers_as_the_function_does(patient):
    assert ask(patient, 100.0, 100.75) == [200.0, 201.5]


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
    for answered, (output,), *_ in execute(served, calls):
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
    interpreter.symlink_to(sys.executable)
    log = Log()
    model = loading(log=log, environment={"python": str(interpreter)})
    assert ask(model, 100.0) == [200.0]
    interpreter.unlink()
    os.kill(model.runner.pid, signal.SIGKILL)
    until(lambda: not model.runner.alive)
    with pytest.raises(ModelNotReady):
        ask(model, 100.0)
    until(lambda: len(log.named("runner_not_started")) >= 2)
    interpreter.symlink_to(sys.executable)
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


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import absent_library", "No module named 'absent_library'"),
        ("def other(x): return x", "defines no 'predict'"),
        ("predict = 7", "neither a function"),
        ("1 / 0", "ZeroDivisionError"),
        ("import os; os._exit(9)", "did not start: it ended with status 9"),
        ("import sys, os; print('last words', flush=True); os._exit(9)", "last words"),
        ("raise SystemExit", "SystemExit"),
        ("def predict(x, y): return x", "'y', which is no column"),
    ],
)
def test_a_model_that_cannot_be_loaded_says_why_and_leaves_nothing(tmp_path, source, says):
    with pytest.raises(LoadFailed) as failed:
        parts.load(source, homes=tmp_path)
    assert says in failed.value.what
    assert failed.value.where == "m version 1"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LoadFailed, match="the runner's folder cannot be written"):
        parts.load(homes=tmp_path / "file" / "homes")


def test_a_missing_library_is_named_with_what_it_was_packed_with():
    with pytest.raises(LoadFailed) as failed:
        parts.load("import absent_library")
    assert f"numpy=={np.__version__}" in failed.value.fix


def test_a_library_of_another_minor_version_is_refused():
    with pytest.raises(LoadFailed) as failed:
        parts.load(environment={"versions": {"numpy": "1.2.3"}})
    assert "packed with numpy 1.2.3" in failed.value.what
    assert "pip install numpy==1.2.3" in failed.value.fix


def test_a_library_that_is_absent_is_refused():
    with pytest.raises(LoadFailed, match=r"nothing-of-this-name 1\.0; the runner has absent"):
        parts.load(environment={"versions": {"nothing-of-this-name": "1.0"}})


def test_a_library_of_another_patch_is_said_and_served(loading):
    log = Log()
    patched = ".".join([*np.__version__.split(".")[:2], "99"])
    model = loading(log=log, environment={"versions": {"numpy": patched}})
    assert ask(model, 100.0) == [200.0]
    assert [e["packed"] for e in log.named("version_drift")] == [patched]


def test_a_missing_interpreter_is_said_without_its_path():
    with pytest.raises(LoadFailed) as failed:
        parts.load(environment={"python": "/somewhere/secret/bin/python"})
    assert "interpreter" in failed.value.what
    assert "/somewhere" not in failed.value.line()


@pytest.mark.parametrize("by", ["models/m/1/native", "elsewhere/../models/m/1/native", "link"])
def test_an_interpreter_that_came_with_the_model_is_never_started(tmp_path, by):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("models/m/1/native")
    interpreter = tmp_path / "models/m/1/native/python"
    interpreter.parent.mkdir(parents=True)
    interpreter.write_text(f"#!/bin/sh\ntouch {tmp_path}/touched\n")
    interpreter.chmod(0o755)
    package, read = parts.package(environment={"python": f"{tmp_path}/{by}/python"})
    package = replace(package, folder=tmp_path / "models/m/1")
    with pytest.raises(LoadFailed, match="lies in the repository of models"):
        IsolatedRuntime("python").load(package, read)
    assert not (tmp_path / "touched").exists()


@linux
def test_a_runner_is_locked_in_and_takes_little_memory(loading):
    source = """
        import numpy as np, socket
        def cut(do):
            try:
                do()
                return False
            except OSError:
                return True
        def predict(x):
            resident = next(l for l in open("/proc/self/status") if l.startswith("VmRSS"))
            return {
                "mib": np.array([int(resident.split()[1]) / 1024]),
                "network": np.array([cut(socket.socket)]),
                "files": np.array([cut(lambda: open("/etc/shadow"))]),
            }
    """
    signature = Signature(
        PLAIN.inputs,
        (spec("mib", "FP64", (-1,)), spec("network", "BOOL", (-1,)), spec("files", "BOOL", (-1,))),
    )
    log = Log()
    model = loading(parts.dedent(source), log=log, signature=signature)
    mib, network, files = model.predict([np.array([0.0])], [0, 1, 2])
    assert mib[0] < 60
    assert network[0]
    assert files[0]
    assert model.runner.locks == {"files": True, "network": True, "processes": True}
    assert log.events == []


_WORKER = """
import sys
from pathlib import Path
from tests.runtimes.runner import parts
model = parts.load(time_budget_s=1000.0, homes=Path(sys.argv[2]))
print(model.runner.pid, flush=True)
parts.ask(model, float(sys.argv[1]))
print("answered", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    "what", [100, *HANGS], ids=["idle", "hung", "hung in C, holding Python's lock"]
)
def test_a_runner_does_not_outlive_its_worker(what, tmp_path):
    worker = subprocess.Popen(
        [sys.executable, "-c", _WORKER, str(what), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
        text=True,
    )
    pid = int(worker.stdout.readline())
    if what == 100:
        assert worker.stdout.readline() == "answered\n"
    assert not gone(pid)
    worker.kill()
    worker.communicate()
    until(lambda: gone(pid), 5)
