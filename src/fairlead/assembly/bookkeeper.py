"""The bookkeeper put together: its desks, the journals that it follows, the admin listener."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path

from fairlead.access.metering import Behind, Meters, OwnMeters
from fairlead.access.sharing import SharedMeters
from fairlead.assembly.administration import Administration
from fairlead.assembly.doors import admin_host, admin_tls, identity_rules
from fairlead.assembly.edges import http_limits
from fairlead.assembly.looking import looking_of
from fairlead.assembly.meters import meter_store
from fairlead.assembly.oversight import overseeing_of
from fairlead.assembly.places import database_of
from fairlead.assembly.requests import Told
from fairlead.assembly.rooms import open_room
from fairlead.assembly.settings import Settings
from fairlead.assembly.spec import ServerSpec, read_spec
from fairlead.assembly.worker_count import workers_of
from fairlead.core.errors import TlsInvalid
from fairlead.edge.cors import OwnNames
from fairlead.edge.door import Door
from fairlead.edge.front import http1
from fairlead.edge.service import HttpService
from fairlead.serving import any_json
from fairlead.serving.bookkeeper import KEPT_SEGMENTS, Following, Runs
from fairlead.serving.bookkeeper import Bookkeeper as Follower
from fairlead.serving.control import Controlling
from fairlead.serving.finding import Finding
from fairlead.serving.issuing import Issuing
from fairlead.serving.judging import Judging
from fairlead.serving.keeping import Keeping
from fairlead.serving.lending import Lender
from fairlead.serving.log import configure, flush, log, write_apart
from fairlead.serving.machine import die_before
from fairlead.serving.office import Desk, Office
from fairlead.serving.reckoning import Reckoning
from fairlead.serving.rollouts import Rollouts
from fairlead.serving.status import StatusPages
from fairlead.serving.steering import Steering
from fairlead.serving.succession import succeed
from fairlead.usage.ledger import open_ledger
from fairlead.usage.stores.meters import open_meters

_SWITCH_S = 0.0005
"""Workers wait for leases: the thread that follows the journals must not hold up the loop."""
_TICK_S, _BACKLOG = 1.0, 128
_EXPENDABLE = 250


class Bookkeeper:
    """One server's bookkeeper."""

    def __init__(self, spec: ServerSpec, loop: asyncio.AbstractEventLoop) -> None:
        self._spec = spec
        self._loop = loop
        state = Path(spec.state)
        self.following = Following(state, lambda folder: _follower(folder, spec))
        tell = loop.call_soon_threadsafe
        place = partial(database_of, spec.settings)
        self._keeping = Keeping(state, lambda: open_room(state, place()), tell)
        self._reckoning = Reckoning(lambda: open_ledger(state, place()), tell)
        judging = Judging(state, lambda: self.following.accuracy, self._keeping.note)
        rules = identity_rules(spec.settings, spec.identities)
        issuing = Issuing(rules, tell)
        lender = Lender(partial(_meters, state, spec.settings), tell)
        self._judging, self._controlling = judging, Controlling(state)
        pages = StatusPages(spec.status, any_json)
        looking = looking_of(spec)
        held = looking is not None
        self._steering = Steering(self._keeping, self._controlling, pages.fresh, held=held)
        self._keeping.of_models = self._steering.learn
        desks: list[Desk] = [
            lender, self._keeping, judging, self._reckoning, issuing, self._controlling,
            self._steering,
            overseeing_of(spec, self._keeping.facts),
        ]  # fmt: skip
        if looking is not None:
            rollouts = Rollouts(state, self._steering)
            self._steering.rollouts = rollouts.told
            finding = Finding(looking, tell, rollouts.admits)
            finding.start()
            desks.append(finding)
            desks.append(rollouts)
        self.office = Office(state, desks)

    async def administer(self) -> asyncio.AbstractServer | None:
        """Listens for administrators, where that is wanted."""
        if self._spec.admin < 0:
            return None
        settings = self._spec.settings
        admin = Administration(
            Path(self._spec.state),
            settings,
            self._spec.status,
            self._keeping,
            self._reckoning,
            self._judging,
            self._steering,
            self._loop.call_soon_threadsafe,
        )
        self._keeping.joined(admin.path.line)
        names = OwnNames([admin_host(settings)])
        requests = Told(settings, "admin", lambda: admin.templates, traced=False).requests
        limits = http_limits(settings)
        service = HttpService(
            admin.router, admin.path, limits, log, "admin", names=names, requests=requests
        )
        try:
            door = Door(admin_tls(settings), service, http1)
        except TlsInvalid as error:
            # Keys and the ledger are kept all the same; the next bookkeeper tries again.
            log("certificate_refused", reason=error.line())
            return None
        self._tick(service, door, admin)
        listener = socket.socket(fileno=os.dup(self._spec.admin))
        return await self._loop.create_server(door.connection, sock=listener, backlog=_BACKLOG)

    def _tick(self, service: HttpService, door: Door, admin: Administration) -> None:
        service.tick()
        service.requests.tick()
        door.tick()
        admin.tick()
        self._loop.call_later(_TICK_S, self._tick, service, door, admin)


def _meters(state: Path, settings: Settings, behind: Behind) -> tuple[Meters, bool]:
    """What counts the limits: this server alone, or several hosts together; and whether nobody can
    hold what is not known."""
    store = meter_store(settings)
    if store is not None:
        # What another process of this host held is known to the store, under another name.
        return SharedMeters(store, behind, _limits_changed), True
    meters = OwnMeters(open_meters(state), behind)
    return meters, meters.in_order


def _limits_changed(away: bool, why: str) -> None:
    """What counts the limits of several hosts is out of reach, or there again."""
    if away:
        log("limits_away", reason=why)
    else:
        log("limits_back")


def _follower(state: Path, spec: ServerSpec) -> Follower:
    """Rolls up the journal; short files count too, so that they cannot be without number."""
    settings = spec.settings
    kept = settings.usage
    size = kept.keep_segments_mib << 20
    files = max(KEPT_SEGMENTS, kept.keep_segments_mib // 4)
    runs = Runs(workers_of(settings), spec.machine)
    return Follower(state, database_of(settings), size, files, kept.keep_days, runs)


async def serve(spec: ServerSpec, pipe: int) -> int:
    """Runs until SIGTERM, or until the supervisor's end of the pipe closes; the exit status."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    orphaned: list[bool] = []

    def alone() -> None:
        # The supervisor is gone: what is left to roll up is there for the next server.
        orphaned.append(True)
        loop.remove_reader(pipe)
        over.set()

    loop.add_signal_handler(signal.SIGTERM, over.set)
    loop.add_reader(pipe, alone)
    bookkeeper = Bookkeeper(spec, loop)
    bookkeeper.following.start()
    listening = await bookkeeper.administer()
    await bookkeeper.office.run(over)
    if listening is not None:
        listening.close()
    if orphaned:
        flush()
        os._exit(1)
    await asyncio.to_thread(bookkeeper.following.end)
    return 0


def main(arguments: list[str]) -> int:
    """arguments: the descriptors of the orders and of the pipe."""
    spec = read_spec(int(arguments[0]))
    configure(spec.settings.log.level, spec.settings.log.format)
    write_apart()
    sys.setswitchinterval(_SWITCH_S)
    die_before(_EXPENDABLE)
    pipe = int(arguments[1])
    for number in (signal.SIGINT, signal.SIGHUP):  # those are for the supervisor
        signal.signal(number, signal.SIG_IGN)
    # Held until this process is gone, however it goes.
    succession = succeed(Path(spec.state), pipe)
    return asyncio.run(serve(spec, pipe)) if succession >= 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
