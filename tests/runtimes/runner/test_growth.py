"""A model that holds ever more memory is replaced between two calls, and no call fails."""

from __future__ import annotations

from tests.functions import packed
from tests.processes import server, until

LEAKY = '''
    import numpy as np

    KEPT = []

    def leaky(x):
        """Keeps ten MiB of every call."""
        KEPT.append(np.ones(10 << 20, np.uint8))
        return {"y": np.asarray(x)}
'''


def test_a_model_that_leaks_is_replaced_and_no_call_fails(tmp_path):
    repository = packed(tmp_path, LEAKY, "leaky", rows="x\n1.0\n2.0\n")
    with server(repository, state=tmp_path / "state", workers=1) as running:
        until(running.ready)
        asked: list[int] = []

        def grew() -> bool:
            status, told, _ = running.asked("/predict/leaky", body={"x": 1.0})
            assert status == 200, told
            asked.append(status)
            return any(event["why"] == "grew" for event in running.events("runner_ended"))

        until(grew, 60)
        assert len(asked) < 200, "it was let go too far"
        assert running.asked("/predict/leaky", body={"x": 1.0})[0] == 200
        assert len(running.events("runner_ended")) == 1
