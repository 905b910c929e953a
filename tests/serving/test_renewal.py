"""SIGHUP with real servers: what changes, what stays, and that nobody is refused meanwhile."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import sys
from contextlib import closing
from threading import Event, Thread

import pytest
from tests import models
from tests.processes import Running, alive, server, until
from tests.serving.test_observe import parse

from fairlead.serving.exchange import ask

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it finds processes in /proc")

ROW = {"a": 1, "b": 2, "c": 3}


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "models"
    models.total(folder)
    return folder


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "fairlead.toml"
    file.write_text("")
    return file


@pytest.fixture
def running(repository, config, tmp_path):
    with server(repository, "--config", config, state=tmp_path / "s", workers=2) as made:
        yield made


def renew(running: Running, event: str = "renewed") -> dict:
    """Sends SIGHUP and waits for what comes of it."""
    before = len(running.events(event))
    running.process.send_signal(signal.SIGHUP)
    return until(lambda: running.events(event)[before:], 60)[0]


class Callers(Thread):
    """A new connection for each call, without a pause, until it is told to stop."""

    def __init__(self, running: Running) -> None:
        super().__init__()
        self._running, self.over = running, Event()
        self.answers: list[object] = []

    def run(self) -> None:
        while not self.over.is_set():
            try:
                with closing(self._running.connect()) as connection:
                    self.answers.append(self._running.predict(connection, "total", ROW)[0])
            except (OSError, http.client.HTTPException) as error:
                self.answers.append(error)

    def __enter__(self) -> Callers:
        self.start()
        until(lambda: len(self.answers) > 3)
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()


def test_every_process_is_replaced_and_no_new_caller_is_refused(running):
    before = {*running.workers, *running.bookkeepers}
    with Callers(running) as callers:
        assert renew(running)["workers"] == 2
        until(lambda: not any(map(alive, before)))
        count = len(callers.answers)
        until(lambda: len(callers.answers) > count + 3)
        assert running.ready()
    assert set(callers.answers) == {200}
    assert len(running.workers) == 2
    until(lambda: len(running.bookkeepers) == 1)
    assert running.events("process_died") == []
    assert running.stop() == 0


def test_the_server_says_where_it_answers_as_before(running, tmp_path):
    renew(running)

    def told() -> dict:
        try:
            return ask(tmp_path / "s", {"kind": "status"})["status"]["server"]
        except OSError:
            return {}

    assert until(told)["address"] == f"http://127.0.0.1:{running.port}"


def test_what_was_counted_is_counted_on(running):
    def answered() -> float:
        status, body = running.get("/metrics")
        assert status == 200
        return sum(
            n for _, n in parse(body.decode(), openmetrics=False).get("fairlead_calls_total", [])
        )

    with closing(running.connect()) as connection:
        for _ in range(7):
            assert running.predict(connection, "total", ROW)[0] == 200
    until(lambda: answered() == 7)
    renew(running)
    assert answered() == 7


def test_new_settings_hold_and_there_may_be_more_or_fewer_workers(repository, config, tmp_path):
    config.write_text("[server]\nworkers = 1\n")
    running = Running(repository, "--config", config, "--port", "0", "--state", tmp_path / "s")
    try:
        running.greeted()
        assert running.get("/livez?" + "x" * 2000)[0] == 200
        for workers in (3, 2):
            config.write_text(f"[server]\nworkers = {workers}\n[limits]\nurl_kib = 1\n")
            assert renew(running)["workers"] == workers
            assert len(running.workers) == workers
            assert running.get("/livez?" + "x" * 2000)[0] == 414
        assert running.stop() == 0
    finally:
        running.end()


def test_broken_settings_change_nothing_and_are_said(running, config):
    workers = running.workers
    config.write_text("[limits]\nurl = 1\n")
    reason = renew(running, "renewal_refused")["reason"]
    assert "there is no setting limits.url" in reason
    assert running.workers == workers
    assert running.ready()
    config.write_text("")
    renew(running)
    assert not set(running.workers) & set(workers)


def test_what_a_running_server_holds_is_not_changed(running, config):
    workers = running.workers
    config.write_text('[server]\nadmin = "off"\n')
    reason = renew(running, "renewal_refused")["reason"]
    assert "server.admin was 'auto' when the server started and is 'off' now" in reason
    assert running.workers == workers


def test_a_broken_certificate_changes_nothing(running, config, tmp_path):
    workers = running.workers
    for name in ("cert", "key"):
        (tmp_path / name).write_text("no certificate")
    config.write_text(f'[server]\ntls_cert = "{tmp_path}/cert"\ntls_key = "{tmp_path}/key"\n')
    assert "FRL-2008" in renew(running, "renewal_refused")["reason"]
    assert running.workers == workers
    assert running.works()


def test_new_workers_that_do_not_serve_what_is_served_are_taken_back(running, repository):
    """A model that is ready in the old workers cannot be loaded any more."""
    workers = running.workers
    (graph,) = (repository / "total" / "1" / "graph").iterdir()
    kept = graph.read_bytes()
    graph.write_bytes(kept[:-1] + b"?")
    renew(running, "renewal_taken_back")
    assert running.ready()
    with closing(running.connect()) as connection:
        assert running.predict(connection, "total", ROW)[0] == 200
    until(lambda: running.workers == workers)
    graph.write_bytes(kept)
    renew(running)
    assert not set(running.workers) & set(workers)


def test_a_model_that_sleeps_in_the_new_workers_is_not_missed(repository, config, tmp_path):
    environ = {"FAIRLEAD_MODELS__LOAD": "lazy"}
    more = {"state": tmp_path / "s", "workers": 2, "environ": environ}
    with server(repository, "--config", config, **more) as running:
        before = running.workers
        with Callers(running) as callers:
            renew(running)
            assert not set(running.workers) & set(before)
            count = len(callers.answers)
            until(lambda: len(callers.answers) > count + 3)
        assert set(callers.answers) == {200}
        assert running.events("renewal_taken_back") == []


def test_a_worker_that_dies_meanwhile_is_back_and_the_end_is_clean(running):
    running.process.send_signal(signal.SIGHUP)
    until(lambda: running.events("renewing"))
    for victim in running.workers[:1]:
        os.kill(victim, signal.SIGKILL)
    until(lambda: running.events("renewed"), 60)
    until(lambda: len(running.workers) == 2 and running.ready())
    assert running.stop() == 0


def test_sigterm_while_it_is_renewed_ends_both_generations(running):
    running.process.send_signal(signal.SIGHUP)
    until(lambda: running.events("renewing"))
    assert running.stop() == 0
    assert running.events("ended")


def test_sigterm_at_any_moment_of_a_renewal_ends_the_server(running):
    """Also while the supervisor replaces itself: no signal is lost."""
    running.process.send_signal(signal.SIGHUP)
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(60) == 0


def test_a_given_socket_refuses_nobody_while_servers_change(repository, tmp_path):
    """As systemd does it: whoever started the servers holds the socket, and callers wait in it."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as held:
        port = held.getsockname()[1]
        with server(repository, state=tmp_path / "s", given=held) as first:
            assert first.port == port
            callers = Callers(first)
            with callers:
                assert first.stop() == 0
                with server(repository, state=tmp_path / "s", given=held) as second:
                    count = len(callers.answers)
                    until(lambda: len(callers.answers) > count + 3)
                    assert second.port == port
                    callers.over.set()
                    callers.join()
    assert set(callers.answers) == {200}


def test_a_deleted_file_of_settings_that_was_named_is_refused(running, config):
    shutil.move(config, config.with_suffix(".gone"))
    assert "FRL-2001" in renew(running, "renewal_refused")["reason"]
    assert running.ready()
