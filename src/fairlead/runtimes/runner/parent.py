"""The worker's side of a model that is code: asks its runner, and starts it again when it died.

Every call that ends a runner gets its own error; the next ones find a fresh runner, which is
started at once, in the background. One that keeps dying is left alone for a while.
"""

from __future__ import annotations

import json
import shutil
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from math import inf
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any
from weakref import WeakSet

from fairlead.core.clock import now
from fairlead.core.errors import (
    LoadFailed,
    ModelBadAnswer,
    ModelCrashed,
    ModelError,
    ModelHung,
    ModelNotReady,
)
from fairlead.core.package import Package
from fairlead.core.tensor import Array
from fairlead.runtimes.runner import frame, precedence, process
from fairlead.runtimes.runner.answers import RunnerAnswers

_PATIENCE_S = 8.0
"""A call may wait so long for a runner that is being started."""
_STEP_S = 0.01
"""Between looks for a runner whose last start failed."""
_SOON_S = 1.0
"""A runner whose start is due later than this is not waited for."""
_FREE_DEATHS, _WITHIN_S, _LONGEST_S = 16, 60.0, 30.0
"""So many deaths within so many seconds cost no delay; each further one doubles it."""
_WEIGHT = 0.1
"""Of the newest answer in what an answer usually takes."""
_EVERY, _TIMES, _MORE = 16, 4, 512 << 20
"""Calls between two looks at what a runner holds, and what is too much: so many times what it held
at the first of them, and so many bytes more."""
_LATE, _SOONEST_S, _HURRY_S = 0.1, 0.5, 1.0
"""Of its time budget: what takes longer goes before others again, and for so many seconds; where
that is less than `_SOONEST_S`, nobody would see it in time."""
_FAILED_START = 4
"""How many deaths a start counts for that did not succeed."""


class RunnerModel:
    """A loaded model in its runner. One predict at a time."""

    def __init__(
        self, package: Package, home: Path, wanted: dict[str, Any], log: Callable[..., None]
    ) -> None:
        """Starts the first runner and waits for it. Raises LoadFailed."""
        self._where = f"{package.name} version {package.version}"
        self._python: str = wanted["python"]
        self._versions: dict[str, str] = wanted["versions"]
        self._budget = package.limits.time_budget_s
        self._home = home
        self._log = log
        self._attempt = 0
        self._deaths: deque[float] = deque(maxlen=2 * _FREE_DEATHS)
        self._due = 0.0
        self._lock = Lock()
        self._closing = Event()
        self._told = Event()
        self._left = False
        self._runner: process.Runner | None = None
        self._start_s = self._usual_s = self._since = 0.0
        self._calls = self._first = 0
        self._asked: WeakSet[RunnerAnswers] = WeakSet()
        self._remembers = "sequence" in package.takes
        self._gone_at = now()
        self._busy, self._began, self._hurries = False, 0.0, 0.0
        runner = self._started()
        open_to = [what for what, cut in runner.locks.items() if not cut]
        if open_to:
            log("runner_not_locked_in", model=self._where, open_to=", ".join(open_to))
        self._publish(runner)

    @property
    def runner(self) -> process.Runner | None:
        """The process that answers now, None while a fresh one is on its way."""
        return self._runner

    @property
    def ready_since(self) -> float:
        """The moment since which its process keeps up; infinite while there is none.

        What has come while it was away takes about as long again to be answered.
        """
        return inf if self._runner is None else self._since

    @property
    def again_s(self) -> float:
        """Seconds that a caller must have left for an answer of a fresh process to be in time."""
        return self._start_s + 2 * self._usual_s

    def predict(self, inputs: Sequence[Array], outputs: Sequence[int]) -> list[Array]:
        """Asks the runner. Raises ModelError, ModelBadAnswer, ModelCrashed, ModelHung.

        Raises ModelNotReady when the model's process keeps dying.
        """
        runner = self._present()
        self._attempt += 1
        request = frame.request(inputs, outputs)
        began = now()
        found = self._told_by(runner, request, self._attempt, frame.PREDICT)[1]
        self._usual_s += _WEIGHT * (now() - began - self._usual_s)
        self._look_at_growth(runner)
        return found

    def ask(
        self, inputs: Sequence[Array], outputs: Sequence[int], said: Mapping[str, Any]
    ) -> RunnerAnswers:
        """The answers to a caller who says more than tensors; there may be many, or none."""
        request = frame.asking(inputs, outputs, json.dumps(said).encode())
        runner = self._present()
        self._attempt += 1
        return RunnerAnswers(self, runner, self._attempt, request)

    def step(
        self, asked: RunnerAnswers, request: Sequence[bytes], kind: int
    ) -> tuple[int, list[Array]]:
        """Asks for one answer of many: (kind of frame, arrays). Raises as `predict` does."""
        if asked.runner is not self._runner:
            raise ModelCrashed("the model's process died while it answered this call")
        self._asked.discard(asked)
        told = self._told_by(asked.runner, request, asked.attempt, kind)
        if told[0] == frame.MORE:
            self._asked.add(asked)
        self._look_at_growth(asked.runner)
        return told

    def _told_by(
        self, runner: process.Runner, request: Sequence[bytes], attempt: int, kind: int
    ) -> tuple[int, list[Array]]:
        """Kind and arrays of a frame that holds an answer, or ends them."""
        self._began, self._busy = now(), True
        try:
            kind, body = runner.ask(request, attempt, self._budget, kind)
            if kind in (frame.ANSWER, frame.MORE):
                return kind, frame.unpack(body, 0)
            if kind == frame.END:
                return kind, []
        except TimeoutError:
            self._lost(runner, "hung")
            raise ModelHung(
                f"the model exceeded its time budget of {self._budget:g} s and was stopped"
            ) from None
        except (frame.Closed, frame.BadFrame):
            self._lost(runner, "died")
            raise ModelCrashed("the model's process died on this call") from None
        finally:
            if self._late:
                self._hurries = now() + _HURRY_S
            self._busy = False
        text = str(body, "utf-8", "replace")[:400]
        if kind == frame.UNFIT:
            raise ModelBadAnswer(f"the model's answer cannot be used: {text}")
        raise ModelError(f"the model failed: {text}")

    def revive(self) -> None:
        """Once a second: what died while nobody asked it is there again before somebody does."""
        runner = self._runner
        if runner is not None and not self._busy and not runner.alive:
            self._lost(runner, "died while idle")
        self._start_left()

    @property
    def busy(self) -> bool:
        """Whether it is asked just now."""
        return self._busy

    @property
    def last(self) -> bool:
        """Whether its process goes after those of all others."""
        runner = self._runner
        return runner is not None and runner.degrees == precedence.LAST

    @property
    def may_wait(self) -> bool:
        """Whether its process may go after others without being taken for hung because of it.

        Not where the time budget is small, nor once a tenth of it has passed, nor at once after
        that.
        """
        soon = _LATE * self._budget >= _SOONEST_S
        return soon and now() > self._hurries and not (self._busy and self._late)

    @property
    def _late(self) -> bool:
        """Whether what was asked last has taken, or takes, more than a tenth of its budget."""
        return now() - self._began > _LATE * self._budget

    def give_way(self, last: bool) -> bool:
        """Puts its process after those of all others, or back; whether it stands there now."""
        runner = self._runner
        return runner is None or runner.give_way(precedence.LAST if last else precedence.USUAL)

    def interrupt(self, thread: int) -> None:
        """Nothing: `predict` bounds itself by the version's time budget."""

    def close(self) -> None:
        """Ends the runner and removes its files."""
        self._closing.set()
        with self._lock:
            runner, self._runner = self._runner, None
            self._told.set()
        if runner is not None:
            runner.end()
        shutil.rmtree(self._home, ignore_errors=True)

    def _present(self) -> process.Runner:
        """A live runner. One that died between calls is nobody's fault, and is waited for."""
        runner = self._runner
        if runner is not None and not runner.alive:
            self._lost(runner, "died while idle")
            runner = None
        self._start_left()
        end = now() + _PATIENCE_S
        while runner is None and not self._left and self._due - now() < _SOON_S and now() < end:
            # A start may fail because something else has killed it: the next one is waited for too.
            if not self._told.wait(max(0.0, end - now())) or self._closing.is_set():
                break
            runner = self._runner
            if runner is None:
                self._closing.wait(_STEP_S)
        if runner is None:
            raise ModelNotReady(
                "the model's process died and is started again", fix="Try again in a while"
            )
        return runner

    def _look_at_growth(self, runner: process.Runner) -> None:
        """A process that holds ever more memory is replaced between two calls: no call fails.

        It is not while it has more to say to one, or where it remembers what callers said before.
        """
        self._calls += 1
        if self._calls < _EVERY or (self._first and (self._asked or self._remembers)):
            return
        self._calls, held = 0, runner.memory
        if not self._first:
            self._first = held
        elif held > _TIMES * self._first + _MORE:
            self._lost(runner, "grew", deaths=0)

    def _lost(self, runner: process.Runner, why: str, deaths: int = 1) -> None:
        """Ends a runner that is no good any more, and has the next one started."""
        with self._lock:
            if self._runner is not runner:
                return
            self._runner, self._gone_at = None, now()
            self._told.clear()
            self._note_death(deaths)
        self._log("runner_ended", model=self._where, why=why, status=runner.end())
        self._restart()

    def _restart(self) -> None:
        """Has the next runner started. Where no thread can be had, it is left for later."""
        try:
            Thread(target=self._start_again, name="runner-start", daemon=True).start()
        except RuntimeError as error:
            self._left = True
            self._log("runner_not_started", model=self._where, reason=str(error))

    def _start_left(self) -> None:
        """Has the runner started that was left, once, whoever comes first."""
        with self._lock:
            left, self._left = self._left, False
        if left:
            self._restart()

    def _start_again(self) -> None:
        while not self._closing.wait(max(0.0, self._due - now())):
            self._told.clear()
            try:
                runner = self._started()
            except Exception as error:
                reason = error.line() if isinstance(error, LoadFailed) else repr(error)
                self._log("runner_not_started", model=self._where, reason=reason)
                self._note_death(_FAILED_START)
                self._told.set()
            else:
                return self._publish(runner)

    def _publish(self, runner: process.Runner) -> None:
        with self._lock:
            closed = self._closing.is_set()
            if not closed:
                moment = now()
                self._since, self._runner = moment + (moment - self._gone_at), runner
                self._calls = self._first = 0
                self._told.set()
        if closed:
            runner.end()

    def _note_death(self, counts: int = 1) -> None:
        moment = now()
        self._deaths.extend([moment] * counts)
        beyond = sum(death > moment - _WITHIN_S for death in self._deaths) - _FREE_DEATHS
        self._due = moment + (min(2.0**beyond, _LONGEST_S) if beyond > 0 else 0.0)

    def _started(self) -> process.Runner:
        # What an earlier life wrote is of no use to this one, and nothing else bounds it.
        shutil.rmtree(self._home / "scratch", ignore_errors=True)
        (self._home / "scratch").mkdir(exist_ok=True)
        began = now()
        try:
            runner = process.start(self._python, self._home, self._where)
        except LoadFailed as error:
            if self._versions and "No module named" in error.what:
                wanted = " ".join(f"{name}=={v}" for name, v in self._versions.items())
                error.fix = f"Where it runs, pip install what it was packed with: {wanted}"
            raise
        try:
            self._check_versions(runner.versions)
        except LoadFailed:
            runner.end()
            raise
        self._start_s = now() - began
        return runner

    def _check_versions(self, found: dict[str, str]) -> None:
        """Refuses libraries of another minor version than the package's; says of other patches."""
        for name, wanted in self._versions.items():
            here = found.get(name, "absent")
            if here == wanted:
                continue
            if here.split(".")[:2] != wanted.split(".")[:2]:
                raise LoadFailed(
                    f"the model was packed with {name} {wanted}; the runner has {here}",
                    where=self._where,
                    fix=f"pip install {name}=={wanted} where it runs, or pack it again with "
                    f"{name} {here}",
                )
            self._log("version_drift", model=self._where, library=name, packed=wanted, here=here)
