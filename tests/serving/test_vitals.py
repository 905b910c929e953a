"""What a worker says of itself: no total ever falls, whatever becomes of versions."""

from __future__ import annotations

import os
from typing import Any

import pytest
from tests.serving.parts import Model, admission, rations, serve

from fairlead.serving.registry import Registry
from fairlead.serving.status import StatusPages, create
from fairlead.serving.vitals import Vitals


class Front:
    """Listeners without a caller."""

    def __init__(self) -> None:
        self.refusals: dict[str, int] = {}
        self.connections = 0


@pytest.fixture
def pages():
    handle = create(1)
    yield StatusPages(handle)
    os.close(handle)


def refused(pages: StatusPages) -> dict[str, int]:
    return pages.counts()["stats"]["m/1"]["outcomes"]


def test_what_a_version_has_counted_is_told_while_it_answers_drains_and_has_ended(pages):
    registry = Registry()
    leases = rations()._leases
    reporting: Any = object()
    entry = admission(registry)
    vitals = Vitals(pages, 0, registry, Front(), list, entry, leases, reporting, optional=True)
    first, second = serve(Model()), serve(Model())
    for served in (first, second):
        registry.publish(served)
        served.stats.refuse("OVERLOADED")
        vitals.publish()
        before = refused(pages)
        registry.withdraw("m", 1)
        served.stats.refuse("OVERLOADED")
        vitals.publish()
        assert sum(refused(pages).values()) == sum(before.values()) + 1, "it drains"
        told = refused(pages)
        vitals.keep(served)
        vitals.publish()
        assert refused(pages) == told, "it has ended"
    assert sum(refused(pages).values()) == 4
