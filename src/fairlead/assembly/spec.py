"""What workers and the bookkeeper are told, as JSON in an anonymous file that they inherit."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from typing import Any

from fairlead.assembly.settings import SECTIONS, Settings
from fairlead.usage.stores.machine import UNSAID, HourPrice

RUNNERS = "runners"
"""Where below the state folder the runners of each worker have their folders."""


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """The orders of a server's processes.

    versions: (model name, version, package folder) of everything that is known.
    listener, grpc, admin, status: inherited descriptors of the sockets of the service, of gRPC
              and of the administration (-1 for none), and of the status pages.
    also:     those of further ports of the service.
    identities: what the file of issuers and certificates holds.
    bases:    folders that hold SavedModels as TensorFlow Serving lays them out, now or later.
    started:  when the server started, as an ISO time. address: where it answers.
    patient:  whether callers wait in the sockets until the models are loaded: who holds these
              sockets wants nobody to be refused.
    machine:  what an hour of the machine costs.
    grace_s:  seconds in which what was begun may end; drain_delay_s: how many of them new callers
              are still taken.
    """

    settings: Settings
    versions: list[tuple[str, int, str]]
    state: str
    listener: int
    status: int
    grace_s: float
    grpc: int = -1
    admin: int = -1
    also: tuple[int, ...] = ()
    identities: str = ""
    bases: tuple[str, ...] = ()
    started: str = ""
    address: str = ""
    drain_delay_s: float = 0.0
    patient: bool = False
    machine: HourPrice = UNSAID

    def to_json(self) -> dict[str, Any]:
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "settings"}
        found["settings"] = {name: asdict(getattr(self.settings, name)) for name in SECTIONS}
        return found

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ServerSpec:
        """The inverse of `to_json`."""
        sections = {
            name: SECTIONS[name](
                **{k: tuple(v) if v.__class__ is list else v for k, v in own.items()}
            )
            for name, own in data["settings"].items()
        }
        rest = {k: v for k, v in data.items() if k != "settings"}
        rest["versions"] = [(name, version, folder) for name, version, folder in data["versions"]]
        rest["also"] = tuple(data["also"])
        rest["bases"] = tuple(data["bases"])
        rest["machine"] = HourPrice(*data["machine"])
        return cls(settings=Settings(**sections, origins={}), **rest)


def read_spec(handle: int) -> ServerSpec:
    """The orders in an inherited file."""
    raw = os.pread(handle, os.fstat(handle).st_size, 0)
    return ServerSpec.from_json(json.loads(raw))
