"""The prediction path: every call is answered once, and recorded before it is answered."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from tests.serving.parts import Encoder, Model, admission, call, rations, route, serve, until

from fairlead.core.call import Head, Peer, Route
from fairlead.core.decision import OUTCOMES
from fairlead.core.errors import (
    AnswerTooLarge,
    BadParameter,
    JournalUnavailable,
    ModelNotFound,
    ModelNotReady,
    Overloaded,
)
from fairlead.serving import path as paths
from fairlead.serving.batcher import Batcher, Plan
from fairlead.serving.path import PredictionPath
from fairlead.serving.registry import LATEST, Registry
from fairlead.serving.states import LOADING
from fairlead.usage.journal import DECISION, STATUS, Journal, read, segments


class House:
    """A path with one served model, its journal in a folder."""

    def __init__(self, folder, model=None, plan=None, **bounds) -> None:
        self.folder = folder
        self.journal = Journal(folder, "w")
        self.registry = Registry()
        self.path = PredictionPath(self.registry, admission(self.registry), rations(), self.journal)
        self.served = serve(model or Model())
        self.registry.mark("m", 1, LOADING)
        bounds = {"max_queue": 100, "max_wait_s": 60.0} | bounds
        loop = asyncio.get_running_loop()
        plan = plan or Plan(inline=True, max_rows=256, slots=1)
        self.batcher = Batcher(self.served, plan, loop, self.path.settle, **bounds)
        self.registry.publish(self.served)
        self.done: list = []

    def predict(self, *rows, decode=None, **more):
        """Sends a call through the path from its very beginning."""
        one = call(self.served, *rows, done=self.done.append, **more)
        self.served.leases -= 1  # the path takes its own
        one.lease = None
        way = route()
        take = decode or (lambda call, head, body: None)
        one.route = Route("predict", way.error, decode=take, model=way.model, version=LATEST)
        head = Head("POST", "/", "", {}, 0, True, one.route, 1.0)
        self.path.predict(one, head, b"", Peer("127.0.0.1"))
        return one

    def admit(self, model):
        """What becomes of the head of a request for a model."""
        way = Route("predict", str, decode=lambda *_: None, model=model, version=LATEST)  # type: ignore[arg-type]
        head = Head("POST", "/", "", {}, 0, True, way, 1.0)
        return self.path.admit(head, Peer("127.0.0.1"))

    async def answered(self, count: int):
        await until(lambda: len(self.done) >= count)

    def records(self):
        """(status, rows, bytes out) of everything in the journal."""
        return [
            (record.status, record.rows, record.bytes_out)
            for segment in segments(self.folder)
            for _, batch in read(segment)
            if batch is not None
            for record in batch.records()
        ]


def test_calls_are_in_the_journal_before_they_are_given_back(tmp_path):
    async def test() -> None:
        house = House(tmp_path)
        seen: list[int] = []
        house.done = SimpleNamespace(append=lambda one: seen.append(len(house.records())))
        for _ in range(3):
            house.predict([1, 2], [3, 4])
        await until(lambda: len(seen) == 3)
        assert seen == [3, 3, 3]
        assert house.records() == [("ok", 2, 24)] * 3
        assert house.served.leases == 0
        assert house.served.stats.outcomes == {"ok": 3}
        assert house.served.stats.rows == 6

    asyncio.run(test())


def test_a_failed_and_an_abandoned_call_are_recorded_as_such(tmp_path):
    def picky(x):
        if (x == 666).any():
            raise ValueError
        return x

    async def test() -> None:
        house = House(tmp_path, Model(picky))
        house.predict([1, 1])
        house.predict([666, 1])
        left = house.predict([2, 2])
        await house.answered(3)
        left_early = house.predict([3, 3])
        left_early.gone = True
        await house.answered(4)
        # The caller leaves while the model is at work: executed, and recorded as abandoned.
        house.served.model.function = lambda x: setattr(late, "gone", True) or x
        late = house.predict([4, 4])
        await house.answered(5)
        assert [status for status, _, _ in house.records()] == [
            "ok", "failed", "ok", "failed", "abandoned",
        ], "only what was executed is abandoned: that is billed"  # fmt: skip
        assert left.error is None
        assert late.compute_ns > 0
        assert left_early.compute_ns == 0
        assert house.served.leases == 0

    asyncio.run(test())


def test_what_cannot_be_recorded_is_not_answered_and_it_recovers(tmp_path, monkeypatch):
    async def test() -> None:
        house = House(tmp_path)
        refused = JournalUnavailable("the answer cannot be recorded: disk full")

        def full(*_):
            raise refused

        with monkeypatch.context() as disk:
            disk.setattr(house.journal, "append", full)
            calls = [house.predict([n, n]) for n in range(3)]
            await house.answered(3)
        assert [one.error for one in calls] == [refused] * 3
        assert [one.payload for one in calls] == [b"JOURNAL_UNAVAILABLE"] * 3
        assert house.served.leases == 0
        good = house.predict([1, 1])
        await house.answered(4)
        assert (good.error, good.payload) == (None, b"[[2.0, 2.0]]")
        assert house.records() == [("ok", 1, 12)]

    asyncio.run(test())


@pytest.mark.parametrize(
    ("decode_error", "name"),
    [(BadParameter("odd"), "PARAMETER_INVALID"), (RuntimeError("ours"), "INTERNAL")],
)
def test_a_call_that_cannot_be_decoded_is_refused_and_gives_its_lease_back(
    tmp_path, decode_error, name
):
    def decode(*_):
        raise decode_error

    async def test() -> None:
        house = House(tmp_path)
        one = house.predict([1, 1], decode=decode)
        assert house.done == [one]
        assert one.error.name == name
        assert house.served.leases == 0
        assert house.records() == []
        assert house.served.stats.outcomes == {name: 1}

    asyncio.run(test())


def test_more_rows_than_the_limit_are_refused_before_the_model(tmp_path):
    async def test() -> None:
        house = House(tmp_path)
        house.served.derived("encoder", lambda s: Encoder(s.package.signature)).most_rows = 2
        house.predict([1, 1], [2, 2])
        one = house.predict([1, 1], [2, 2], [3, 3])
        await house.answered(2)
        assert isinstance(one.error, AnswerTooLarge)
        assert house.served.model.batches == [2]

    asyncio.run(test())


def test_a_call_that_finds_the_queue_full_gives_its_lease_back(tmp_path):
    async def test() -> None:
        house = House(tmp_path, max_queue=2)
        for _ in range(3):
            house.predict([1, 1])
        assert [type(one.error) for one in house.done] == [Overloaded]
        await house.answered(3)
        assert house.served.leases == 0
        assert house.served.stats.outcomes == {"OVERLOADED": 1, "ok": 2}

    asyncio.run(test())


def test_an_answer_that_cannot_be_written_costs_only_its_own_call(tmp_path, capsys):
    class Careful(Encoder):
        def encode(self, calls, outputs, verdicts):
            if (outputs[0] == 2 * 7).any():
                raise AnswerTooLarge("too large")
            if (outputs[0] == 2 * 8).any():
                raise KeyError("our own mistake")
            super().encode(calls, outputs, verdicts)

    async def test() -> None:
        house = House(tmp_path)
        house.served.derived("encoder", lambda s: Careful(s.package.signature))
        for n in range(6, 10):
            house.predict([n, n])
        await house.answered(4)
        assert [one.error and one.error.name for one in house.done] == [
            None, "ANSWER_TOO_LARGE", "INTERNAL", None,
        ]  # fmt: skip
        assert [one.payload for one in house.done[::3]] == [b"[[12.0, 12.0]]", b"[[18.0, 18.0]]"]
        assert [status for status, _, _ in house.records()] == ["ok", "failed", "failed", "ok"]

    asyncio.run(test())
    assert capsys.readouterr().err.count("our own mistake") == 1


def test_a_model_is_admitted_by_its_name_before_any_body_is_read(tmp_path):
    async def test() -> None:
        house = House(tmp_path)
        house.registry.mark("loading", 1, LOADING)
        assert house.admit("m").account == "127.0.0.1"
        for name, error in (("absent", ModelNotFound), ("loading", ModelNotReady)):
            with pytest.raises(error):
                house.admit(name)
        assert house.served.leases == 0

    asyncio.run(test())


def test_the_journals_words_and_the_paths_numbers_agree():
    from fairlead.serving import record

    assert STATUS[record._OK] == "ok"
    assert STATUS[record._FAILED] == "failed"
    assert STATUS[record._ABANDONED] == "abandoned"
    assert DECISION == OUTCOMES


def test_the_path_stays_readable_in_one_look():
    """At most 60 lines (docs/explanation/the-house.md §4)."""
    with open(paths.__file__) as file:
        assert len(file.readlines()) <= 60
