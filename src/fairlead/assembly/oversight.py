"""What the bookkeeper is told of the server, to tell how it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from fairlead.assembly.spec import ServerSpec
from fairlead.assembly.worker_count import workers_of
from fairlead.core.version import __version__
from fairlead.serving import any_json
from fairlead.serving.memory import resident
from fairlead.serving.overseeing import Overseeing
from fairlead.serving.status import StatusPages, about_process


def overseeing_of(spec: ServerSpec, stores: Callable[[], Mapping[str, Any]]) -> Overseeing:
    """The desk. stores: how the database of keys stands."""
    about = {
        "version": __version__,
        "address": spec.address,
        "since": spec.started,
        "since_s": datetime.fromisoformat(spec.started).timestamp() if spec.started else 0.0,
        "state": spec.state,
    }
    own = about_process("bookkeeper")
    workers = workers_of(spec.settings)
    return Overseeing(
        StatusPages(spec.status, any_json),
        about,
        lambda: {**own, "memory": resident()},
        stores,
        workers,
    )
