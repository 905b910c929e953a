"""The manager: it alone loads and ends versions, as the lifecycle says (lifecycle.py).

It decides on a thread of its own and loads on others, so nothing is ever loaded on a thread that
serves; the registry, which is read on every call, changes on the event loop alone. What ends is
waited for: a version is closed once nobody holds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread

from fairlead.core.clock import now
from fairlead.core.errors import FairleadError, LoadFailed, ModelNotFound
from fairlead.serving import lifecycle
from fairlead.serving.askers import Askers
from fairlead.serving.batcher import Batcher, Plan
from fairlead.serving.budget import Budget
from fairlead.serving.choosing import NEWEST, Choice
from fairlead.serving.errands import Errands
from fairlead.serving.lifecycle import Standing
from fairlead.serving.loading import Loaded, Loader, reason_of
from fairlead.serving.loads import MOST, Load, Loads
from fairlead.serving.memory import trim
from fairlead.serving.registry import Registry, Source
from fairlead.serving.room import Answer, Room
from fairlead.serving.served import Served
from fairlead.serving.shelf import Done, Shelf, Waiter
from fairlead.serving.states import DRAINING, FAILED, LOADING, READY, UNLOADED, WAITING, WARMING
from fairlead.serving.stock import Stock, wanted_by
from fairlead.serving.streaming import Streamer

_LOOK_S = 0.02
_IDLE_S = 5.0
ASLEEP, NO_ROOM = "loaded when somebody asks for it", "waits for memory"


class Manager:
    """The versions of one worker.

    batchers: of the versions that answer; of the event loop alone.
    """

    def __init__(
        self,
        registry: Registry,
        loader: Loader,
        stock: Stock,
        loop: asyncio.AbstractEventLoop,
        make_batcher: Callable[[Served, Plan], Batcher | Streamer],
        log: Callable[..., None],
        *,
        forget: Callable[[Served], None] = lambda served: None,
        budget: Budget | None = None,
    ) -> None:
        """stock: what there is, and what is wanted of it.

        forget: is told of a version that has ended, before its memory is given back.
        """
        self._registry = registry
        self._stock = stock
        self._loop = loop
        self._make_batcher = make_batcher
        self._log = log
        self._forget = forget
        budget = budget or Budget()
        self._room = Room(stock.shelves, budget)
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        # Where memory is short, what one load needs for a moment is not to meet that of another.
        most = 1 if budget.most else MOST
        self._loads = Loads(loader, self._jobs.put, self._warming, self._loaded, most)
        self._errands = Errands(loop, self._fell)
        self._askers = Askers(stock, registry, self._errands)
        self._crowded = False
        self._dues: list[float | None] = []
        self.batchers: list[Batcher | Streamer] = []

    # --- called from the loop ---------------------------------------------------------------

    def start(self) -> None:
        """Begins to load what is wanted; returns at once."""
        for shelf in self._stock.shelves.values():
            self._note_known(shelf)
        self._errands.do()
        self._registry.waking.wake = self.wake
        Thread(target=self._work, name="manager", daemon=True).start()

    def change(self, act: Callable[[Stock], None]) -> None:
        """Changes what there is, or what is wanted of it; what follows is done."""
        self._jobs.put(partial(act, self._stock))

    def load(self, model: str, done: Done, choice: Choice = NEWEST) -> None:
        """Loads what is wanted of the versions of a model that its repository holds now.

        done: is told on the loop, once all of them answer or it is known why they cannot. Then the
        others end; nothing ends where something cannot be loaded.
        """
        self._jobs.put(partial(self._wish, model, done, choice))

    def end(self, model: str, done: Done) -> None:
        """Ends every version of a model; `done` is told once their memory is given back.

        It comes behind what is being loaded: that ends too.
        """
        self._jobs.put(partial(self._wish_end, model, done))

    def record(self, choices: Mapping[str, Choice]) -> None:
        """What operators have put on record, by model: this and nothing else."""
        self._jobs.put(partial(self._record, choices))

    def wake(self, model: str) -> None:
        """Somebody needs a model that is not in memory."""
        self._jobs.put(partial(self._wake, model))

    def unload(self) -> None:
        """Ends the batchers and closes every loaded model; for a worker that is done."""
        for batcher in self.batchers:
            batcher.close()
        for served in self._registry.served():
            served.close()

    # --- the thread -------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._loop.is_closed():  # and the worker with it
            self._guarded(self._advance)
            self._errands.send()
            with suppress(Empty):
                self._guarded(self._jobs.get(timeout=self._patience()))
                while True:  # what was asked for at once is decided at once
                    self._guarded(self._jobs.get_nowait())

    def _guarded(self, act: Callable[[], None]) -> None:
        """Whatever fails of one model, the others go on."""
        try:
            act()
        except Exception as error:
            self._fell(error)

    def _fell(self, error: Exception) -> None:
        self._log("manager_failed", error=repr(error))

    def _advance(self) -> None:
        """Does what the lifecycle says, for every model."""
        self._guarded(self._loads.give_up_overdue)
        self._crowded, self._dues = False, []
        for shelf in [*self._stock.shelves.values()]:
            self._guarded(partial(self._advance_one, shelf))
        for model in self._room.sleepy():
            shelf = self._stock.shelves.get(model)
            if shelf is not None and not shelf.busy:
                self._put_to_sleep(shelf)

    def _advance_one(self, shelf: Shelf) -> None:
        self._note_known(shelf)
        for step in lifecycle.steps(shelf.wanted, shelf.states, now()):
            if step.act == lifecycle.LOAD:
                self._begin(shelf, step.version)
            elif step.act == lifecycle.END:
                self._drain(shelf, step.version)
            else:
                self._drop(shelf, step.version)
        self._askers.answer(shelf)
        self._dues.append(lifecycle.next_due(shelf.wanted, shelf.states))

    def _patience(self) -> float:
        """Seconds until something is to be done though nobody asks."""
        if self._crowded:
            return _LOOK_S
        dues = [due for due in (*self._dues, self._loads.due) if due is not None]
        return min(max(min(dues, default=now() + _IDLE_S) - now(), _LOOK_S), _IDLE_S)

    def _set(self, shelf: Shelf, version: int, standing: Standing, reason: str = "") -> None:
        shelf.states[version] = standing
        told = reason or standing.reason
        self._errands.add(self._registry.mark, shelf.name, version, standing.state, told)

    def _note_known(self, shelf: Shelf) -> None:
        """Versions that are new here are known from now on, and what is to be loaded waits."""
        new = [number for number in shelf.held if number not in shelf.states]
        if not new:
            return
        if self._stock.recorded:
            self._askers.tell_choice(shelf)
        targets = lifecycle.chosen(shelf.wanted, shelf.states)
        for number in sorted(new):
            waits = number in targets and shelf.awake and not shelf.ended
            reason = ASLEEP if number in targets and not shelf.awake else ""
            self._set(shelf, number, Standing(WAITING if waits else UNLOADED), reason)
        self._tell_asleep(shelf)

    # --- loading ----------------------------------------------------------------------------

    def _begin(self, shelf: Shelf, version: int) -> None:
        """Loads a version on a thread of its own, unless too much is under way."""
        if self._loads.full:
            return
        candidate = shelf.held[version]
        standing = shelf.states[version]
        if standing.stamp != candidate.stamp:
            self._room.forget(shelf, version)
            standing = replace(standing, reason="")
        try:
            answer = self._room.asks(shelf, version, candidate)
        except (FairleadError, OSError) as error:
            self._failed(shelf, version, candidate.stamp, error)
            return
        if answer is Answer.ASLEEP:
            self._sleep(shelf)
        elif answer is Answer.LATER:
            # Nobody says when a call lets go of what could make room: it is looked at again soon.
            self._crowded = True
            if standing.state != WAITING or not standing.crowded:
                self._set(shelf, version, replace(standing, state=WAITING, crowded=True), NO_ROOM)
        else:
            standing = replace(standing, state=LOADING, stamp=candidate.stamp, crowded=False)
            self._set(shelf, version, standing)
            self._loads.begin(shelf, version, candidate)

    def _warming(self, load: Load) -> None:
        standing = load.shelf.states[load.version]
        self._set(load.shelf, load.version, replace(standing, state=WARMING))

    def _loaded(self, load: Load, outcome: Loaded | Exception) -> None:
        shelf, version, stamp = load.shelf, load.version, load.candidate.stamp
        if isinstance(outcome, Exception):
            self._failed(shelf, version, stamp, outcome)
            return
        try:
            stays = self._room.take(shelf, version, outcome.footprint)
        except FairleadError as error:
            outcome.served.close()
            self._failed(shelf, version, stamp, error)
            return
        if not stays:
            outcome.served.close()
            self._set(shelf, version, Standing(WAITING, stamp, crowded=True), NO_ROOM)
            return
        shelf.served[version] = outcome.served
        self._errands.add(self._publish, load, outcome)

    def _publish(self, load: Load, loaded: Loaded) -> None:
        """On the loop: a version answers from now on, and only then another one ends for it."""
        try:
            self._answers(loaded)
        except Exception as error:
            self._jobs.put(partial(self._unpublished, load, loaded, error))
        else:
            self._jobs.put(partial(self._published, load))

    def _published(self, load: Load) -> None:
        load.shelf.states[load.version] = Standing(READY, load.candidate.stamp)

    def _unpublished(self, load: Load, loaded: Loaded, error: Exception) -> None:
        load.shelf.served.pop(load.version, None)
        loaded.served.close()
        self._failed(load.shelf, load.version, load.candidate.stamp, error)

    def _answers(self, loaded: Loaded) -> None:
        served, plans = loaded.served, loaded.plans
        each = zip((served, *served.further.values()), plans, strict=True)
        self.batchers += [self._make_batcher(one, plan) for one, plan in each]
        served.used = now()
        self._registry.publish(served)
        how = "inline" if plans[0].inline else f"{plans[0].slots} threads"
        rows, size = plans[0].max_rows, loaded.footprint.size
        self._log("ready", model=served.key, runs=how, joins_rows=rows, memory_bytes=size)

    def _failed(self, shelf: Shelf, version: int, stamp: str, error: Exception) -> None:
        """It is tried again, later and later, and at once when its files change."""
        reason = reason_of(error)
        self._room.give(shelf, version)
        before = shelf.states.get(version, Standing(WAITING))
        failures = before.failures + 1 if before.stamp == stamp or not before.failures else 1
        due = now() + lifecycle.backoff_s(failures)
        told = {"model": f"{shelf.name}/{version}", "reason": reason}
        self._log("load_failed", **told, again_in_s=round(due - now(), 1))
        self._set(shelf, version, Standing(FAILED, stamp, failures, due, reason=reason))
        self._errands.add(self._registry.blame, shelf.name, version, error)
        failed = LoadFailed(reason, where=f"{shelf.name} version {version}")
        self._askers.refuse(shelf, failed, version)

    # --- ending -----------------------------------------------------------------------------

    def _drain(self, shelf: Shelf, version: int) -> None:
        """A version answers no new call; its memory is given back once nobody holds it."""
        shelf.states[version] = replace(shelf.states[version], state=DRAINING)
        self._errands.add(self._withdraw, shelf, version)

    def _withdraw(self, shelf: Shelf, version: int) -> None:
        """On the loop."""
        self._end_when_free(shelf, version, self._registry.withdraw(shelf.name, version))

    def _end_when_free(self, shelf: Shelf, version: int, served: Served) -> None:
        if served.held:
            self._loop.call_later(_LOOK_S, self._end_when_free, shelf, version, served)
            return
        self._forget(served)
        for batcher in [b for b in self.batchers if b.model == served.key]:
            batcher.close()
            self.batchers.remove(batcher)
        self._jobs.put(partial(self._close, shelf, version, served))

    def _close(self, shelf: Shelf, version: int, served: Served) -> None:
        self._room.give(shelf, version)  # which reads once more what it took
        shelf.served.pop(version, None)
        served.close()
        trim()
        reason = "" if shelf.awake or shelf.ended else ASLEEP
        self._set(shelf, version, Standing(UNLOADED, shelf.states[version].stamp), reason)

    def _drop(self, shelf: Shelf, version: int) -> None:
        """The repository holds a version no more."""
        del shelf.states[version]
        self._room.forget(shelf, version)
        self._errands.add(self._registry.forget_version, shelf.name, version)
        self._tell_asleep(shelf)
        gone = ModelNotFound(f"the repository holds no version {version} of model {shelf.name!r}")
        self._askers.refuse(shelf, gone, version)
        if not shelf.states and not shelf.held:
            self._stock.forget(shelf.name)

    # --- what is asked for ------------------------------------------------------------------

    def _wish(self, model: str, done: Done, choice: Choice) -> None:
        try:
            shelf = self._stock.look(model, choice.source)
            wanted = wanted_by(choice, shelf)
        except Exception as error:
            if choice.source and not self._stock.shelves.get(model, Shelf("")).states:
                self._stock.forget(model)  # what cannot be loaded was never promised to be served
            self._errands.add(
                done, error if isinstance(error, FairleadError) else LoadFailed(reason_of(error))
            )
            return
        shelf.ended, shelf.awake, shelf.asked = False, True, True
        self._askers.tell_enders(shelf, LoadFailed("it was asked for again while it ended"))
        for number in wanted:
            self._room.forget(shelf, number)  # it is tried, whatever it was seen to take
            if number in shelf.states:
                shelf.states[number] = replace(shelf.states[number], due=0.0)
        if choice.source:
            source = Source(choice.called or model, choice.source)
            self._errands.add(self._registry.note_source, model, source)
        takes_over = choice.exact or choice.source or choice.labels is not None
        shelf.waiters.append(Waiter(wanted, done, choice if takes_over else None))

    def _record(self, choices: Mapping[str, Choice]) -> None:
        for shelf in self._stock.record(choices):
            self._askers.tell_choice(shelf)
            if not shelf.awake:
                self._tell_asleep(shelf)

    def _wish_end(self, model: str, done: Done) -> None:
        shelf = self._stock.shelves.get(model)
        if shelf is None:
            self._errands.add(done, ModelNotFound(f"no model {model!r} is served here"))
            return
        shelf.ended, shelf.wish = True, None
        shelf.enders.append(done)
        self._tell_asleep(shelf)

    # --- sleep ------------------------------------------------------------------------------

    def _wake(self, model: str) -> None:
        shelf = self._stock.shelves.get(model)
        if shelf is not None and not shelf.ended:
            shelf.awake = shelf.asked = True

    def _sleep(self, shelf: Shelf) -> None:
        """A model is loaded once somebody asks for it."""
        shelf.awake = shelf.asked = False
        for version, standing in shelf.states.items():
            if standing.state == WAITING:
                self._set(shelf, version, replace(standing, state=UNLOADED), ASLEEP)
        self._tell_asleep(shelf)

    def _put_to_sleep(self, shelf: Shelf) -> None:
        """A model makes room for another one."""
        self._log("put_to_sleep", model=shelf.name)
        for version in shelf.served:
            if shelf.states[version].state == READY:
                self._drain(shelf, version)
        self._sleep(shelf)

    def _tell_asleep(self, shelf: Shelf) -> None:
        asleep = not shelf.awake and not shelf.ended
        wanted = lifecycle.chosen(shelf.wanted, shelf.states) if asleep else ()
        self._errands.add(self._registry.sleep, shelf.name, frozenset(wanted))
