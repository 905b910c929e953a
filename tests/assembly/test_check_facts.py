"""What the deployment check asks settings, the state folder and the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from tests.certificates import Authority

from fairlead.assembly.check_facts import bounds, doors, machine, record
from fairlead.assembly.config import load
from fairlead.assembly.settings import Settings
from fairlead.assembly.terminal import coloured
from fairlead.serving.machine import usable_cores


def settings(**flags: object) -> Settings:
    return load({name.replace("__", "."): value for name, value in flags.items()}, {}, None)


def test_what_this_machine_alone_reaches_is_inside(tmp_path):
    told = doors(settings(server__state=str(tmp_path)))
    assert (told.inside, told.admin_inside, told.tls, told.ends) == (True, True, False, None)
    assert told.refused == ""


def test_settings_that_a_server_refuses_are_refused_here_with_what_helps(tmp_path):
    told = doors(settings(server__state=str(tmp_path), server__host="0.0.0.0"))
    assert told.refused.startswith("FRL-2006")
    assert "fairlead keys create" in told.remedy
    told = doors(settings(server__state=str(tmp_path), server__client_ca="ca.pem"))
    assert "client certificates need TLS" in told.refused
    assert told.ends is None


def test_the_days_of_a_certificate_are_counted(tmp_path):
    pair = Authority(tmp_path).issue("server")
    told = doors(settings(server__tls_cert=str(pair.cert), server__tls_key=str(pair.key)))
    assert told.ends == pytest.approx(20, abs=0.1)
    assert told.tls


def test_a_body_limit_that_somebody_chose_is_known():
    assert not bounds(settings()).chosen
    chosen = load({}, {"FAIRLEAD_LIMITS__BODY_MIB": "64"}, None)
    assert bounds(chosen).chosen


def test_a_state_folder_that_is_not_there_yet_is_judged_by_where_it_would_be(tmp_path):
    told = record(settings(server__state=str(tmp_path / "a" / "b")))
    assert (told.writable, told.private, told.backup) == (True, True, None)
    assert told.free > 0
    assert not (tmp_path / "a").exists()


def test_a_state_folder_that_others_may_look_into_is_not_private(tmp_path):
    for mode, private in ((0o755, False), (0o710, False), (0o700, True)):
        tmp_path.chmod(mode)
        assert record(settings(server__state=str(tmp_path))).private == private


def test_workers_are_as_many_as_cores_unless_somebody_says_so():
    assert machine(settings(), 0).workers == usable_cores()
    assert machine(settings(server__workers="7"), 3).workers == 7


@pytest.fixture
def terminal() -> Iterator[IO[str]]:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as opened:
        yield opened
    os.close(ours)


def test_colours_are_for_terminals_whose_owner_wants_them(terminal, tmp_path, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert coloured(terminal)
    with Path(tmp_path / "file").open("w") as file:
        assert not coloured(file)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not coloured(terminal)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not coloured(terminal)
