"""Reads files in a process that notes everything Python is asked to do beyond reading them.

    python -m tests.packing.airlock.watched read FOLDER    by both readers
    python -m tests.packing.airlock.watched call CANARY    what is listed

The first prints {file: [inert outcome, outcome, [events]]}; an outcome is "made CLASS", or the
error's class and text. The second prints {name: [events]}. Modules are imported before, so that
any import, file or program is the file's own.
"""

from __future__ import annotations

import io
import itertools
import json
import random
import resource
import sys
import warnings
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.packing.airlock import hostile

from fairlead.packing.airlock import inert, unpickle
from fairlead.packing.airlock.allow_list import AllowList

ORDINARY = (
    "object.__", "gc.", "sys._getframe", "builtins.id", "sys.unraisablehook", "cpython.", "ctypes.",
    "import", "time.sleep",
)  # fmt: skip
"""Events that are no act on anything outside. Boosters call their library by ctypes."""


class Watch:
    """Notes the audit events while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.events: list[str] = []
        sys.addaudithook(self.note)

    def note(self, event: str, arguments: Any) -> None:
        if self.on and not event.startswith(ORDINARY):
            self.events.append(f"{event} {arguments!r:.200}")


def listed() -> list[tuple[str, str]]:
    """The names of the list whose module is installed here."""
    found: list[tuple[str, str]] = []
    for module, name in AllowList()._ours:
        with suppress(ImportError):
            if hasattr(import_module(module), name):
                found.append((module, name))
    return found


def outcome(do: Any) -> str:
    try:
        made = do()
    except Exception as error:
        names = ",".join(getattr(error, "names", []))
        return f"{type(error).__name__}: {error!s:.200} [{names}]"
    return f"made {type(made).__name__}"


def read(path: Path, watch: Watch, allowed: AllowList) -> list[Any]:
    """The outcome of the inert reader, of the real one, and what either did."""
    watch.events = []
    with unpickle.opened(path) as stream:
        watch.on = True
        first = outcome(lambda: inert.InertReader(stream).load())
        watch.on = False
    with unpickle.opened(path) as stream:
        watch.on = True
        second = outcome(lambda: unpickle.AllowedReader(stream, allowed, 1 << 30).load())
        watch.on = False
    return [first, second, watch.events]


def read_all(folder: str, watch: Watch) -> dict[str, Any]:
    allowed = AllowList()
    return {p.name: read(p, watch, allowed) for p in sorted(Path(folder).iterdir())}


def arguments(canary: str) -> list[tuple[Any, ...]]:
    """What a file may call something with: none, one, two, and some threes."""
    values: list[Any] = [
        canary, "w", f"open({canary!r}, 'w')", f"touch {canary}", "os", b"\x80\x04N.", None, True,
        -1, 1 << 40, 0.5, [], [canary], {}, {"file": canary}, (0,),
        hostile.Raw(hostile.made(hostile.name("sklearn.linear_model._ridge", "Ridge"))),
        hostile.Raw(hostile.name("lightgbm.basic", "Booster")),
        hostile.Raw(hostile.name("builtins", "list")),
        hostile.Raw(hostile.array(hostile.element("i8"), (2,), bytes(16))),
    ]  # fmt: skip
    pairs = list(itertools.product(values, repeat=2))
    threes = random.Random(0).sample(list(itertools.product(values, repeat=3)), 100)
    return [(), *[(v,) for v in values], *pairs, *threes]


def call_all(canary: str, watch: Watch) -> dict[str, Any]:
    """Files that call each listed name; and each kept object called as a transformer would."""
    allowed, found = AllowList(), dict[str, Any]()
    given = arguments(canary)
    for module, name in listed():
        uses = allowed.uses(module, name)
        if uses <= {"made"}:
            continue
        watch.events = []
        for each in given:
            code = hostile.file(hostile.calls(hostile.name(module, name), *each))
            watched(lambda raw=code: read_raw(raw, allowed), watch)
            if "kept" in uses:
                value = read_raw(hostile.file(hostile.name(module, name)), allowed)
                plain = read_raw(hostile.file(hostile.value((each,))), allowed)[0]
                watched(lambda f=value, a=plain: f(*a), watch)
        found[f"{module} {name}"] = watch.events
    return found


def read_raw(raw: bytes, allowed: AllowList) -> Any:
    return unpickle.AllowedReader(io.BytesIO(raw), allowed, 1 << 30).load()


def watched(do: Any, watch: Watch) -> None:
    watch.on = True
    with suppress(Exception):
        do()
    watch.on = False


def main(what: str, given: str) -> None:
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    listed()
    import_module("encodings.raw_unicode_escape")
    do = {"read": read_all, "call": call_all}[what]
    print(json.dumps(do(given, Watch())))


if __name__ == "__main__":
    main(*sys.argv[1:])
