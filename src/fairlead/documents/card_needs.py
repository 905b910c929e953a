"""What a version needs and how fast it is, of the profile that its owner put into the package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.documents.card_text import milliseconds, number, size

TITLE = "What it needs"
_FORMAT = "fairlead-profile/1"


def needs(profile: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Facts of a card: name and value. [] where there is no profile, or none that is understood."""
    try:
        return _needs(profile) if profile.get("format") == _FORMAT else []
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return []


def _needs(profile: Mapping[str, Any]) -> list[tuple[str, str]]:
    held = size(profile["steady_bytes"])
    if profile["peak_bytes"] > profile["steady_bytes"]:
        held += f" in a worker, {size(profile['peak_bytes'])} at most"
    lone, best = profile["points"][0], profile["throughput"]
    most = max(profile["points"], key=lambda point: point["calls_per_s"])
    where = f"{best['threads']} executions at once" if best["threads"] else "on the worker's loop"
    gpu = f", {profile['gpu']}" if profile["gpu"] else ""
    return [
        ("Loaded in", _seconds(profile["load_s"])),
        ("On disk", size(profile["disk_bytes"])),
        ("Memory", held if profile["steady_bytes"] else ""),
        (
            "A lone caller waits",
            f"{_seconds(lone['p50_s'])}, 99 of 100 calls {_seconds(lone['p99_s'])}",
        ),
        (
            "Calls a second, one worker",
            f"{number(round(most['calls_per_s']))} with {most['callers']} callers",
        ),
        (
            "Rows a second, without a server",
            f"{number(round(best['rows_per_s']))}: up to {best['max_batch']} joined, {where}",
        ),
        ("Measured", f"{profile['taken']}, version {profile['version']}"),
        ("Measured on", f"{profile['machine']}{gpu}"),
    ]


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else milliseconds(value * 1000)
