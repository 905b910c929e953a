"""Sockets that a process was given are served on, and nothing else is taken for one."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from fairlead.assembly import given
from fairlead.assembly.config import load
from fairlead.assembly.server import check_exposure
from fairlead.core.errors import BindRefused


@pytest.fixture
def sockets(monkeypatch) -> Iterator[list[socket.socket]]:
    """Two that listen, on descriptors that follow each other."""
    made = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    first = 700
    for number, one in enumerate(made):
        os.dup2(one.fileno(), first + number)
    monkeypatch.setattr(given, "_FIRST", first)
    yield made
    for number, one in enumerate(made):
        one.close()
        with suppress(OSError):
            os.close(first + number)


def environ(count: int, names: str = "", pid: int = 0) -> dict[str, str]:
    told = {"LISTEN_FDS": str(count), "LISTEN_PID": str(pid or os.getpid()), "HOME": "/"}
    return told | ({"LISTEN_FDNAMES": names} if names else {})


def release(found: given.Given) -> None:
    for one in (found.service, found.grpc, *found.further):
        if one is not None:
            one.detach()


def test_the_first_is_the_service_and_says_where_it_listens(sockets):
    told = environ(2)
    found = given.given_sockets(told)
    port = sockets[0].getsockname()[1]
    assert found.facts == {"host": "127.0.0.1", "port": port}
    assert found.service is not None
    assert found.service.getsockname() == sockets[0].getsockname()
    assert [s.getsockname() for s in found.further] == [sockets[1].getsockname()]
    assert told == {"HOME": "/"}, "what is started from here was given nothing"
    settings = found.told(load({}, {}, None))
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", port)
    release(found)


def test_one_that_is_named_grpc_is_that_of_grpc(sockets):
    found = given.given_sockets(environ(2, "grpc:web"))
    assert found.grpc is not None
    assert found.grpc.getsockname() == sockets[0].getsockname()
    assert found.service is not None
    release(found)


@pytest.mark.parametrize("names", ["", "web:grpc"])
def test_one_that_others_can_reach_is_enough_to_need_keys(sockets, names, tmp_path):
    with socket.create_server(("0.0.0.0", 0)) as other:
        os.dup2(other.fileno(), 701)
    found = given.given_sockets(environ(2, names))
    port = sockets[0].getsockname()[1]
    assert found.facts == {"host": "0.0.0.0", "port": port}
    settings = found.told(load({"server.state": str(tmp_path)}, {}, None))
    with pytest.raises(BindRefused, match="can be reached by other machines, and there are no key"):
        check_exposure(settings)
    release(found)


@pytest.mark.parametrize(
    "told", [{}, {"LISTEN_FDS": "2"}, environ(2, pid=1), {**environ(2), "LISTEN_FDS": "x"}]
)
def test_what_was_given_to_somebody_else_is_not_taken(told):
    assert given.given_sockets(dict(told)) == given.NOTHING


def test_none_for_the_service_is_refused(sockets):
    with pytest.raises(BindRefused, match="no socket was given for the service"):
        given.given_sockets(environ(1, "grpc"))


def test_what_does_not_listen_is_refused(sockets):
    with closing(socket.socket()) as other:
        os.dup2(other.fileno(), 700)
    with pytest.raises(BindRefused, match="descriptor 700 cannot be served on"):
        given.given_sockets(environ(1))
    with open(os.devnull) as file:
        os.dup2(file.fileno(), 700)
    with pytest.raises(BindRefused, match="descriptor 700 cannot be served on"):
        given.given_sockets(environ(1))
