"""Labels of versions: given by a reload, asked for over REST and gRPC on every worker."""

from __future__ import annotations

from typing import Any

import grpc
import numpy as np
import pytest
from tests import models
from tests.processes import server, until
from tests.wires.test_tfs_grpc import ask, back, proto, refused

from fairlead.wires.tfs_grpc import MODELS

UNKNOWN = "Unrecognized servable version label: "
BODY = {"instances": [[1.0, 2.0, 3.5]]}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Versions 1 and 2 give the sum, 3 gives it too and cannot be loaded."""
    folder = tmp_path_factory.mktemp("models")
    for _ in range(2):
        models.several(folder)
    models.broken(folder, "several")
    models.logs(folder)
    with server(folder, state=tmp_path_factory.mktemp("state"), workers=2) as made:
        until(made.ready)
        yield made


@pytest.fixture(scope="module")
def channel(running):
    with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as made:
        yield made


def reload(channel, **several: Any) -> None:
    configs = [{"name": "several", **several}, {"name": "logs"}]
    given = {"config": {"model_config_list": {"config": configs}}}
    answer = ask(channel, "HandleReloadConfigRequest", MODELS, **given)
    assert answer.status.error_code == 0


def specific(*versions: int) -> dict[str, Any]:
    return {"specific": {"versions": versions}}


def statuses(running, address: str, body: Any = None) -> set[int]:
    """What all workers answer, over connections of their own."""
    return {running.asked(address, body=body)[0] for _ in range(12)}


def answered(channel, label: str) -> int:
    """The version that answers a label over gRPC."""
    spec = {"name": "several", "version_label": label}
    x = {"x": proto(np.array([[1.0, 2.0, 3.5]], "f4"))}
    answer = ask(channel, "Predict", model_spec=spec, inputs=x)
    np.testing.assert_array_equal(back(answer, "value"), [[6.5]])
    return answer.model_spec.version.value


def metadata(running, label: str) -> set[str]:
    address = f"/v1/models/several/labels/{label}/metadata"
    return {running.asked(address)[1]["model_spec"]["version"] for _ in range(12)}


def test_labels_point_to_versions_on_every_worker_and_move(running, channel):
    labels = {"stable": 1, "canary": 2}
    reload(channel, model_version_policy=specific(1, 2), version_labels=labels)
    assert (answered(channel, "stable"), answered(channel, "canary")) == (1, 2)
    assert metadata(running, "stable") == {"1"}
    assert metadata(running, "canary") == {"2"}
    address = "/v1/models/several/labels/canary:predict"
    assert statuses(running, address, BODY) == {200}
    # The same addresses, which connections have met already, lead elsewhere from now on.
    reload(channel, model_version_policy=specific(1, 2), version_labels={"canary": 1})
    assert answered(channel, "canary") == 1
    assert metadata(running, "canary") == {"1"}
    assert metadata(running, "stable") == {"2"}
    reload(channel, model_version_policy=specific(1, 2))
    assert statuses(running, address, BODY) == {400}
    until(lambda: statuses(running, "/v1/models/several/versions/1") == {200})


def test_an_unknown_label_is_named(running, channel):
    reload(channel, model_version_policy=specific(1, 2), version_labels={"canary": 2})
    for label in ("nothing", "Canary"):
        status, told, _ = running.asked(f"/v1/models/several/labels/{label}:predict", body=BODY)
        assert (status, told["error"]) == (400, UNKNOWN + label)
        spec = {"name": "several", "version_label": label}
        told = refused(lambda s=spec: ask(channel, "Predict", model_spec=s), "INVALID_ARGUMENT")
        assert told == UNKNOWN + label
    status, told, _ = running.asked("/v1/models/logs/labels/canary:predict", body=BODY)
    assert (status, told["error"]) == (400, UNKNOWN + "canary")
    # Which states versions are in is told of all, whatever the label.
    status, told, _ = running.asked("/v1/models/several/labels/nothing")
    assert (status, len(told["model_version_status"])) == (200, 3)
    spec = {"name": "several", "version_label": "nothing"}
    answer = ask(channel, "GetModelStatus", MODELS, model_spec=spec)
    assert len(answer.model_version_status) == 3


def test_a_label_goes_only_to_a_version_that_answers_and_then_nothing_changes(running, channel):
    labels = {"stable": 1, "canary": 2}
    reload(channel, model_version_policy=specific(1, 2), version_labels=labels)
    for policy, wrong in ((specific(2), {"stable": 1}), (specific(1, 2), {"canary": 3})):
        given = {"model_version_policy": policy, "version_labels": wrong}
        told = refused(lambda g=given: reload(channel, **g), "FAILED_PRECONDITION")
        assert "which is not currently available for inference" in told
        assert (answered(channel, "stable"), answered(channel, "canary")) == (1, 2)


def test_a_policy_says_which_versions_answer(running, channel):
    reload(channel, model_version_policy=specific(1))
    address = "/v1/models/several/versions/{}:predict"
    until(lambda: statuses(running, address.format(2), BODY) == {503})
    assert statuses(running, address.format(1), BODY) == {200}
    reload(channel, model_version_policy=specific(2, 1))
    assert statuses(running, address.format(2), BODY) == {200}
    for policy in ({"all": {}}, {"latest": {"num_versions": 2}}):
        refused(lambda p=policy: reload(channel, model_version_policy=p), "INTERNAL")
        for number in (1, 2):
            assert statuses(running, address.format(number), BODY) == {200}


def test_labels_go_with_their_model(running, channel):
    reload(channel, model_version_policy=specific(1, 2), version_labels={"canary": 1})
    assert running.asked("/v2/repository/models/several/unload", body={})[0] == 200
    assert running.asked("/v2/repository/models/several/load", body={})[0] != 200
    reload(channel, model_version_policy=specific(2))
    assert statuses(running, "/v1/models/several/labels/canary:predict", BODY) == {400}
    assert statuses(running, "/v1/models/several/labels/stable:predict", BODY) == {200}
