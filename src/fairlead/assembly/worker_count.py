"""How many workers a server has."""

from __future__ import annotations

from fairlead.assembly.settings import Settings
from fairlead.serving.machine import usable_cores


def workers_of(settings: Settings) -> int:
    """As many as the settings say, or one for each core that this process may use."""
    workers = settings.server.workers
    return workers if isinstance(workers, int) else usable_cores()
