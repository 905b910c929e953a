"""Token ids as a few numbers: what each number is, and which rows they give away."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fairlead.guards import learn_novelty
from fairlead.guards.tokens import learn_vocabulary, token_columns


def sentences(random, count, width=24, low=5, words=400):
    """Rows of ids as a tokenizer makes them: few ids are common, zeros fill a row up."""
    shares = 1.0 / np.arange(1, words + 1)
    made = random.choice(np.arange(low, low + words), (count, width), p=shares / shares.sum())
    lengths = random.integers(6, width + 1, count)
    made[np.arange(width) >= lengths[:, None]] = 0
    return made


def test_the_id_that_rows_are_filled_up_with_is_found_on_either_side():
    rows = sentences(np.random.default_rng(0), 50)
    assert learn_vocabulary(rows).padding == 0
    assert learn_vocabulary(rows[:, ::-1]).padding == 0


def test_rows_that_end_in_the_same_full_stop_are_not_filled_up():
    rows = np.array([[5, 6, 102], [7, 8, 102], [9, 5, 102]])
    assert learn_vocabulary(rows).padding is None


def test_the_numbers_say_what_their_names_say():
    vocabulary = learn_vocabulary(np.array([[7, 7, 8, 0, 0], [8, 9, 7, 7, 0], [9, 8, 0, 0, 0]]))
    found = token_columns(np.array([[7, 7, 8, 99, 0], [0, 0, 0, 0, 0]]), vocabulary)
    assert found["length"].tolist() == [4, 0]
    assert found["share of the commonest token"].tolist() == [0.5, 0]
    counts = {7: 4 + 1, 8: 3 + 1, 99: 1}
    total = sum([4, 3, 2]) + 3 + 1
    rarity = -np.log([counts[t] / total for t in (7, 7, 8, 99)]).mean()
    assert found["rarity of its tokens"][0] == pytest.approx(rarity)


def test_an_id_that_few_rows_hold_is_not_kept_where_privacy_is_asked_for():
    rows = np.array([[3, 4]] * 12 + [[3, 77]])
    assert 77 not in learn_vocabulary(rows, least=10).ids
    assert {3, 4} == set(learn_vocabulary(rows, least=10).ids.tolist())


@given(
    arrays(
        np.int64,
        st.tuples(st.integers(1, 6), st.integers(0, 9)),
        elements=st.integers(-(2**63), 2**63 - 1),
    )
)
def test_any_row_of_integers_is_described_by_finite_numbers(rows):
    vocabulary = learn_vocabulary(rows)
    for values in token_columns(rows, vocabulary).values():
        assert len(values) == len(rows)
        assert np.isfinite(values).all()
    shares = token_columns(rows, vocabulary)["share of the commonest token"]
    assert ((shares >= 0) & (shares <= 1)).all()


def test_another_tokenizer_a_loop_and_a_page_are_novel():
    random = np.random.default_rng(0)
    vocabulary = learn_vocabulary(sentences(random, 1000))
    guard = learn_novelty(token_columns(sentences(random, 2000), vocabulary))

    def caught(rows):
        return guard.decide(token_columns(rows, vocabulary)).mean()

    assert caught(sentences(random, 2000)) <= 0.02
    assert caught(random.integers(5, 30_000, (200, 24))) >= 0.95
    assert caught(np.full((200, 24), 7)) >= 0.95
    assert caught(sentences(random, 200, width=240)) >= 0.9
