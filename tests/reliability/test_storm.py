"""Load that does not let go, in short: storms of retries, a hot model beside quiet ones, a soak."""

from __future__ import annotations

import pytest
from benchmarks.reliability import neighbours, soak, storm


@pytest.mark.alone
def test_callers_who_try_again_at_once_do_not_keep_a_server_from_answering():
    """F38. Of 2 times the peak, each refused caller trying three times more; the best of three."""
    shares: list[tuple[float, float]] = []
    for seed in (1, 2, 3):
        one = storm.stormed(3.0, seed, step_s=1.0, left=0.5)
        refused = one.storm.codes().get(503, 0)
        assert refused > 0, "it was more than can be done"
        assert one.tries >= len(one.storm.status) + storm.AGAIN * refused, "they tried again"
        assert one.strange == 0
        codes = [s for due, s in zip(one.after.due, one.after.status, strict=True) if due > 2.0]
        shares.append((one.good / one.peak, codes.count(200) / len(codes)))
        if shares[-1][0] > 0.7 and shares[-1][1] > 0.9:
            return
    raise AssertionError(f"good answers of the peak, and of those after it: {shares}")


@pytest.mark.alone
def test_a_hot_model_takes_no_answer_from_quiet_ones():
    """F39. One model is asked ten times as often as it can be answered, nine a little."""
    felt = neighbours.run(1.5, seed=1)
    quiet = felt.beside.codes()
    assert felt.hot.codes()[503] > felt.hot.codes().get(200, 0)
    assert quiet.get(200, 0) > 0.95 * sum(quiet.values())
    assert set(quiet) <= {200, 503, 504}
    assert not felt.degrees or felt.degrees[-1] == 15 > felt.degrees[4], "it goes after them"


def test_under_load_versions_deaths_and_callers_that_leave_nothing_fails():
    """F42. A soak of some seconds; how memory grows is for the long form."""
    part = soak.soak(0.25, 60.0, 0.08, seed=3)
    broken = [p.text for p in part.promises if not p.kept and "MiB" not in p.text]
    assert broken == [], part.lines
    assert "workers killed" in part.lines[0]
    assert " 0 workers killed" not in part.lines[0]
