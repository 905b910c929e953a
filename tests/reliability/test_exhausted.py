"""Memory, processes and threads that really run out, by the kernel's word: F13, F37, F41."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest
from tests import models
from tests.cells import cell, everything, needs
from tests.functions import packed
from tests.processes import Running, alive, children, server, until

from fairlead.cli.main import main as command

MIB, GIB = 1 << 20, 1 << 30
ROW = {"a": 1, "b": 2, "c": 3}
GREEDY = '''
    import numpy as np

    KEPT = []

    def greedy(x):
        """Takes memory without end for a number below 0."""
        while (x < 0).any():
            KEPT.append(np.ones(16 << 20, np.uint8))
        return {"y": np.asarray(x) * 2}
'''
WORDS = '[guards]\nnovelty = "off"\n'


@pytest.fixture
def running(tmp_path):
    """One worker with a graph of its own, and a model in a runner."""
    repository = packed(tmp_path, GREEDY, "greedy", rows="x\n1.5\n2.5\n4.0\n")
    (tmp_path / "words.toml").write_text(WORDS)
    into = ["--repository", str(repository), "--model-toml", str(tmp_path / "words.toml")]
    assert command(["amend", "greedy", *into]) == 0
    models.total(repository)
    with server(repository, state=tmp_path / "state") as made:
        until(made.ready)
        yield made


def runners(running: Running) -> list[int]:
    return [
        process for worker in running.workers
        for process, line in children(worker).items() if "runner.child" in line
    ]  # fmt: skip


def asked(running: Running, model: str, row: dict) -> tuple[int, dict]:
    with closing(running.connect()) as connection:
        return running.predict(connection, model, row)


@needs("memory")
def test_a_model_that_takes_all_memory_is_ended_by_the_kernel_and_nobody_else_is(running):
    """F13. All processes are in one cell: which of them has to go is the kernel's choice. Where
    the kernel takes longer over it than two looks at the memory, a neighbour is told so (F41)."""
    whole = everything(running.process.pid)
    (worker,), (bookkeeper,), (runner,) = running.workers, running.bookkeepers, runners(running)
    with cell("memory") as made, ThreadPoolExecutor(1) as thread:
        made.take(whole)
        made.most(768 * MIB)
        taken = thread.submit(asked, running, "greedy", {"x": -1.0})
        seen: list[int] = []
        while not taken.done():
            seen.append(asked(running, "total", ROW)[0])
        status, told = taken.result()
        assert (status, told["code"]) == (500, "MODEL_CRASH")
        refusing = {event["step"] for event in running.events("memory_short")} >= {2}
        assert {200} <= set(seen) <= ({200, 503} if refusing else {200})
        assert not alive(runner)
        ended = running.events("runner_ended")
        assert {event["status"] for event in ended} == {-signal.SIGKILL}
        assert (running.workers, running.bookkeepers) == ([worker], [bookkeeper])
        assert running.events("process_died") == []
        until(lambda: asked(running, "total", ROW)[0] == 200)
        until(lambda: asked(running, "greedy", {"x": 3.0})[0] == 200)
        status, told = asked(running, "greedy", {"x": -1.0})
        assert (status, told["code"]) == (422, "INPUT_QUARANTINED"), "it died twice of it"


@needs("memory")
def test_as_memory_runs_short_kept_connections_go_first_then_new_calls_and_never_health(tmp_path):
    """F41. The server begins in a cell, so that all it holds is counted there; beside one who holds
    much, so that what is left is enough to answer with."""
    models.total(tmp_path / "models")
    with cell("memory") as made, ExitStack() as stack:
        made.take([os.getpid()])
        running = stack.enter_context(server(tmp_path / "models", state=tmp_path / "state"))
        holds = f"import sys; a = b'x' * {GIB}; print(flush=True); sys.stdin.read()"
        holder = [sys.executable, "-c", holds]
        held = stack.enter_context(
            subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        )
        stack.callback(held.kill)
        assert held.stdout is not None
        assert held.stdout.readline() == b"\n"
        made.leave(os.getpid())
        until(lambda: running.ready() and asked(running, "total", ROW)[0] == 200)

        def told() -> tuple[int, str | None, int]:
            """Status of a call, what becomes of its connection, and whether health is answered."""
            with closing(running.connect()) as connection:
                status, _ = running.predict(connection, "total", ROW)
                kept = connection.sock is not None
            return status, "kept" if kept else "ended", running.get("/livez")[0]

        assert told() == (200, "kept", 200)
        made.share(0.935)
        until(lambda: told() == (200, "ended", 200))
        made.share(0.97)
        until(lambda: told() == (503, "ended", 200))
        assert running.get("/metrics")[0] == 200
        made.most(4096 * MIB)
        until(lambda: told() == (200, "kept", 200))
        until(lambda: running.events("memory_back"))
        assert {event["step"] for event in running.events("memory_short")} == {1, 2}


@needs("pids")
def test_without_processes_and_threads_who_is_there_is_served_and_it_recovers(running):
    """F37. Nothing can be started: neither what died meanwhile nor a thread."""
    with cell("pids") as made:
        made.take(everything(running.process.pid))
        (worker,), (runner,) = running.workers, runners(running)
        made.most(1)
        os.kill(runner, signal.SIGKILL)
        until(lambda: not alive(runner))
        for _ in range(50):
            assert asked(running, "total", ROW)[0] == 200
        status, told = asked(running, "greedy", {"x": 1.0})
        assert (status, told["code"]) == (503, "OVERLOADED"), "it has no thread yet"
        os.kill(running.bookkeepers[0], signal.SIGKILL)
        until(lambda: not running.bookkeepers)
        for _ in range(50):
            assert asked(running, "total", ROW)[0] == 200
        made.most("max")
        until(lambda: running.bookkeepers and asked(running, "greedy", {"x": 1.0})[0] == 200)
        assert running.workers == [worker]


def test_where_others_take_the_processor_calls_are_late_or_refused_and_nothing_dies(running):
    """F41. Four processes for each core that do nothing but turn, beside eight callers."""
    workers = running.workers
    with ExitStack() as stack:
        for _ in range(4 * (os.cpu_count() or 1)):
            turning = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(turning.wait)
            stack.callback(turning.kill)
        seen: list[int] = []

        def calls() -> None:
            with closing(running.connect()) as connection:
                for _ in range(100):
                    seen.append(running.predict(connection, "total", ROW)[0])
                    seen.append(running.predict(connection, "greedy", {"x": 2.0})[0])

        with ThreadPoolExecutor(8) as threads:
            callers = [threads.submit(calls) for _ in range(8)]
            while not all(caller.done() for caller in callers):
                assert running.get("/livez")[0] == 200
        for caller in callers:
            caller.result()
    assert len(seen) == 1600
    assert set(seen) <= {200, 503, 504}
    assert seen.count(200) > 800
    assert running.workers == workers
    assert running.events("worker_silent") == running.events("runner_ended") == []
    until(running.ready)
    assert asked(running, "total", ROW)[0] == 200
