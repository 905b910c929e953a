"""Evidence and pairs as hypothesis makes them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from fairlead.core.decision import OUTCOMES
from fairlead.rollout.assign import GROUPS
from fairlead.rollout.bins import Bins
from fairlead.rollout.evidence import Evidence

KINDS = [f"ERROR_{i}" for i in range(90)]


@st.composite
def batches(draw: Any, most: int = 10) -> list[tuple[float, int, float, int]]:
    """Calls: latency, decision, answer, group."""
    call = st.tuples(
        st.floats(0, 100),
        st.integers(0, len(OUTCOMES) - 1),
        st.integers(0, 4).map(float),
        st.integers(0, GROUPS - 1),
    )
    return draw(st.lists(call, max_size=most))


@st.composite
def evidence(draw: Any, bins: Bins | None, grouped: bool) -> Evidence:
    """Evidence of some batches and failures."""
    seen = Evidence(bins, grouped=grouped)
    for calls in draw(st.lists(batches(), max_size=2)):
        latencies, decisions, answers, groups = zip(*calls, strict=True) if calls else [()] * 4
        seen.add(list(latencies), list(decisions), list(answers), list(groups))
    # Now and then more kinds than are told apart.
    first = draw(st.integers(0, len(KINDS)))
    for kind in KINDS[first : first + draw(st.sampled_from([0, 1, 5, 70]))]:
        seen.fail(kind, first % GROUPS if grouped else 0)
    return seen


BINS = st.sampled_from([None, Bins(classes=5), Bins(edges=(1.0, 2.5, 4.0))])


@st.composite
def several(draw: Any, count: int) -> list[Evidence]:
    """Evidence that is counted in the same bins."""
    bins, grouped = draw(BINS), draw(st.booleans())
    return [draw(evidence(bins, grouped)) for _ in range(count)]
