"""One worker put together: loop, registry, prediction path, wires, edge. Composition only."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvloop

from fairlead.assembly.settings import Settings
from fairlead.assembly.spec import WorkerSpec
from fairlead.core.clock import wall_ns
from fairlead.core.promises import Runtime
from fairlead.edge.heads import HttpLimits
from fairlead.edge.http1 import Http1
from fairlead.edge.router import Router
from fairlead.edge.service import HttpService
from fairlead.packages.repository import Found
from fairlead.serving.batcher import Batcher, Plan
from fairlead.serving.bookkeeper import JOURNAL
from fairlead.serving.lifecycle import Manager
from fairlead.serving.log import log
from fairlead.serving.observe import exposition
from fairlead.serving.path import PredictionPath
from fairlead.serving.registry import FAILED, READY, UNLOADED, Registry, Served
from fairlead.serving.status import StatusPages
from fairlead.usage.journal import Journal
from fairlead.wires.native import Native
from fairlead.wires.oip_rest import OipRest

_BEAT_S = 0.25
_BACKLOG = 1024


class Worker:
    """One serving process."""

    def __init__(self, spec: WorkerSpec, index: int, pipe: int) -> None:
        self._spec = spec
        self._index = index
        self._pipe = pipe
        self._pages = StatusPages(spec.status)
        self._registry = Registry()
        writer = f"{wall_ns() // 1_000_000:x}-{index}-{os.getpid()}"
        self._journal = Journal(Path(spec.state) / JOURNAL, writer)
        self._path = PredictionPath(self._registry, self._journal)
        wires = [OipRest(self._registry, self._ready), self._native()]
        self._service = HttpService(Router(wires), self._path, limits(spec.settings), log)
        self._over = asyncio.Event()
        self._frozen = False
        self._ticks = 0

    async def run(self) -> None:
        """Serves until SIGTERM, or until the supervisor is gone."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._over.set)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        loop.add_reader(self._pipe, self._orphaned)
        self._manager = Manager(
            self._registry, runtimes(self._spec.settings), loop, self._batcher, log
        )
        versions = [Found(name, version, Path(f)) for name, version, f in self._spec.versions]
        self._manager.start(versions, self._spec.settings.models.versions)
        listener = socket.socket(fileno=os.dup(self._spec.listener))
        server = await loop.create_server(
            lambda: Http1(self._service), sock=listener, backlog=_BACKLOG
        )
        self._beat(loop)
        await self._over.wait()
        server.close()
        await self._drain()
        self._manager.unload()
        self._journal.close()

    def _native(self) -> Native:
        return Native(self._registry, self._ready, self._metrics)

    def _batcher(self, served: Served, plan: Plan) -> Batcher:
        loop = asyncio.get_running_loop()
        most = self._spec.settings.limits.queue_calls
        service = self._service
        return Batcher(
            served,
            plan,
            loop,
            self._path.settle,
            max_queue=most,
            alone=lambda: service.connections == 1,
        )

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        """Four times a second: the status page, overdue executions, slow connections."""
        self._ticks += 1
        self._pages.publish(self._index, self._status())
        for batcher in self._manager.batchers:
            batcher.interrupt_overdue()
        if self._ticks % 4 == 0:
            self._service.tick()
        if not self._frozen and self._settled():
            # What lives from here on is the models and the code: the collector need not walk it.
            self._frozen = True
            gc.collect()
            gc.freeze()
        if not self._over.is_set():
            loop.call_later(_BEAT_S, self._beat, loop)

    def _status(self) -> dict[str, Any]:
        models = {
            f"{name}/{number}": {"state": version.state, "reason": version.reason}
            for name, versions in self._registry.versions.items()
            for number, version in versions.items()
        }
        stats = {served.key: served.stats.to_json() for served in self._registry.served()}
        return {
            "models": models,
            "stats": stats,
            "refusals": self._service.refusals,
            "settled": self._settled(),
            "draining": self._over.is_set(),
            "connections": self._service.connections,
            "queued": sum(b.waiting for b in self._manager.batchers),
        }

    def _settled(self) -> bool:
        """Whether every version has reached a state that only a change leaves."""
        states = [v.state for vs in self._registry.versions.values() for v in vs.values()]
        return bool(states) and all(s in (READY, FAILED, UNLOADED) for s in states)

    def _ready(self) -> bool:
        """Computed from fresh heartbeats: every wanted version is ready in some live worker."""
        self._pages.publish(self._index, self._status())
        pages = [page for page in self._pages.fresh() if not page["draining"]]
        wanted = {k for p in pages for k, m in p["models"].items() if m["state"] != UNLOADED}
        ready = {k for p in pages for k, m in p["models"].items() if m["state"] == READY}
        return bool(wanted) and wanted == ready

    def _metrics(self, openmetrics: bool) -> str:
        self._pages.publish(self._index, self._status())
        return exposition(list[Mapping[str, Any]](self._pages.fresh()), openmetrics=openmetrics)

    async def _drain(self) -> None:
        """Answers what was read; connections end with their next answer, idle ones at once."""
        empty = asyncio.Event()
        self._service.when_empty = empty.set
        self._service.drain()
        if self._service.connections:
            with suppress(TimeoutError):
                await asyncio.wait_for(empty.wait(), self._spec.grace_s)

    def _orphaned(self) -> None:
        """The supervisor is gone: so are we, before another takes the port."""
        os._exit(1)


def limits(settings: Settings) -> HttpLimits:
    """The HTTP limits that the settings ask for."""
    own = settings.limits
    return HttpLimits(
        body=own.body_mib << 20,
        head=own.head_kib << 10,
        url=own.url_kib << 10,
        headers=own.headers,
        connections=own.connections,
        connections_per_ip=own.connections_per_ip,
        head_s=own.head_timeout_s,
        idle_s=own.idle_timeout_s,
        request_s=own.request_timeout_s,
    )


def runtimes(settings: Settings) -> dict[str, Runtime]:
    """Every runtime by name; what runs code does so in a runner process."""
    from fairlead.runtimes.onnx import OnnxRuntime

    return {"onnx": OnnxRuntime()}


def main(arguments: list[str]) -> int:
    """Runs the worker that `arguments` describe: spec descriptor, index, pipe descriptor."""
    handle, index, pipe = (int(a) for a in arguments)
    raw = os.pread(handle, os.fstat(handle).st_size, 0)
    spec = WorkerSpec.from_json(json.loads(raw))
    worker = Worker(spec, index, pipe)
    uvloop.run(worker.run())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
