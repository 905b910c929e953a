"""Reads the settings of a running server anew, and says what to run from now on, or why not.

Everything that can be wrong is found here, in a process of its own, while the server goes on.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fairlead.assembly.asked import Asked, check_stays
from fairlead.assembly.config import read
from fairlead.assembly.doors import check_doors
from fairlead.assembly.machine_price import machine_price
from fairlead.assembly.meters import check_meter_store
from fairlead.assembly.places import check_database
from fairlead.assembly.requests import check_traces
from fairlead.assembly.server import (
    Prepared,
    check_exposure,
    check_paths,
    orders_of,
    scheme_of,
    spec_of,
)
from fairlead.assembly.versions import bases_among, find_versions
from fairlead.core.errors import FairleadError
from fairlead.serving.supervisor import Orders


def main(arguments: list[str]) -> int:
    """arguments: the descriptors of what is kept of the server (asked.py), and of the answer."""
    kept_in, into = int(arguments[0]), int(arguments[1])
    kept = json.loads(os.pread(kept_in, os.fstat(kept_in).st_size, 0))
    try:
        found = _found(kept, kept_in)
    except FairleadError as error:
        found = {"refused": error.line()}
    except Exception as error:
        found = {"refused": repr(error)}
    os.write(into, json.dumps(found).encode())
    return int("refused" in found)


def _found(kept: Mapping[str, Any], kept_in: int) -> dict[str, Any]:
    """What to run. Raises what is wrong with the settings, the paths and what they name."""
    prepared = _prepared(kept)
    spec = spec_of(prepared, kept["status"], kept["started"])
    orders = replace(
        orders_of(spec, prepared.lock, -1, []),
        renew=(
            *(sys.executable, "-P", "-m", "fairlead.assembly.renewal"), str(kept_in), "{into}",
        ),
        renewing=(kept_in,),
    )  # fmt: skip
    return {
        "orders": {name: getattr(orders, name) for name in Orders.__slots__},
        "spec": spec.to_json(),
    }


def _prepared(kept: Mapping[str, Any]) -> Prepared:
    asked, sockets = Asked(**kept["asked"]), kept["sockets"]
    settings = read(asked.flags, asked.config)
    if asked.given:
        settings = replace(settings, server=replace(settings.server, **asked.given))
    check_stays(settings, kept["stays"])
    check_exposure(settings)
    identities = check_doors(settings)
    check_database(settings)
    check_meter_store(settings)
    check_traces(settings)
    check_paths(asked.paths)
    return Prepared(
        settings,
        find_versions(asked.paths, settings),
        sockets["listener"],
        sockets["lock"],
        address=f"{scheme_of(settings)}://{kept['address'].partition('://')[2]}",
        grpc=sockets["grpc"],
        admin=sockets["admin"],
        identities=identities,
        also=tuple(sockets["also"]),
        bases=tuple(bases_among(asked.paths)),
        patient=bool(asked.given),
        machine=machine_price(settings),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
