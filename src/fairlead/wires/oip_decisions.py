"""What guards say, as outputs that an Open Inference Protocol client may ask for by name."""

from __future__ import annotations

from fairlead.core.datatypes import DTYPES
from fairlead.core.signature import TensorSpec
from fairlead.serving.served import Served

ADDED = {
    "decision": TensorSpec("decision", DTYPES["BYTES"], (-1,)),
    "p_novel": TensorSpec("p_novel", DTYPES["FP32"], (-1,)),
    "confidence": TensorSpec("confidence", DTYPES["FP32"], (-1,)),
    "verdict": TensorSpec("verdict", DTYPES["BYTES"], (-1,)),
}
"""One value per row each: serve, warn, abstain or reject; the novelty p-value; the confidence; all
that a row of /predict says beside its outputs, as JSON."""


def added_by(served: Served) -> dict[str, TensorSpec]:
    """What this version's guards say; a name that the model itself uses stays the model's."""
    guarding = served.guarding
    if guarding is None or not served.package.signature.batched:
        return {}
    own = {spec.name for spec in served.package.signature.outputs}
    about = guarding.about
    absent = {"p_novel": "novelty" not in about, "confidence": "confidence" not in about}
    return {n: spec for n, spec in ADDED.items() if not absent.get(n) and n not in own}
