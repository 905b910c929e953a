"""Several models in one container, as SageMaker loads, asks and ends them: on a real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from tests import models
from tests.processes import server as started

from fairlead.core.errors import FairleadError
from fairlead.serving.registry import Registry
from fairlead.wires.invocations import Invocations
from fairlead.wires.multi_model import MultiModel, own_name

ENVIRON = {"SAGEMAKER_MULTI_MODEL": "true"}
ODD = "c2V2ZXJhbC9tb2RlbHMgw6Q=/../x y"
"""Nothing that could name a model or a folder."""


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A package, a folder with one trained file, and one with something else."""
    folder: Path = tmp_path_factory.mktemp("many")
    package = models.total(folder / "packed")
    (folder / "trained").mkdir()
    (folder / "trained" / "model.onnx").write_bytes(package.graph_path.read_bytes())
    (folder / "other").mkdir()
    (folder / "other" / "notes.txt").write_text("what is this")
    return folder


@pytest.fixture(scope="module")
def client(files, tmp_path_factory):
    state = tmp_path_factory.mktemp("state")
    flags = ["--auth", "platform"]
    with (
        started(*flags, state=state, workers=2, environ=ENVIRON) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{running.port}", timeout=60) as made,
    ):
        yield made


def load(client: httpx.Client, name: str, place: Path | str) -> httpx.Response:
    return client.post("/models", json={"model_name": name, "url": str(place)})


def end(client: httpx.Client, name: str) -> httpx.Response:
    return client.delete(f"/models/{quote(name, safe='')}")


def listed(client: httpx.Client) -> list[dict[str, str]]:
    return client.get("/models").json()["models"]


def test_a_server_without_models_is_healthy(client):
    assert client.get("/ping").status_code == 200
    assert client.get("/models").json() == {"models": []}


@pytest.mark.parametrize("name", ["plain", ODD])
@pytest.mark.parametrize("place", ["packed", "packed/total/1", "trained"])
def test_a_model_is_loaded_told_asked_and_ended_by_the_platforms_name(client, files, name, place):
    at = f"/models/{quote(name, safe='')}"
    told = {"modelName": name, "modelUrl": str(files / place)}
    answer = load(client, name, files / place)
    assert (answer.status_code, answer.json()) == (200, told)
    assert listed(client) == [told]
    assert client.get(at).json() == told
    asked = client.post(f"{at}/invoke", content="1,2,3\n", headers={"content-type": "text/csv"})
    assert next(iter(asked.json()["predictions"][0].values())) == 6.0
    assert load(client, name, files / place).status_code == 409
    assert end(client, name).json() == told
    for gone in (client.get(at), end(client, name), client.post(f"{at}/invoke", json={})):
        assert gone.status_code == 404
        assert gone.json()["message"]
    assert listed(client) == []


def test_what_was_ended_has_given_its_memory_back_on_every_worker(client, files):
    """The answer comes after: nobody serves it, whichever worker is asked."""
    for _ in range(5):
        assert load(client, "again", files / "packed").status_code == 200
        assert end(client, "again").status_code == 200
        for _ in range(8):
            with httpx.Client(base_url=client.base_url) as fresh:
                assert fresh.post("/models/again/invoke", json=[[1, 2, 3]]).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ([], 400),
        ({"model_name": "a"}, 400),
        ({"model_name": "", "url": "/x"}, 400),
        ({"model_name": 5, "url": "/x"}, 400),
        ({"model_name": "a", "url": "/nowhere/at/all"}, 404),
        ({"model_name": "a", "url": "here"}, 404),
    ],
    ids=str,
)
def test_what_cannot_be_loaded_is_said_in_json(client, body, status):
    answer = client.post("/models", json=body)
    assert answer.status_code == status
    assert answer.json()["message"]


def test_a_folder_without_a_model_is_refused_and_leaves_nothing(client, files):
    for _ in range(2):
        assert load(client, "other", files / "other").status_code == 400
        assert load(client, "other", files / "other" / "notes.txt").status_code == 400
    assert listed(client) == []
    assert client.get("/ping").status_code == 200


def test_wrong_methods_and_addresses_have_the_same_shape(client):
    for answer in (
        client.put("/models"),
        client.get("/models/a/invoke"),
        client.get("/models/a/b"),
    ):
        assert answer.status_code in (404, 405)
        assert answer.json()["error_code"] == "BAD_REQUEST"


def test_pages_follow_each_other_by_their_token(client):
    assert client.get("/models", params={"next_page_token": "x"}).status_code == 400
    assert client.get("/models", params={"next_page_token": "100"}).json() == {"models": []}


class Loading:
    """Loads nothing, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def load(self, model: str, told: Any, choice: Any) -> None:
        self.asked.append(model)
        told(None)

    def unload(self, model: str, told: Any) -> None:
        told(None)


@pytest.mark.parametrize(("left", "status"), [(10, 507), (1 << 40, 200)])
def test_a_model_for_which_there_is_no_room_is_507_and_not_loaded(files, left, status):
    registry, control = Registry(), Loading()
    asking = Invocations(registry, lambda: True)
    wire: Any = MultiModel(registry, control, asking, lambda: left)  # type: ignore[arg-type]
    route = wire.route("POST", "/models")
    body = json.dumps({"model_name": "a", "url": str(files / "packed")}).encode()
    replies: list[Any] = []
    try:
        route.ask(None, body, None, None, replies.append)
    except FairleadError as error:
        replies.append(route.error(error))
    assert [reply.status for reply in replies] == [status]
    assert control.asked == ([] if status == 507 else ["a"])


def test_names_that_cannot_be_names_are_told_apart():
    assert own_name("plain-1.2") == "plain-1.2"
    assert len({own_name(name) for name in (ODD, ODD + " ", "", "..", "a/b")}) == 5


def test_without_the_platforms_word_the_addresses_are_our_own(serving, files):
    own = serving(files / "packed")
    assert own.get("/models/total").json()["version"] == 1
    assert own.post("/models", json={"model_name": "a", "url": "/x"}).status_code == 405
