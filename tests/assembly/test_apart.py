"""Work in a child of the command: its result, its errors, and its end are the command's own."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import textwrap

import pytest
from tests import models
from tests.processes import alive, until

_COMMAND = """
    import os, signal, sys, time
    from fairlead.assembly.apart import apart
    from fairlead.core.errors import BadUsage, FairleadError

    def refuses():
        raise BadUsage("no such thing", where="there", fix="Do not")

    def ends(number):
        os.kill(os.getpid(), number)

    def waits():
        print(os.getpid(), flush=True)
        time.sleep(1000)

    def at_once(fork=os.fork):
        child = fork()
        if {early}:
            os.kill(os.getpid(), signal.SIGINT)
        return child

    os.fork = at_once
    try:
        print("told", apart(lambda: {work}, "this model"))
    except FairleadError as error:
        print(error.line())
"""


def command(work: str, early: str = "False", **more) -> subprocess.Popen[str]:
    """early: which process is interrupted as soon as there are two, by what `child` is in it."""
    program = textwrap.dedent(_COMMAND).replace("{work}", work).replace("{early}", early)
    return subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("work", "said", "status"),
    [
        ("print('step') or {'a': [1, 'b']}", "step\ntold {'a': [1, 'b']}\n", 0),
        ("refuses()", "FRL-2004 no such thing (there). Do not\n", 0),
        ("sys.exit(7)", "", 1),
        ("os._exit(0)", "", 1),
        ("ends(signal.SIGINT)", "", 130),
    ],
)
def test_what_comes_of_it_is_what_comes_of_the_command(work, said, status):
    process = command(work)
    assert process.communicate(timeout=60)[0] == said
    assert process.returncode == status


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGFPE, "FRL-1803 the model ended the process that tried it (SIGFPE) (this model)"),
        (signal.SIGABRT, "(SIGABRT) (this model). Nothing was written"),
        (40, "the model ended the process that tried it (signal 40) (this model)"),
        (signal.SIGKILL, "was killed (SIGKILL): memory may have run out (this model)"),
    ],
)
def test_a_model_that_ends_the_process_is_an_error(number, said):
    out, err = command(f"ends({int(number)})").communicate(timeout=60)
    assert said in out
    assert err == ""


def test_who_fails_for_a_reason_of_ours_says_where():
    out, err = command("1 // 0").communicate(timeout=60)
    assert (out, "ZeroDivisionError" in err) == ("", True)


@pytest.mark.skipif(sys.platform != "linux", reason="a child hears of it on Linux alone")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_goes_on_once_the_command_is_ended(number):
    with command("waits()") as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.send_signal(number)
        assert process.wait(60) == -number
        until(lambda: not alive(child))


@pytest.mark.parametrize("both", [True, False], ids=["ctrl-c", "the-command-alone"])
def test_an_interrupt_ends_both(both):
    with command("waits()", start_new_session=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        (os.killpg if both else os.kill)(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
        until(lambda: not alive(child))


@pytest.mark.parametrize("early", ["child", "not child", "True"])
def test_an_interrupt_before_either_knows_of_the_other_ends_both(early):
    with command("waits()", early) as process:
        said, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (130, "")
        assert not said or not alive(int(said))


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"),
    reason="other processors divide the least number by -1",
)
@pytest.mark.parametrize("command", ["pack", "serve"])
def test_a_graph_that_ends_whoever_tries_it_is_refused_and_nothing_is_written(command, tmp_path):
    package = models.quotient(tmp_path / "made", least=models.LEAST)
    graph = package.folder / "graph" / "model.onnx"
    into = tmp_path / "into"
    options = {
        "pack": ["--name", "quotient", "--repository", str(into)],
        "serve": ["--state", str(into), "--port", "0"],
    }
    done = subprocess.run(
        [sys.executable, "-m", "fairlead", command, str(graph), *options[command]],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"FRL-1803 the model ended the process that tried it (SIGFPE) ({graph})" in done.stderr
    assert [*into.rglob("manifest.json")] == []
