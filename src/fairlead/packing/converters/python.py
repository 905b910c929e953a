"""Python functions: nothing is converted; the reference rows say what goes in and comes out.

Standalone: it runs in the airlock, perhaps under another interpreter.
"""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.packing.converters import samples
from fairlead.runtimes import python as runtime

SOURCE = "model.py"
_KINDS = {"b": "BOOL", "i": "INT64", "f": "FP64", "O": "BYTES"}
_OUT = {"b": "BOOL", "i": "INT64", "u": "INT64", "f": "FP64", "O": "BYTES"}
_ROLES = {"BYTES": "label", "FP64": "value"}
"""What a function's only output means; several keep the names that the owner gave them."""
_MANY = " that gives many answers to a call"
_ALONE = 3
"""So many rows are asked again, each alone."""


def read(path: Path, job: dict[str, Any]) -> Any:
    """The function or instance that job["object"] names in a source file. Raises ValueError."""
    try:
        return runtime.find(path, str(job["object"]))
    except ModuleNotFoundError as error:
        # The file alone is packed. Whether a neighbour exists may be asked; it is not read.
        top = str(error.name).partition(".")[0]
        if not (path.parent / top).is_dir() and not (path.parent / f"{top}.py").is_file():
            raise
        raise ValueError(
            f"it imports {top!r} from the folder that it lies in, and one file is packed: move "
            "what it needs into the file, or install it as a package"
        ) from None


def convert(model: Any, job: dict[str, Any], out: Path) -> dict[str, Any]:
    """Copies the source and calls the function once on all reference rows. Raises ValueError."""
    if not job.get("rows"):
        raise ValueError(
            "a Python function needs reference rows, which say what it takes: pack it with "
            "--reference ROWS"
        )
    columns = {name: _plain(values) for name, values in samples.given(job).items()}
    call = runtime.caller(model, list(columns))
    answers: Any = call(_copied(columns, None))
    about: dict[str, Any] = {"object": str(job["object"])}
    takes = runtime.taken(model, list(columns))
    if takes:
        about["takes"] = takes
    if not hasattr(answers, "__next__"):
        outputs = _outputs(answers, len(next(iter(columns.values()))))
        if "sequence" not in takes:
            _check_alone(call, columns, answers)
    else:
        about["decoupled"] = True
        answers, outputs = _many(call, columns)
    shutil.copyfile(str(job["path"]), out / SOURCE)
    samples.save(out / "rows.npz", samples.for_file(columns))
    samples.save(out / "original.npz", samples.for_file(answers))
    return {
        "runtime": "python",
        "graph": SOURCE,
        "reason": "it is a Python function" + _MANY * ("decoupled" in about),
        "sampled": False,
        "framework": "python",
        "class": str(job["object"]),
        "versions": {"numpy": version("numpy")},
        "about": about,
        "signature": {"format": 1, "inputs": _inputs(columns), "outputs": outputs},
    }


def _many(call: Any, columns: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A first answer, and its signature, of a function that gives many. Raises ValueError."""
    for row in range(min(_ALONE, len(next(iter(columns.values()))))):
        found = call(_copied(columns, slice(row, row + 1)))
        for answer in found:
            found.close()
            loose = [name for name, array in answer.items() if array.ndim < 1]
            if loose:
                raise ValueError(
                    f"output {loose[0]!r} is a single value: yield a list or an array of values"
                )
            counts = {len(array) for array in answer.values()}
            return answer, _outputs(answer, counts.pop() if len(counts) == 1 else -1)
    raise ValueError(f"the function gave no answer to any of the first {_ALONE} reference rows")


def _inputs(columns: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, values in columns.items():
        spec: dict[str, Any] = {
            "name": name,
            "datatype": _KINDS[values.dtype.kind],
            "shape": [-1, *values.shape[1:]],
        }
        missing = values.dtype.kind == "f" and bool(np.isnan(values).any())
        found.append(spec | ({"missing": True} if missing else {}))
    return found


def _outputs(answers: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Signature entries of what the function returned for `count` rows. Raises ValueError."""
    found: list[dict[str, Any]] = []
    for name, array in answers.items():
        if array.ndim < 1 or len(array) != count:
            raise ValueError(
                f"output {name!r} has shape {list(array.shape)} for {count} rows: the function "
                "must return one entry per row"
            )
        kind = "UINT64" if array.dtype == np.uint64 else _OUT.get(array.dtype.kind)
        odd = array.dtype.kind == "O" and not all(isinstance(v, str) for v in array.ravel())
        if kind is None or odd:
            raise ValueError(
                f"output {name!r} holds {'objects' if odd else array.dtype}: return numbers or text"
            )
        found.append({"name": name, "datatype": kind, "shape": [-1, *array.shape[1:]]})
    if not found:
        raise ValueError("the function returned no output")
    role = _ROLES.get(found[0]["datatype"])
    if len(found) == 1 and found[0]["shape"] == [-1] and role:
        found[0]["role"] = role
    return found


def _check_alone(call: Any, columns: dict[str, Any], answers: dict[str, Any]) -> None:
    """Rows of several callers are asked together, so an answer must not depend on neighbours."""
    for row in range(min(_ALONE, len(next(iter(columns.values()))))):
        alone = call(_copied(columns, slice(row, row + 1)))
        for name, array in answers.items():
            mine, theirs = alone.get(name), array[row : row + 1]
            if mine is None or mine.shape != theirs.shape or not _equal(mine, theirs):
                raise ValueError(
                    f"output {name!r} of row {row} is another when the row is asked alone: the "
                    "function must answer each row by itself, and always alike"
                )


def _equal(mine: Any, theirs: Any) -> bool:
    if mine.dtype.kind == "O" or theirs.dtype.kind == "O":
        return mine.tolist() == theirs.tolist()
    return bool(np.allclose(mine, theirs, rtol=1e-4, atol=1e-6, equal_nan=True))


def _copied(columns: dict[str, Any], rows: slice | None) -> dict[str, Any]:
    """Columns that the function may write into."""
    return {k: np.array(v if rows is None else v[rows]) for k, v in columns.items()}


def _plain(values: Any) -> Any:
    kind = {"f": np.float64, "i": np.int64, "u": np.int64, "b": np.bool_}.get(values.dtype.kind)
    return values.astype(kind) if kind is not None else values.astype(object)
