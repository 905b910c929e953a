"""Work that executes a model, in a child of the command that was asked for it.

A graph can end the process that loads or executes it: a fault of its runtime, which no `except`
sees. So ends the child, and whoever asked is told what happened.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

from fairlead.core.errors import FairleadError, ModelCrashed

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_OUTSIDE = frozenset((signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE))
"""Signals that others send; who gets one ends by it, as if there were no child."""


def apart(work: Callable[[], Any], where: str) -> Any:
    """What work gives (as JSON can hold it), done in a child of this process, which must have no
    other thread.

    where: what is executed, for the error. Raises what FairleadError the work raises, ModelCrashed
    where the child ends by a signal of its own, SystemExit where it ends in another way.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    told, telling = os.pipe()
    parent = os.getpid()
    # Until each knows what to do about it, no interrupt reaches either.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        child = os.fork()
    except OSError:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        raise
    if not child:
        status = 1
        try:
            os.close(told)
            _end_with(parent)
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                signal.signal(signal.SIGINT, _interrupted_once)
            status = 130  # an interrupt that has waited is raised by the next line
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            status = _done(work, telling)
        finally:
            os._exit(status)
    os.close(telling)
    with _interrupts_go_to(child, mask), os.fdopen(told, "rb") as pipe:
        raw = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if raw:
        answer = json.loads(raw)
        if "error" in answer:
            from fairlead.serving.exchange import error_of

            raise error_of(answer["error"])
        return answer["result"]
    if -status in _OUTSIDE:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    if status < 0:
        raise _crash(-status, where)
    raise SystemExit(status or 1)  # who says nothing has not done it


def _crash(number: int, where: str) -> ModelCrashed:
    known = number in {*map(int, signal.Signals)}
    name = signal.Signals(number).name if known else f"signal {number}"
    if number == signal.SIGKILL:
        what = f"the process that tried the model was killed ({name}): memory may have run out"
        return ModelCrashed(what, where=where, fix="Free memory, or take a larger machine")
    return ModelCrashed(
        f"the model ended the process that tried it ({name})",
        where=where,
        fix="Nothing was written. Its runtime cannot load it, or not execute it on its example "
        "rows: mend the model, or give other rows",
    )


def _end_with(parent: int) -> None:
    """Who waits for this process may be ended while it does: then so is this one (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


@contextmanager
def _interrupts_go_to(child: int, mask: set[Any]) -> Generator[None]:
    """Whoever interrupts this process alone means the work; of Ctrl-C the child hears twice.

    mask: of the signals that were held back before it was begun.
    """
    before = signal.getsignal(signal.SIGINT)

    def hand_on(*_: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGINT)

    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, hand_on)
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupted_once(*_: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _done(work: Callable[[], Any], telling: int) -> int:
    """The child's exit status."""
    try:
        try:
            answer = {"result": work()}
        except FairleadError as error:
            from fairlead.serving.exchange import error_to_json

            answer = {"error": error_to_json(error)}
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        return 1
    with os.fdopen(telling, "w") as pipe:
        json.dump(answer, pipe)
    return 0
