"""What a worker has to serve, put together from its orders: its stock, its loader, its memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from fairlead.assembly.bases import bases_of, packing
from fairlead.assembly.runtimes import runtimes
from fairlead.assembly.spec import RUNNERS, ServerSpec
from fairlead.assembly.worker_count import workers_of
from fairlead.packages.repository import Found
from fairlead.serving.budget import Budget
from fairlead.serving.choosing import parse_policy
from fairlead.serving.loading import Loader
from fairlead.serving.memory import resident
from fairlead.serving.status import StatusPages
from fairlead.serving.stock import Stock
from fairlead.serving.trying import Trying

_UNITS = {"MiB": 1 << 20, "GiB": 1 << 30}
_TO_ANSWER, _BOOKKEEPER = 32 << 20, 80 << 20


def stock_of(spec: ServerSpec) -> Stock:
    """What the command line names, and what is wanted of it."""
    models, state = spec.settings.models, Path(spec.state)
    stock = Stock(
        parse_policy(models.versions),
        lazy=models.load == "lazy",
        pinned=models.pinned,
        roots=[Path(root) for root in spec.bases],
        pack=packing(spec.settings, state),
        held=bases_of(spec.bases, spec.settings, state),
    )
    stock.begin([Found(name, version, Path(folder)) for name, version, folder in spec.versions])
    return stock


def loader_of(spec: ServerSpec, index: int, answering: Callable[[], bool]) -> Loader:
    """What loads the versions of one worker. answering: whether it takes calls."""
    homes = Path(spec.state) / RUNNERS / str(index)
    trying = Trying(StatusPages(spec.status), index, Path(spec.state), answering)
    return Loader(runtimes(homes), spec.settings.models.isolate, trying)


def budget_of(spec: ServerSpec) -> Budget:
    """What memory the models of one worker may take.

    The processes need some without any model: this worker what it has once its runtime is loaded,
    and some to answer with; the supervisor what it has, and the bookkeeper as much as it ever has.
    """
    from fairlead.runtimes.onnx import OnnxRuntime

    told = spec.settings.models.memory
    if told == "auto":
        return Budget()
    workers = workers_of(spec.settings)
    OnnxRuntime().ready()
    own = resident() + _TO_ANSWER
    share = (bytes_of(told) - resident(os.getppid()) - _BOOKKEEPER) // workers - own
    return Budget(max(share, 1))


def bytes_of(amount: str) -> int:
    """Bytes of an amount such as "4GiB"."""
    number, unit = amount[:-3], amount[-3:]
    return int(number) * _UNITS[unit]
