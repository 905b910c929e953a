"""Keys that copy or probe are noticed over all workers; good clients are left alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.guards import learn_novelty
from fairlead.guards.misuse import Account, Block, Misuse, learn_misuse, merged

COLUMNS = 8


@pytest.fixture(scope="module")
def world():
    """A table whose columns hang together, its guard, and what good clients do."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(6000, 4)) @ random.normal(size=(4, COLUMNS))
    rows += 0.3 * random.normal(size=rows.shape)
    guard = learn_novelty(rows[:3000])
    placed = guard.space.place_numbers(rows[:3000])
    return guard, learn_misuse(placed, guard.calibrated), rows[3000:]


def first_alarm(world, rows, p_margin=None):
    guard, misuse, _ = world
    account = Account()
    placed = guard.space.place_numbers(rows)
    p_values = guard.p_of(guard.scores_of(placed))
    for i in range(len(rows)):
        part = slice(i, i + 1)
        margin = None if p_margin is None else p_margin[part]
        account.absorb(misuse.look(account, p_values[part], placed[part], margin))
        if account.evidence():
            return i + 1, account.evidence()[0]
    return None, None


def box(good, random):
    return random.uniform(good.min(axis=0), good.max(axis=0), (100, COLUMNS))


def gauss(good, random):
    return good.mean(axis=0) + good.std(axis=0) * random.normal(size=(100, COLUMNS))


def resampled(good, random):
    return np.column_stack([random.choice(good[:, i], 100) for i in range(COLUMNS)])


def shuffled(good, random):
    return random.permuted(good[:100], axis=1)


def steps(good, random):
    sent = list(good[:10])
    while len(sent) < 100:
        sent.append(sent[random.integers(len(sent))] + 0.1 * random.choice([-1, 1], COLUMNS))
    return np.array(sent)


def bisection(good, random):
    sent = []
    while len(sent) < 100:
        one, other = good[random.choice(len(good), 2)]
        low, high, where = 0.0, 1.0, random.random()
        for _ in range(10):
            middle = (low + high) / 2
            sent.append(one + middle * (other - one))
            low, high = (middle, high) if middle < where else (low, middle)
    return np.array(sent)


@pytest.mark.parametrize(
    ("attack", "kinds"),
    [
        (box, {"novel"}), (gauss, {"novel"}), (resampled, {"novel"}), (shuffled, {"novel"}),
        (steps, {"novel", "copies"}), (bisection, {"copies", "novel"}),
    ],
)  # fmt: skip
def test_an_attack_is_noticed_within_a_hundred_queries_and_said_in_words(world, attack, kinds):
    for seed in range(3):
        at, evidence = first_alarm(world, attack(world[2], np.random.default_rng(seed)))
        assert at is not None
        assert evidence.kind in kinds
        assert f"of {at} rows" in evidence.words
        assert evidence.odds >= 3000


def test_good_clients_are_left_alone(world):
    good = world[2]
    for seed in range(10):
        sent = good[np.random.default_rng(seed).choice(len(good), 600, replace=False)]
        assert first_alarm(world, sent) == (None, None)


def test_asking_the_same_again_is_no_search(world):
    good = world[2]
    sent = good[np.random.default_rng(0).choice(20, 600)]
    guard, misuse, _ = world
    account = Account()
    placed = guard.space.place_numbers(sent)
    account.absorb(misuse.look(account, np.full(600, 0.5), placed))
    assert account.total.copies == 0
    assert account.evidence() == []


def test_rows_near_the_boundary_are_evidence_where_margins_are_known(world):
    good = world[2][:60]
    at, evidence = first_alarm(world, good, p_margin=np.full(60, 0.004))
    assert evidence.kind == "boundary"
    assert at <= 20
    assert evidence.words == f"{at} of {at} rows lie where the model can hardly decide"


def test_two_workers_see_what_one_would_have_seen(world):
    guard, misuse, good = world
    sent = box(good, np.random.default_rng(0))[:40]
    placed = guard.space.place_numbers(sent)
    p_values = guard.p_of(guard.scores_of(placed))
    account = Account()
    for start in range(0, 40, 8):
        blocks = [
            misuse.look(account, p_values[part], placed[part])
            for part in (slice(start, start + 4), slice(start + 4, start + 8))
        ]
        sent_blocks = [Block.from_json(block.to_json()) for block in blocks]
        account.absorb(merged(sent_blocks))
    assert account.total.seen == 40
    assert account.evidence()[0].kind == "novel"


@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.integers(0, 1000))
def test_blocks_add_up_in_any_order(sizes, seed):
    misuse = Misuse(3, 500, [1.0, 0.5], [0.2, 0.02])
    random = np.random.default_rng(seed)
    blocks = [misuse.look(Account(), random.random(n), random.normal(size=(n, 3))) for n in sizes]
    one, other = merged(blocks), merged(reversed(blocks))
    assert (one.seen, one.novel, one.copies) == (other.seen, other.novel, other.copies)
    for kind, logs in one.logs.items():
        assert logs == pytest.approx(other.logs[kind])
    assert sorted(one.places.tolist()) == sorted(other.places.tolist())


def test_an_account_survives_a_restart(world):
    guard, misuse, good = world
    placed = guard.space.place_numbers(good[:300])
    account = Account()
    account.absorb(misuse.look(account, np.full(300, 0.02), placed))
    again = Account.from_bytes(account.to_bytes())
    assert again.evidence() == account.evidence()
    more = placed[:50] + 1e-6
    one, other = (misuse.look(a, np.full(50, 0.5), more) for a in (account, again))
    assert one.to_json() == other.to_json()
    assert one.copies > 0
    same = Misuse.from_json(misuse.to_json()).places(more)
    assert same.tolist() == misuse.places(more).tolist()


def test_an_account_stays_small_however_much_a_key_sends(world):
    _, misuse, _ = world
    random = np.random.default_rng(0)
    account, sizes = Account(), []
    for _ in range(12):
        rows = random.normal(size=(500, COLUMNS))
        account.absorb(misuse.look(account, random.random(500), rows))
        sizes.append(len(account.to_bytes()))
    assert max(sizes) < 40_000
    assert sizes[-1] < 1.1 * sizes[1]


def test_after_somebody_has_looked_the_count_begins_anew(world):
    guard, misuse, good = world
    placed = guard.space.place_numbers(good[:50])
    account = Account()
    account.absorb(misuse.look(account, np.full(50, 0.001), placed))
    assert account.evidence()
    account.forgive()
    assert account.evidence() == []
    account.absorb(misuse.look(account, np.full(50, 0.5), placed))
    assert account.evidence() == []


def test_the_chance_of_a_false_alarm_in_a_thousand_rows_is_bounded():
    """Even where p-values are exactly uniform and no widening helps."""
    misuse = Misuse(1, 10**9, [1.0], [0.02])
    raised = 0
    for seed in range(150):
        random = np.random.default_rng(seed)
        account = Account()
        for _ in range(20):
            account.absorb(misuse.look(account, random.random(50), random.normal(size=(50, 1))))
        raised += any(e.kind == "novel" for e in account.evidence(rate=0.15))
    assert raised <= 150 * 0.05 + 3 * (150 * 0.05) ** 0.5


def test_what_is_no_account_is_refused():
    with pytest.raises(ValueError, match="format 9"):
        Account.from_bytes(b'{"format": 9}')
    with pytest.raises(ValueError, match="Expecting value"):
        Account.from_bytes(b"no account")


def test_margins_are_ranked_among_those_of_good_rows():
    scores = np.array([[0.5, 0.5], [0.6, 0.4], [0.1, 0.9], [0.0, 1.0]])
    misuse = learn_misuse(np.random.default_rng(0).normal(size=(50, 2)), 50, scores=scores)
    found = misuse.p_margins([[0.55, 0.45], [0.5, 0.5], [0.0, 1.0]])
    assert found.tolist() == pytest.approx([2 / 5, 2 / 5, 1.0])
    assert Misuse.from_json(misuse.to_json()).p_margins([[0.7, 0.3]]).tolist() == [3 / 5]
    assert Misuse(2, 50, [1.0], [0.02]).p_margins(scores) is None


@pytest.mark.parametrize("count", [20, 60, 285])
def test_few_reference_rows_make_no_suspects_of_good_clients(count):
    for seed in range(5):
        random = np.random.default_rng(seed)
        misuse = learn_misuse(random.normal(size=(count, 5)), 10**6)
        account = Account()
        for _ in range(20):
            rows = random.normal(size=(50, 5))
            account.absorb(misuse.look(account, random.random(50), rows))
        assert account.evidence() == []


def test_few_reference_rows_still_show_a_walk():
    random = np.random.default_rng(0)
    misuse = learn_misuse(random.normal(size=(285, 8)), 10**6)
    account, at = Account(), random.normal(size=8)
    for _ in range(100):
        at = at + 0.02 * random.normal(size=8)
        account.absorb(misuse.look(account, random.random(1), at[None]))
    assert account.evidence()[0].kind == "copies"
