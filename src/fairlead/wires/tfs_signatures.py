"""Which signature of a version a client of TensorFlow Serving means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairlead.core.call import Call
from fairlead.core.errors import FairleadError, SignatureUnknown
from fairlead.inputs.rows import listed
from fairlead.serving.served import Served, exchange
from fairlead.wires.tfs_facts import signature_def

SIGNATURE = "serving_default"
"""What the signature is called that a version is asked for when a request names none."""


def of_signature(call: Call, name: str) -> str:
    """Makes a call one of the signature that its request names, "" for the usual one.

    Returns the signature's name; the call has the lease of what answers it.
    Raises SignatureUnknown.
    """
    name = name or SIGNATURE
    served: Served = call.lease
    further = served.further.get(name)
    if further is not None:
        exchange(call, further)
    elif name != SIGNATURE and name not in served.package.signatures:
        raise signature_unknown(served, name)
    return name


def signature_unknown(served: Served, name: str) -> FairleadError:
    """That a version has no such signature, in the words that its clients look for."""
    known = [SIGNATURE, *(n for n in served.package.signatures if n != SIGNATURE)]
    return SignatureUnknown(
        f'Serving signature name: "{name[:80]}" not found in signature def',
        where="signature_name",
        fix=f"Known: {listed(known)}",
    )


def signature_defs(served: Served, size: Callable[[int], Any] = str) -> dict[str, Any]:
    """All signatures of a version by name, the usual one first. size: how dimensions are told."""
    further = served.package.signatures
    told = {SIGNATURE: signature_def(served.package.signature, size)}
    for name, package in further.items():
        told[name] = signature_def((package or served.package).signature, size)
    return told
