"""The further signatures of a SavedModel, each made as the first one was.

They stand in the same version and answer who names them. What is learnt of rows, contract and
guards, is the first one's alone; so that nobody walks around them by another name for it, such a
name leads to the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fairlead.core.errors import FairleadError
from fairlead.packing.converters.tensorflow import ROWS, SAME
from fairlead.packing.faithful import Convert, Made, Say, Wanted, faithful

_NATIVE = "native/"


def further_of(
    wanted: Wanted, made: Made, convert: Convert, folder: Path, say: Say
) -> dict[str, Made | None]:
    """What was made of each further signature, by name; None of another name of the first.

    One that cannot be packed is left out, and said so.
    """
    found: dict[str, Made | None] = {}
    if wanted.one_signature:
        return found
    for number, (name, kind) in enumerate(sorted(made.signatures.items()), 1):
        if kind == SAME:
            found[name] = None
            continue
        place = folder / f"signature-{number}"
        place.mkdir()
        try:
            found[name] = faithful(_asked(wanted, name, kind), convert, place, _of(name, say))
        except FairleadError as error:
            say("signature", f"{name} is left out: {error.what}")
    apart = [name for name, further in found.items() if further is not None]
    if apart:
        say("signature", f"served without contract and guards: {', '.join(apart)}")
    return found


def _asked(wanted: Wanted, name: str, kind: str) -> Wanted:
    """What is asked for of a further signature: with the same rows where it takes them."""
    if kind == ROWS:
        return replace(wanted, signature=name)
    return replace(wanted, signature=name, reference=None, evaluation=None, input_names=())


def _of(name: str, say: Say) -> Say:
    return lambda step, result: say(step, f"signature {name}: {result}")


def placed(made: Made, files: dict[str, bytes | Path]) -> dict[str, Any]:
    """What the manifest lists of further signatures; their graphs are added to the files."""
    return {
        name: None if further is None else _listed(further, number, files)
        for number, (name, further) in enumerate(made.further.items(), 1)
    }


def _listed(further: Made, number: int, files: dict[str, bytes | Path]) -> Mapping[str, Any]:
    graph = further.graph
    if not graph.startswith(_NATIVE):
        graph = f"graph/signature-{number}.onnx"
    # One SavedModel holds all signatures that are kept native.
    files.setdefault(graph, further.files[further.graph])
    return {
        "runtime": further.runtime,
        "isolated": further.isolated,
        "graph": graph,
        "signature": further.signature.to_json(),
        "about": further.about,
        "reason": further.reason,
    }
