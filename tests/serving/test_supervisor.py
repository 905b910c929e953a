"""The supervisor with real processes: what dies comes back, what ends ends in order."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from threading import Thread

import pytest
from tests import models
from tests.processes import Running, alive, children, server, until
from tests.serving.test_observe import parse

from fairlead.serving import supervisor as supervising
from fairlead.serving.machine import anonymous_file
from fairlead.serving.status import create
from fairlead.serving.supervisor import Orders

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it finds processes in /proc")

ROW = {"a": 1, "b": 2, "c": 3}


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    models.total(folder)
    models.steps(folder)
    return folder


@pytest.fixture
def running(repository, tmp_path):
    with server(repository, state=tmp_path, workers=2) as made:
        yield made


@pytest.fixture(scope="module")
def lasting(repository, tmp_path_factory):
    """A server for tests that leave it as they found it."""
    with server(repository, state=tmp_path_factory.mktemp("state"), workers=2) as made:
        yield made


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


def sample(running: Running, name: str) -> float:
    """The sum of a metric now."""
    status, body = running.get("/metrics")
    assert status == 200
    return sum(n for _, n in parse(body.decode(), openmetrics=False).get(name, []))


def test_a_worker_multiplies_in_one_thread(lasting):
    """Workers are as many as cores: threads of one would take the others' cores."""
    found = Path(f"/proc/{lasting.workers[0]}/environ").read_bytes().split(b"\0")
    wanted = os.environ.get("OPENBLAS_NUM_THREADS", "1")
    assert f"OPENBLAS_NUM_THREADS={wanted}".encode() in found


# --- ending -------------------------------------------------------------------------------


class Caller(Thread):
    """Calls without a pause on one keep-alive connection until it is told that it was the last."""

    def __init__(self, running: Running, row: dict = ROW, model: str = "total") -> None:
        super().__init__()
        self._running, self._row, self._model = running, row, model
        self.answered = 0
        self.failed: list[object] = []

    def run(self) -> None:
        with closing(self._running.connect()) as connection:
            while connection.sock is not None or self.answered == 0:
                try:
                    status, body = self._running.predict(connection, self._model, self._row)
                except (OSError, http.client.HTTPException) as error:
                    self.failed.append(error)
                    return
                if status != 200:
                    self.failed.append((status, body))
                self.answered += 1


def busy(running: Running, steps: int) -> Caller:
    """A caller whose prediction of so many steps (about 2 us each) is under way."""
    caller = Caller(running, {"count": steps}, "steps")
    caller.start()
    # Its connection and that of whoever asks.
    until(lambda: sample(running, "fairlead_connections") >= 2)
    return caller


def test_sigterm_under_load_fails_no_call_on_an_open_connection(running):
    """Sixteen busy connections: each gets every answer, the last with `connection: close`."""
    callers = [Caller(running) for _ in range(16)]
    for caller in callers:
        caller.start()
    until(lambda: all(caller.answered > 5 for caller in callers))
    assert running.stop() == 0
    for caller in callers:
        caller.join(30)
    assert [caller.failed for caller in callers] == [[]] * 16
    assert running.port_is_free()


def test_sigterm_waits_for_a_long_prediction_and_refuses_new_callers(running):
    caller = busy(running, 1_500_000)
    with closing(running.connect()) as idle:
        idle.request("GET", "/livez")
        idle.getresponse().read()
        running.process.send_signal(signal.SIGTERM)
        until(lambda: running.events("draining"))
        until(lambda: not running.works(), says="new callers are still taken")
        assert running.process.wait(60) == 0
    caller.join(30)
    assert caller.failed == []
    assert caller.answered > 0


def test_readiness_is_off_at_once_while_draining(running):
    with closing(running.connect()) as connection:
        connection.connect()
        answers = []
        while connection.sock is not None:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            answers.append((answer.status, answer.read(), answer.headers["connection"]))
            if len(answers) == 3:
                running.process.send_signal(signal.SIGTERM)
    assert answers[-1] == (503, b'{"ready": false, "why": "the server ends"}', "close")
    statuses = [status for status, _, _ in answers]
    assert statuses[:3] == [200] * 3
    assert statuses == sorted(statuses), "once it is off it stays off"


def test_a_second_sigterm_ends_at_once(running):
    caller = busy(running, 500_000_000)
    below = children(running.process.pid)
    running.process.send_signal(signal.SIGTERM)
    until(lambda: running.events("draining"))
    assert running.process.poll() is None
    running.process.send_signal(signal.SIGTERM)
    running.process.wait(5)
    assert not any(map(alive, below))
    caller.join(30)
    assert len(caller.failed) == 1


def test_ctrl_c_to_the_whole_group_drains_as_sigterm_does(running):
    for process in [running.process.pid, *children(running.process.pid)]:
        os.kill(process, signal.SIGINT)
    assert running.process.wait(30) == 0
    assert running.events("ended")


# --- dying --------------------------------------------------------------------------------


def test_while_a_killed_worker_comes_back_new_callers_get_their_answers(running):
    """From the other one: the new worker takes no call before its models are ready."""
    answers: list[int] = []
    lost = 0
    for number, victim in enumerate(running.workers, 1):
        kill(victim)
        # Each new worker loads both models again. Only then is it the other one's turn.
        while len(running.events("ready")) < 4 + 2 * number:
            try:
                with closing(running.connect()) as connection:
                    answers.append(running.predict(connection, "total", ROW)[0])
            except (OSError, http.client.HTTPException):
                lost += 1
        assert running.ready()
    assert set(answers) == {200}
    assert lost <= 2, "only what a dying worker had just accepted"
    assert [event["again_in_s"] for event in running.events("process_died")] == [0.1, 0.1]


def test_readiness_follows_the_only_worker(repository, tmp_path):
    with server(repository, state=tmp_path) as running:
        assert running.ready()
        (victim,) = running.workers
        kill(victim)
        until(lambda: victim not in running.workers)
        until(running.ready, 20)
        assert len(running.workers) == 1


def test_totals_never_fall_when_workers_die(lasting):
    def total() -> float:
        return sample(lasting, "fairlead_calls_total")

    seen = [total()]
    for _ in range(3):
        for _ in range(10):
            with closing(lasting.connect()) as connection:
                assert lasting.predict(connection, "total", ROW)[0] == 200
        until(lambda: total() >= seen[-1] + 10, says="not every call is counted")
        seen.append(total())
        victim = lasting.workers[0]
        kill(victim)
        until(lambda victim=victim: victim not in lasting.workers and len(lasting.workers) == 2)
        assert total() >= seen[-1]
        # Two models in each of two workers.
        until(lambda: sample(lasting, "fairlead_model_ready") == 4)
        assert total() >= seen[-1]
    assert seen[-1] - seen[0] == 30


def test_a_killed_bookkeeper_is_back_and_no_call_waited(lasting):
    (victim,) = lasting.bookkeepers
    kill(victim)
    with closing(lasting.connect()) as connection:
        assert lasting.predict(connection, "total", ROW)[0] == 200
    until(lambda: lasting.bookkeepers and lasting.bookkeepers != [victim], 5)
    died = lasting.events("process_died")[-1]
    assert (died["process"], died["again_in_s"]) == ("bookkeeper", 0.1)
    assert len(lasting.workers) == 2


def test_a_killed_supervisor_leaves_no_orphan_and_frees_port_and_state(
    running, repository, tmp_path
):
    below = children(running.process.pid)
    assert len(below) == 3
    kill(running.process.pid)
    until(lambda: not any(map(alive, below)), 5, "an orphan lives")
    until(running.port_is_free, 5, "the port is held")
    with server(repository, state=tmp_path) as again:
        assert again.works()


def test_a_state_folder_of_any_name_serves_and_the_log_is_as_the_settings_say(repository, tmp_path):
    environ = {"FAIRLEAD_LOG__LEVEL": "warning", "FAIRLEAD_LOG__FORMAT": "text"}
    with server(repository, state=tmp_path / "{index} {x} 'y\"", environ=environ) as running:
        (victim,) = running.workers
        kill(victim)
        until(lambda: victim not in running.workers and running.ready())
        assert running.bookkeepers
        lines = [line for line in running.lines if not line.startswith(("Serving", "  "))]
    assert [line.split(" ", 1)[1] for line in lines] == [
        'WARNING process_died process="worker 0" status=-9 again_in_s=0.1'
    ]


# --- its own rules, with processes of the test's choice -------------------------------------


def supervise(worker: str) -> subprocess.Popen[str]:
    """A supervisor whose only worker runs these lines of Python, with a grace of 1 s."""
    with open(os.devnull) as listener:
        os.set_inheritable(listener.fileno(), True)
        orders = Orders(
            worker=[sys.executable, "-c", textwrap.dedent(worker)],
            bookkeeper=[sys.executable, "-c", "import time; time.sleep(1000)"],
            workers=1,
            status=create(1),
            listeners=[listener.fileno()],
            inherited=[],
            grace_s=1.0,
            log=("info", "json"),
            greeting=["hello"],
        )
        told = anonymous_file(json.dumps(asdict(orders)).encode())
        process = subprocess.Popen(
            [sys.executable, "-m", supervising.__name__, str(told)],
            pass_fds=[told, orders.status, *orders.listeners],
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(told)
        os.close(orders.status)
    return process


def test_a_crash_loop_is_slowed_down_more_and_more():
    process = supervise("raise SystemExit(3)")
    assert process.stderr is not None
    waits: list[float] = []
    while len(waits) < 4:
        event = json.loads(process.stderr.readline())
        assert (event["process"], event["status"]) == ("worker 0", 3)
        waits.append(event["again_in_s"])
    assert waits == [0.1, 0.2, 0.4, 0.8]
    process.terminate()
    assert process.wait(10) == 0
    process.stderr.close()


def test_a_process_that_outstays_the_grace_is_killed_and_the_status_says_so():
    process = supervise("""
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1000)
    """)
    below = until(lambda: children(process.pid))
    until(lambda: any(_ignores_sigterm(child) for child in children(process.pid)))
    process.terminate()
    assert process.wait(20) == 1
    assert not any(map(alive, below))
    assert process.stderr is not None
    process.stderr.close()


def _ignores_sigterm(process: int) -> bool:
    with open(f"/proc/{process}/status") as file:
        (mask,) = [line.split()[1] for line in file if line.startswith("SigIgn:")]
    return bool(int(mask, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.fixture
def watching():
    """A supervisor in this process, that runs nothing yet."""
    with open(os.devnull) as listener:
        command = [sys.executable, "-c", "import time; time.sleep(1000)"]
        orders = Orders(
            command, command, 1, create(1), [listener.fileno()], [], 1.0, ("info", "json"), []
        )
        supervisor = supervising.Supervisor(orders)
        yield supervisor
        for child in supervisor._workers:
            if child.process is not None:
                child.process.kill()
                child.process.wait()
        for handle in (orders.status, supervisor._life, supervisor._alive):
            os.close(handle)


def test_a_worker_whose_heart_stands_still_is_killed_and_told_once(watching, monkeypatch, capfd):
    (child,) = watching._workers
    watching._keep_running(child)
    process = child.process
    watching._end_silent()
    assert process.poll() is None, "before its first heartbeat it is only starting"
    watching._pages.publish(0, {})
    watching._end_silent()
    assert process.poll() is None
    monkeypatch.setattr(supervising, "_SILENT_S", -1.0)
    watching._end_silent()
    watching._end_silent()
    assert process.wait(10) == -signal.SIGKILL
    watching._keep_running(child)
    assert child.process is None
    assert watching._pages.beat_ns(0) == 0
    events = [json.loads(line)["event"] for line in capfd.readouterr().err.splitlines()]
    assert events == ["worker_silent", "process_died"]


def test_a_worker_that_was_stable_starts_again_as_if_for_the_first_time(watching, monkeypatch):
    (child,) = watching._workers
    child.backoff = 12.8
    watching._keep_running(child)
    watching._keep_running(child)
    assert child.backoff == 12.8
    monkeypatch.setattr(supervising, "_STABLE_S", -1)
    watching._keep_running(child)
    assert child.backoff == 0.1


def test_a_program_that_cannot_be_started_is_tried_again(watching, capfd):
    (child,) = watching._workers
    child.command = ["/no/such/program"]
    for _ in range(3):
        child.due = 0.0
        watching._keep_running(child)
    assert child.process is None
    assert child.backoff == pytest.approx(0.8)
    assert capfd.readouterr().err.count("start_failed") == 3
