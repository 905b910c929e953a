"""Calls whose inputs are made first, such as by decoding pictures."""

from __future__ import annotations

import threading

from tests.serving.parts import Model, call, serve, until
from tests.serving.test_batcher import Settled, batcher, run

from fairlead.core.tensor import join


def test_a_call_whose_inputs_are_made_first_never_runs_on_the_loop():
    async def test() -> None:
        served, settled = serve(Model()), Settled()
        batcher(served, settled, alone=lambda: True)
        made_on: list[int] = []

        def prepare(calls, rows):
            made_on.append(threading.get_ident())
            return [join([c.inputs[0] for c in calls], rows)]

        for one in (call(served, [1, 0]), call(served, [2, 0])):
            one.prepare = prepare
            served.submit(one)
        assert settled.calls == []
        await until(lambda: len(settled.calls) == 2)
        assert made_on
        assert threading.get_ident() not in made_on

    run(test)
