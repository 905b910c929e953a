"""The novelty guard: its promise holds, it sees what servers get wrong, and says it in words."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.neighbors import NearestNeighbors

from fairlead.guards import Novelty, learn_novelty


def mixed(count, seed=0, missing=0.2):
    """Rows of numbers and categories that hang together, with missing values."""
    random = np.random.default_rng(seed)
    base = random.normal(size=count)
    city = np.where(base > 0, "north", np.where(base > -1, "south", "west"))
    frame = pd.DataFrame(
        {
            "age": 40 + 10 * base + random.normal(size=count),
            "income": np.exp(10 + 0.3 * base + 0.1 * random.normal(size=count)),
            "rooms": random.poisson(3, count).astype(float),
            "city": city.astype(object),
            "plan": random.choice(["basic", "plus"], count).astype(object),
        }
    )
    for name in frame.columns:
        frame.loc[random.random(count) < missing, name] = None
    return frame


@pytest.mark.parametrize("rate", [0.01, 0.05])
def test_the_share_of_false_alarms_is_the_owners_number(rate):
    """Over many draws the mean is the rate, within two standard errors."""
    hits, rows = 0, 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        data = random.normal(size=(1500, 8)) @ random.normal(size=(8, 8))
        guard = learn_novelty(data[:1000], false_alarm_rate=rate, seed=seed)
        hits += int(guard.decide(data[1000:]).sum())
        rows += 500
    # Rows of one draw share a guard: the spread is that of the beta-binomial, not the binomial.
    rank, calibrated = int(rate * 301), 300
    one = stats.betabinom(500, rank, calibrated + 1 - rank)
    assert abs(hits - 40 * one.mean()) < 3 * np.sqrt(40 * one.var())


def test_assured_decisions_hold_the_rate_in_nineteen_of_twenty_draws():
    broken = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        data = random.normal(size=(1400, 4))
        guard = learn_novelty(data, false_alarm_rate=0.05, seed=seed)
        threshold = guard.threshold(assured=True)
        fresh = guard.scores(random.normal(size=(2000, 4)))
        broken += (fresh > threshold).mean() > 0.05
    assert broken <= stats.binom.ppf(0.999, 100, 0.05)


def test_p_values_of_good_rows_are_spread_evenly():
    data = np.random.default_rng(0).normal(size=(8000, 5))
    guard = learn_novelty(data[:4000])
    assert stats.kstest(guard.p_values(data[4000:]), "uniform").pvalue > 1e-4


def test_too_few_rows_for_the_rate_promise_nothing():
    guard = learn_novelty(np.random.default_rng(0).normal(size=(60, 3)))
    assert guard.smallest_rate > 0.01
    assert guard.threshold() == np.inf
    assert not guard.decide(np.full((3, 3), 1e9)).any()
    assert guard.p_values(np.full((1, 3), 1e9))[0] == pytest.approx(guard.smallest_rate)


@pytest.mark.parametrize("load", [load_breast_cancer, load_diabetes, load_digits, load_wine])
def test_wrong_units_and_sentinels_are_seen_and_named(load):
    rows = load().data
    random = np.random.default_rng(1)
    order = random.permutation(len(rows))
    train, test = rows[order[: len(rows) * 7 // 10]], rows[order[len(rows) * 7 // 10 :]]
    guard = learn_novelty(train, false_alarm_rate=0.03)
    columns = random.integers(0, rows.shape[1], len(test))
    places = np.arange(len(test)), columns
    kept = test[places] != 0
    units = test.copy()
    units[places] *= 1000
    assert guard.decide(units[kept]).mean() >= 0.99
    named = np.array(guard.strangest(units[kept])) == [f"x{c}" for c in columns[kept]]
    assert named.mean() >= 0.98
    sentinel = test.copy()
    sentinel[places] = -99999
    assert guard.decide(sentinel).mean() >= 0.99


def test_mixed_tables_with_missing_values_are_guarded_too():
    train, test = mixed(3000), mixed(1500, seed=1)
    guard = learn_novelty(train)
    assert guard.decide(test).mean() <= 0.01 + 3 * np.sqrt(0.01 / 900)
    units = test.dropna(subset=["income"]).copy()
    units["income"] *= 1000
    assert guard.decide(units).mean() >= 0.99
    swapped = test.dropna(subset=["age", "income"]).copy()
    swapped[["age", "income"]] = swapped[["income", "age"]].to_numpy()
    assert guard.decide(swapped).mean() >= 0.99
    unknown = test.assign(city="atlantis")
    assert guard.decide(unknown).mean() >= 0.99
    assert "city = 'atlantis' is no value that training rows hold" in guard.explain(unknown)[0]


def test_a_first_missing_value_is_novel_and_said_so():
    rows = np.random.default_rng(0).normal(size=(2000, 3))
    guard = learn_novelty(rows, ["a", "b", "c"])
    row = np.array([[0.0, np.nan, 0.0]])
    assert guard.decide(row).all()
    assert guard.explain(row)[0][0] == "b is missing, which training rows never are"


def test_reasons_name_value_and_limit_or_the_combination():
    base = np.random.default_rng(0).normal(size=4000)
    rows = np.column_stack([base, base + 0.01 * np.random.default_rng(1).normal(size=4000)])
    guard = learn_novelty(rows, ["height", "weight"])
    high = guard.explain(np.array([[50.0, 50.0]]))[0]
    assert high[0].startswith(("height = 50 is above the training maximum", "weight = 50 is"))
    combined = np.array([[1.0, -1.0]])
    assert guard.decide(combined).all()
    assert guard.explain(combined)[0][0].startswith("no single value is unusual, the combination")


def test_texts_of_another_script_or_length_are_novel():
    random = np.random.default_rng(0)
    words = ["the", "river", "market", "garden", "quiet", "morning", "train", "window"]

    def say(n):
        return [" ".join(random.choice(words, random.integers(6, 14))) for _ in range(n)]

    guard = learn_novelty({"text": say(2000)})
    assert guard.decide({"text": say(1000)}).mean() <= 0.02
    assert guard.decide({"text": ["это совсем другой алфавит и другие слова"] * 20}).all()
    assert guard.decide({"text": [t * 10 for t in say(100)]}).mean() >= 0.95


def test_scores_order_rows_as_the_distance_to_the_nearest_training_row_does():
    """Within the training range only the distance counts: held against scikit-learn."""
    random = np.random.default_rng(0)
    train, test = random.normal(size=(1000, 4)), random.uniform(-1.5, 1.5, size=(300, 4))
    guard = learn_novelty(train, seed=3)
    order = np.random.default_rng(3).permutation(1000)
    fit = train[order[300:]]
    scaled = (fit - fit.mean(axis=0)) / fit.std(axis=0)
    nearest = NearestNeighbors(n_neighbors=1).fit(scaled)
    distance, _ = nearest.kneighbors((test - fit.mean(axis=0)) / fit.std(axis=0))
    assert stats.spearmanr(guard.scores(test), distance[:, 0]).statistic > 0.99


def test_a_guard_read_from_bytes_answers_the_same():
    guard = learn_novelty(mixed(500))
    again = Novelty.from_bytes(guard.to_bytes())
    rows = mixed(200, seed=2)
    assert np.array_equal(again.scores(rows), guard.scores(rows))
    assert again.explain(rows) == guard.explain(rows)
    assert again.threshold() == guard.threshold()
    assert guard.to_bytes() == learn_novelty(mixed(500)).to_bytes()


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(["plain", "heavy", "mixed", "unvetted"]))
def test_a_row_alone_is_judged_as_among_others(seed, kind):
    """Score, p-value and decision, before and after the disk."""
    random = np.random.default_rng(seed)
    if kind == "mixed":
        train, test = mixed(200, seed), mixed(12, seed + 1)
    else:
        draw = random.standard_cauchy if kind == "heavy" else random.normal
        train, test = draw(size=(200, 5)), 2 * draw(size=(12, 5))
    guard = learn_novelty(train, false_alarm_rate=0.05, vetted=kind != "unvetted", seed=seed)
    again = Novelty.from_bytes(guard.to_bytes())
    together = guard.scores(test)
    rows = [test[i : i + 1] for i in range(len(test))]
    alone = np.array([guard.scores(row)[0] for row in rows])
    assert alone == pytest.approx(together, rel=1e-9, abs=1e-9)
    assert [again.scores(row)[0] for row in rows] == alone.tolist()
    assert np.array_equal(again.scores(test), together)
    assert np.array_equal(again.p_values(test), guard.p_values(test))
    assert [guard.p_of(alone[i : i + 1])[0] for i in range(12)] == guard.p_of(alone).tolist()


@pytest.mark.parametrize("huge", [1e30, 1e200, 1.7e308, np.inf, -np.inf])
def test_no_number_is_too_large_to_be_seen(huge):
    guard = learn_novelty(np.random.default_rng(0).normal(size=(1000, 3)), ["a", "b", "c"])
    for rows in (np.array([[0.0, huge, 0.0]]), np.array([[0.0, huge, 0.0]] * 3)):
        assert np.isfinite(guard.scores(rows)).all()
        assert guard.decide(rows).all()
    assert guard.explain(rows)[0][0].startswith(f"b = {huge:g} is ")


def test_money_and_counts_do_not_hide_a_wrong_unit():
    """Columns whose largest value is far from all others set no threshold for the others."""
    random = np.random.default_rng(0)

    def rows(count):
        size = random.normal(size=count)
        return {
            "turnover": np.exp(8 + 1.5 * size),
            "wait": random.pareto(1.5, size=count),
            "age": random.normal(40, 10, size=count),
            "share": random.random(count),
        }

    guard = learn_novelty(rows(4000))
    test = rows(2000)
    assert guard.decide(test).mean() <= 0.025
    assert guard.decide(test | {"share": test["share"] + 1.05}).mean() >= 0.99
    assert guard.decide(test | {"age": test["age"] * 1000}).mean() >= 0.99
    assert set(guard.strangest(test | {"share": test["share"] + 1.05})) == {"share"}


def test_the_column_that_explains_most_is_named_though_others_differ_more():
    """Each row is 3 off in x0 only, but its nearest training row may differ anywhere."""
    random = np.random.default_rng(0)
    base = random.normal(size=(4000, 2))
    rows = base @ random.normal(size=(2, 20)) + 0.1 * random.normal(size=(4000, 20))
    guard = learn_novelty(rows[:3000])
    test = rows[3000:].copy()
    test[:, 7] += 2.0 * rows[:, 7].std() * np.sign(-test[:, 7])
    caught = guard.decide(test)
    assert caught.mean() >= 0.95
    named = np.array(guard.strangest(test))[caught]
    assert (named == "x7").mean() >= 0.98


def test_few_rows_are_shared_out_so_that_the_rate_can_be_promised():
    guard = learn_novelty(np.random.default_rng(0).normal(size=(240, 3)))
    assert guard.calibrated >= 99
    assert guard.threshold() < np.inf


def test_wide_tables_are_learnt_in_bounded_memory():
    guard = learn_novelty(np.random.default_rng(0).normal(size=(300, 20_000)))
    assert guard.raw_rows <= 64
    assert guard.decide(np.full((1, 20_000), 1e3)).all() or guard.threshold() == np.inf


def test_a_constant_column_lets_no_other_value_pass():
    rows = np.column_stack([np.random.default_rng(0).normal(size=2000), np.full(2000, 5.0)])
    guard = learn_novelty(rows)
    assert guard.decide(np.array([[0.0, 5.1]])).all()
    assert not guard.decide(np.array([[0.0, 5.0]])).any()


@pytest.mark.parametrize(
    ("rows", "more", "says"),
    [
        (np.zeros((19, 2)), {}, "19 rows are too few"),
        (np.zeros((100, 2)), {"false_alarm_rate": 0.0}, "must lie between 0 and 1"),
        (np.zeros((2, 2, 2)), {}, "a table"),
    ],
)
def test_what_cannot_be_learnt_from_is_said(rows, more, says):
    with pytest.raises(ValueError, match=says):
        learn_novelty(rows, **more)


def test_rows_of_other_columns_are_refused():
    guard = learn_novelty(np.random.default_rng(0).normal(size=(100, 2)), ["a", "b"])
    with pytest.raises(ValueError, match="must have the columns a, b"):
        guard.scores({"a": [1.0], "c": [1.0]})


def test_all_missing_and_infinite_columns_do_not_break_it():
    rows = np.random.default_rng(0).normal(size=(300, 3))
    rows[:, 1] = np.nan
    guard = learn_novelty(rows)
    assert np.isfinite(guard.scores(rows)).all()
    assert np.isfinite(guard.scores(np.array([[np.inf, 0.0, -np.inf]]))).all()


def judged(guard, rows, size):
    """Scores, p-values and decisions of rows that come so many at a time."""
    found = []
    for at in range(0, len(rows), size):
        scores = guard.scores_of(guard.space.place_numbers(rows[at : at + size]))
        found += zip(scores, guard.p_of(scores), scores > guard.threshold(), strict=True)
    return found


@given(seed=st.integers(0, 10**6), heavy=st.booleans(), vetted=st.booleans())
@settings(max_examples=25)
def test_a_row_is_judged_the_same_alone_among_few_and_among_many(seed, heavy, vetted):
    """Bit by bit; and as by measuring the distance to every training row."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(400, 6)) @ random.normal(size=(6, 6))
    rows[:, 0] = np.exp(2 * rows[:, 0]) if heavy else np.round(rows[:, 0])
    rows[:, 5] = 3.0
    guard = learn_novelty(rows[:360], vetted=vetted, seed=seed)
    asked = rows[320:].copy()
    asked[::7, 1] *= 1000
    asked[3, 5], asked[4, 2] = 3.5, np.nan
    alone = judged(guard, asked, 1)
    assert all(judged(guard, asked, size) == alone for size in (2, 3, 5, 8, 9, 80))
    shape, placed = guard._shape, guard.space.place_numbers(asked)
    bent = shape.bends.rows(placed)
    apart = np.sqrt(((bent[:, None] - shape.nearest.rows) ** 2).sum(axis=2))
    far = shape.nearest.distances(bent)
    wanted = np.sort(apart, axis=1)[:, shape.nearest.neighbour - 1]
    assert far == pytest.approx(wanted, rel=1e-9, abs=1e-9)
    beyond = shape.ranges.excess(placed)
    assert beyond == pytest.approx([shape.ranges.each(row).max() for row in placed], abs=1e-8)
    scores = np.maximum(shape.far.of(far), shape.out.of(beyond))
    assert [score for score, _, _ in alone] == scores.tolist()
