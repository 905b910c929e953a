"""Version folders that come while a server runs are seen by a reload."""

from __future__ import annotations

import shutil

import httpx
import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import grpc  # noqa: E402 - it comes with TensorFlow
from tests.frameworks import tensorflow_models as models  # noqa: E402
from tests.processes import server, until  # noqa: E402

from fairlead.protos.pool import methods  # noqa: E402
from fairlead.wires.tfs_grpc import MODELS  # noqa: E402

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def test_tensorflow_new_folders_of_a_base_are_served_by_a_reload_and_by_a_load(tmp_path):
    bases, several = tmp_path / "bases", models.Several()
    saved = models.saved(several, tmp_path / "saved", serving_default=several.half)
    third = models.saved(several, tmp_path / "third", serving_default=several.third)
    shutil.copytree(saved, bases / "half" / "1")
    half, by_three = (
        function(tf.constant(np.float32([3.0])))["y"].numpy().tolist()
        for function in (several.half, several.third)
    )
    with (
        server(bases, state=tmp_path / "state", workers=2) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{running.port}", timeout=120) as client,
        grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel,
    ):
        until(running.ready)
        takes, gives = methods(MODELS)["HandleReloadConfigRequest"]
        reload = channel.unary_unary(
            f"/{MODELS}/HandleReloadConfigRequest",
            request_serializer=takes.SerializeToString,
            response_deserializer=gives.FromString,
        )

        def asked(*configs):
            request = takes(config={"model_config_list": {"config": configs}})
            return reload(request, timeout=120).status.error_code

        def answers(address):
            """What all workers answer, over connections of their own."""
            path = f"/v1/models/{address}:predict"
            told = [running.asked(path, body={"instances": [3.0]}) for _ in range(8)]
            assert all(status == 200 for status, *_ in told), told
            return {tuple(answer["predictions"]) for _, answer, _ in told}

        assert answers("half") == {tuple(half)}
        shutil.copytree(third, bases / "half" / "2")
        policy = {"specific": {"versions": [1, 2]}}
        labels = {"stable": 1, "canary": 2}
        config = {"name": "half", "model_version_policy": policy, "version_labels": labels}
        assert asked(config) == 0
        assert answers("half/labels/stable") == {tuple(half)}
        assert answers("half/labels/canary") == answers("half") == {tuple(by_three)}
        # The two workers have packed it once between them, and only what was wanted.
        assert len([*(tmp_path / "state" / "cache").glob("*/half/2/manifest.json")]) == 1
        # A version that is broken displaces nothing.
        (bases / "half" / "3").mkdir()
        (bases / "half" / "3" / "saved_model.pb").write_bytes(b"\xff")
        with pytest.raises(grpc.RpcError) as refused:
            asked({"name": "half"})
        assert "saved_model.pb" in refused.value.details()
        assert answers("half") == {tuple(by_three)}
        shutil.rmtree(bases / "half" / "3")
        # What the base holds no more is not served again.
        shutil.rmtree(bases / "half" / "2")
        assert asked({"name": "half", "model_version_policy": {"latest": {"num_versions": 1}}}) == 0
        assert answers("half") == {tuple(half)}
        # A base that was not there at all, by the repository's own protocol.
        shutil.copytree(third, bases / "third" / "5")
        assert client.post("/v2/repository/models/third/load", json={}).status_code == 200
        assert answers("third/versions/5") == {tuple(by_three)}
