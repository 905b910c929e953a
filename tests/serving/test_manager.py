"""The manager: what is wanted is loaded apart from the loop, and a bad version harms no other."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import defaultdict
from unittest.mock import ANY

import pytest
from tests import models
from tests.serving.parts import call, until

from fairlead.core.errors import LoadFailed, ModelNotFound
from fairlead.packages import manifest
from fairlead.packages.repository import committed
from fairlead.runtimes.onnx import OnnxRuntime
from fairlead.serving import lifecycle
from fairlead.serving.batcher import Batcher
from fairlead.serving.choosing import parse_policy
from fairlead.serving.loading import Loader, read_example
from fairlead.serving.manager import Manager
from fairlead.serving.registry import LATEST, Registry
from fairlead.serving.served import release
from fairlead.serving.states import FAILED, READY, UNLOADED
from fairlead.serving.stock import Stock


class Loaded:
    """A manager that has loaded what it could."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.events: list[tuple[str, dict]] = []
        self.states: list[tuple[str, int, str]] = []
        self.told: dict[int, list[tuple[str, str]]] = defaultdict(list)
        self.turn, self.turns = 0, list[int]()
        self.runtime = OnnxRuntime()

    async def load(self, repository, wanted: str = "latest", **more) -> None:
        loop = asyncio.get_running_loop()
        mark = self.registry.mark

        def watching(name: str, version: int, state: str, reason: str = "") -> None:
            assert threading.current_thread() is threading.main_thread()
            self.states.append((name, version, state))
            self.told[version].append((state, reason))
            self.turns.append(self.turn)
            mark(name, version, state, reason)

        self.registry.mark = watching  # type: ignore[method-assign]
        stock = Stock(parse_policy(wanted), roots=[repository], **more)
        stock.begin(committed(repository))
        manager = Manager(
            self.registry,
            Loader({"onnx": self.runtime}),
            stock,
            loop,
            lambda served, plan: Batcher(
                served, plan, loop, lambda *_: None, max_queue=9, max_wait_s=9
            ),
            lambda event, **fields: self.events.append((event, fields)),
        )
        self.manager = manager
        manager.start()
        self._count_turns(loop)
        await until(self.settled)

    def _count_turns(self, loop) -> None:
        self.turn += 1
        loop.call_soon(self._count_turns, loop)

    def settled(self) -> bool:
        return all(s in (READY, FAILED, UNLOADED) for _, _, s in self.all())

    def all(self) -> list[tuple[str, int, str]]:
        return sorted(
            (name, number, version.state)
            for name, versions in self.registry.versions.items()
            for number, version in versions.items()
        )


def load(repository, policy: str = "latest", **more) -> Loaded:
    loaded = Loaded()
    for name, value in more.items():
        setattr(loaded, name, value)
    asyncio.run(loaded.load(repository, policy))
    return loaded


def damage(package) -> None:
    (package.folder / package.graph).write_bytes(b"x")


def test_a_version_goes_through_its_states_in_order_and_then_answers(tmp_path):
    models.total(tmp_path)
    loaded = load(tmp_path)
    assert [state for _, _, state in loaded.states] == ["waiting", "loading", "warming", "ready"]
    served = loaded.registry.lease("total", LATEST)
    assert served.example["rows"] == [{"a": 1.0, "b": 2.0, "c": 3.5}]
    assert [event for event, _ in loaded.events] == ["ready"]


def test_only_the_newest_is_loaded_and_the_others_are_known(tmp_path):
    for _ in range(3):
        models.total(tmp_path)
    assert load(tmp_path).all() == [
        ("total", 1, UNLOADED), ("total", 2, UNLOADED), ("total", 3, READY),
    ]  # fmt: skip
    assert load(tmp_path, "all").all() == [("total", n, READY) for n in (1, 2, 3)]


def test_a_bad_version_does_not_displace_a_good_one(tmp_path):
    for number in range(4):
        package = models.total(tmp_path)
        if number >= 2:
            damage(package)
    loaded = load(tmp_path)
    assert loaded.all() == [
        ("total", 1, UNLOADED), ("total", 2, READY), ("total", 3, FAILED), ("total", 4, FAILED),
    ]  # fmt: skip
    assert loaded.registry.lease("total", LATEST).package.version == 2
    assert "edited or damaged" in loaded.registry.versions["total"][4].reason


def test_while_a_version_is_tried_again_it_says_why_it_could_not_be_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(lifecycle, "FIRST_RETRY_S", 0.01)
    models.total(tmp_path)
    damage(models.total(tmp_path))
    loaded = Loaded()

    async def life() -> None:
        await loaded.load(tmp_path)
        await until(lambda: [state for state, _ in loaded.told[2]].count(FAILED) >= 3)

    asyncio.run(life())
    states = [state for state, _ in loaded.told[2]]
    first = states.index(FAILED)
    assert {reason for _, reason in loaded.told[2][:first]} == {""}
    assert all("edited or damaged" in reason for _, reason in loaded.told[2][first:])
    assert states[first:].count("loading") >= 2


def test_of_other_files_it_says_nothing_that_was_said_of_those_before(tmp_path):
    models.total(tmp_path)
    package = models.total(tmp_path)
    good = (package.folder / package.graph).read_bytes()
    damage(package)
    loaded = Loaded()

    async def life() -> None:
        await loaded.load(tmp_path)
        (package.folder / package.graph).write_bytes(good)
        loaded.manager.change(lambda stock: stock.look("total"))
        await until(lambda: loaded.told[2][-1][0] == READY)

    asyncio.run(life())
    last = len(loaded.told[2]) - [state for state, _ in loaded.told[2]][::-1].index(FAILED)
    assert loaded.told[2][last:] == [("loading", ""), ("warming", ""), (READY, "")]


def test_while_one_version_stands_in_for_another_nothing_seems_settled(tmp_path):
    """The next one is being loaded when the bad one is said to have failed."""
    models.total(tmp_path)
    damage(models.total(tmp_path))
    loaded = load(tmp_path)
    failed = loaded.states.index(("total", 2, FAILED))
    assert loaded.states[failed + 1 :] == [
        ("total", 1, state) for state in ("loading", "warming", READY)
    ]
    assert loaded.turns[failed] == loaded.turns[failed + 1]


def test_a_bad_model_leaves_the_others_alone(tmp_path):
    damage(models.total(tmp_path, name="aaa"))
    models.total(tmp_path, name="bbb")
    assert load(tmp_path).all() == [("aaa", 1, FAILED), ("bbb", 1, READY)]


def test_with_all_versions_asked_for_a_bad_one_has_no_stand_in(tmp_path):
    models.total(tmp_path)
    damage(models.total(tmp_path))
    assert load(tmp_path, "all").all() == [("total", 1, READY), ("total", 2, FAILED)]


def test_the_folder_names_the_model_and_the_version(tmp_path):
    package = models.total(tmp_path)
    (tmp_path / "other").mkdir()
    package.folder.rename(tmp_path / "other" / "7")
    loaded = load(tmp_path)
    assert loaded.all() == [("other", 7, READY)]
    assert loaded.registry.lease("other", LATEST).key == "other/7"


def test_a_runtime_that_is_not_known_is_named(tmp_path):
    package = models.total(tmp_path)
    file = package.folder / manifest.NAME
    file.write_text(file.read_text().replace('"runtime": "onnx"', '"runtime": "abacus"'))
    reason = load(tmp_path).registry.versions["total"][1].reason
    assert "no runtime 'abacus' is known here" in reason
    assert "Known: onnx" in reason


def test_a_runtime_that_raises_anything_fails_only_its_version(tmp_path):
    class Broken:
        name = "onnx"

        def load(self, package, read):
            raise MemoryError("a lot")

    models.total(tmp_path)
    loaded = load(tmp_path, runtime=Broken())
    assert loaded.registry.versions["total"][1].reason == "MemoryError: a lot"


def test_a_model_that_cannot_be_warmed_is_closed_again(tmp_path):
    closed: list[bool] = []

    class Model:
        def predict(self, inputs, outputs):
            raise LoadFailed("no")

        def close(self):
            closed.append(True)

    class Runtime:
        name = "onnx"

        def load(self, package, read):
            read("examples.json")
            return Model()

    example = {"inputs": [{"name": "x", "data": [1, 2, 3], "shape": [1, 3]}]}
    _rewrite(models.total(tmp_path), json.dumps(example).encode())
    loaded = load(tmp_path, runtime=Runtime())
    assert loaded.all() == [("total", 1, FAILED)]
    assert "does not answer its own example" in loaded.registry.versions["total"][1].reason
    assert closed == [True]


def test_unloading_closes_every_model_once(tmp_path):
    models.total(tmp_path)
    models.grid(tmp_path)
    loaded = Loaded()

    async def test() -> None:
        await loaded.load(tmp_path)
        models_in = [served.model for served in loaded.registry.served()]
        loaded.manager.unload()
        assert len(models_in) == 2
        assert all(model._run is None for model in models_in)

    asyncio.run(test())


def test_further_signatures_are_loaded_with_their_version_and_end_with_it(tmp_path):
    (tmp_path / "renamed").mkdir()
    models.several(tmp_path).folder.rename(tmp_path / "renamed" / "4")
    loaded = Loaded()

    async def test() -> None:
        await loaded.load(tmp_path)
        served = loaded.registry.lease("renamed", LATEST)
        assert [*served.further] == ["kinds", "negative", "shares", "twice"]
        each = [served, *served.further.values()]
        assert {one.key for one in each} == {"renamed/4"}
        assert len(loaded.manager.batchers) == len(each)
        ended: list[object] = []
        loaded.manager.end("renamed", ended.append)
        held = call(served.further["twice"], [1.0, 2.0])
        release(served)
        await until(lambda: not loaded.registry.served())
        assert served.held
        assert all(one.model._run is not None for one in each)
        release(held.lease)
        await until(lambda: bool(ended))
        assert all(one.model._run is None for one in each)
        assert not loaded.manager.batchers

    asyncio.run(test())


def test_a_version_fails_with_a_further_signature_that_cannot_be_loaded(tmp_path):
    further = {"bad": (models.several(tmp_path / "x").signature, [models.node("No", "x", "value")])}
    models.several(tmp_path / "y", further=further)
    loaded = load(tmp_path / "y")
    assert loaded.all() == [("several", 1, FAILED)]


def test_a_package_without_example_rows_has_none(tmp_path):
    assert read_example(models.identity(tmp_path)) == {}


def _rewrite(package, example: bytes) -> None:
    """Gives a package other example rows, as `amend` would."""
    (package.folder / "examples.json").write_bytes(example)
    facts = json.loads((package.folder / manifest.NAME).read_text())
    del facts["files"]
    manifest.write(package.folder, facts)


@pytest.mark.parametrize("content", [b"[", b"\xff", b"3"])
def test_example_rows_that_cannot_be_read_fail_the_version(tmp_path, content):
    _rewrite(models.total(tmp_path), content)
    assert load(tmp_path).all() == [("total", 1, FAILED)]


def test_what_fails_unforeseen_stops_neither_the_manager_nor_what_comes_after(tmp_path):
    models.total(tmp_path)
    models.total(tmp_path, name="other")
    loaded = Loaded()

    async def test() -> None:
        await loaded.load(tmp_path)
        loaded.manager.change(lambda stock: stock.no_such_thing)  # type: ignore[attr-defined]
        damaged = loaded.manager._stock.shelves["other"]
        loaded.manager.change(lambda stock: setattr(damaged, "states", None))
        models.total(tmp_path)
        heard = list[object]()
        loaded.manager.load("total", heard.append)
        await until(lambda: bool(heard))
        assert heard == [None]
        assert loaded.registry.newest("total", LATEST) == 2

    asyncio.run(test())
    assert ("manager_failed", {"error": ANY}) in loaded.events


def test_a_version_that_cannot_be_made_to_answer_displaces_none(tmp_path):
    models.total(tmp_path)
    loaded = Loaded()

    async def test() -> None:
        await loaded.load(tmp_path)

        def full(served, plan):
            raise OSError("no space left on device")

        loaded.manager._make_batcher = full
        models.total(tmp_path)
        heard = list[object]()
        loaded.manager.load("total", heard.append)
        await until(lambda: bool(heard))
        assert "no space left" in heard[0].what
        await until(loaded.settled)
        assert loaded.all() == [("total", 1, READY), ("total", 2, FAILED)]
        assert loaded.registry.newest("total", LATEST) == 1

    asyncio.run(test())


def test_who_waits_for_what_was_ended_meanwhile_is_told_so_either_way(tmp_path):
    models.total(tmp_path)
    loaded = Loaded()

    async def test() -> None:
        await loaded.load(tmp_path)
        heard = dict[str, object]()
        held = loaded.registry.lease("total", 1)
        loaded.manager.end("total", lambda told: heard.update(ended=told))
        await until(lambda: loaded.registry.get("total", 1) is None)
        loaded.manager.load("total", lambda told: heard.update(loaded=told))
        await until(lambda: "ended" in heard)
        assert "asked for again" in heard["ended"].what
        loaded.manager.end("total", lambda told: heard.update(again=told))
        release(held)
        await until(lambda: {"loaded", "again"} <= {*heard})
        assert "ended before it was loaded" in heard["loaded"].what
        assert heard["again"] is None

    asyncio.run(test())


def test_who_waits_for_a_version_that_is_taken_away_is_told_so(tmp_path):
    models.total(tmp_path)
    damage(models.total(tmp_path))
    loaded = Loaded()

    async def test() -> None:
        await loaded.load(tmp_path)
        held = loaded.registry.lease("total", 1)
        heard = list[object]()
        loaded.manager.end("total", lambda told: None)
        await until(lambda: loaded.registry.get("total", 1) is None)
        loaded.manager.load("total", heard.append)
        loaded.manager.change(lambda stock: stock.shelves["total"].stocked.clear())
        await until(lambda: bool(heard))
        assert isinstance(heard[0], ModelNotFound | LoadFailed)
        release(held)

    asyncio.run(test())
