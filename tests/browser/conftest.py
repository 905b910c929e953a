"""A real browser and a real server for tests of pages: `make test-pages`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests.browser import shop
from tests.browser.bench import Bench, chromium
from tests.processes import Running, server


@dataclass(frozen=True)
class Site:
    """A server that answers: where, its repository of models and its folder of state."""

    running: Running
    models: Path
    state: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.running.port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.running.admin_port}"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The one Chromium of the session."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Iterator[Site]:
    """`fairlead serve` of a packed scikit-learn model (`shop.pack`), on loopback."""
    place = tmp_path_factory.mktemp("site")
    models, state = place / "models", place / "state"
    shop.pack(models)
    with server(models, state=state) as running:
        yield Site(running, models, state)


@pytest.fixture
def bench(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Looks at pages, and fails the test if one of them asked for anything that is elsewhere.

    The server starts with the first look at one of its paths.
    """
    opened = Bench(browser, lambda: request.getfixturevalue("site").url)
    yield opened
    opened.close()
    assert opened.strays == []


@pytest.fixture
def look(bench: Bench) -> Callable[..., Page]:
    """`Bench.look`."""
    return bench.look
