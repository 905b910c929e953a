"""Keys at a real server with two workers: open, closed, revoked, counted, never another's."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests import models
from tests.processes import Running, server, until

from fairlead.serving.exchange import ask

REVOKED_S = 1.0


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Path:
    repository = tmp_path_factory.mktemp("models")
    models.all_of_them(repository)
    return repository


@pytest.fixture(scope="module")
def shared(packed, tmp_path_factory):
    """One server that has a key for its administrator; tests make further keys."""
    state = tmp_path_factory.mktemp("state")
    with server(packed, state=state, workers=2) as running:
        yield Keyed(running, state)


class Keyed:
    """A server and the keys that are made at it."""

    def __init__(self, running: Running, state: Path) -> None:
        self.running, self.state = running, state
        self.do("keys.create", name="first", scopes=["metrics:read"])
        # Until a worker has heard of the first key it is open.
        until(lambda: all(running.asked("/models")[0] == 401 for _ in range(16)), 5)
        self.admin = self.key("admin", "admin:keys", "admin:audit", "usage:read", kind="admin")

    def do(self, act: str, /, **given: Any) -> dict[str, Any]:
        """What the command line asks for."""

        def answer() -> Any:
            try:
                return ask(self.state, {"kind": act, "given": given})
            except OSError:
                return None  # the bookkeeper is on its way

        return until(answer, 10)["done"]

    def key(self, name: str, *scopes: str, **more: Any) -> str:
        """A new key, which every worker knows when this returns."""
        made = self.do("keys.create", name=name, scopes=list(scopes), **more)
        self.known(made["key"])
        self.last = made["id"]
        return made["key"]

    def known(self, key: str) -> None:
        """Waits until both workers know a key."""
        until(lambda: all(self.running.asked("/models", key)[0] == 200 for _ in range(8)), 5)


def example(running: Running, model: str, key: str) -> Any:
    """A request that the model answers."""
    return running.asked(f"/models/{model}", key)[1]["example"]


def served(running: Running, key: str) -> list[str]:
    """The models that a key may know of."""
    return [model["name"] for model in running.asked("/models", key)[1]["models"]]


def test_a_server_without_keys_is_open_until_there_is_one(packed, tmp_path):
    with server(packed, state=tmp_path, workers=1) as running:
        assert running.asked("/models")[0] == 200
        assert running.asked("/metrics")[0] == 200
        made = ask(
            tmp_path, {"kind": "keys.create", "given": {"name": "a", "scopes": ["predict:*"]}}
        )
        until(lambda: running.asked("/models")[0] == 401, 5)
        assert running.asked("/metrics")[0] == 401
        assert running.asked("/livez")[0] == running.asked("/readyz")[0] == 200
        assert running.asked("/models", made["done"]["key"])[0] == 200
        assert running.asked("/metrics", made["done"]["key"])[0] == 403


def test_what_the_server_says_of_keys_when_it_starts_is_true(packed, tmp_path):
    says = "  open to every program on this machine: no keys exist"
    with server(packed, state=tmp_path, workers=1) as running:
        assert says in running.lines
        ask(tmp_path, {"kind": "keys.create", "given": {"name": "a", "scopes": ["predict:*"]}})
    with server(packed, state=tmp_path, workers=1) as running:
        assert says not in running.lines
        assert running.asked("/models")[0] == 401


def test_a_key_predicts_what_its_scope_names_and_knows_of_nothing_else(shared):
    mine, other = served(shared.running, shared.key("all", "predict:*"))[:2]
    key = shared.key("one", f"predict:{mine}")
    running = shared.running
    assert served(running, key) == [mine]
    assert running.asked("/v2/models", key)[1]["models"] == [mine]
    assert running.asked(f"/predict/{mine}", key, example(running, mine, key))[0] == 200
    for address in (f"/models/{other}", f"/v2/models/{other}", f"/v2/models/{other}/ready"):
        status, found, _ = running.asked(address, key)
        assert status == 404
        assert found == {
            **running.asked(address.replace(other, "nothing"), key)[1],
            **_named(found),
        }
    assert running.asked(f"/predict/{other}", key, {"rows": []})[0] == 404
    assert running.asked("/usage", key)[0] == running.asked("/metrics", key)[0] == 403


def _named(found: dict[str, Any]) -> dict[str, Any]:
    """What of an answer names the model that was asked for."""
    return {name: found[name] for name in ("detail", "error") if name in found}


def test_a_revoked_key_is_refused_by_every_worker_within_a_second_under_load(shared):
    key = shared.key("leaked", "predict:*")
    key_id = shared.last
    answers: list[tuple[float, int, float]] = []
    over: list[bool] = []

    def ask_on() -> None:
        while not over:
            began, status = time.monotonic(), shared.running.asked("/models", key)[0]
            answers.append((began, status, time.monotonic()))

    callers = [Thread(target=ask_on) for _ in range(4)]
    for caller in callers:
        caller.start()
    until(lambda: len(answers) > 20, 10)
    asked = time.monotonic()
    shared.do("keys.revoke", pattern=key_id)
    revoked = time.monotonic()
    until(lambda: sum(began > revoked + REVOKED_S for began, *_ in answers) > 50, 20)
    over.append(True)
    for caller in callers:
        caller.join()
    late = [status for began, status, _ in answers if began > revoked + REVOKED_S]
    assert set(late) == {401}
    # It may be in force before whoever revoked it is told so.
    assert {status for _, status, ended in answers if ended < asked} == {200}


def test_a_rotated_key_works_for_its_grace_and_its_successor_at_once(shared):
    old = shared.key("turned", "predict:*")
    told = shared.do("keys.rotate", of=shared.last, grace="1h")
    shared.known(told["key"])
    assert shared.running.asked("/models", old)[0] == 200
    gone = shared.do("keys.rotate", of=told["id"], grace="0s")
    shared.known(gone["key"])
    until(lambda: shared.running.asked("/models", told["key"])[0] == 401, 5)
    assert shared.running.asked("/models", old)[0] == 200


def test_usage_is_counted_by_key_and_a_tenant_sees_its_own_alone(shared):
    shared.do("tenants.create", name="north")
    north = shared.key("n", "predict:*", "usage:read", tenant="north")
    running = shared.running
    model = served(running, north)[0]
    given = example(running, model, north)
    assert {running.asked(f"/predict/{model}", north, given)[0] for _ in range(5)} == {200}

    def used() -> Any:
        return running.asked("/usage?by=tenant", north)[1]["usage"]

    until(lambda: used() and used()[0]["requests"] == 5, 10)
    assert used()[0]["tenant"] == "north"
    other = shared.key("o", "predict:*", "usage:read")
    assert "north" not in [
        row["tenant"] for row in running.asked("/usage?by=tenant", other)[1]["usage"]
    ]
    assert running.asked("/usage?tenant=north", other)[0] == 400
    everybody = running.asked("/usage?by=tenant", shared.admin, admin=True)[1]["usage"]
    assert {row["tenant"]: row["requests"] for row in everybody}["north"] == 5


def test_known_keys_are_served_and_unknown_ones_are_not_while_the_bookkeeper_is_away(shared):
    key = shared.key("steady", "predict:*")
    running = shared.running
    (bookkeeper,) = running.bookkeepers
    os.kill(bookkeeper, signal.SIGSTOP)
    try:
        assert {running.asked("/models", key)[0] for _ in range(20)} == {200}
        assert running.asked("/models", "frl_live_" + "0" * 36)[0] == 401
    finally:
        os.kill(bookkeeper, signal.SIGKILL)
    until(lambda: running.bookkeepers not in ([], [bookkeeper]), 10)
    assert {running.asked("/models", key)[0] for _ in range(20)} == {200}
    shared.key("after", "predict:*")


def test_the_administration_wants_a_key_with_the_scope_and_is_nowhere_else(
    shared,
):
    running = shared.running
    plain = shared.key("plain", "predict:*")
    assert running.asked("/keys", admin=True)[0] == 401
    assert running.asked("/keys", plain, admin=True)[0] == 403
    assert running.asked("/keys", shared.admin, admin=True)[0] == 200
    made = {"name": "b", "scopes": ["predict:*"]}
    status, found, _ = running.asked("/keys", shared.admin, made, admin=True)
    assert status == 201
    shared.known(found["key"])
    assert running.asked("/keys", shared.admin)[0] == 404
    assert running.asked("/predict/x", shared.admin, {"rows": []}, admin=True)[0] == 404
