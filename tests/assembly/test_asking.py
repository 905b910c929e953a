"""A command reaches the state folder through its bookkeeper, or itself: never both, never twice."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import closing
from threading import Thread

import pytest
from tests import models
from tests.processes import alive, server, until
from tests.serving.parts_keys import KEY

from fairlead.assembly import asking
from fairlead.assembly.asking import asked, every_page, managed, record
from fairlead.assembly.rooms import open_room
from fairlead.assembly.server import take_state
from fairlead.core.errors import BindRefused, FileUnreadable, StateUnavailable
from fairlead.serving import guard_state
from fairlead.serving.acting import Room
from fairlead.serving.exchange import SOCKET
from fairlead.serving.postponed import FILE, Postponed
from fairlead.serving.standing import Standing
from fairlead.usage.stores.keys import KeyStore


def acts(folder) -> list[tuple[str, str]]:
    with closing(open_room(folder)) as room:
        return [(record.act, record.about) for record in room.audit.every()]


def test_without_a_server_the_command_works_itself_and_lets_go(tmp_path):
    made = managed(tmp_path / "new", "keys.create", KEY, make=True)
    assert managed(tmp_path / "new", "keys.show", {"of": made["id"]})["name"] == "web"
    os.close(take_state(str(tmp_path / "new")))
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_another_holds_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(asking, "_STARTS_S", 0.0)
    handle = take_state(str(tmp_path))
    try:
        with pytest.raises(BindRefused):
            managed(tmp_path, "keys.create", KEY)
    finally:
        os.close(handle)
    assert not (tmp_path / "keys.sqlite").exists()


def test_what_may_have_been_done_is_not_done_again(tmp_path, monkeypatch):
    """The bookkeeper takes a message and dies."""
    taken: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / SOCKET))
        listener.listen()

        def answer() -> None:
            other, _ = listener.accept()
            with other:
                taken.append(other.recv(1000))

        thread = Thread(target=answer)
        thread.start()
        with pytest.raises(StateUnavailable, match="may have done it"):
            managed(tmp_path, "keys.create", KEY)
        thread.join()
    assert len(taken) == 1
    assert not (tmp_path / "keys.sqlite").exists()


def test_a_file_is_no_state_folder(tmp_path):
    (tmp_path / "file").write_text("")
    for make in (True, False):
        with pytest.raises(FileUnreadable):
            managed(tmp_path / "file", "keys.list", {}, make=make)


def test_all_pages_are_one_list(tmp_path):
    for number in range(5):
        managed(tmp_path, "keys.create", KEY | {"name": f"k{number}"})
    found = every_page(tmp_path, "keys.list", {"most": 2}, "keys")
    assert [key["name"] for key in found] == [f"k{number}" for number in range(5)]


def test_what_was_postponed_is_written_before_anything_else_is_done(tmp_path):
    made = managed(tmp_path, "keys.create", KEY)
    waiting = {"do": "revoke", "ids": [made["id"]], "ns": 10**18, "who": "key_1", "where": "::1"}
    Postponed(tmp_path).add(waiting)
    assert managed(tmp_path, "keys.show", {"of": made["id"]})["standing"] == "revoked"
    assert not (tmp_path / FILE).exists()
    assert acts(tmp_path)[-1] == ("keys.revoke", made["id"])


def test_a_revocation_is_kept_while_the_database_is_away(tmp_path, monkeypatch):
    key_id = "key_0123456789abcdef"

    def away(folder, place) -> Room:
        place = "postgresql://nobody:x@127.0.0.1:1/none"
        return open_room(folder, place)

    monkeypatch.setattr("fairlead.assembly.rooms.open_room", away)
    assert managed(tmp_path, "keys.revoke", {"pattern": key_id})["postponed"]
    assert Postponed(tmp_path).waiting()[0]["ids"] == [key_id]
    for kind, given in (("keys.revoke", {"pattern": "web-*"}), ("keys.create", KEY)):
        with pytest.raises(StateUnavailable):
            managed(tmp_path, kind, given)


def test_what_is_done_to_the_guards_is_on_record(tmp_path):
    Standing(tmp_path / guard_state.FILE).close()
    assert asked(tmp_path, {"kind": "suspects"})["suspects"] == []
    asked(tmp_path, {"kind": "forgive", "caller": "10.0.0.1", "model": ""})
    record(tmp_path, "state.restore", "backup.tar", {"files": 3})
    assert acts(tmp_path) == [("misuse.forgive", "10.0.0.1"), ("state.restore", "backup.tar")]


def test_keys_are_one_database_with_plans_and_trail(tmp_path):
    with closing(open_room(tmp_path)) as room:
        assert isinstance(room.keys, KeyStore)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["keys.sqlite"]


def test_a_command_waits_for_a_bookkeeper_that_was_killed(tmp_path):
    models.total(tmp_path / "models")
    state = tmp_path / "state"
    with server(tmp_path / "models", state=state) as running:
        made = managed(state, "keys.create", KEY)
        until(lambda: running.asked("/models", made["key"])[0] == 200, 10)
        for _ in range(3):
            [bookkeeper] = until(lambda: running.bookkeepers, 10)
            os.kill(bookkeeper, signal.SIGKILL)
            until(lambda gone=bookkeeper: not alive(gone), 10)
            assert managed(state, "keys.show", {"of": made["id"]})["standing"] == "works"
            assert running.asked("/models", made["key"])[0] == 200
        managed(state, "keys.revoke", {"pattern": made["id"]})
        until(lambda: running.asked("/models", made["key"])[0] == 401, 10)
