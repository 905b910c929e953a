"""From a real trained model to answers over a socket, compared with the model's own library."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd

from fairlead.cli.main import main as command

CLOSE = 1e-4


@dataclass
class Case:
    """A trained model: how it is saved, rows it has not seen, and what it answers to them.

    save:      writes the trained file below a folder and returns its path.
    reference: rows like the training rows, without labels; None packs without them.
    rows:      at least fifty rows.
    labels, scores, values: the library's own answers: a label each, a score for each class, or
               a number each.
    classes:   the classes as text, in the order of the scores.
    flags:     further words of the command.
    kind:      how the reference rows are written: csv, parquet, npz, jsonl.
    """

    save: Callable[[Path], str | Path]
    rows: pd.DataFrame
    reference: pd.DataFrame | None = None
    labels: Sequence[Any] | None = None
    scores: Any = None
    values: Any = None
    classes: Sequence[str] = ()
    flags: Sequence[str] = ()
    kind: str = "csv"
    close: float = CLOSE


def pack_all(cases: dict[str, Case], folder: Path) -> Path:
    """Saves and packs every case under its name, two at a time; returns the repository.

    One that cannot be packed is not there for its own tests; the others are.
    """
    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(lambda item: _pack(*item, folder), cases.items()))
    assert 0 in done
    return folder / "models"


def _pack(name: str, case: Case, folder: Path) -> int:
    home = folder / name
    home.mkdir()
    words = ["pack", str(case.save(home)), "--name", name]
    words += ["--repository", str(folder / "models"), *case.flags]
    if case.reference is not None:
        words += ["--reference", str(write_rows(case.reference, home / f"rows.{case.kind}"))]
    if command(words) != 0:
        return 1
    # Whether a row is like the training rows is another question than what the model answers.
    (home / "words.toml").write_text('[guards]\nnovelty = "off"\n')
    into = ["--repository", str(folder / "models"), "--model-toml", str(home / "words.toml")]
    return command(["amend", name, *into])


def write_rows(rows: pd.DataFrame, path: Path) -> Path:
    """Rows in a file of the kind that its ending says."""
    if path.suffix == ".csv":
        rows.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        rows.to_parquet(path)
    elif path.suffix == ".jsonl":
        rows.to_json(path, orient="records", lines=True)
    else:
        np.savez(path, **{name: rows[name].to_numpy() for name in rows.columns})
    return path


def exact(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with numbers that float32 holds exactly, so that no threshold is crossed."""
    return rows.apply(lambda c: c.astype(np.float32).astype(float) if c.dtype == float else c)


def plain(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as JSON objects; what is missing is null."""
    return [
        {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in rows.to_dict("records")
    ]


def assert_alike(client: httpx.Client, name: str, case: Case) -> None:
    """Every way to ask gives the library's own answers, row by row."""
    assert len(case.rows) >= 50
    objects = plain(case.rows)
    address = f"/predict/{name}"
    ways = {
        "objects": client.post(address, json={"rows": objects}),
        "arrays": client.post(address, json={"rows": [[*row.values()] for row in objects]}),
        "CSV": client.post(address, content=_csv(case.rows), headers={"content-type": "text/csv"}),
        "one row": client.post(address, json=objects[0]),
    }
    for way, answer in ways.items():
        assert answer.status_code == 200, f"{way}: {answer.text[:500]}"
        _assert_rows(answer.json()["predictions"], case, way)
    _assert_infer(client, name, case)


def _csv(rows: pd.DataFrame) -> bytes:
    out = io.StringIO()
    rows.to_csv(out, index=False)
    return out.getvalue().encode()


def _assert_rows(found: list[dict[str, Any]], case: Case, way: str) -> None:
    count = len(found)
    assert count in (1, len(case.rows)), way
    assert {row["decision"] for row in found} == {"serve"}
    if case.labels is not None:
        assert [row["label"] for row in found] == list(case.labels)[:count], way
    if case.scores is not None:
        assert all(list(row["scores"]) == list(case.classes) for row in found), way
        mine = [[*row["scores"].values()] for row in found]
        np.testing.assert_allclose(mine, case.scores[:count], rtol=0, atol=case.close, err_msg=way)
    if case.values is not None:
        mine = [row["value"] for row in found]
        np.testing.assert_allclose(
            mine, np.ravel(case.values)[:count], rtol=case.close, atol=case.close, err_msg=way
        )


def _assert_infer(client: httpx.Client, name: str, case: Case) -> None:
    about = client.get(f"/v2/models/{name}").json()
    answer = client.post(f"/v2/models/{name}/infer", json={"inputs": tensors(about, case.rows)})
    assert answer.status_code == 200, answer.text[:500]
    outputs = {o["name"]: o for o in answer.json()["outputs"]}
    roles = client.get(f"/models/{name}").json()["outputs"]
    for spec in roles:
        output = outputs[spec["name"]]
        array = np.array(output["data"]).reshape(output["shape"])
        role = spec.get("role")
        if role == "label":
            assert array.ravel().tolist() == list(case.labels or ())
        elif role == "scores":
            np.testing.assert_allclose(array, case.scores, rtol=0, atol=case.close)
        elif role == "value":
            wanted = np.reshape(case.values, array.shape)
            np.testing.assert_allclose(array, wanted, rtol=case.close, atol=case.close)


def tensors(about: dict[str, Any], rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as the inputs that the model's metadata names, columns in order."""
    found: list[dict[str, Any]] = []
    start = 0
    for spec in about["inputs"]:
        shape = [len(rows), *spec["shape"][1:]]
        width = shape[1] if len(shape) == 2 else 1
        part = rows.iloc[:, start : start + width]
        start += width
        data = [v for row in plain(part) for v in row.values()]
        found.append({"name": spec["name"], "shape": shape, "datatype": spec["datatype"]})
        found[-1]["data"] = data
    return found
