"""How a server does, for a terminal: figures in (serving/overseeing.py), lines out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fairlead.documents.tables import plain

NARROWEST = 40
_STYLES = {"bold": "1", "dim": "2", "good": "32", "bad": "31", "odd": "33"}
_GOOD, _ODD = {"ready", "works"}, {"loading", "warming", "waiting", "starting", "draining"}
_CODES = re.compile("\x1b\\[[0-9;]*m")
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class Column:
    """One column: its title, what it shows of a line, and how willingly it gives way.

    rank: columns of the highest rank are left out first where the terminal is narrow.
    """

    def __init__(
        self, title: str, shown: Callable[[Mapping[str, Any]], str], rank: int, right: bool = True
    ) -> None:
        self.title, self.shown, self.rank, self.right = title, shown, rank, right


def view(told: Mapping[str, Any], now_s: float, width: int, *, colour: bool) -> str:
    """The whole view. now_s: seconds since 1970. width: columns of the terminal."""
    width = max(width, NARROWEST)
    paint: Callable[[str, str], str] = _painted if colour else lambda text, style: text
    blocks = [
        _head(told, now_s, paint),
        _table(_PROCESSES, _processes(told), width, paint),
        _table(_MODELS, told["models"], width, paint) if told["models"] else "no model is known",
        *_reasons(told["models"]),
        *_worries(told),
    ]
    return "\n\n".join(_fitted(block, width) for block in blocks)


def _painted(text: str, style: str) -> str:
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def _fitted(block: str, width: int) -> str:
    """Lines that are too long are cut; what steers the terminal takes no room."""
    lines: list[str] = []
    for line in block.split("\n"):
        bare = _CODES.sub("", line)
        lines.append(line if len(bare) <= width else bare[: width - 1] + "…")
    return "\n".join(lines)


def _head(told: Mapping[str, Any], now_s: float, paint: Callable[[str, str], str]) -> str:
    server = told["server"]
    state = paint("ready", "good") if told["ready"] else paint(f"not ready: {told['why']}", "bad")
    since = duration(now_s - server["since_s"])
    first = paint(f"Fairlead {server['version']}", "bold") + f"  {plain(server['address'])}"
    return f"{first}\n{state}, up {since}"


def _processes(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    keeper = told["bookkeeper"]
    return [*told["workers"], {**keeper, "state": keeper["database"]}]


_PROCESSES = (
    Column("process", lambda one: one["process"], 0, right=False),
    Column("state", lambda one: one["state"], 0, right=False),
    Column("pid", lambda one: _count(one.get("pid"), ""), 3),
    Column("memory", lambda one: _bytes(one.get("memory")), 1),
    Column("connections", lambda one: _count(one.get("connections")), 2),
    Column("queued", lambda one: _count(one.get("queued")), 1),
    Column("heartbeat", lambda one: _seconds(one.get("age_s")), 4),
    Column("keys", lambda one: _count(one.get("keys")), 5),
)
_MODELS = (
    Column("model", lambda one: one["model"], 0, right=False),
    Column("version", lambda one: str(one["version"]), 0),
    Column("state", lambda one: one["state"], 0, right=False),
    Column("requests/s", lambda one: _rate(one["requests_per_s"]), 0),
    Column("failed", lambda one: _share(one["failed_share"]), 1),
    Column("p50", lambda one: _seconds(one["p50_s"]), 2),
    Column("p99", lambda one: _seconds(one["p99_s"]), 1),
    Column("waiting p99", lambda one: _seconds(one["queue_p99_s"]), 4),
    Column("requests", lambda one: _count(one["requests"]), 5),
    Column("decisions", lambda one: _decisions(one["decisions"]), 3, right=False),
)


def _table(
    columns: Sequence[Column],
    lines: Sequence[Mapping[str, Any]],
    width: int,
    paint: Callable[[str, str], str],
) -> str:
    """The lines below their titles, with as many columns as fit."""
    cells = {c.title: [plain(c.shown(line)) for line in lines] for c in columns}
    wide = {c.title: max(len(c.title), *map(len, cells[c.title])) for c in columns}
    shown = [c for c in columns if any(cells[c.title])]
    while sum(wide[c.title] + 2 for c in shown) - 2 > width and any(c.rank for c in shown):
        last = max(shown, key=lambda c: c.rank)
        shown = [c for c in shown if c is not last]

    def placed(column: Column, text: str) -> str:
        room = wide[column.title]
        return text.rjust(room) if column.right else text.ljust(room)

    made = [paint("  ".join(placed(c, c.title) for c in shown).rstrip(), "dim")]
    for number in range(len(lines)):
        row = [_marked(placed(c, cells[c.title][number]), c.title, paint) for c in shown]
        made.append("  ".join(row).rstrip())
    return "\n".join(made)


def _marked(cell: str, title: str, paint: Callable[[str, str], str]) -> str:
    if title != "state":
        return cell
    word = cell.strip()
    return paint(cell, "good" if word in _GOOD else "odd" if word in _ODD else "bad")


def _reasons(models: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why what is not ready is not."""
    said = [
        f"{plain(one['model'])} version {one['version']}: {plain(one['reason'])}"
        for one in models
        if one["reason"] and one["state"] != "ready"
    ]
    return ["\n".join(said)] if said else []


def _worries(told: Mapping[str, Any]) -> list[str]:
    """What an operator should know, where there is anything."""
    said: list[str] = []
    if told["refused_per_s"]:
        said.append(f"{_rate(told['refused_per_s'])} requests/s are refused before any model")
    if told["limits_away"]:
        said.append(f"{told['limits_away']} workers cannot ask what callers have left of limits")
    if told["bookkeeper"].get("postponed"):
        said.append(f"{told['bookkeeper']['postponed']} acts wait for the database")
    lost = sum(told["lines_lost"].values())
    if lost:
        said.append(f"{lost:,} lines are not in the log")
    return ["\n".join(said)] if said else []


# --- words for figures ------------------------------------------------------------------------


def duration(seconds: float) -> str:
    """A span of time in its two largest units: `2 h 13 min`."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for size, name in _UNITS:
        if left >= size or (name == "s" and not parts):
            parts.append(f"{left // size} {name}")
            left %= size
    return " ".join(parts[:2])


def _bytes(size: int | None) -> str:
    if not size:
        return ""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _count(count: int | None, separator: str = ",") -> str:
    return "" if count is None else f"{count:{separator}}"


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1e3:.2g} ms" if seconds < 0.1 else f"{seconds * 1e3:.0f} ms"


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 or not rate else f"{rate:.1f}"


def _decisions(shares: Mapping[str, float]) -> str:
    return " ".join(f"{name} {share:.0%}" for name, share in shares.items())
