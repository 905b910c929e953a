"""A caller that leaves while its call is executed costs the execution that was begun, no more."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from threading import Thread

import grpc
import numpy as np
import pytest
from tests.functions import packed
from tests.processes import Running, server, until
from tests.raw import Raw, post

from fairlead.cli.main import main as command
from fairlead.protos.pool import message
from fairlead.usage.journal import segments
from fairlead.usage.ledger import JOURNAL
from fairlead.usage.records import STATUS, read

WAITS = '''
    import os, time
    import numpy as np

    def waits(x):
        """Says that it has begun with a number below 0, and goes on when it is told to."""
        if (x < 0).any():
            open("begun", "w").close()
            while not os.path.exists("on"):
                time.sleep(0.001)
            os.remove("on")
        return {"y": np.asarray(x) * 2}
'''
WORDS = '[limits]\nmax_batch = 1\ntime_budget_s = 60\n[guards]\nnovelty = "off"\n'


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("leaving")
    repository = packed(folder, WAITS, "waits", rows="x\n1.5\n2.5\n4.0\n")
    (folder / "words.toml").write_text(WORDS)
    into = ["--repository", str(repository), "--model-toml", str(folder / "words.toml")]
    assert command(["amend", "waits", *into]) == 0
    with server(repository, state=folder / "state") as made:
        until(made.ready)
        yield made, folder / "state"


def abandoned(state: Path) -> int:
    """Calls that are on record as answered to nobody."""
    found = [batch for segment in segments(state / JOURNAL) for _, batch in read(segment)]
    return sum(STATUS[status] == "abandoned" for one in found if one for status in one.calls.status)


def connections(running: Running) -> int:
    """Those of others."""
    (line,) = [
        one for one in running.get("/metrics")[1].splitlines()
        if one.startswith(b"fairlead_connections ")
    ]  # fmt: skip
    return int(line.split()[1]) - 1


def by_http(running: Running, begun) -> None:
    with Raw(running.port) as raw:
        raw.send(post("/predict/waits", b"[-1.0]"))
        until(begun)


def by_grpc(running: Running, begun) -> None:
    takes = message("inference.ModelInferRequest")
    tensor = {"name": "x", "datatype": "FP64", "shape": [1]}
    asked = takes(
        model_name="waits", inputs=[tensor], raw_input_contents=[np.float64(-1).tobytes()]
    )
    with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel:
        ask = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=takes.SerializeToString,
        )
        call = ask.future(asked, timeout=60)
        until(begun)
        call.cancel()
        with pytest.raises(grpc.FutureCancelledError):
            call.result(10)


@pytest.mark.parametrize("leave", [by_http, by_grpc])
def test_who_leaves_while_its_call_is_executed_frees_its_place_and_is_answered_nothing(
    running, leave
):
    """F26. It is noticed before the execution is over; the answer is on record as abandoned."""
    served, state = running
    before = abandoned(state)

    def place() -> Path | None:
        return next(iter(state.rglob("begun")), None)

    leave(served, place)
    until(lambda: connections(served) == 0, 10, "that its caller has left is not seen")
    begun = place()
    assert begun is not None
    assert abandoned(state) == before, "the model has not answered yet"
    answers: list[tuple[int, dict]] = []

    def next_one() -> None:
        with closing(served.connect()) as connection:
            answers.append(served.predict(connection, "waits", {"x": 21.0}))

    waiting = Thread(target=next_one)
    waiting.start()
    begun.unlink()
    (begun.parent / "on").touch()
    waiting.join(30)
    ((status, told),) = answers
    assert (status, told["predictions"][0]["value"]) == (200, 42.0)
    until(lambda: abandoned(state) == before + 1, 10)
    assert served.events("runner_ended") == []
