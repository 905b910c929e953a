"""Runners: what cannot be loaded says why, what can is locked in and ends with its worker."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.models import spec
from tests.runtimes.runner import parts
from tests.runtimes.runner.parts import HANGS, PLAIN, Log, ask, gone, until

from fairlead.core.errors import (
    LoadFailed,
)
from fairlead.core.signature import Signature
from fairlead.runtimes.runner.isolated import IsolatedRuntime

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


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
