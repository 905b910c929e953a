"""One worker put together: loop, registry, prediction path, wires, edge. Composition only."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path

import uvloop

from fairlead.access.identities import Identities
from fairlead.access.leases import Leases
from fairlead.access.secrets import Digester, read_pepper
from fairlead.access.sessions import Sessions
from fairlead.assembly.doors import identity_rules, server_tls, trusted_proxies
from fairlead.assembly.edges import body_limits, http_limits, policy
from fairlead.assembly.pages import pages_of
from fairlead.assembly.platform import platform_of
from fairlead.assembly.protocols import Knowledge, Protocols
from fairlead.assembly.requests import Told
from fairlead.assembly.spec import ServerSpec, read_spec
from fairlead.assembly.stocking import budget_of, loader_of, stock_of
from fairlead.core.allowance import parse_limits
from fairlead.core.clock import monotonic_ns, now
from fairlead.core.errors import TlsInvalid
from fairlead.core.limits import BodyLimits
from fairlead.core.model_record import ModelRecord
from fairlead.edge.door import Door
from fairlead.edge.forwarded import TrustedProxies
from fairlead.edge.front import http2
from fairlead.edge.service import HttpService
from fairlead.pages.wire import Pages
from fairlead.serving import any_json
from fairlead.serving.admission import Admission
from fairlead.serving.batcher import Batcher, Plan
from fairlead.serving.book_messages import KIND as BOOK
from fairlead.serving.bookkeeper import JOURNAL
from fairlead.serving.choosing import choices_of
from fairlead.serving.control import WorkerControl
from fairlead.serving.crashes import STUCK
from fairlead.serving.ending import Ending
from fairlead.serving.exchange import Message
from fairlead.serving.finding import FOUND, Sighting
from fairlead.serving.giving_way import give_way
from fairlead.serving.issuing import KIND as ISSUERS
from fairlead.serving.issuing import IssuerNews
from fairlead.serving.log import configure, flush, log, tell_lost, write_apart
from fairlead.serving.machine import die_before
from fairlead.serving.manager import Manager
from fairlead.serving.outcomes import outcomes_of
from fairlead.serving.path import PredictionPath
from fairlead.serving.payloads import payloads_of
from fairlead.serving.pressure import Pressure
from fairlead.serving.rationing import Rationing
from fairlead.serving.record import open_stream
from fairlead.serving.registry import Registry
from fairlead.serving.reporting import Reporting
from fairlead.serving.served import Served
from fairlead.serving.status import StatusPages
from fairlead.serving.steering import CHOSEN
from fairlead.serving.streaming import Streamer
from fairlead.serving.trial import settling
from fairlead.serving.trials import Trials
from fairlead.serving.vitals import Vitals
from fairlead.serving.waking import Waking
from fairlead.usage.feedback import FeedbackLog
from fairlead.usage.journal import Journal, new_writer
from fairlead.wires.native import Native

_BEAT_S, _LEASES_S, _QUIET_S = 0.25, 0.02, 0.1
_LOOK_S = 0.02
_BOOK_S = 5.0
_BACKLOG = 1024
_EXPENDABLE = 500


class Worker:
    """One serving process."""

    def __init__(self, spec: ServerSpec, index: int, pipe: int) -> None:
        self._spec = spec
        self._index = index
        self._pipe = pipe
        self._registry = Registry(Waking(spec.settings.models.load_wait_s))
        self._state = Path(spec.state)
        self._writer = new_writer(index)
        power = spec.settings.usage.durability == "power"
        self._journal = Journal(self._state / JOURNAL, self._writer, power)
        self._feedback = FeedbackLog(self._state, self._writer)
        self._reporting = Reporting(self._state, asyncio.get_running_loop())
        self._trials = Trials(self._registry, self._reporting.send, self._writer)
        leases = self._leases = Leases(self._reporting.send)
        self._rations = Rationing(leases, parse_limits(spec.settings.limits.usage))
        self._reporting.listen(("lent", "recall"), leases.heard, leases.lost)
        self._cloud = platform_of(os.environ)  # noqa: TID251 - this is assembly
        proxies = trusted_proxies(spec.settings)
        sessions = Sessions(lambda: read_pepper(self._state))
        identities = Identities(identity_rules(spec.settings, spec.identities))
        self._admission = self._admission_of(identities, proxies, sessions)
        self._reporting.listen((BOOK,), self._admission.hear, self._admission.broke)
        self._issuers = IssuerNews(identities, self._reporting.send)
        self._reporting.listen((ISSUERS,), self._issuers.hear, lambda: None)
        self._path = PredictionPath(self._registry, self._admission, self._rations, self._journal)
        templates = lambda: self._protocols.templates  # noqa: E731
        self._told = Told(spec.settings, self._writer, templates, traced=True)
        told = self._told.requests
        self._path.requests, self._rations.refused = told, told.refused
        bodies = body_limits(spec.settings)
        own = self._native(bodies)
        shown = self._shown(own, sessions, identities.signs_in)
        self._protocols = Protocols(self._known(bodies), own, shown)
        self._service = HttpService(
            self._protocols.http,
            self._path,
            http_limits(spec.settings),
            log,
            self._writer,
            proxies=proxies,
            listed=self._admission.lists_origin,
            grpc=self._protocols.grpc,
            bodies=self._registry.bodies,
            requests=self._told.requests,
        )
        self._vitals = self._vitals_of(spec.status)
        self._tls = server_tls(spec.settings)
        self._door = Door(self._tls, self._service)
        self._ending = Ending(spec.grace_s, spec.drain_delay_s)
        self._frozen = self._recorded = False
        self._ticks = 0
        self._pressure = Pressure(self._service, self._rations, spec.settings.limits.memory_share)

    def _admission_of(
        self, identities: Identities, proxies: TrustedProxies | None, sessions: Sessions
    ) -> Admission:
        return Admission(
            policy(self._spec.settings, self._cloud.many),
            self._registry.newest,
            lambda: Digester(read_pepper(self._state)),
            self._rations.of_tenants,
            identities,
            proxies.peer if proxies else None,
            sessions,
            self._registry.gated,
        )

    async def run(self) -> None:
        """Serves until SIGTERM, or until the supervisor is gone."""
        loop = asyncio.get_running_loop()
        self._ending.heed(loop)
        for number in (signal.SIGINT, signal.SIGHUP):  # those are for the supervisor
            signal.signal(number, signal.SIG_IGN)
        loop.add_reader(self._pipe, self._orphaned)
        self._manager = Manager(
            self._registry,
            loader_of(self._spec, self._index, lambda: self._vitals.accepting),
            stock_of(self._spec),
            loop,
            self._batcher,
            log,
            forget=self._forget,
            budget=budget_of(self._spec),
        )
        self._manager.start()
        self._registry.promise()
        self._reporting.listen((FOUND,), self._restock, lambda: None)
        self._reporting.listen((CHOSEN,), self._record, lambda: None)
        self._beat(loop)
        self._renew(loop)
        await self._others_answer()
        await self._callers_known()
        servers = [*await self._listen(loop), *await self._listen_for_grpc(loop)]
        self._vitals.accepting = True
        await self._ending.over.wait()
        self._vitals.over = not self._ending.leaving
        await self._ending.delay()
        self._vitals.accepting = False
        for one in servers:
            one.close()
        for handle in (self._spec.listener, *self._spec.also):
            os.close(handle)
        await self._ending.drain(
            self._service, lambda: [self._registry.waking, *self._manager.batchers]
        )
        self._leases.close()
        self._reporting.close()
        self._manager.unload()
        self._journal.close()
        self._feedback.close()
        for served in self._registry.served():
            for kept in (served.outcomes, served.payloads):
                if kept is not None:
                    kept.close()
        # The last: a collector of traces that is slow holds up nothing else.
        self._told.requests.close(self._ending.left_s)
        if self._ending.gave_up:
            # A thread that is not waited for would be waited for by the interpreter.
            flush()
            os._exit(0)

    def _known(self, bodies: BodyLimits) -> Knowledge:
        models = self._spec.settings.models
        return Knowledge(
            self._registry,
            lambda: self._vitals.ready(),
            lambda: self._vitals.counts(),
            bodies,
            self._spec.settings.log.level,
            WorkerControl(self._reporting, lambda: self._manager),
            models.default,
            self._cloud,
            models.kserve_inputs,
        )

    def _vitals_of(self, pages: int) -> Vitals:
        return Vitals(
            StatusPages(pages, any_json),
            self._index,
            self._registry,
            self._service,
            lambda: self._manager.batchers,
            self._admission,
            self._leases,
            self._reporting,
            optional=self._cloud.many,
            told=self._told.counts,
        )

    def _native(self, bodies: BodyLimits) -> Native:
        return Native(
            self._registry,
            lambda: self._vitals.ready(),
            lambda openmetrics: self._vitals.metrics(openmetrics),
            bodies,
            self._feedback.add,
            self._rations.left,
            lambda given, done: self._reporting.ask({"kind": "usage", "given": given}, done),
            lambda: self._protocols.addresses,
            self._spec.settings.models.default,
            lambda: self._vitals.counts(),
            self._spec.started,
            lambda: self._vitals,
        )

    def _shown(self, own: Native, sessions: Sessions, issuers: tuple[str, ...]) -> Pages | None:
        """The pages for people; where a platform has our addresses, there are none here."""
        if self._cloud.many:
            return None
        ask, admission, left = self._reporting.ask, self._admission, self._rations.left
        settings = self._spec.settings
        return pages_of(settings, self._registry, sessions, admission, own, left, ask, issuers)

    async def _listen(self, loop: asyncio.AbstractEventLoop) -> list[asyncio.Server]:
        """The listeners that speak HTTP and gRPC alike."""
        made: list[asyncio.Server] = []
        for handle in (self._spec.listener, *self._spec.also):
            listener = socket.socket(fileno=os.dup(handle))
            door = self._door.connection
            made.append(await loop.create_server(door, sock=listener, backlog=_BACKLOG))
        return made

    async def _listen_for_grpc(self, loop: asyncio.AbstractEventLoop) -> list[asyncio.Server]:
        """The listener that speaks gRPC alone, if there is one."""
        if self._spec.grpc < 0:
            return []
        door = Door(self._tls, self._service, http2)  # its certificate is renewed with the other's
        listener = socket.socket(fileno=self._spec.grpc)
        made = await loop.create_server(door.connection, sock=listener, backlog=_BACKLOG)
        return [made]

    def _batcher(self, served: Served, plan: Plan) -> Batcher | Streamer:
        loop = asyncio.get_running_loop()
        limits = self._spec.settings.limits
        service = self._service
        self._reporting.watch(served)
        self._rations.of_model(served.package.name, served.package.limits.usage)
        served.outcomes = outcomes_of(
            served.package, served.guarding, served.stats, self._state, self._writer
        )
        served.payloads = payloads_of(served.package, served.private, self._state, self._writer)
        if served.package.decoupled:
            return Streamer(served, loop, self._path.settle, partial(open_stream, self._journal))
        settle = settling(self._path.settle)
        return Batcher(
            served,
            plan,
            loop,
            settle,
            max_queue=limits.queue_calls,
            max_wait_s=limits.queue_wait_s,
            max_bytes=limits.queue_mib << 20,
            alone=lambda: service.alone,
        )

    def _restock(self, message: Message) -> None:
        """The repositories hold something else."""
        sightings = [Sighting.from_json(told) for told in message["versions"]]
        self._manager.change(lambda stock: stock.restock(sightings))

    def _record(self, message: Message) -> None:
        """Operators want something else of models."""
        self._recorded = True
        records = [ModelRecord.from_json(told) for told in message["records"]]
        self._manager.record(choices_of(records, self._spec.settings.models.versions))
        self._trials.adopt(records)

    def _forget(self, served: Served) -> None:
        """A version has ended here."""
        self._vitals.keep(served)
        self._reporting.forget(served.key)
        for kept in (served.outcomes, served.payloads):
            if kept is not None:
                kept.close()

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        """Four times a second to the end: the status page, overdue calls, slow connections."""
        loop.call_later(_BEAT_S, self._beat, loop)  # first: whatever fails below, the next comes
        self._ticks += 1
        self._vitals.publish()
        self._reporting.beat()
        self._issuers.beat()
        self._protocols.beat()
        self._registry.waking.beat()
        self._trials.beat()
        for batcher in self._manager.batchers:
            batcher.tick()
            if batcher.stuck:
                log("model_stuck", model=batcher.model)
                flush()
                os._exit(STUCK)
        give_way(self._manager.batchers, self._registry.served(), now())
        if self._ticks % 4 == 0:
            self._service.tick()
            self._door.tick()
            self._told.requests.tick()
            tell_lost()
            self._feedback.rest()
            self._trials.report()
            for served in self._registry.served():
                served.rest()
            self._pressure.tick()
        if not self._frozen and self._vitals.settled:
            # What lives from here on is the models and the code: the collector need not walk it.
            self._frozen = True
            gc.collect()
            gc.freeze()

    def _renew(self, loop: asyncio.AbstractEventLoop) -> None:
        """Many times a second: leases of limits are renewed, and given back when they are idle."""
        loop.call_later(_QUIET_S if self._leases.quiet else _LEASES_S, self._renew, loop)
        self._leases.beat(monotonic_ns())

    async def _others_answer(self) -> None:
        """Waits for the models while another worker is there to answer; alone, we say why not."""
        while not self._vitals.settled and not self._ending.over.is_set():
            if not self._vitals.others_answer and not self._spec.patient:
                return
            await asyncio.sleep(_LOOK_S)

    async def _callers_known(self) -> None:
        """Waits for the book of keys, for a while: without it every caller is sent away; and for
        what is on record of models: another version might answer."""
        end = now() + _BOOK_S
        heard = lambda: self._admission.book is not None and self._recorded  # noqa: E731
        while not heard() and now() < end and not self._ending.over.is_set():
            self._reporting.beat()
            await asyncio.sleep(_LOOK_S)

    def _orphaned(self) -> None:
        """The supervisor is gone: so are we, before another takes the port."""
        os._exit(1)


def main(arguments: list[str]) -> int:
    """Runs the worker that `arguments` describe: spec descriptor, index, pipe descriptor."""
    handle, index, pipe = (int(a) for a in arguments)
    spec = read_spec(handle)
    die_before(_EXPENDABLE)
    configure(spec.settings.log.level, spec.settings.log.format)
    write_apart()
    try:
        uvloop.run(_run(spec, index, pipe))
    except TlsInvalid as error:
        # The files changed since the server began; the supervisor tries again.
        log("certificate_refused", reason=error.line())
        return 1
    return 0


async def _run(spec: ServerSpec, index: int, pipe: int) -> None:
    await Worker(spec, index, pipe).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
