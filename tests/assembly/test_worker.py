"""A worker put together: settings reach the parts that keep them, readiness tells the truth."""

from __future__ import annotations

import pytest

from fairlead.assembly import config, edges
from fairlead.serving import registry
from fairlead.serving.states import FAILED, LOADING, READY, UNLOADED


@pytest.mark.parametrize(
    ("setting", "value", "field", "becomes"),
    [
        ("body_mib", "3", "body", 3 << 20),
        ("head_kib", "5", "head", 5 << 10),
        ("url_kib", "2", "url", 2 << 10),
        ("headers", "7", "headers", 7),
        ("connections", "9", "connections", 9),
        ("connections_per_ip", "8", "connections_per_ip", 8),
        ("head_timeout_s", "1.5", "head_s", 1.5),
        ("idle_timeout_s", "2.5", "idle_s", 2.5),
        ("request_timeout_s", "3.5", "request_s", 3.5),
    ],
)
def test_a_limit_of_the_settings_is_the_limit_of_every_connection(setting, value, field, becomes):
    settings = config.load({f"limits.{setting}": value}, {}, None)
    assert getattr(edges.http_limits(settings), field) == becomes
    assert getattr(edges.http_limits(config.load({}, {}, None)), field) != becomes


@pytest.mark.parametrize(
    ("states", "ready"),
    [
        ({}, False),
        ({"a/1": READY}, True),
        ({"a/1": READY, "b/1": LOADING}, False),
        ({"a/1": READY, "b/1": FAILED}, False),
        ({"a/1": UNLOADED, "a/2": READY}, True),
        ({"a/1": READY, "a/2": FAILED}, True),
        ({"a/1": FAILED, "a/2": FAILED}, False),
        ({"a/1": LOADING, "a.b/1": READY}, False),
    ],
)
def test_every_model_needs_one_ready_version(states, ready):
    models = {key: {"state": state, "reason": ""} for key, state in states.items()}
    assert registry.has_every_model(models) is ready
