"""Confidence: calibrated, never changing an answer, and a goal that is kept."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from fairlead.guards import Confidence, learn_confidence
from fairlead.guards.calibration import FITS
from fairlead.guards.confidence import COVERAGES

MODELS = {
    "bayes": GaussianNB(),
    "logistic": LogisticRegression(),
    "forest": RandomForestClassifier(60, random_state=0),
}


@pytest.fixture(scope="module", params=[("bayes", 2), ("logistic", 3), ("forest", 2)])
def scored(request):
    """Scores and labels of a model on rows it was not trained on."""
    name, classes = request.param
    x, y = make_classification(
        8000,
        15,
        n_informative=8,
        n_classes=classes,
        class_sep=2.0,
        flip_y=0.0,
        random_state=classes,
    )
    model = MODELS[name].fit(x[:2000], y[:2000])
    return model.predict_proba(x[2000:]), y[2000:]


def test_a_goal_is_broken_as_rarely_as_it_says(scored):
    """Error at most 3 % with 95 % confidence, over many draws of evaluation rows."""
    scores, labels = scored
    broken, given = 0, []
    for seed in range(40):
        order = np.random.default_rng(seed).permutation(len(labels))
        seen, fresh = order[:1200], order[1200:]
        guard = learn_confidence(scores[seen], labels[seen], error_goal=0.03, seed=seed)
        kept = guard.decide(scores[fresh])
        given.append(kept.mean())
        if kept.any():
            wrong = scores[fresh][kept].argmax(axis=1) != labels[fresh][kept]
            broken += wrong.mean() > 0.03
    assert broken <= stats.binom.ppf(0.999, 40, 0.05)
    assert np.mean(given) > 0.3


@pytest.fixture(scope="module")
def drawn(scored):
    """Guards of twenty draws of evaluation rows, each with the scores and labels of the others."""
    scores, labels = scored
    found = []
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(len(labels))
        seen, fresh = order[:1500], order[1500:]
        found.append((learn_confidence(scores[seen], labels[seen]), scores[fresh], labels[fresh]))
    return found


@pytest.mark.parametrize("coverage", COVERAGES)
def test_sets_hold_the_truth_as_often_as_they_say(scored, drawn, coverage):
    held = []
    for guard, fresh, truth in drawn:
        sets = guard.sets(fresh, coverage)
        held.append(sets[np.arange(len(truth)), truth].mean())
    # Scores in steps, such as a forest's, make sets wider than they must be, never narrower.
    steps = len(np.unique(scored[0])) < 200
    assert coverage - 0.01 <= np.mean(held) <= coverage + (0.03 if steps else 0.01)


def test_calibration_never_changes_an_answer_and_never_worsens_the_loss(scored):
    scores, labels = scored
    guard = learn_confidence(scores[:2000], labels[:2000])
    fresh, truth = scores[2000:], labels[2000:]
    calibrated = guard.calibrate(fresh)
    assert (calibrated.argmax(axis=1) == fresh.argmax(axis=1)).all()
    assert calibrated.sum(axis=1) == pytest.approx(1.0)

    def loss(p):
        return -np.log(np.clip(p[np.arange(len(truth)), truth], 1e-6, 1)).mean()

    assert loss(calibrated) <= loss(fresh) * 1.02


def test_scores_that_are_probabilities_already_are_left_alone():
    changed = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        scores = random.dirichlet([2, 2], 800)
        labels = (random.random(800) < scores[:, 1]).astype(int)
        changed += learn_confidence(scores, labels, seed=seed).method != "none"
    assert changed <= 3


def test_rows_that_tie_with_the_quantile_belong_to_the_set():
    """Scores in steps, as a forest's: whoever is as sure as the last row that counted, counts."""
    random = np.random.default_rng(0)
    first = random.integers(0, 11, 500) / 10
    scores = np.column_stack([first, 1 - first])
    labels = (random.random(500) > first).astype(int)
    guard = learn_confidence(scores, labels)
    misses = np.sort(1 - scores[np.arange(500), labels])
    quantile = misses[int(np.ceil(0.9 * 501)) - 1]
    assert np.array_equal(guard.sets(scores, 0.9), 1 - scores <= quantile)


def test_one_wrong_row_at_the_very_top_does_not_silence_a_good_model():
    """Were the walk to begin at the 149 surest rows only, nothing would ever be answered."""
    random = np.random.default_rng(0)
    sure = np.sort(random.uniform(0.9, 1.0, 3000))[::-1]
    labels = (random.random(3000) > 0.997).astype(int)
    labels[:149] = 0
    labels[0] = 1
    scores = np.column_stack([sure, 1 - sure])
    guard = learn_confidence(scores, labels, error_goal=0.02)
    assert guard.coverage > 0.9


def test_isotonic_steps_are_scikit_learns():
    from fairlead.guards.calibration import FITS

    random = np.random.default_rng(0)
    best = random.uniform(0.5, 1.0, 500)
    right = random.random(500) < best**2
    scores = np.column_stack([best, 1 - best])
    truth = np.where(right, 0, 1)
    ours = FITS["isotonic"](scores, truth)
    half = len(ours.values) // 2
    theirs = IsotonicRegression().fit(best, right.astype(float)).predict(np.sort(best))
    assert half == len(np.unique(theirs))


def test_a_goal_that_the_rows_cannot_show_gives_nothing_and_says_why():
    random = np.random.default_rng(0)
    scores = random.dirichlet([1, 1], 100)
    guard = learn_confidence(scores, scores.argmax(axis=1), error_goal=0.01)
    assert guard.threshold == np.inf
    assert guard.reason == "100 labelled rows cannot show it: 299 are the least"
    assert not guard.decide(scores).any()
    noise = random.integers(0, 2, 2000)
    guard = learn_confidence(random.dirichlet([1, 1], 2000), noise, error_goal=0.05)
    assert guard.threshold == np.inf
    assert guard.reason.startswith("even the 80 surest rows are wrong in")


def test_without_a_goal_every_row_is_answered():
    scores = np.random.default_rng(0).dirichlet([2, 1, 1], 200)
    guard = learn_confidence(scores, scores.argmax(axis=1))
    assert guard.threshold is None
    assert guard.decide(scores).all()
    assert guard.coverage == 1.0


def test_equal_scores_stand_or_fall_together():
    scores = np.column_stack([np.full(1000, 0.9), np.full(1000, 0.1)])
    labels = (np.random.default_rng(0).random(1000) < 0.1).astype(int)
    guard = learn_confidence(scores, labels, error_goal=0.05)
    assert guard.threshold == np.inf


def test_a_new_goal_needs_no_new_learning(scored):
    scores, labels = scored
    guard = learn_confidence(scores[:2000], labels[:2000], error_goal=0.02)
    other = learn_confidence(scores[:2000], labels[:2000], error_goal=0.1)
    guard.aim(0.1)
    assert (guard.threshold, guard.coverage) == (other.threshold, other.coverage)


def test_a_guard_read_from_bytes_answers_the_same(scored):
    scores, labels = scored
    guard = learn_confidence(scores[:1000], labels[:1000], error_goal=0.05)
    again = Confidence.from_bytes(guard.to_bytes())
    assert np.array_equal(again.calibrate(scores), guard.calibrate(scores))
    assert np.array_equal(again.sets(scores, 0.95), guard.sets(scores, 0.95))
    assert (again.threshold, again.coverage, again.losses) == (
        guard.threshold,
        guard.coverage,
        guard.losses,
    )


@pytest.mark.parametrize(
    ("scores", "labels", "says"),
    [
        (np.full((100, 2), 0.9), np.zeros(100), "must sum to 1"),
        (np.full((100, 2), 2.0), np.zeros(100), "between 0 and 1"),
        (np.full((100, 1), 1.0), np.zeros(100), "two or more classes"),
        (np.full((100, 2), 0.5), np.zeros(99), "100 rows of scores and 99 labels"),
        (np.full((100, 2), 0.5), np.full(100, 2), "no position of a class"),
        (np.full((10, 2), 0.5), np.zeros(10), "10 labelled rows are too few"),
    ],
)
def test_what_cannot_be_learnt_from_is_said(scores, labels, says):
    with pytest.raises(ValueError, match=says):
        learn_confidence(scores, labels)


def test_one_pass_says_the_same_as_each_question_for_one_row_and_for_many(scored):
    scores, labels = scored
    for method in ("none", "temperature", "isotonic"):
        guard = learn_confidence(scores[:500], labels[:500])
        calibration = FITS[method](scores[:500], labels[:500])
        guard = Confidence(calibration, {}, guard._sure, guard._wrong, guard._quantiles)
        given = scores[500:700].astype(np.float32)
        sure, inside = guard.weigh(given, 0.9)
        assert sure.tolist() == guard.calibrate(given, trusted=True).max(axis=1).tolist()
        assert inside.tolist() == guard.sets(given, 0.9, trusted=True).tolist()
        ones = [guard.weigh(given[i : i + 1], 0.9) for i in range(len(given))]
        assert np.concatenate([one for one, _ in ones]) == pytest.approx(sure, rel=1e-12)
        assert np.concatenate([one for _, one in ones]).tolist() == inside.tolist()


def test_a_score_that_rounding_moved_out_of_bounds_is_taken_for_the_bound(scored):
    guard = learn_confidence(scored[0][:500], scored[1][:500])
    over = np.zeros((1, scored[0].shape[1]), np.float32)
    over[0, :2] = 1.0 + 1e-6, -1e-6
    exact = over.clip(0.0, 1.0)
    assert guard.weigh(over)[0].tolist() == guard.weigh(exact)[0].tolist()
    assert guard.weigh(over)[0].max() <= 1.0


def aimed(method, classes, limit, seed):
    """A guard with this threshold, calibrated on scores that are too sure, or not sure enough."""
    random = np.random.default_rng(seed)
    scores = random.dirichlet(np.full(classes, random.uniform(0.1, 1.0)), 400)
    others = random.integers(classes, size=400)
    labels = np.where(random.random(400) < 0.8, scores.argmax(axis=1), others)
    guard = Confidence(
        FITS[method](scores, labels), {}, np.ones(400), np.zeros(400, bool), np.ones(4)
    )
    guard.threshold = limit
    return guard


@given(
    st.sampled_from([("none", 2), ("temperature", 2), ("temperature", 3), ("temperature", 7),
                     ("beta", 2), ("isotonic", 2), ("isotonic", 4)]),
    st.floats(0.51, 0.999),
    st.integers(0, 1000),
)  # fmt: skip
@example(("beta", 2), 0.998046875, 334)  # only a score of 1 is enough
def test_an_answer_that_is_surely_sure_enough_is_so_when_it_is_weighed(method, limit, seed):
    method, classes = method
    guard = aimed(method, classes, limit, seed)
    least = guard.surely(classes)
    if least is None:
        return
    random = np.random.default_rng(seed)
    top = np.concatenate([[least], random.uniform(least, 1.0, 200)])
    rest = random.dirichlet(np.full(classes - 1, 0.3), 201) * (1.0 - top)[:, None]
    scores = np.column_stack([top, rest])
    # The other classes share the rest in every way, all of it one's among them.
    scores[1] = [top[1], 1.0 - top[1], *[0.0] * (classes - 2)]
    for order in (slice(None), slice(None, None, -1)):
        given = scores[:, order].astype(np.float32)
        kept = given.max(axis=1) >= least
        assert kept.mean() > 0.5
        assert guard.weigh(given[kept])[0].min() >= limit


@pytest.mark.parametrize("seed", range(4))
def test_whatever_a_model_gives_for_probabilities_enough_is_so_when_it_is_weighed(seed):
    """Negative ones, uneven ones and rounded ones among them."""
    random = np.random.default_rng(seed)
    guard = aimed("temperature", 3, 0.8, seed)
    least = guard.surely(3)
    assert least is not None
    top = random.uniform(least, 1.0, 2000)
    less = random.choice([0.0, 1e-6, 1e-3, 0.05, 0.2], 2000)
    rows = np.column_stack([top, 1.0 - top + less, -less])
    rows = rows[rows[:, 0] >= rows[:, 1]]
    for dtype in (np.float16, np.float32, np.float64):
        each = rows.astype(dtype)[:, None, :]
        enough = [row for row in each if guard.enough(row, least)]
        assert all(guard.weigh(row)[0].min() >= 0.8 for row in enough)
        assert (len(enough) > 100) is (dtype is not np.float16)


@pytest.mark.parametrize(
    ("method", "classes"), [("temperature", 3), ("beta", 2), ("isotonic", 2), ("none", 5)]
)
def test_most_answers_that_are_sure_enough_are_surely_so(method, classes):
    guard = aimed(method, classes, 0.8, 3)
    scores = np.random.default_rng(5).dirichlet(np.full(classes, 0.2), 4000)
    enough = guard.weigh(scores)[0] >= 0.8
    shown = scores.max(axis=1) >= guard.surely(classes)
    assert not (shown & ~enough).any()
    assert shown.sum() > 0.6 * enough.sum()


@pytest.mark.parametrize(("limit", "classes"), [(None, 2), (0.5, 2), (np.inf, 2), (0.9, -1)])
def test_where_no_score_is_surely_enough_none_is_told(limit, classes):
    assert aimed("temperature", 2, limit, 0).surely(classes) is None
