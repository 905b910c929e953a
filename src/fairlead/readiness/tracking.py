"""Tracking: whether every call is on record, and whether change would be noticed."""

from __future__ import annotations

from fairlead.guards.files import DRIFT
from fairlead.readiness.facts import FAIL, PASS, WARN, Facts, Finding, Question, mib

GROUP = "Tracking"
_LEAST_FREE, _AMPLE_FREE = 256 << 20, 2 << 30


def _recorded(facts: Facts) -> Finding:
    record = facts.record
    if not record.writable:
        told = f"the state folder {record.state} cannot be written, so no call would be answered"
        return Finding(FAIL, told, facts.served("--state DIR"))
    told = f"each, before its answer leaves; {mib(record.free)} are free for it"
    fix = facts.served("--state DIR") + ", on a larger disk"
    if record.free < _LEAST_FREE:
        return Finding(facts.by_exposure(WARN, FAIL, FAIL), told, fix)
    return Finding(WARN if record.free < _AMPLE_FREE else PASS, told, fix)


def _private(facts: Facts) -> Finding:
    if facts.record.private:
        return Finding(PASS, "the state folder is its owner's alone")
    told = "other users of this machine can read the state folder"
    return Finding(facts.by_exposure(WARN, WARN, FAIL), told, f"chmod 700 {facts.record.state}")


def _durable(facts: Facts) -> Finding:
    if facts.record.durable:
        return Finding(PASS, "a record survives a power cut")
    told = "a record survives the end of the process, but not a power cut"
    sold = bool(facts.callers.prices)
    verdict = facts.mild if sold else PASS
    return Finding(verdict, told, 'durability = "power" under [usage] of fairlead.toml')


def _labels(facts: Facts) -> Finding:
    feedback = facts.package.feedback
    if feedback.outcomes:
        return Finding(PASS, f"true labels can be sent for {feedback.days} days")
    fix = facts.amended("feedback", "outcomes = true")
    return Finding(facts.mild, "what was predicted is not kept, so nobody will know", fix)


def _drift(facts: Facts) -> Finding:
    if DRIFT in facts.package.files:
        return Finding(PASS, "every column is watched (fairlead drift report)")
    fix = facts.packed(reference=True)
    return Finding(facts.grave, "unlearnt: nothing is watched", fix)


def _backup(facts: Facts) -> Finding:
    days = facts.record.backup
    fix = f"fairlead state backup state.tar --state {facts.record.state}"
    if days is None:
        worth = facts.callers.closed or bool(facts.callers.prices)
        return Finding(
            facts.mild if worth else PASS, "not in the last month, as far as is on record", fix
        )
    return Finding(PASS, f"{days:.0f} days ago")


QUESTIONS = (
    Question("usage-recorded", "Is every call written down?", _recorded),
    Question("records-private", "Can others read what was written down?", _private),
    Question("usage-durable", "What is lost when the power fails?", _durable),
    Question("true-labels", "Will anybody know whether the answers were right?", _labels),
    Question("drift-watched", "Will anybody notice when the rows change?", _drift),
    Question("backup", "When were keys and usage last backed up?", _backup),
)
