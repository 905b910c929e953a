"""The runner: locks itself in, loads one model and answers the worker's frames until it is gone.

Standalone: the standard library, numpy, and the one runtime file that knows the model.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import socket
import sys
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fairlead.runtimes.runner import precedence, sandbox

_FILE_BYTES = 1 << 30
"""The largest file that a model may write, into its scratch folder."""
_PATH = re.compile(r"(?<![\w.:/])/(?:[^\s/'\",:;]+/)+")


def main(arguments: list[str]) -> int:
    """Serves the model described by the job (JSON) until the worker closes the channel.

    arguments: the descriptors of the channel and of a pipe that only the worker holds open, and
    the job's file.
    """
    handle, life, job = int(arguments[0]), int(arguments[1]), arguments[2]
    _die_with_worker(life)
    precedence.give_way()
    told: dict[str, Any] = json.loads(Path(job).read_bytes())
    locks = sandbox.seal(
        [told["folder"]], [told["scratch"]], memory=told["memory"], file_bytes=_FILE_BYTES
    )
    # Only now: numpy starts threads, and the locks bind what is started after them.
    from fairlead.runtimes.runner import frame

    channel = socket.socket(fileno=handle)
    try:
        module = import_module(f"fairlead.runtimes.{told['runtime']}")
        predict = module.load(Path(told["folder"]), told["graph"], told["about"])
    except BaseException as error:
        frame.send(channel, frame.FAILED, 0, [_said(error)])
        return 1
    ready = {"locks": locks, "versions": _versions(told["versions"])}
    _silence()
    frame.send(channel, frame.READY, 0, [json.dumps(ready).encode()])
    with suppress(frame.Closed):
        _answer(channel, predict)
    return 0


def _answer(channel: socket.socket, predict: Any) -> None:
    """Answers one request after the other. Raises Closed when the worker is gone."""
    from fairlead.runtimes.runner import frame

    open_ones: dict[int, Any] = {}
    while True:
        kind, attempt, body = frame.receive(channel)
        try:
            answered, pieces = _step(predict, open_ones, kind, attempt, body)
            frame.send(channel, answered, attempt, pieces)
        except frame.BadFrame as error:
            open_ones.pop(attempt, None)
            frame.send(channel, frame.UNFIT, attempt, [str(error).encode()])
        except frame.Closed:
            raise
        except (SystemExit, KeyboardInterrupt, Exception) as error:
            open_ones.pop(attempt, None)
            frame.send(channel, frame.FAILED, attempt, [_said(error)])
        # What a call took is given back before the next one is awaited.
        body = pieces = None


def _step(
    predict: Any, open_ones: dict[int, Any], kind: int, attempt: int, body: memoryview
) -> tuple[int, list[bytes]]:
    """What one frame is answered with: (kind, pieces).

    open_ones: the answers that are under way, by the attempt of the frame that asked for them.
    """
    from fairlead.runtimes.runner import frame

    if kind == frame.STOP:
        answers = open_ones.pop(attempt, None)
        if answers is not None and hasattr(answers, "close"):
            answers.close()
        return frame.END, []
    if kind != frame.NEXT:
        said, rest = frame.asked(body) if kind == frame.ASK else (b"", body)
        outputs, inputs = frame.wanted(rest)
        found = predict(inputs, outputs, json.loads(said)) if said else predict(inputs, outputs)
        if not hasattr(found, "__next__"):
            return frame.ANSWER, frame.pack(found)
        if kind == frame.PREDICT:
            raise frame.BadFrame("it gives many answers, one after the other")
        open_ones[attempt] = found
    for arrays in open_ones[attempt]:
        return frame.MORE, frame.pack(arrays)
    del open_ones[attempt]
    return frame.END, []


def _versions(names: list[str]) -> dict[str, str]:
    """The versions here of the named libraries; one that is absent is left out."""
    found: dict[str, str] = {}
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _said(error: BaseException) -> bytes:
    """The error in one line, without the folders of this machine: it may reach callers."""
    text = " ".join(str(error).split())[:400]
    return f"{type(error).__name__}: {_PATH.sub('', text)}".encode(errors="replace")


def _silence() -> None:
    """Sends what the model prints nowhere: nothing bounds how much that is."""
    sys.stdout.flush()
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _die_with_worker(life: int) -> None:
    """Lets the kernel end this process when the worker is gone, also while the model hangs.

    SIGIO without a handler ends a process whatever code runs in it; the pipe raises it when its
    writing end closes.
    """
    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(life, fcntl.F_GETFL)
    fcntl.fcntl(life, fcntl.F_SETFL, flags | os.O_ASYNC)
    if select.select([life], [], [], 0)[0]:
        os._exit(1)  # it was gone before the kernel knew whom to tell
