"""A model that holds ever more memory is replaced between two calls, and no call fails."""

from __future__ import annotations

import numpy as np
import pytest
from tests.functions import packed
from tests.processes import server, until
from tests.runtimes.runner.parts import Log, load

from fairlead.runtimes.runner import parent
from fairlead.runtimes.runner.answers import RunnerAnswers

LEAKY = '''
    import numpy as np

    KEPT = []

    def leaky(x):
        """Keeps ten MiB of every call."""
        KEPT.append(np.ones(10 << 20, np.uint8))
        return {"y": np.asarray(x)}
'''


STREAMING = """
import numpy as np

KEPT = []

def predict(x):
    for number in x:
        KEPT.append(np.ones(4 << 20, np.uint8))
        yield np.array([number])
"""


@pytest.mark.parametrize("takes", ["x", "x, *, parameters"])
def test_a_model_that_leaks_is_replaced_and_no_call_fails(tmp_path, takes):
    source = LEAKY.replace("leaky(x)", f"leaky({takes})")
    repository = packed(tmp_path, source, "leaky", rows="x\n1.0\n2.0\n")
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


@pytest.fixture
def leaks(monkeypatch, request):
    """A model whose answers each cost it 4 MiB, of which it may have few, and what it logs."""
    monkeypatch.setattr(parent, "_TIMES", 1)
    monkeypatch.setattr(parent, "_MORE", 100 << 20)
    log, about = Log(), {"object": "predict", "decoupled": True, "takes": request.param}
    model = load(STREAMING, log, environment={"about": about})
    yield model, log
    model.close()


def answers(model, numbers: int) -> RunnerAnswers:
    return model.ask([np.arange(numbers, dtype=np.float64)], [0], {})


@pytest.mark.parametrize("leaks", [[]], indirect=True)
def test_a_model_that_leaks_is_not_replaced_while_it_has_more_to_say(leaks):
    model, log = leaks
    long = answers(model, 100)
    for number in range(100):
        (told,) = long.next()
        assert told.tolist() == [number]
    assert log.named("runner_ended") == [], "it would have been missed by who listens"
    assert long.next() is None
    for _ in range(2 * parent._EVERY):
        short = answers(model, 1)
        assert short.next() is not None
        assert short.next() is None
    assert [event["why"] for event in log.named("runner_ended")] == ["grew"]


@pytest.mark.parametrize("leaks", [["sequence"]], indirect=True)
def test_a_model_that_remembers_what_callers_said_is_not_replaced(leaks):
    model, log = leaks
    for _ in range(2 * parent._EVERY):
        short = answers(model, 2)
        while short.next() is not None:
            pass
    assert log.named("runner_ended") == []
