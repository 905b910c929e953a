"""A setting says where limits of several hosts are counted; its address is shown nowhere."""

from __future__ import annotations

from contextlib import closing

import pytest

from fairlead.assembly.config import load
from fairlead.assembly.meters import check_meter_store, meter_store
from fairlead.core.errors import DatabaseAddressInvalid
from fairlead.usage.stores.meters_postgres import PostgresMeters
from fairlead.usage.stores.meters_redis import RedisMeters


def settings(address: str, monkeypatch):
    monkeypatch.setenv("WHERE_LIMITS_ARE", address)
    return load({"limits.shared": "env:WHERE_LIMITS_ARE"}, {}, None)


def test_without_the_setting_a_host_counts_for_itself():
    assert meter_store(load({}, {}, None)) is None


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("redis://:hunter2@127.0.0.1:1/0", RedisMeters),
        ("rediss://limits.example.org", RedisMeters),
        ("postgresql://me:hunter2@127.0.0.1:1/none", PostgresMeters),
    ],
    ids=["redis", "rediss", "postgresql"],
)
def test_the_address_says_what_counts_and_nothing_is_connected_yet(address, kind, monkeypatch):
    given = settings(address, monkeypatch)
    check_meter_store(given)
    with closing(meter_store(given)) as store:
        assert type(store) is kind


@pytest.mark.parametrize("address", ["mysql://me:hunter2@h/x", "redis://me:hunter2@h/x", " "])
def test_an_address_that_cannot_be_used_is_refused_and_not_repeated(address, monkeypatch):
    with pytest.raises(DatabaseAddressInvalid) as told:
        check_meter_store(settings(address, monkeypatch))
    assert "hunter2" not in told.value.line()


def test_a_real_store_is_reached_by_what_a_file_holds(tmp_path, redis_server):
    file = tmp_path / "limits"
    file.write_text(redis_server.empty() + "\n")
    file.chmod(0o600)
    with closing(meter_store(load({"limits.shared": f"file:{file}"}, {}, None))) as store:
        assert store.present("a") == 1
    file.chmod(0o640)
    with pytest.raises(DatabaseAddressInvalid, match="others can read"):
        meter_store(load({"limits.shared": f"file:{file}"}, {}, None))
