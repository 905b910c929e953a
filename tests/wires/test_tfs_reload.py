"""TensorFlow Serving's reload: what is listed is served, and nothing else."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from tests import models
from tests.processes import server, until

from fairlead.core.errors import FairleadError
from fairlead.protos.pool import message, methods
from fairlead.wires.tfs_grpc import MODELS
from fairlead.wires.tfs_reload import listed_models

TAKES, GIVES = methods(MODELS)["HandleReloadConfigRequest"]


def request(*configs: dict[str, Any]) -> Any:
    return TAKES(config={"model_config_list": {"config": configs}})


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    models.total(folder)
    models.logs(folder)
    with server(folder, state=tmp_path_factory.mktemp("state"), workers=2) as made:
        until(made.ready)
        yield made


@pytest.fixture
def reload(running):
    with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel:
        ask = channel.unary_unary(
            f"/{MODELS}/HandleReloadConfigRequest",
            request_serializer=TAKES.SerializeToString,
            response_deserializer=GIVES.FromString,
        )
        yield lambda asked: ask(asked, timeout=60)


def statuses(running) -> tuple[set[int], set[int]]:
    """What workers say of both models, over connections of their own."""
    found = {
        name: {running.asked(f"/v1/models/{name}")[0] for _ in range(12)}
        for name in ("total", "logs")
    }
    return found["total"], found["logs"]


def test_what_is_not_listed_ends_on_every_worker_and_what_is_listed_comes(running, reload):
    assert reload(request({"name": "total", "base_path": "/models/total"})).status.error_code == 0
    assert statuses(running) == ({200}, {503})
    told = running.asked("/v1/models/logs")[1]
    assert told["model_version_status"][0]["state"] == "END"
    reload(request({"name": "logs"}))
    assert statuses(running) == ({503}, {200})
    reload(request({"name": "logs"}, {"name": "total"}))
    assert statuses(running) == ({200}, {200})


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (request({"name": "total"}, {"name": "nobody"}), "NOT_FOUND"),
        (TAKES(), "INVALID_ARGUMENT"),
        (request({"name": "total", "version_labels": {"canary": 2}}), "FAILED_PRECONDITION"),
        (
            request({"name": "total", "model_version_policy": {"specific": {"versions": [1, 9]}}}),
            "NOT_FOUND",
        ),
    ],
    ids=["nobody", "nothing", "label", "version"],
)
def test_a_list_that_cannot_be_served_ends_nothing(running, reload, asked, status):
    with pytest.raises(grpc.RpcError) as refused:
        reload(asked)
    assert refused.value.code().name == status
    assert statuses(running) == ({200}, {200})


LATEST = {"latest": {"num_versions": 1}}


def test_models_are_read_in_their_order_with_what_is_wanted_of_each():
    configs = [
        {"name": "b", "model_version_policy": LATEST},
        {"name": "a", "base_path": "/x/a/"},
        {"name": "c", "model_version_policy": {"all": {}}},
        {"name": "d", "model_version_policy": {"specific": {"versions": [7, 2, 7]}}},
        {"name": "e", "version_labels": {"stable": 1, "canary": 3}},
    ]
    found = listed_models(request(*configs))
    assert [*found] == ["b", "a", "c", "d", "e"]
    known = [1, 2, 3, 7]
    assert [choice.of(known) for choice in found.values()] == [
        [7], [7], [7, 3, 2, 1], [7, 2], [7],
    ]  # fmt: skip
    assert [choice.exact for choice in found.values()] == [True, False, True, True, False]
    assert found["e"].labels == {"stable": 1, "canary": 3}
    assert found["a"].labels == {}
    assert listed_models(request()) == {}


@pytest.mark.parametrize(
    "configs",
    [
        ({"name": "a"}, {"name": "a"}),
        ({"name": ""},),
        ({"name": "../a"},),
        ({"name": "a", "base_path": "/models/b"},),
        ({"name": "a", "model_version_policy": {"specific": {}}},),
        ({"name": "a", "model_version_policy": {"specific": {"versions": [-1]}}},),
        ({"name": "a", "version_labels": {"": 1}},),
        ({"name": "a", "version_labels": {"x" * 81: 1}},),
    ],
    ids=["twice", "empty", "path", "base", "none", "below", "unnamed", "long"],
)
def test_what_cannot_be_is_refused(configs):
    with pytest.raises(FairleadError):
        listed_models(request(*configs))


def test_a_config_of_ones_own_is_refused():
    custom = message("tensorflow.serving.ModelServerConfig")()
    custom.custom_model_config.SetInParent()
    with pytest.raises(FairleadError):
        listed_models(TAKES(config=custom))
