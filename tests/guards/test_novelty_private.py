"""The novelty guard from aggregates: the owner's rate holds, and no row's value is kept."""

from __future__ import annotations

import io

import numpy as np
import pytest

from fairlead.guards import Novelty, learn_novelty
from fairlead.guards.novelty_private import LEAST_ROWS, learn_private_novelty


def people(count, seed=0):
    random = np.random.default_rng(seed)
    base = random.normal(size=count)
    columns = {
        "age": 45 + 12 * base + 4 * random.normal(size=count),
        "income": np.exp(10 + 0.4 * base + 0.3 * random.normal(size=count)),
        "rooms": random.poisson(3, count).astype(float),
        "city": np.where(base > 0, "north", "south").astype(object),
    }
    columns["age"][random.random(count) < 0.1] = np.nan
    columns["city"][:3] = "hapax"
    return columns


def taken(columns, rows):
    return {name: values[rows] for name, values in columns.items()}


def test_good_rows_are_called_novel_as_often_as_the_owner_said():
    for rate in (0.01, 0.05):
        shares = []
        for seed in range(12):
            guard = learn_private_novelty(people(2000, seed), false_alarm_rate=rate, seed=seed)
            shares.append(float(guard.decide(people(2000, 100 + seed)).mean()))
        error = np.sqrt(rate * (1 - rate) * (1 / 600 + 1 / 2000) / 12)
        assert np.mean(shares) <= rate + 3 * error
        assert np.mean(shares) >= rate - 4 * error


def test_units_sentinels_and_rows_that_do_not_hang_together_are_seen():
    guard = learn_private_novelty(people(4000))
    good = people(500, 9)
    for name, value in (("income", good["income"] * 1000), ("rooms", np.full(500, -999.0))):
        assert guard.decide({**good, name: value}).mean() > 0.99
        assert guard.strangest({**good, name: value}).count(name) > 490
    other = np.where(good["city"] == "south", 80.0, 10.0)
    assert guard.decide({**good, "age": other}).mean() > 0.5


def test_it_holds_no_row_and_no_value_that_is_not_shared():
    columns = people(3000)
    guard = learn_private_novelty(columns)
    assert guard.raw_rows == 0
    raw = guard.to_bytes()
    with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
        told = arrays["told"].tobytes().decode()
        kept = {name: arrays[name] for name in arrays.files if name != "told"}
    assert "core" not in kept
    assert "hapax" not in told
    assert '"north"' in told
    placed = guard.space.place(columns)
    for i in range(placed.shape[1]):
        values, counts = np.unique(placed[:, i], return_counts=True)
        own = values[counts == 1]
        for array in kept.values():
            apart = np.abs(np.ravel(array)[:, None] - own).min(axis=1, initial=np.inf)
            assert (apart > 1e-12).all()


def test_it_is_the_same_after_it_was_saved_and_for_a_row_alone():
    guard = learn_private_novelty(people(1000))
    again = Novelty.from_bytes(guard.to_bytes())
    rows = people(200, 5)
    scores = guard.scores(rows)
    assert again.scores(rows).tolist() == scores.tolist()
    assert again.p_values(rows).tolist() == guard.p_values(rows).tolist()
    assert again.raw_rows == 0
    alone = [float(again.scores(taken(rows, [i]))[0]) for i in range(200)]
    assert alone == scores.tolist()
    assert guard.to_bytes() == learn_private_novelty(people(1000)).to_bytes()


def test_reasons_speak_of_what_rows_usually_hold_and_never_of_a_row():
    guard = learn_private_novelty(people(3000))
    row = taken(people(10, 7), [5]) | {"age": np.array([45.0])}
    (words,) = guard.explain({**row, "rooms": np.array([400.0])})
    assert words[0].startswith("rooms = 400 is above what training rows usually hold, ")
    (words,) = guard.explain({**row, "rooms": np.array([400.0])}, limits=False)
    assert words == ["rooms is outside the accepted range"]
    apart = {"a": np.linspace(0, 1, 500), "b": np.linspace(0, 1, 500) + 1e-3 * np.sin(range(500))}
    (words,) = learn_private_novelty(apart).explain({"a": np.array([0.8]), "b": np.array([0.2])})
    assert words == ["no single value is unusual, the combination is: above all b, a"] or words == [
        "no single value is unusual, the combination is: above all a, b"
    ]


def test_too_few_rows_for_aggregates_are_said():
    with pytest.raises(ValueError, match="99 rows are too few to learn from: 100 are the least"):
        learn_private_novelty(people(LEAST_ROWS - 1))
    with pytest.raises(ValueError, match="false_alarm_rate"):
        learn_private_novelty(people(500), false_alarm_rate=0.0)


def test_columns_that_say_nothing_and_odd_kinds_are_learnt():
    random = np.random.default_rng(0)
    columns = {
        "constant": np.full(300, 5.0),
        "empty": np.full(300, np.nan),
        "few": np.where(np.arange(300) < 4, random.normal(size=300), np.nan),
        "id": np.array([f"c{i}" for i in range(300)], dtype=object),
        "text": np.array([f"a sentence about number {i}" for i in range(300)], dtype=object),
    }
    guard = learn_private_novelty(columns)
    assert np.isfinite(guard.scores(columns)).all()
    assert not guard.decide(columns).mean() > 0.05
    assert guard.decide({**columns, "constant": np.full(300, 6.0)}).mean() > 0.95
    assert learn_novelty(columns).raw_rows > 0
