"""A window: what it held and found is kept for the last ones, and goes to JSON and back."""

import json

import numpy as np
import pytest

from fairlead.guards.drift_windows import FIGURES, MOST_PAST, Alarm, Window

ALARM = Alarm("x", 256, 1e-9, 0.5, 1.2, 0.3, None, "x: it moved", 300, "noon")


def window(columns=2, bins=5):
    return Window(256, np.zeros(bins, np.int64), columns)


def found(columns=2, value=0.25):
    return np.full((len(FIGURES), columns), value, np.float16)


def test_a_window_that_ends_begins_the_next():
    one = window()
    one.counts += [1, 2, 3, 4, 246]
    one.seen = 256
    one.end("noon", found(), [ALARM])
    assert one.last.counts.tolist() == [1, 2, 3, 4, 246]
    assert (one.seen, one.counts.tolist()) == (0, [0] * 5)
    one.counts += 7
    assert one.last.counts.tolist() == [1, 2, 3, 4, 246]


@pytest.mark.parametrize(("columns", "most"), [(1, MOST_PAST), (30, MOST_PAST), (1000, 20)])
def test_the_past_is_bounded_and_shorter_where_columns_are_many(columns, most):
    one = window(columns)
    for number in range(most + 5):
        one.end(str(number), found(columns), [])
    assert [past.when for past in one.past] == [str(n) for n in range(5, most + 5)]


def test_a_window_comes_back_from_json_as_it_was():
    one = window()
    one.end("noon", found(value=np.nan), [ALARM])
    one.end("later", found(value=300.0), [])
    one.counts += [0, 1, 2, 3, 4]
    one.seen = 10
    told = json.loads(json.dumps(one.to_json(), allow_nan=False))
    back = window().from_json(told)
    assert back.to_json() == told
    assert back.counts.tolist() == [0, 1, 2, 3, 4]
    assert np.isnan(back.past[0].found).all()
    assert (back.past[1].found == 300.0).all()


def test_what_json_says_follows_every_window_that_ends():
    one = window()
    before = one.to_json()["past"]
    one.end("noon", found(), [])
    assert one.to_json()["past"] != before


def test_a_window_of_other_bins_or_fewer_rows_than_none_is_refused():
    told = window().to_json()
    with pytest.raises(ValueError, match="cannot reshape"):
        window(bins=6).from_json(told)
    one = window()
    one.counts -= 1
    with pytest.raises(ValueError, match="fewer rows than none"):
        window().from_json(one.to_json())


def test_an_alarm_comes_back_from_json_as_it_was():
    told = json.loads(json.dumps(ALARM.to_json()))
    assert Alarm.from_json(told) == ALARM
    assert Alarm.from_json(told | {"shift": 0.5}).shift == 0.5
