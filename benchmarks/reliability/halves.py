"""P2: `python -m benchmarks.reliability.halves`: a version that is half written never answers.

The files of a version are copied in an order of chance, the manifest among them, with pauses, into
a repository that a server watches; a part of what it sees is torn. Every answer is held against its
own request.
"""

from __future__ import annotations

import random
import shutil
import sys
from pathlib import Path

from tests import models
from tests.processes import until

from benchmarks.reliability.load import Load, never
from benchmarks.reliability.stand import none, options, pause, shown, standing, told
from benchmarks.report import Part, Promise


def halves(count: int, rate: float, seed: int) -> Part:
    """So many copies, each over some tenths of a second, under load."""
    chance = random.Random(seed)
    with standing() as (running, folder):
        package = models.total(folder / "aside").folder
        load = Load(running.port, running.grpc_port, rate, seed, again=never)
        load.start()
        for number in range(2, count + 2):
            _copy(package, folder / "models" / "total" / str(number), chance)
            if number > 3:
                shutil.rmtree(folder / "models" / "total" / str(number - 2))
        last = count + 1
        until(lambda: _answers(running, last), 90)
        seen = load.stop()
        refused = {event["model"] for event in running.events("load_failed")}
    lines = [f"{count} copies in an order of chance, seed {seed}; the server saw {len(refused)} of "
             "them while they were torn, and refused them.", "", *told(seen)]  # fmt: skip
    return Part("Versions that are half written", lines, {}, [
        none("P2 calls that failed meanwhile", len(seen.failed), seen.sent),
        none("P2 wrong answers meanwhile", seen.mismatched, seen.answered),
        Promise("P2 control: torn versions that were seen and refused", 1, len(refused),
                str(len(refused))),
    ])  # fmt: skip


def _answers(running, version: int) -> bool:
    status, about, _ = running.asked("/models/total")
    return status == 200 and about.get("version") == version


def _copy(package: Path, target: Path, chance: random.Random) -> None:
    files = [path for path in package.rglob("*") if path.is_file()]
    chance.shuffle(files)
    target.mkdir(parents=True)
    for path in files:
        inside = target / path.relative_to(package)
        inside.parent.mkdir(exist_ok=True)
        raw = path.read_bytes()
        with inside.open("wb") as file:
            file.write(raw[: len(raw) // 2])
            file.flush()
            pause(chance.random() / 10)
            file.write(raw[len(raw) // 2 :])
        pause(chance.random() / 10)


def main() -> int:
    """Runs it."""
    given = options(__doc__ or "", copies=1000, rate=100.0)
    return shown([halves(given.copies, given.rate, given.seed)])


if __name__ == "__main__":
    sys.exit(main())
