"""The protocols that a worker speaks: every wire, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fairlead.assembly.platform import NO_PLATFORM, Platform
from fairlead.core.limits import BodyLimits
from fairlead.core.promises import Wire
from fairlead.edge.router import PUBLIC_ADDRESSES, Router
from fairlead.edge.templates import Templates
from fairlead.pages.wire import Pages
from fairlead.serving.control import Control
from fairlead.serving.memory_bounds import free_memory
from fairlead.serving.registry import Registry
from fairlead.wires import grpc_health, oip_grpc, tfs_grpc
from fairlead.wires.grpc_health import GrpcHealth
from fairlead.wires.grpc_reflection import GrpcReflection
from fairlead.wires.invocations import Invocations
from fairlead.wires.multi_model import MultiModel
from fairlead.wires.native import Native
from fairlead.wires.oip_grpc import OipGrpc
from fairlead.wires.oip_rest import OipRest
from fairlead.wires.oip_settings import OipSettings
from fairlead.wires.tfs_grpc import TfsGrpc
from fairlead.wires.tfs_rest import TfsRest


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the wires are told of the worker that they stand in.

    ready: whether calls are taken. counts: what all workers have counted. limits: of bodies.
    level: of the log. control: loads and unloads models. default: the model that is asked where an
    address names none. platform: what a cloud has chosen. kserve_inputs: models for which `inputs`
    below /v1 is another word for `instances`.
    """

    registry: Registry
    ready: Callable[[], bool]
    counts: Callable[[], Mapping[str, Any]]
    limits: BodyLimits
    level: str
    control: Control | None = None
    default: str = ""
    platform: Platform = NO_PLATFORM
    kserve_inputs: tuple[str, ...] = ()


class Protocols:
    """The wires of one worker.

    own: our own protocol, which answers what no other does. pages: for people, None for none.
    """

    def __init__(self, known: Knowledge, own: Native, pages: Pages | None = None) -> None:
        settings = OipSettings(known.level)
        oip = OipRest(
            known.registry, known.ready, known.limits, known.counts, settings, known.control
        )
        cloud = known.platform
        alone = Invocations(
            known.registry,
            known.ready,
            known.limits,
            known.default,
            cloud.health,
            cloud.predict,
            cloud.accept,
            oip.route,
        )
        public = {*PUBLIC_ADDRESSES, cloud.health} if cloud.health else PUBLIC_ADDRESSES
        many: list[Wire] = []
        if cloud.many and known.control is not None:
            # Before our own, whose addresses it takes.
            many = [MultiModel(known.registry, known.control, alone, free_memory, known.limits)]
        predictions = TfsRest(known.registry, known.limits, known.kserve_inputs)
        shown: list[Wire] = [pages] if pages is not None else []
        self._wires: list[Wire] = [*many, alone, oip, predictions, *shown, own]
        known_to_all = {*public, *pages.public} if pages is not None else public
        self.http = Router(self._wires, known_to_all, pages)
        self._health = GrpcHealth(known.ready)
        methods = OipGrpc(
            known.registry, known.ready, known.counts, settings, known.limits, known.control
        )
        tensorflow = TfsGrpc(known.registry, known.limits, known.control)
        services = [
            oip_grpc.SERVICE, tfs_grpc.PREDICTIONS, tfs_grpc.MODELS, grpc_health.SERVICE,
        ]  # fmt: skip
        over_grpc: list[Wire] = [self._health, GrpcReflection(services), tensorflow, methods]
        self.grpc = Router(over_grpc)
        self.templates = Templates([*self._wires, *over_grpc])

    @property
    def addresses(self) -> list[str]:
        """Every address over HTTP, as the wires list them."""
        return [address for wire in self._wires for address in wire.addresses]

    def beat(self) -> None:
        """Several times a second: those who watch our health are told of changes."""
        self._health.beat()
