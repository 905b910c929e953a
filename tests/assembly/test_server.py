"""From paths and settings to a server: everything that can be wrong is said before it listens."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
from contextlib import closing, suppress

import pytest
from tests import models
from tests.access.parts import NOW, made

from fairlead.assembly import config
from fairlead.assembly.server import (
    check_exposure,
    check_paths,
    has_keys,
    listen,
    one_thread_each,
    prepare,
    take_state,
)
from fairlead.core.errors import BindRefused, FileUnreadable
from fairlead.usage.stores.keys import FILE as KEYS
from fairlead.usage.stores.keys import open_keys


def settings(**flags: object):
    """Settings with these flags, by "section_key"."""
    return config.load({name.replace("_", ".", 1): v for name, v in flags.items()}, {}, None)


# --- who can reach it ---------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_this_machine_alone_needs_no_keys(host):
    check_exposure(settings(server_host=host))


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.1", "::ffff:192.168.1.1", "fe80::1", "example.org", "0"]
)
def test_an_address_that_others_reach_is_refused_unless_the_platform_authenticates(host):
    with pytest.raises(BindRefused, match="there are no keys") as caught:
        check_exposure(settings(server_host=host))
    assert "--auth platform" in caught.value.line()
    check_exposure(settings(server_host=host, server_auth="platform"))


@pytest.mark.parametrize("revoked", [False, True])
def test_with_a_key_that_was_ever_made_it_may_serve_on_every_address(tmp_path, revoked):
    store = open_keys(tmp_path / KEYS)
    assert not has_keys(tmp_path)
    _, stored = made()
    store.create(stored.key, stored.digest)
    if revoked:
        store.revoke(stored.key.id, NOW)
    store.close()
    assert has_keys(tmp_path)
    check_exposure(settings(server_host="0.0.0.0", server_state=str(tmp_path)))


def test_with_the_platform_authenticating_it_serves_on_every_address(tmp_path):
    models.total(tmp_path / "models")
    made = prepare(
        [str(tmp_path / "models")],
        settings(
            server_host="0.0.0.0",
            server_port="0",
            server_auth="platform",
            server_state=str(tmp_path / "state"),
        ),
    )
    with closing(socket.socket(fileno=made.listener)) as listener:
        assert listener.getsockname()[0] == "0.0.0.0"
        assert made.address == f"http://0.0.0.0:{listener.getsockname()[1]}"
    os.close(made.lock)


# --- the port -----------------------------------------------------------------------------


def test_a_port_in_use_says_so_with_another_way():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BindRefused, match=f"port {port} on 127.0.0.1") as caught:
            listen("127.0.0.1", port)
    assert "Address already in use" in caught.value.line()
    assert "--port" in caught.value.line()
    listen("127.0.0.1", port).close()


def test_grpc_gives_way_where_the_administration_was_asked_for_its_port(tmp_path):
    models.total(tmp_path / "models")
    port = two_ports()
    made = prepare(
        [str(tmp_path / "models")],
        settings(
            server_port=str(port),
            server_admin=f"127.0.0.1:{port + 1}",
            server_state=str(tmp_path / "state"),
        ),
    )
    assert made.admin_address == f"http://127.0.0.1:{port + 1}"
    assert made.grpc == -1
    for taken in (made.listener, made.admin, made.lock):
        os.close(taken)


def two_ports() -> int:
    """A port that is free together with the one above it."""
    for _ in range(100):
        with listen("127.0.0.1", 0) as first:
            port = first.getsockname()[1]
            with suppress(BindRefused):
                listen("127.0.0.1", port + 1).close()
                return port
    raise AssertionError("no two free ports in a row")


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "2001:db8::1"])
def test_an_address_that_is_not_here_says_why(host):
    with pytest.raises(BindRefused, match="cannot be used") as caught:
        listen(host, 0)
    assert "None" not in caught.value.line()
    assert "Unknown error" not in caught.value.line()


def test_an_ipv6_address_is_written_in_brackets(tmp_path):
    models.total(tmp_path / "models")
    asked = settings(server_host="::1", server_port="0", server_state=str(tmp_path / "state"))
    try:
        made = prepare([str(tmp_path / "models")], asked)
    except BindRefused:
        pytest.skip("this machine has no IPv6")
    assert made.address.startswith("http://[::1]:")
    os.close(made.listener)
    os.close(made.lock)


# --- the state folder ---------------------------------------------------------------------


def test_a_state_folder_serves_one_server_at_a_time(tmp_path):
    folder = tmp_path / "a" / "state"
    lock = take_state(str(folder))
    assert folder.stat().st_mode & 0o077 == 0
    with pytest.raises(BindRefused, match="another server uses this state folder"):
        take_state(str(folder))
    os.close(lock)
    os.close(take_state(str(folder)))


@pytest.mark.parametrize("state", ["file", "file/below", "/proc/here", "/dev/null", "x" * 300])
def test_a_state_folder_that_cannot_be_written_is_said_with_the_flag(tmp_path, monkeypatch, state):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileUnreadable, match="state folder cannot be used") as caught:
        take_state(state)
    assert "Name another with --state" in caught.value.line()


# --- the paths ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["absent", "models/absent", "absent.py:predict", "x" * 5000])
def test_a_path_that_is_not_there_leaves_nothing_behind(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    models.total(tmp_path / "models")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FileUnreadable):
        prepare(["models", path], settings())
    assert sorted(tmp_path.rglob("*")) == before


def test_a_function_is_a_path_when_its_file_is_there(tmp_path):
    (tmp_path / "rules.py").write_text("")
    check_paths([str(tmp_path / "rules.py"), f"{tmp_path}/rules.py:predict"])
    with pytest.raises(FileUnreadable):
        check_paths([f"{tmp_path}/rules.txt:predict"])


# --- how fast it says no ------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["absent"],
        ["models", "--host", "0.0.0.0"],
        ["models", "--port", "{taken}"],
        ["models", "--state", "models/total/1/manifest.json"],
        ["models", "--config", "absent.toml"],
    ],
)
def test_saying_no_takes_less_than_two_seconds_of_work(tmp_path, words):
    """Measured as the process's own time, which a busy machine does not stretch."""
    models.total(tmp_path / "models")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-m", "fairlead", "serve", *[w.format(taken=port) for w in words]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    assert spent < 2


@pytest.mark.parametrize(("given", "kept"), [(None, "1"), ("4", "4")])
def test_products_run_in_one_thread_unless_the_owner_says_otherwise(monkeypatch, given, kept):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", given or "")
    if given is None:
        monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    monkeypatch.setenv("SOMETHING", "else")
    found = one_thread_each()
    assert found["OPENBLAS_NUM_THREADS"] == kept
    assert found["SOMETHING"] == "else"
