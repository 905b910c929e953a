"""What the owner asked for when a server was started, kept so that it can be read anew."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from fairlead.assembly.settings import Settings
from fairlead.core.errors import BadSetting
from fairlead.serving.machine import anonymous_file

STAYS = ("host", "port", "grpc_port", "also_bind", "admin", "state")
"""Settings of [server] that name what a running server holds: its sockets and its folder."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The paths, flags and file of settings of a command line.

    given: settings that are not the owner's words but facts of this process, such as the address
    of a socket that it was given; by the name within [server].
    """

    paths: Sequence[str]
    flags: Mapping[str, object]
    config: str | None = None
    given: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def orders(self, prepared: Any, spec: Any) -> dict[str, Any]:
        """How the supervisor has it read anew: fields of `Orders`.

        prepared, spec: of the server as it starts.
        """
        kept = {
            "asked": asdict(self),
            "stays": stays(spec.settings),
            "started": spec.started,
            "status": spec.status,
            "address": spec.address,
            "sockets": {
                name: getattr(prepared, name)
                for name in ("listener", "grpc", "admin", "also", "lock")
            },
        }
        handle = anonymous_file(json.dumps(kept).encode())
        return {
            "renew": (
                *(sys.executable, "-P", "-m", "fairlead.assembly.renewal"), str(handle), "{into}",
            ),
            "renewing": (handle,),
        }  # fmt: skip


def stays(settings: Settings) -> dict[str, Any]:
    """The settings that cannot change while the server runs, as JSON has them."""
    own = {name: getattr(settings.server, name) for name in STAYS}
    return json.loads(json.dumps(own))


def check_stays(settings: Settings, before: Mapping[str, Any]) -> None:
    """Raises BadSetting for a setting that differs and cannot change while the server runs."""
    for name, value in stays(settings).items():
        if value != before[name]:
            raise BadSetting(
                f"server.{name} was {before[name]!r} when the server started and is {value!r} now",
                where=settings.origins.get(f"server.{name}"),
                fix="Start the server anew to change it; all else can change while it runs",
            )
