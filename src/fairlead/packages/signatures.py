"""The further signatures of a version, as its manifest lists them.

A SavedModel may have several. The first one is the model's: guards and contract are learnt of it.
Every other is a graph with tensors of its own, in the same version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fairlead.core.package import Feedback, FileFact, Package, Payloads
from fairlead.core.signature import Signature

_LONGEST = 256


def graph_of(graph: str, files: Mapping[str, FileFact]) -> str:
    """The file that a runtime loads, or the folder. Raises ValueError if the manifest has none."""
    if graph not in files and not any(name.startswith(graph + "/") for name in files):
        raise ValueError(f"the graph {graph!r:.80} is not in the manifest")
    return graph


def with_signatures(package: Package, listed: Mapping[str, Any]) -> Package:
    """The package with what its manifest lists under `signatures`.

    Raises ValueError, KeyError or TypeError for what cannot be.
    """
    found: dict[str, Package | None] = {}
    for name, facts in listed.items():
        if not 0 < len(name) <= _LONGEST:
            raise ValueError(f"{name!r:.80} cannot name a signature")
        found[name] = None if facts is None else _further(package, facts)
    return replace(package, signatures=found) if found else package


def _further(package: Package, facts: Mapping[str, Any]) -> Package:
    return replace(
        package,
        runtime=str(facts["runtime"]),
        isolated=bool(facts["isolated"]),
        graph=graph_of(facts["graph"], package.files),
        signature=Signature.from_json(facts["signature"]),
        environment={**package.environment, "about": dict(facts["about"])},
        reason=str(facts["reason"]),
        feedback=Feedback(),
        payloads=Payloads(),
        preparations=(),
    )


def listed(signatures: Mapping[str, Package | None]) -> dict[str, Any]:
    """What a manifest lists of further signatures: the inverse of `with_signatures`."""
    return {
        name: None
        if further is None
        else {
            "runtime": further.runtime,
            "isolated": further.isolated,
            "graph": further.graph,
            "signature": further.signature.to_json(),
            "about": further.environment.get("about", {}),
            "reason": further.reason,
        }
        for name, further in signatures.items()
    }
