"""From settings and paths to a running server: check everything, take the port, become it.

All that can be wrong is found here, before anything listens. The process then replaces itself by
the supervisor, so that what checking needed is not carried along.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from socket import socket
from time import sleep
from typing import NoReturn

from fairlead.assembly.asked import Asked
from fairlead.assembly.doors import admin_host, check_doors
from fairlead.assembly.downloads import downloaded
from fairlead.assembly.given import NOTHING, Given
from fairlead.assembly.hosts import is_loopback
from fairlead.assembly.listening import above, listen, listen_for_admin, listen_for_grpc
from fairlead.assembly.machine_price import machine_price
from fairlead.assembly.meters import check_meter_store
from fairlead.assembly.places import check_database, database_of
from fairlead.assembly.platform import BUCKET, loads_models, model_place, platform_of
from fairlead.assembly.requests import check_traces
from fairlead.assembly.restore import check_whole
from fairlead.assembly.rooms import check_room
from fairlead.assembly.settings import Settings
from fairlead.assembly.spec import RUNNERS, ServerSpec
from fairlead.assembly.versions import Packing, bases_among, find_versions
from fairlead.assembly.worker_count import workers_of
from fairlead.core.clock import now
from fairlead.core.errors import BindRefused, FileUnreadable, StateUnavailable
from fairlead.packages.repository import Found
from fairlead.serving import status
from fairlead.serving.machine import anonymous_file, locked
from fairlead.serving.supervisor import Orders
from fairlead.serving.wishes import forget_wishes
from fairlead.usage.stores.keys import FILE as KEYS
from fairlead.usage.stores.keys import open_keys
from fairlead.usage.stores.machine import HourPrice

_DRAIN_DELAY_S = 5.0
"""Seconds in which those who send callers to this machine may learn that it ends."""
_PYTHON = (sys.executable, "-P", "-m")
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
_PATIENCE_S, _STEP_S = 1.0, 0.02


@dataclass(frozen=True, slots=True)
class Prepared:
    """A server that is checked and holds its port, and has not started.

    listener, grpc, admin, lock: inheritable descriptors: the listening sockets of the service, of
    gRPC and of the administration (-1 for none), the state folder's lock.
    address, grpc_address, admin_address: where they will answer, such as http://127.0.0.1:8080.
    machine: what an hour of the machine costs.
    identities: what the file of issuers and certificates holds.
    bases: folders that hold SavedModels, now or later.
    patient: whether the sockets were given, so that callers may wait in them.
    """

    settings: Settings
    versions: list[Found]
    listener: int
    lock: int
    address: str
    machine: HourPrice
    grpc: int = -1
    grpc_address: str = ""
    admin: int = -1
    admin_address: str = ""
    identities: str = ""
    also: tuple[int, ...] = ()
    bases: tuple[str, ...] = ()
    patient: bool = False


def served_by_platform(settings: Settings) -> list[str]:
    """The path of the model that a cloud platform gives, downloaded where it must be; [] where the
    platform names its models while the server runs.

    Raises BadUsage when no platform has put a model anywhere, and what `downloaded` does.
    """
    environ = os.environ  # noqa: TID251 - this is assembly
    if loads_models(environ):
        return []
    place = model_place(environ)
    if place.startswith(BUCKET):
        return [str(downloaded(place, Path(settings.server.state)))]
    return [place]


def prepare(
    paths: Sequence[str],
    settings: Settings,
    given: Given = NOTHING,
    pack: Packing | None = None,
) -> Prepared:
    """Checks paths and settings, takes the state folder and the port.

    given: sockets that listen already. pack: as of `find_versions`.
    Raises FileUnreadable, PackageInvalid, BindRefused and the like; then nothing is left behind.
    """
    check_exposure(settings)
    platform_of(os.environ)  # noqa: TID251 - this is assembly
    identities = check_doors(settings)
    check_database(settings)
    check_meter_store(settings)
    check_traces(settings)
    machine = machine_price(settings)
    check_paths(paths)
    state = _cleared_state(settings)
    versions = find_versions(paths, settings, pack)
    host = settings.server.host
    listener = given.service or listen(host, settings.server.port)
    port = listener.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    scheme = scheme_of(settings)
    inside = is_loopback(admin_host(settings))
    admin: tuple[socket, str] | None = None
    also: list[socket] = [*given.further]
    try:
        for further in settings.server.also_bind:
            also.append(listen(host, further, "--also-bind"))
        # Before gRPC, which gives way where nobody asked for its port.
        admin = listen_for_admin(
            settings.server.admin, settings.server.port, "http" if inside else scheme
        )
        grpc = given.grpc or listen_for_grpc(settings.server.grpc_port, host, settings.server.port)
    except BaseException:
        for taken in (listener, admin[0] if admin else None, *also):
            if taken is not None:
                taken.close()
        raise
    return Prepared(
        settings,
        versions,
        _handed_on(listener),
        state,
        f"{scheme}://{shown}:{port}",
        grpc_address=f"{shown}:{port if grpc is None else grpc.getsockname()[1]}",
        grpc=-1 if grpc is None else _handed_on(grpc),
        admin=-1 if admin is None else _handed_on(admin[0]),
        admin_address="" if admin is None else admin[1],
        identities=identities,
        also=tuple(map(_handed_on, also)),
        bases=tuple(bases_among(paths)),
        patient=given.service is not None,
        machine=machine,
    )


def _cleared_state(settings: Settings) -> int:
    """The lock of the state folder, which is whole and holds nothing of who is gone."""
    folder = Path(settings.server.state)
    state = take_state(settings.server.state)
    # What a server that was killed has left: nobody else uses this folder now.
    shutil.rmtree(folder / RUNNERS, ignore_errors=True)
    forget_wishes(folder)
    check_whole(folder)
    check_room(folder, database_of(settings))
    return state


def _handed_on(listener: socket) -> int:
    """The descriptor of a socket, for the processes that this one becomes and starts."""
    handle = listener.detach()
    os.set_inheritable(handle, True)
    return handle


def become(prepared: Prepared, notes: Sequence[str], asked: Asked | None = None) -> NoReturn:
    """Replaces this process by the supervisor; `notes` are said once the service answers.

    asked: what was asked for, to be read anew when the server is renewed; None: it never is.
    """
    greeting = [*_greeting(prepared), *notes]
    status_pages = status.create(workers_of(prepared.settings))
    spec = spec_of(prepared, status_pages, datetime.now(UTC).isoformat(timespec="seconds"))
    told = anonymous_file(json.dumps(spec.to_json()).encode())
    orders = orders_of(spec, prepared.lock, told, greeting)
    if asked is not None:
        orders = replace(orders, **asked.orders(prepared, spec))
    handle = anonymous_file(json.dumps({f: getattr(orders, f) for f in Orders.__slots__}).encode())
    sys.stdout.flush()
    command = [*_PYTHON, "fairlead.serving.supervisor", str(handle)]
    os.umask(0o077)  # whatever a process of the server writes is its owner's alone
    os.execve(sys.executable, command, one_thread_each())  # noqa: S606


def scheme_of(settings: Settings) -> str:
    """What stands before the addresses of the service."""
    return "https" if settings.server.tls_cert else "http"


def spec_of(prepared: Prepared, pages: int, started: str) -> ServerSpec:
    """What the processes of a server are told. pages: the descriptor of the status pages."""
    settings = prepared.settings
    return ServerSpec(
        settings=settings,
        versions=[(f.name, f.version, str(f.folder.resolve())) for f in prepared.versions],
        state=str(Path(settings.server.state).resolve()),
        listener=prepared.listener,
        grpc=prepared.grpc,
        admin=prepared.admin,
        status=pages,
        grace_s=settings.server.grace_s,
        drain_delay_s=drain_delay(settings),
        identities=prepared.identities,
        also=prepared.also,
        bases=prepared.bases,
        started=started,
        address=prepared.address,
        patient=prepared.patient,
        machine=prepared.machine,
    )


def drain_delay(settings: Settings) -> float:
    """Seconds in which new callers are taken yet: none where nobody sends them from elsewhere."""
    own = settings.server
    if own.drain_delay_s == "auto":
        wanted = 0.0 if is_loopback(own.host) else _DRAIN_DELAY_S
    else:
        wanted = float(own.drain_delay_s)
    return min(wanted, own.grace_s)


def orders_of(spec: ServerSpec, lock: int, told: int, greeting: list[str]) -> Orders:
    """What the supervisor runs. told: the descriptor of the file that holds `spec`."""
    log = spec.settings.log
    return Orders(
        worker=[*_PYTHON, "fairlead.assembly.worker", "{told}", "{index}", "{pipe}"],
        bookkeeper=[*_PYTHON, "fairlead.assembly.bookkeeper", "{told}", "{pipe}"],
        workers=workers_of(spec.settings),
        status=spec.status,
        listeners=[n for n in (spec.listener, spec.grpc, *spec.also) if n >= 0],
        admin=spec.admin,
        inherited=[spec.status, lock],
        grace_s=spec.grace_s,
        drain_delay_s=spec.drain_delay_s,
        log=(log.level, log.format),
        greeting=greeting,
        told=told,
    )


def one_thread_each() -> dict[str, str]:
    """The environment of the serving processes: ours, with one thread for numpy's products.

    Rows are few and workers as many as cores: threads that wait for each other's share of a product
    halve the rate. Who sets another number keeps it.
    """
    return dict.fromkeys(_THREADS, "1") | dict(os.environ)  # noqa: TID251 - this is assembly


def _greeting(prepared: Prepared) -> list[str]:
    lines = [f"  at {prepared.address}"]
    if prepared.settings.pages.on:
        lines.append("  in a browser too: what is served, a form to try each model, usage")
    if prepared.grpc >= 0:
        lines.append(f"  gRPC at {prepared.grpc_address}")
    elif prepared.settings.server.grpc_port == "auto":
        taken = above(prepared.settings.server.port)
        lines.append(f"  gRPC at {prepared.grpc_address} (port {taken} is taken)")
    if prepared.also:
        ports = ", ".join(map(str, prepared.settings.server.also_bind))
        lines.append(f"  HTTP and gRPC at port {ports} too")
    if prepared.admin_address:
        lines.append(f"  administration at {prepared.admin_address}, for keys with an admin scope")
    served = {found.name for found in prepared.versions}
    for name in sorted(set(prepared.settings.models.isolate) - served):
        lines.append(f"  note: models.isolate names {name}, which is not served here")
    if _is_open(prepared.settings):
        lines.append("  open to every program on this machine: no keys exist")
    return lines


def check_exposure(settings: Settings) -> None:
    """Raises BindRefused for an address that others can reach when nobody authenticates."""
    host = settings.server.host
    if settings.server.auth == "platform" or settings.access.identities or is_loopback(host):
        return
    state = Path(settings.server.state)
    if has_keys(state, database_of(settings)):
        return
    raise BindRefused(
        f"{host} can be reached by other machines, and there are no keys",
        fix=f"Make one (fairlead keys create --name me --scope 'predict:*' --state {state}), keep "
        "--host 127.0.0.1, or say --auth platform when the platform in front of this server "
        "authenticates every caller",
    )


def _is_open(settings: Settings) -> bool:
    """Whether callers need no key, as far as is known: a database that is away may hold some."""
    if settings.server.auth != "keys" or settings.access.identities:
        return False
    try:
        return not has_keys(Path(settings.server.state), database_of(settings))
    except StateUnavailable:
        return False


def has_keys(state: Path, place: str | None = None) -> bool:
    """Whether a key was ever made in a state folder; also one that works no longer closes it.

    place: of the database of keys, if that is not in the folder. Raises as `Database`.
    """
    file = state / KEYS
    if place is None and not file.exists():
        return False
    store = open_keys(file if place is None else place)
    try:
        return bool(store.page(None, "", 1))
    finally:
        store.close()


def check_paths(paths: Sequence[str]) -> None:
    """Raises FileUnreadable unless every path, or file before `:function`, exists."""
    for text in paths:
        path, source = Path(text), Path(text.rpartition(":")[0])
        try:
            found = path.exists() or (source.suffix == ".py" and source.exists())
        except OSError as error:
            raise FileUnreadable(
                f"{text[:200]} cannot be read: {error.strerror}", fix="Check the path"
            ) from error
        if not found:
            raise FileUnreadable(f"{text} does not exist", fix="Check the path")


def take_state(folder: str) -> int:
    """Creates the state folder and locks it for this server; returns the lock's descriptor."""
    path = Path(folder)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise FileUnreadable(
            f"the state folder cannot be used: {error.strerror}",
            where=str(path),
            fix="Name another with --state",
        ) from error
    if not _locked_soon(handle):
        os.close(handle)
        raise BindRefused(
            "another server uses this state folder",
            where=str(path),
            fix="Give each its own --state (from Python: state=)",
        )
    os.set_inheritable(handle, True)
    return handle


def _locked_soon(handle: int) -> bool:
    """Whether the lock is ours; a server that was killed holds it until its last worker is gone."""
    end = now() + _PATIENCE_S
    while not locked(handle):
        if now() > end:
            return False
        sleep(_STEP_S)
    return True
