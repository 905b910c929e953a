"""The evaluation rows of a package: what they are known by, and how they come back from it."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import numpy as np

from fairlead.core.errors import FileUnreadable, PackageInvalid
from fairlead.core.package import Package
from fairlead.packages.read import read_verified
from fairlead.packing.evaluate import ROWS, TARGET
from fairlead.packing.rows import Table


def digest(rows: Table) -> str:
    """SHA-256 over names, types and values of all columns: the same for the same rows.

    Text counts as it is, whatever holds it, so rows read back from a package have the same.
    """
    whole = hashlib.sha256()
    for name, values in rows.columns.items():
        plain: Any = values
        if values.dtype.kind in "OU":
            texts = [str(value) for value in values.reshape(-1).tolist()]
            raw = json.dumps(texts).encode()
            kind = "text"
        else:
            raw = np.ascontiguousarray(plain).tobytes()
            kind = values.dtype.str
        whole.update(json.dumps([name, kind, list(values.shape), len(raw)]).encode())
        whole.update(raw)
    return whole.hexdigest()


def evidence_of(package: Package) -> tuple[Table, str] | None:
    """The evaluation rows and the name of their label column; None where they were left out.

    Raises PackageInvalid.
    """
    if ROWS not in package.files or TARGET not in package.files:
        return None
    try:
        told: dict[str, Any] = json.loads(read_verified(package, TARGET))
        with np.load(io.BytesIO(read_verified(package, ROWS)), allow_pickle=False) as arrays:
            columns = {str(name): _column(arrays[str(name)]) for name in told["columns"]}
        return Table(columns), str(told["target"])
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise PackageInvalid(
            f"the evaluation rows cannot be read: {error}", where=str(package.folder)
        ) from None


def _column(values: Any) -> Any:
    return values.astype(object) if values.dtype.kind == "U" else values


def check_same(rows: Table, sha256: str) -> None:
    """Raises FileUnreadable unless these are the rows with this digest."""
    if digest(rows) != sha256:
        raise FileUnreadable(
            "these are not the evaluation rows that the card was made of",
            fix=f"Give the rows whose digest is {sha256}, in their order",
        )
