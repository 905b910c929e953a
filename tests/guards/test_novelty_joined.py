"""Two novelty guards with one false-alarm rate."""

import numpy as np
import pytest

from fairlead.guards.novelty_joined import learn_both


def both(count, seed, width=6):
    """Rows as two tables of columns."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(count, width))
    inputs = {f"x{i}": rows[:, i] for i in range(width)}
    return inputs, {f"h{i}": np.tanh(rows[:, i]) + random.normal(size=count) for i in range(width)}


def strangest(guards, tables):
    return np.maximum(*(g.scores(table) for g, table in zip(guards, tables, strict=True)))


def test_together_they_keep_the_rate_of_one():
    alarms = []
    for seed in range(6):
        guards = learn_both(*both(1500, seed), false_alarm_rate=0.05, seed=seed)
        alarms.append((strangest(guards, both(3000, seed + 100)) > guards[0].threshold()).mean())
    # Each is Beta distributed with a deviation of one per cent around five.
    assert np.mean(alarms) <= 0.05 + 2 * 0.0115 / np.sqrt(6)
    assert np.mean(alarms) >= 0.03


def test_they_have_one_threshold_and_the_smaller_p_value_is_that_of_the_stranger_score():
    inputs, outputs = learn_both(*both(600, 0))
    assert inputs is not None
    assert inputs.threshold() == outputs.threshold()
    tables = both(200, 1)
    p_values = np.minimum(inputs.p_values(tables[0]), outputs.p_values(tables[1]))
    assert (p_values == inputs.p_of(strangest((inputs, outputs), tables))).all()


def test_either_may_find_a_row_strange():
    inputs, outputs = learn_both(*both(600, 0))
    assert inputs is not None
    good, shown = both(1, 1)
    far = {name: values + 50 for name, values in shown.items()}
    assert outputs.scores(far)[0] > outputs.threshold()
    assert inputs.scores({n: v + 50 for n, v in good.items()})[0] > inputs.threshold()


def test_where_nothing_is_seen_of_the_inputs_the_embedding_decides_alone():
    inputs, outputs = learn_both({}, both(600, 0)[1])
    assert inputs is None
    assert outputs.calibrated == 200


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match="too few"):
        learn_both(*both(19, 0))
