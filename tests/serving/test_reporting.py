"""A worker's line to the bookkeeper: everything once, in order, and nothing twice."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from tests.serving.test_watching import World, guards, rows  # noqa: F401

from fairlead.serving.reporting import Reporting


class Line:
    """Takes so many messages, and then none until there is room again."""

    def __init__(self) -> None:
        self.room = 0
        self.taken: list[dict] = []

    def send(self, message: dict) -> bool:
        self.room -= 1
        if self.room >= 0:
            self.taken.append(message)
        return self.room >= 0


@pytest.mark.parametrize("room", [1, 2, 3])
def test_what_a_full_line_does_not_take_is_sent_later_and_nothing_twice(
    guards,  # noqa: F811
    rows,  # noqa: F811
    monkeypatch,
    tmp_path,
    room,
):
    world = World(guards, monkeypatch)
    loop = asyncio.new_event_loop()
    reporting, line = Reporting(tmp_path, loop), Line()
    loop.close()
    reporting._watches["m/1"], reporting._line = world.watch, line  # as when connected
    world.answered(("a", rows[:3]), ("b", rows[3:5]), ("c", rows[5:6]))
    while world.watch.look():
        pass
    for _ in range(5):
        line.room = room
        reporting.beat()
    assert sum(c["rows"] for m in line.taken if m["kind"] == "seen" for c in m["chunks"]) == 6
    seen = [(m["caller"], m["block"]["seen"]) for m in line.taken if m["kind"] == "looked"]
    assert sorted(seen) == [("a", 3), ("b", 2), ("c", 1)]


def test_who_is_suspected_at_one_version_is_so_at_every_version_of_the_model(tmp_path):
    loop = asyncio.new_event_loop()
    reporting = Reporting(tmp_path, loop)
    loop.close()
    heard: dict[str, dict] = {}
    for key in ("m/1", "m/2", "other/1"):
        model = key.partition("/")[0]
        reporting._watches[key] = SimpleNamespace(
            model=model, told=lambda standing, suspects, key=key: heard.update({key: suspects})
        )
    versions = {"m/2": {"suspects": {"thief": {"kind": "novel"}}}}
    reporting._heard(None, {"kind": "standing", "versions": versions})
    assert {key: [*suspects] for key, suspects in heard.items()} == {
        "m/1": ["thief"], "m/2": ["thief"], "other/1": [],
    }  # fmt: skip
