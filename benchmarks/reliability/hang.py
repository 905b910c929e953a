"""P6: `python -m benchmarks.reliability.hang`: a model that hangs is stopped in time, others go on.

It hangs with and without Python's lock held, in a runner; its neighbour, an ONNX model, is asked
meanwhile.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from textwrap import dedent

from tests import functions, models
from tests.processes import Running, server

from benchmarks.reliability.load import Load, once
from benchmarks.reliability.stand import none, options, quantile, shown, told
from benchmarks.report import Part, Promise
from fairlead.cli.main import main as command

BUDGET_S = 1.0
SOURCE = '''
    import ctypes, time

    def hangs(what):
        """Hangs without Python's lock at 1, and holding it at 2."""
        if (what == 1).any(): time.sleep(1000)
        if (what == 2).any(): ctypes.PyDLL(None).sleep(1000)
        return what * 2.0
'''
_ROWS = "what\n100\n101\n102.5\n"


def packed(folder: Path) -> Path:
    """The model that hangs, beside model `total`."""
    repository = functions.packed(folder, SOURCE, "hangs", rows=_ROWS)
    words = folder / "words.toml"
    words.write_text(dedent(f'[limits]\ntime_budget_s = {BUDGET_S}\n[guards]\nnovelty = "off"\n'))
    command(["amend", "hangs", "--repository", str(repository), "--model-toml", str(words)])
    models.total(repository)
    return repository


def _asked(running: Running, what: float) -> tuple[str, float]:
    """How a call was answered, and after how many seconds."""
    with closing(running.connect()) as line:
        began = time.perf_counter()
        status, body = running.predict(line, "hangs", {"what": what})
        return ("ok" if status == 200 else body["code"]), time.perf_counter() - began


def run(hangs: int, rate: float, seed: int) -> list[Part]:
    """So many hangs of each kind; the neighbour is asked all the time."""
    took: dict[int, list[float]] = {1: [], 2: []}
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="fairlead-hang-") as place:
        repository = packed(Path(place))
        with server(repository, state=Path(place) / "state", workers=2) as running:
            load = Load(running.port, running.grpc_port, rate, seed, again=once)
            load.start()
            for _ in range(hangs):
                for kind, times in took.items():
                    how, seconds = _asked(running, kind)
                    times.append(seconds)
                    wrong += how != "MODEL_HUNG"
                    wrong += _asked(running, 100)[0] != "ok"
            quick, _ = _asked(running, 100)
            workers = json.loads(json.dumps(running.workers))
            seen = load.stop()
            same = workers == running.workers and not running.events("process_died")
    longest = max(max(times) for times in took.values())
    lines = [f"{hangs} hangs of each kind, budget {BUDGET_S:g} s, seed {seed}: stopped after "
             f"{quantile(took[1], 0.5):.2f} s without the lock held, "
             f"{quantile(took[2], 0.5):.2f} s with it, {longest:.2f} s at most.", "",
             *told(seen)]  # fmt: skip
    return [Part("A model that hangs", lines, {}, [
        Promise("P6 seconds until it is stopped, budget + 1", BUDGET_S + 1, longest,
                f"{longest:.2f}", most=True),
        none("P6 answers that are not what they should be", wrong, 4 * hangs),
        none("P6 failed calls of the neighbour", len(seen.failed), seen.sent),
        none("P6 workers that were lost by it", int(not same or quick != "ok"), 1),
        Promise("P6 control: a call of the model that does hang", 1,
                sum(t > BUDGET_S for times in took.values() for t in times),
                f"{2 * hangs}"),
    ])]  # fmt: skip


if __name__ == "__main__":
    asked = options(__doc__ or "", hangs=10, rate=100.0)
    sys.exit(shown(run(asked.hangs, asked.rate, asked.seed)))
