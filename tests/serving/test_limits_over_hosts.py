"""One limit over two servers, counted in a real Redis and a real PostgreSQL."""

from __future__ import annotations

from threading import Thread

import pytest
from tests import models
from tests.processes import Running, server, until

ROWS, EACH = 35, 20
"""Together the callers of both servers ask for more than twice what there is."""


@pytest.fixture(params=["redis", "postgresql"])
def address(request) -> str:
    """Where both count."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgres").fresh()
    return request.getfixturevalue("redis_server").address


@pytest.fixture
def hosts(address, tmp_path):
    """Two servers that share the limit of all their callers."""
    repository = tmp_path / "models"
    models.total(repository)
    given = {
        "FAIRLEAD_LIMITS__SHARED": "env:SHARED_LIMITS",
        "FAIRLEAD_LIMITS__USAGE": f"rows={ROWS}/day",
        "SHARED_LIMITS": address,
    }
    with (
        server(repository, state=tmp_path / "a", workers=2, environ=given) as first,
        server(repository, state=tmp_path / "b", workers=1, environ=given) as second,
    ):
        yield first, second


def asked(host: Running, statuses: list[int]) -> None:
    for _ in range(EACH):
        statuses.append(host.asked("/predict/total", body=[1, 2, 3])[0])


def test_a_days_quota_of_two_servers_is_used_once(hosts):
    until(lambda: hosts[0].asked("/predict/total", body=[1, 2, 3])[0] == 200, 10)
    statuses: list[int] = [200]
    callers = [Thread(target=asked, args=(host, statuses)) for host in hosts]
    callers += [Thread(target=asked, args=(host, statuses)) for host in hosts]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert statuses.count(200) == ROWS
    assert set(statuses) == {200, 429}
