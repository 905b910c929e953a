"""Load mode: whether it loads, how long that takes, and where it runs."""

from __future__ import annotations

from fairlead.readiness.facts import FAIL, PASS, WARN, Facts, Finding, Question, span

GROUP = "Load mode"
_SLOW, _TOO_SLOW = 20.0, 120.0


def _loads(facts: Facts) -> Finding:
    if facts.measured is None:
        return Finding(FAIL, facts.broken or "it does not load", facts.remedy or "pack it again")
    return Finding(PASS, f"unchanged since it was packed, by the runtime {facts.package.runtime}")


def _time(facts: Facts) -> Finding:
    seconds = facts.run.load_s
    told = f"{span(seconds)} from files to the first answers"
    fix = facts.packed() if facts.package.isolated else facts.served("--workers 1")
    if seconds > _TOO_SLOW:
        return Finding(FAIL, told, fix)
    return Finding(WARN if seconds > _SLOW else PASS, told, fix)


def _mode(facts: Facts) -> Finding:
    run = facts.run
    if run.locks:
        open_to = [name for name, cut in run.locks.items() if not cut]
        what = "a graph" if facts.package.runtime == "onnx" else "code of its own"
        told = f"{what}, in a process apart"
        if open_to:
            fix = "serve it on Linux 5.13 or newer, where a runner is cut off"
            return Finding(facts.grave, f"{told} that still reaches {', '.join(open_to)}", fix)
        return Finding(PASS, f"{told}, cut off from {', '.join(run.locks)}")
    where = "on the worker's loop" if run.inline else f"in {run.slots} threads of the worker"
    return Finding(PASS, f"a graph without code of its own, {where}")


QUESTIONS = (
    Question("loads", "Is the package whole, and does it load here?", _loads),
    Question("load-time", "How long after a start does it answer?", _time, True),
    Question("load-mode", "Where does it run, and what could its code reach?", _mode, True),
)
