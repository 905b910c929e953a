"""Memory: who is asked for gets room from who was not used for the longest time, or a clear no."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests import models
from tests.serving.parts import Model, serve, until

from fairlead.core.errors import MemoryTooSmall, ModelAsleep, Unavailable
from fairlead.packages.repository import Found, committed
from fairlead.runtimes.onnx import OnnxRuntime
from fairlead.serving.batcher import Batcher
from fairlead.serving.budget import Budget
from fairlead.serving.footprint import Footprint
from fairlead.serving.loading import Loader
from fairlead.serving.manager import Manager
from fairlead.serving.registry import LATEST, Registry
from fairlead.serving.served import Served, release
from fairlead.serving.states import READY, UNLOADED
from fairlead.serving.stock import Stock
from fairlead.serving.waking import Waking


class Measured(Loader):
    """A loader by which every version takes so many bytes, whatever it really takes."""

    def __init__(self, runtimes):
        super().__init__(runtimes)
        self.sizes: dict[str, int] = {}

    def load(self, found, warming):
        loaded = super().load(found, warming)
        loaded.footprint.here = self.sizes.get(found.name, 10)
        return loaded


class House:
    """A manager with room for some models of ten bytes each."""

    def __init__(self, folder: Path, most: int, **more) -> None:
        self.registry = Registry(Waking(patience_s=20.0))
        self.events: list[tuple[str, dict]] = []
        self.stock = Stock(roots=[folder], **more)
        self.stock.begin(committed(folder))
        self.budget = Budget(most)
        self.loader = Measured({"onnx": OnnxRuntime()})

    async def __aenter__(self) -> House:
        loop = asyncio.get_running_loop()
        self.manager = Manager(
            self.registry,
            self.loader,
            self.stock,
            loop,
            lambda served, plan: Batcher(
                served, plan, loop, lambda *_: None, max_queue=9, max_wait_s=9
            ),
            lambda event, **fields: self.events.append((event, fields)),
            budget=self.budget,
        )
        self.manager.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.manager.unload()

    async def asked(self, model: str):
        """The leased version of a model, once it is loaded."""
        heard: list[object] = []

        def ask() -> None:
            try:
                heard.append(self.registry.lease(model, LATEST))
            except ModelAsleep as asleep:
                asleep.wait(ask)
            except Unavailable as error:
                heard.append(error)

        ask()
        await until(lambda: bool(heard))
        return heard[0]

    def at_rest(self) -> bool:
        known = [v for versions in self.registry.versions.values() for v in versions.values()]
        return all(version.state in (READY, UNLOADED) for version in known)

    @property
    def loaded(self) -> set[str]:
        return {served.package.name for served in self.registry.served()}


@pytest.fixture(autouse=True)
def nothing_on_the_disk(monkeypatch):
    monkeypatch.setattr("fairlead.serving.room.disk_bytes", lambda folder: 1)


@pytest.fixture
def ten(tmp_path) -> Path:
    for number in range(10):
        models.total(tmp_path, name=f"m{number}")
    return tmp_path


def test_many_models_are_served_behind_a_budget_for_few(ten):
    async def test() -> None:
        async with House(ten, 35) as house:
            await until(house.at_rest)
            assert len(house.loaded) == 3
            for number in [*range(10), *range(10)]:
                served = await house.asked(f"m{number}")
                assert isinstance(served, Served), served.line()
                release(served)
                # What nobody has measured yet may be more than it seems, by one model.
                await until(lambda: house.budget.held <= 35)
            await until(lambda: len(house.loaded) == 3)
            assert house.loaded == {"m7", "m8", "m9"}

    asyncio.run(test())


def test_a_model_that_a_call_holds_does_not_make_room(ten):
    async def test() -> None:
        async with House(ten, 15, lazy=True) as house:
            held = await house.asked("m1")
            waiting = asyncio.ensure_future(house.asked("m2"))
            await until(lambda: house.registry.versions["m2"][1].reason == "waits for memory")
            assert house.loaded == {"m1"}
            assert not waiting.done()
            release(held)
            served = await waiting
            assert served.package.name == "m2"
            release(served)
            assert house.loaded == {"m2"}

    asyncio.run(test())


def test_a_pinned_model_never_makes_room_and_is_loaded_at_once(ten):
    async def test() -> None:
        async with House(ten, 25, lazy=True, pinned=["m4"]) as house:
            await until(lambda: house.loaded == {"m4"})
            for number in (1, 2, 3):
                release(await house.asked(f"m{number}"))
                assert "m4" in house.loaded
            assert house.loaded == {"m4", "m3"}

    asyncio.run(test())


def test_a_model_that_does_not_fit_even_alone_says_so_and_moves_nobody(ten):
    async def test() -> None:
        async with House(ten, 25, lazy=True) as house:
            house.loader.sizes = {"m5": 26}
            release(await house.asked("m1"))
            error = await house.asked("m5")
            assert isinstance(error, MemoryTooSmall)
            assert "--memory" in error.line()
            assert house.loaded == {"m1"}
            again = await house.asked("m5")
            assert isinstance(again, MemoryTooSmall)

    asyncio.run(test())


def test_calls_that_come_at_once_begin_one_load(ten):
    async def test() -> None:
        async with House(ten, 100, lazy=True) as house:
            each = await asyncio.gather(*(house.asked("m1") for _ in range(50)))
            assert len({id(served) for served in each}) == 1
            assert [event for event, _ in house.events] == ["ready"]
            for served in each:
                release(served)

    asyncio.run(test())


def test_what_a_version_takes_is_measured_and_remembered(tmp_path):
    budget = Budget(100)
    footprint = Footprint(40)
    assert budget.of("m", 1) == 0
    budget.take("m", 1, footprint)
    assert (budget.held, budget.lacks(60), budget.lacks(61)) == (40, 0, 1)
    footprint.here = 50
    assert budget.of("m", 1) == 50
    budget.give("m", 1)
    assert (budget.held, budget.of("m", 1)) == (0, 50)
    with pytest.raises(MemoryTooSmall):
        budget.check("m", 1, 101)
    assert Budget().lacks(10**12) == 0


def test_a_large_graph_is_measured_as_no_less_than_it_is(tmp_path):
    package = models.total(tmp_path)
    loaded = Loader({"onnx": OnnxRuntime()}).load(Found("total", 1, package.folder), lambda: None)
    assert loaded.footprint.size >= package.files[package.graph].size
    loaded.served.close()


def test_one_model_makes_room_for_one_however_often_it_is_asked_for(ten):
    """Each ask is a step of the manager, and memory is given back only some steps later."""

    async def test() -> None:
        async with House(ten, 85, lazy=True) as house:
            for number in range(8):
                release(await house.asked(f"m{number}"))
            for _ in range(64):
                house.manager.wake("m8")
            release(await house.asked("m8"))
            await until(house.at_rest)
            asleep = [told["model"] for event, told in house.events if event == "put_to_sleep"]
            assert asleep == ["m0"]

    asyncio.run(test())


def test_what_was_seen_of_other_files_says_nothing_of_a_version(ten):
    async def test() -> None:
        async with House(ten, 25, lazy=True) as house:
            house.loader.sizes = {"m5": 26}
            assert isinstance(await house.asked("m5"), MemoryTooSmall)
            house.loader.sizes = {}
            shelf = house.stock.shelves["m5"]
            other = shelf.stocked[1]._replace(stamp="other")
            house.manager.change(lambda stock: shelf.stocked.update({1: other}))
            await until(lambda: house.registry.get("m5", 1) is not None)

    asyncio.run(test())


def test_the_memory_of_a_process_that_is_away_is_still_counted(monkeypatch):
    footprint = Footprint(0)
    model = Model()
    footprint.loaded(serve(model))
    model.runner = SimpleNamespace(pid=7)
    monkeypatch.setattr("fairlead.serving.footprint.peak", lambda pid: 30)
    assert footprint.size == 30
    model.runner = None
    assert footprint.size == 30
