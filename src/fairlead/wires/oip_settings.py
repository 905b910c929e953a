"""Trace and log settings as clients of Triton ask for them.

They are told as they are. They are read once, when the server starts, so that a request to change
one is refused unless it asks for what already holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.core.errors import BadParameter, UnknownName, Unsupported

_LEVELS = ("error", "warning", "info", "debug")


class OipSettings:
    """The settings of one server. level: of its log, as `log.level` says."""

    def __init__(self, level: str = "info") -> None:
        loud = _LEVELS.index(level)
        self._log: dict[str, Any] = {
            "log_file": "",
            "log_info": loud >= 2,
            "log_warning": loud >= 1,
            "log_error": True,
            "log_verbose_level": int(loud >= 3),
            "log_format": "default",
        }
        self._trace: dict[str, Any] = {
            "trace_file": "",
            "trace_level": ["OFF"],
            "trace_rate": "1000",
            "trace_count": "-1",
            "log_frequency": "0",
        }

    def log(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """The log settings. Raises UnknownName, BadParameter, Unsupported for a change."""
        return self._told(self._log, wanted, "log.level in fairlead.toml says what is logged")

    def trace(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """The trace settings. Raises UnknownName, BadParameter, Unsupported for a change."""
        return self._told(self._trace, wanted, "Nothing is traced by this server")

    @staticmethod
    def _told(known: dict[str, Any], wanted: Mapping[str, Any], why: str) -> dict[str, Any]:
        for key, value in wanted.items():
            if key not in known:
                raise UnknownName(
                    f"there is no setting {key[:80]!r}", fix=f"Known: {', '.join(known)}"
                )
            holds = known[key]
            if value is None or value in (holds, [holds], [str(holds)]):
                continue  # null stands for what holds anyway
            if value.__class__ not in (str, int, bool, list):
                raise BadParameter(f"the setting {key!r} cannot be this", where=key)
            raise Unsupported(f"the setting {key!r} is not changed while the server runs", fix=why)
        return dict(known)
