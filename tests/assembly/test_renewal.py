"""Settings that are read anew while the server runs are tried as those of a server that starts."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from tests import models

from fairlead.assembly import renewal, requests
from fairlead.assembly.asked import Asked, stays
from fairlead.assembly.config import read
from fairlead.core.errors import MissingExtra, OfferUnknown


@pytest.fixture
def kept(tmp_path):
    """What is kept of a server that was started with this file of settings."""
    models.total(tmp_path / "models")
    config = tmp_path / "fairlead.toml"
    config.write_text("")
    flags = {"server.state": str(tmp_path / "state")}
    asked = Asked([str(tmp_path / "models")], flags, str(config))
    return {
        "asked": json.loads(json.dumps(asdict(asked))),
        "stays": stays(read(flags, str(config))),
        "address": "http://127.0.0.1:8080",
        "sockets": {"listener": 5, "grpc": -1, "admin": -1, "also": [], "lock": 6},
    }


def test_traces_that_nothing_here_can_send_are_refused(kept, tmp_path, monkeypatch):
    (tmp_path / "fairlead.toml").write_text('[trace]\nendpoint = "http://127.0.0.1:4318"\n')
    assert renewal._prepared(kept).settings.trace.endpoint
    monkeypatch.setattr(requests, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="OpenTelemetry"):
        renewal._prepared(kept)


def test_the_address_stays_and_begins_as_the_settings_say(kept, tmp_path, monkeypatch):
    assert renewal._prepared(kept).address == "http://127.0.0.1:8080"
    monkeypatch.setattr(renewal, "check_doors", lambda settings: "")
    (tmp_path / "fairlead.toml").write_text('[server]\ntls_cert = "c"\ntls_key = "k"\n')
    assert renewal._prepared(kept).address == "https://127.0.0.1:8080"


def test_what_the_machine_costs_is_read_anew_and_an_unknown_machine_refused(kept, tmp_path):
    config = tmp_path / "fairlead.toml"
    config.write_text("[usage]\nmachine_usd_per_hour = 0.25\n")
    assert renewal._prepared(kept).machine.pico == 250_000_000_000
    config.write_text('[usage]\nmachine = "aws/no-such-machine"\n')
    with pytest.raises(OfferUnknown):
        renewal._prepared(kept)
