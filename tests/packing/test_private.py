"""A private package: no row and no value of one row in any file, and the price is said."""

from __future__ import annotations

import io
import json
import re
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fairlead
from fairlead.guards import Novelty, learn_novelty
from fairlead.guards.aggregates import LEAST
from fairlead.guards.drift import Drift
from fairlead.guards.novelty_private import learn_private_novelty
from fairlead.packages.read import read_verified, verify
from fairlead.packing.private import detection

NUMBER = re.compile(rb"-?\d+\.\d+(?:[eE][-+]?\d+)?|-?\d+")


def people(count: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    base = random.normal(size=count)
    rows = pd.DataFrame(
        {
            "age": 45 + 12 * base + 4 * random.normal(size=count),
            "income": np.exp(10 + 0.4 * base + 0.3 * random.normal(size=count)),
            "city": np.where(base > 0, "north", "south"),
        }
    )
    rows[["age", "income"]] = rows[["age", "income"]].astype(np.float32).astype(float)
    rows.loc[:2, "city"] = "Canaryville"
    return rows


def pack(folder: Path, **more):
    """A package of a model that holds no rows itself, its rows, and what was said."""
    rows = people(2000, 0)
    labels = (rows["age"] > 45).astype(int)
    table = make_column_transformer(
        (StandardScaler(), ["age", "income"]),
        (OneHotEncoder(categories=[["north", "south"]], handle_unknown="ignore"), ["city"]),
    )
    model = make_pipeline(table, LogisticRegression()).fit(rows, labels)
    said: list[str] = []
    package = fairlead.pack(
        model,
        name="people",
        repository=folder,
        reference=rows[:1500],
        evaluation=(rows[1500:], labels[1500:]),
        say=lambda step, result: said.append(f"{step}: {result}"),
        **more,
    )
    verify(package)
    return package, rows, said


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return pack(tmp_path_factory.mktemp("models"), private=True)


def own(values) -> np.ndarray:
    """The values that one row alone holds."""
    distinct, counts = np.unique(np.asarray(values), return_counts=True)
    return distinct[counts == 1]


def numbers_of(name: str, raw: bytes) -> np.ndarray:
    """Every number of a file, as text or in its arrays."""
    if not name.endswith(".npz"):
        return np.array([float(n) for n in NUMBER.findall(raw)])
    with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
        kept = [arrays[n] for n in arrays.files if n != "told" and arrays[n].dtype.kind != "U"]
        found = [np.ravel(array).astype(float) for array in kept]
        told = arrays["told"].tobytes() if "told" in arrays.files else b""
    return np.concatenate([*found, [float(n) for n in NUMBER.findall(told)]])


def tells(name: str, raw: bytes, word: str) -> bool:
    """Whether a file holds a word, as bytes or as numpy writes texts."""
    parts = [raw]
    if name.endswith(".npz"):
        with zipfile.ZipFile(io.BytesIO(raw)) as members:
            parts = [members.read(member) for member in members.namelist()]
    return any(word.encode(code) in part for part in parts for code in ("utf-8", "utf-32-le"))


def leaks(package, rows) -> set[str]:
    """The files that hold a value of one row alone, the graph apart: that is the owner's."""
    found: set[str] = set()
    for name in package.files:
        raw = read_verified(package, name)
        if name.startswith("graph/"):
            continue
        if tells(name, raw, "Canaryville"):
            found.add(name)
        kept = numbers_of(name, raw)
        for column in ("age", "income"):
            # Bit by bit, and in a text as six digits.
            same = np.isin(kept, own(rows[column]))
            if not name.endswith(".npz"):
                same |= np.isin([f"{k:.6g}" for k in kept], [f"{v:.6g}" for v in own(rows[column])])
            if same.any():
                found.add(name)
    return found


def test_no_value_of_one_row_is_in_any_file(packed, tmp_path):
    package, rows, _ = packed
    assert leaks(package, rows) == set()
    assert not any(name.startswith("evidence/") for name in package.files)
    usual, _, _ = pack(tmp_path)
    assert leaks(usual, rows) == {
        "contract.toml",
        "evidence/evaluation.npz",
        "examples.json",
        "guards/drift.npz",
        "guards/novelty.npz",
    }


def test_no_coordinate_is_that_of_one_row(packed):
    package, rows, _ = packed
    guard = Novelty.from_bytes(read_verified(package, "guards/novelty.npz"))
    assert guard.raw_rows == 0
    placed = guard.space.place({n: rows[n].to_numpy() for n in rows})
    for i in (0, 1):
        kept = numbers_of("novelty.npz", read_verified(package, "guards/novelty.npz"))
        assert not np.isin(kept.round(6), own(placed[:, i]).round(6)).any()


def test_the_contract_tells_averages_and_no_category_of_few_rows(packed):
    package, rows, _ = packed
    columns = tomllib.loads(read_verified(package, "contract.toml").decode())["columns"]
    seen = columns["income"]["seen"]
    assert seen["averages_of"] == LEAST
    assert rows["income"].min() < seen["minimum"] < seen["maximum"] < rows["income"].max()
    assert set(columns["city"]["seen"]["shares"]) == {"north", "south"}
    # A list of those allowed would name the rare one, or refuse it.
    assert "choices" not in columns["city"]


def test_the_example_is_a_row_that_nobody_sent_and_the_model_answers_it(packed, serving):
    package, rows, _ = packed
    (row,) = json.loads(read_verified(package, "examples.json"))["rows"]
    assert row["city"] in ("north", "south")
    assert abs(row["age"] - rows["age"].median()) < 1.0
    assert not np.isin(row["age"], rows["age"])


def test_drift_is_watched_and_its_bins_begin_at_no_rows_value(packed):
    package, rows, _ = packed
    drift = Drift.from_bytes(read_verified(package, "guards/drift.npz"))
    assert {"age", "income", "city"} <= {w.name for w in drift.watched}
    for watched in drift.watched:
        if watched.name in rows and watched.edges is not None:
            assert not np.isin(watched.edges, rows[watched.name]).any()


def test_what_detection_that_costs_is_said_in_one_line(packed):
    _, _, said = packed
    (line,) = [one for one in said if one.startswith("private: ")]
    for change in ("one value times 1000", "one value -999", "values in another order"):
        assert re.search(rf"{change} \d+% \(from rows \d+%\)", line)
    assert any("the package holds 0 raw rows" in one for one in said)


def test_the_cost_is_measured_on_rows_kept_aside():
    random = np.random.default_rng(0)
    rows = random.normal(size=(3000, 6)) @ random.normal(size=(6, 6))
    columns = {f"x{i}": rows[:, i] for i in range(6)}
    private, usual = learn_private_novelty(columns), learn_novelty(columns)
    cost = detection(columns, private, usual, 0.01)
    assert list(cost) == ["one value times 1000", "one value -999", "values in another order"]
    assert min(cost["one value -999"]) > 0.99
    same = detection(columns, usual, usual, 0.01)
    assert all(mine == theirs for mine, theirs in same.values())
    assert detection({"t": np.array(["a", "b"] * 300, dtype=object)}, private, usual, 0.01) == {}


def test_without_reference_rows_there_is_nothing_to_hide(tmp_path: Path):
    rows = people(200, 1)[["age", "income"]]
    model = LogisticRegression().fit(rows, rows["age"] > 45)
    package = fairlead.pack(model, name="m", repository=tmp_path, private=True)
    assert len(json.loads(read_verified(package, "examples.json"))["rows"]) > 1
    assert "guards/novelty.npz" not in package.files
