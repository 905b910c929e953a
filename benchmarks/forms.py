"""The same rows in two forms, asked in turn of one server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import servers
from benchmarks.load import Cell, Patience, load
from benchmarks.report import Part, promise, spread, table


@dataclass(frozen=True, slots=True)
class Form:
    """A request. path: where it goes, "" for the usual address; headers: of every request."""

    body: Path
    path: str = ""
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared, on how many connections; limit: of the first over the second."""

    title: str
    connections: int
    words: str
    limit: float


def compared(
    what: Comparison,
    package: Path,
    forms: Mapping[str, Form],
    rounds: int,
    seconds: int,
    patience: Patience,
) -> Part:
    """Two forms in turn. Raises NotStarted."""
    first, second = forms
    found: dict[str, list[Cell]] = {name: [] for name in forms}
    server = servers.start(servers.fairlead(package, package.parent.name), forms[second].body)
    try:
        for _ in range(rounds):
            for name, form in forms.items():
                url = server.url.split("/v2/")[0] + form.path if form.path else server.url
                found[name].append(
                    patience.undisturbed(
                        lambda url=url, form=form: load(
                            url,
                            form.body,
                            server.session,
                            connections=what.connections,
                            seconds=seconds,
                            headers=form.headers,
                        )
                    )
                )
    finally:
        server.stop()
    part = Part(f"{what.title}, {what.connections} connections")
    part.lines = table(
        ("form", "requests/s", "p50, us", "errors"),
        [
            [
                name,
                spread([cell.per_s for cell in cells]),
                spread([cell.p50_us for cell in cells]),
                str(sum(cell.errors for cell in cells)),
            ]
            for name, cells in found.items()
        ],
    )
    pairs = zip(found[first], found[second], strict=True)
    ratios = [a.per_s / b.per_s if not a.errors + b.errors else 0.0 for a, b in pairs]
    part.promises = [promise(f"{what.words}, requests/s", what.limit, ratios)]
    return part
