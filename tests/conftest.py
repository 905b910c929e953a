"""What many tests share: a real server for real packages, and small trained models."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from hypothesis import settings

import fairlead
from fairlead.core.clock import now
from tests import models
from tests.databases import place as place
from tests.databases import postgres as postgres
from tests.redis_server import redis_server as redis_server

# A slow machine is no failure: only what a test itself waits for has a deadline.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Begun in the background of a shell: what the tests start would not hear of Ctrl-C either.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_SHARED = "small-models"


@pytest.fixture(scope="session")
def serving(tmp_path_factory) -> Iterator[Callable[..., httpx.Client]]:
    """Starts `fairlead serve` for paths and gives a client of it.

    Equal calls share one server. It ends with the file of tests that asked; those of `small_models`
    go on while other files ask for them. In a minute of idleness a server costs as much of the
    processor as its start. Further settings are keyword arguments of `fairlead.serve`.
    """
    running = _RUNNING

    def start(*paths: Path, **more: Any) -> httpx.Client:
        key = (paths, tuple(sorted(more.items())))
        if key not in running:
            state = tmp_path_factory.mktemp("state")
            server = fairlead.serve(*paths, port=0, workers=1, state=state, **more)
            running[key] = server, httpx.Client(base_url=server.url, timeout=60)
        _ASKED[key] = now()
        return running[key][1]

    yield start
    _end([*running])
    for thread in _ENDING:
        thread.join(60)


_RUNNING: dict[Any, tuple[fairlead.Server, httpx.Client]] = {}
_ASKED: dict[Any, float] = {}
_IDLE_S = 60.0
_ENDING: list[Thread] = []


def _end(keys: list[Any]) -> None:
    """Ends servers while the tests go on."""
    for key in keys:
        server, client = _RUNNING.pop(key)
        client.close()
        _ENDING.append(Thread(target=server.stop))
        _ENDING[-1].start()


@pytest.fixture(scope="module", autouse=True)
def _servers_of_a_file() -> Iterator[None]:
    yield
    shared = [key for key in _RUNNING if any(_SHARED in str(path) for path in key[0])]
    kept = [key for key in shared if now() - _ASKED[key] < _IDLE_S]
    _end([key for key in _RUNNING if key not in kept])


@pytest.fixture(scope="session")
def small_models(tmp_path_factory) -> Path:
    """A repository with every model of tests/models.py; only to be read."""
    repository = tmp_path_factory.mktemp(_SHARED)
    models.all_of_them(repository)
    return repository
