"""Does a card say what its evidence says? Every figure is made again and compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from fairlead.core.errors import BadUsage, FairleadError, PackageInvalid
from fairlead.core.package import Package
from fairlead.core.tensor import Array
from fairlead.packages.read import read_verified
from fairlead.packing.card import loaded_package, recomputed, unmeasured_again
from fairlead.packing.declared import Declared
from fairlead.packing.evidence import check_same, evidence_of
from fairlead.packing.profile import machine, profile_of
from fairlead.packing.rows import Table
from fairlead.packing.statistics import FILE

NEAR = 1e-5
"""Numbers are the same within this share: another processor adds in another order."""

BAND = 5.0
"""Times on the same machine are the same within this factor."""

_TIMES = (("one", "p50_ms"), ("batch", "p50_ms"))


def differences(
    package: Package, given: tuple[Path, str] | None = None, near: float = NEAR
) -> list[str]:
    """Every figure of the card that is not what is measured now, a line each.

    given: a file with the evaluation rows, where the package does not hold them, and the column of
    their labels. near: the share within which numbers are the same; 0 is kept by the machine and
    the libraries that made the card. Raises PackageInvalid, BadUsage for rows that are not there,
    FileUnreadable for other rows than the card was made of.
    """
    if FILE not in package.files:
        raise PackageInvalid(
            "the package has no facts for a card: it was packed by an older version",
            where=str(package.folder),
            fix="Pack the model again",
        )
    stored: dict[str, Any] = json.loads(read_verified(package, FILE))
    if stored["performance"] != "measured" and "evaluation" not in stored:
        return [*_apart("", stored, unmeasured_again(package), near)]
    rows, target = _rows(package, stored["evaluation"], given)
    files: dict[str, bytes | Path] = {n: read_verified(package, n) for n in package.files}
    model = loaded_package(package)
    try:
        return [*_apart("", stored, recomputed(package, model, files, rows, target), near)]
    finally:
        model.close()


def _rows(
    package: Package, told: Mapping[str, Any], given: tuple[Path, str] | None
) -> tuple[Table, str]:
    if given is not None:
        path, target = given
        files: dict[str, bytes | Path] = {
            name: read_verified(package, name) for name in package.files if "inputs/" in name
        }
        rows = Declared(preparations=package.preparations, files=files).rows(path)
    else:
        kept = evidence_of(package)
        if kept is None:
            raise BadUsage(
                "the package does not hold the evaluation rows",
                fix=f"Give them: --evaluation ROWS --target {told['target']}",
            )
        rows, target = kept
    check_same(rows, str(told["sha256"]))
    return rows, target


def _apart(place: str, stored: Any, found: Any, near: float) -> Iterator[str]:
    """Where two JSON values are not the same."""
    if isinstance(stored, dict) and isinstance(found, dict):
        left, right = cast("dict[str, Any]", stored), cast("dict[str, Any]", found)
        for key in [*left, *(key for key in right if key not in left)]:
            inner = f"{place}.{key}" if place else key
            if key not in right:
                yield f"{inner}: the card says {_short(left[key])}, and it is not measured now"
            elif key not in left:
                yield f"{inner}: the card does not say it; measured now {_short(right[key])}"
            else:
                yield from _apart(inner, left[key], right[key], near)
    elif isinstance(stored, list) and isinstance(found, list):
        both = cast("list[Any]", stored), cast("list[Any]", found)
        if len(both[0]) != len(both[1]):
            yield f"{place}: the card has {len(both[0])} entries, measured now {len(both[1])}"
            return
        for number, (one, other) in enumerate(zip(*both, strict=True)):
            yield from _apart(_named(place, number, one), one, other, near)
    elif not _same(stored, found, near):
        yield f"{place}: the card says {_short(stored)}, measured now {_short(found)}"


def _named(place: str, number: int, entry: Any) -> str:
    """An entry by its name, where it has one."""
    told: Mapping[str, Any] = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
    for key in ("name", "of", "disturbance", "promised", "group", "column"):
        if key in told:
            return f"{place}[{_short(told[key])}]"
    return f"{place}[{number}]"


def _same(stored: Any, found: Any, near: float) -> bool:
    numbers = (int, float)
    if isinstance(stored, bool) or isinstance(found, bool) or stored is None or found is None:
        return stored is found
    if isinstance(stored, numbers) and isinstance(found, numbers):
        return abs(stored - found) <= near * max(abs(stored), abs(found))
    return bool(stored == found)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return shown if len(shown) <= 80 else shown[:79] + "\N{HORIZONTAL ELLIPSIS}"


def slower(package: Package) -> list[str]:
    """Times that are beyond the band, a line each; [] where another machine measured them.

    They depend on what else the machine does: told, and no reason to doubt the card.
    """
    measured: dict[str, Any] = json.loads(read_verified(package, "measured.json"))
    stored: dict[str, Any] = measured.get("profile") or {}
    example: dict[str, Any] = {}
    if "examples.json" in package.files:
        example = json.loads(read_verified(package, "examples.json"))
    if stored.get("machine") != machine() or not example.get("inputs"):
        return []
    model = loaded_package(package)
    try:
        found = profile_of(
            model, package.signature, _inputs(package, example), isolated=package.isolated
        )
    except FairleadError:
        return []
    finally:
        model.close()
    lines: list[str] = []
    for call, key in _TIMES:
        if call in stored and call in found:
            before, now = float(stored[call][key]), float(found[call][key])
            if not before / BAND <= now <= before * BAND:
                lines.append(
                    f"profile.{call}.{key}: the card says {before:.3g}, measured now {now:.3g}, "
                    f"more than {BAND:g} times apart"
                )
    return lines


def _inputs(package: Package, example: Mapping[str, Any]) -> list[Array]:
    """The example's tensors; one call of a model that is not batched stands along a first axis."""
    given = {tensor["name"]: tensor for tensor in example["inputs"]}
    found: list[Array] = []
    for spec in package.signature.inputs:
        tensor = given[spec.name]
        flat = [np.nan if v is None else v for v in tensor["data"]]
        array = np.array(flat, dtype=spec.dtype.numpy).reshape(tensor["shape"])
        found.append(array if package.signature.batched else array[np.newaxis])
    return found
