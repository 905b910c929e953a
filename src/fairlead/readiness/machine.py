"""Size and memory: whether this machine can hold what would be served."""

from __future__ import annotations

from fairlead.readiness.facts import FAIL, PASS, WARN, Facts, Finding, Question, mib

GROUP = "Size and memory"
_FULL, _TIGHT = 0.9, 0.6


def _size(facts: Facts) -> Finding:
    files = facts.package.files
    held = sum(fact.size for fact in files.values())
    told = f"{mib(held)} in {len(files)} files"
    fix = facts.packed(more="--no-evidence")
    if held > facts.record.free:
        return Finding(FAIL, f"{told}; {mib(facts.record.free)} are free", fix)
    return Finding(PASS, told)


def _memory(facts: Facts) -> Finding:
    run, machine = facts.run, facts.machine
    if not run.base:
        return Finding(WARN, "this system does not say what a process holds", "check it on Linux")
    one = run.base + run.model + machine.beside
    profile = facts.profile
    if profile is not None:
        one = max(one, profile.peak_bytes + machine.beside)
    needed = machine.workers * one
    share = needed / machine.memory
    told = f"{mib(run.model)} for the model, {mib(needed)} for {machine.workers} workers, "
    told += f"{share:.0%} of the {mib(machine.memory)} here"
    if profile is not None:
        told += f"; {mib(profile.peak_bytes)} at most in a worker under load, as profiled "
        told += profile.taken
    fitting = max(1, int(_TIGHT * machine.memory / one))
    fix = facts.served(f"--workers {min(fitting, max(1, machine.workers - 1))}")
    if share > _FULL:
        return Finding(FAIL, told, fix)
    return Finding(WARN if share > _TIGHT else PASS, told, fix)


def _cores(facts: Facts) -> Finding:
    machine = facts.machine
    told = f"{machine.workers} workers on {machine.cores} cores"
    fix = facts.served(f"--workers {machine.cores}")
    return Finding(WARN if machine.workers > machine.cores else PASS, told, fix)


QUESTIONS = (
    Question("package-size", "How large is it on disk?", _size),
    Question("memory", "Does it fit into this machine's memory?", _memory, True),
    Question("workers", "Is there a core for every worker?", _cores),
)
