"""What many tests share: a real server for real packages, and small trained models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import settings
from tests import models
from tests.databases import place as place
from tests.databases import postgres as postgres
from tests.redis_server import redis_server as redis_server

import fairlead

# A slow machine is no failure: only what a test itself waits for has a deadline.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.fixture(scope="session")
def serving(tmp_path_factory) -> Iterator[Callable[..., httpx.Client]]:
    """Starts `fairlead serve` for paths and gives a client of it; everything ends with the session.

    Equal calls share one server. Further settings are keyword arguments of `fairlead.serve`.
    """
    running: dict[Any, tuple[fairlead.Server, httpx.Client]] = {}

    def start(*paths: Path, **more: Any) -> httpx.Client:
        key = (paths, tuple(sorted(more.items())))
        if key not in running:
            state = tmp_path_factory.mktemp("state")
            server = fairlead.serve(*paths, port=0, workers=1, state=state, **more)
            running[key] = server, httpx.Client(base_url=server.url, timeout=60)
        return running[key][1]

    yield start
    for server, client in running.values():
        client.close()
        server.stop()


@pytest.fixture(scope="session")
def small_models(tmp_path_factory) -> Path:
    """A repository with every model of tests/models.py; only to be read."""
    repository = tmp_path_factory.mktemp("models")
    models.all_of_them(repository)
    return repository
