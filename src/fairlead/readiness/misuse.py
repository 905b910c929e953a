"""Misuse: what a caller who means no good can take away or use up."""

from __future__ import annotations

import json

from fairlead.core.package import RESPONSES
from fairlead.guards.files import MISUSE
from fairlead.readiness.facts import PASS, WARN, Facts, Finding, Question, counted

GROUP = "Misuse"
_TELLING = ("full",)
_NAMED = 3


def _watched(facts: Facts) -> Finding:
    package = facts.package
    if package.guards.misuse == "off":
        fix = facts.amended("guards", 'misuse = "slow"')
        return Finding(facts.grave, "off: nobody is suspected", fix)
    if MISUSE not in package.files:
        fix = facts.packed(reference=True)
        return Finding(facts.grave, "unlearnt: nothing to suspect anybody by", fix)
    return Finding(PASS, f"{package.guards.misuse}: {RESPONSES[package.guards.misuse]}")


def _answered(facts: Facts) -> Finding:
    choice = facts.package.guards.misuse
    fix = facts.amended("guards", 'misuse = "slow"')
    if choice in ("off", "log"):
        return Finding(facts.by_exposure(PASS, PASS, WARN), f"nothing but a record ({choice})", fix)
    return Finding(PASS, RESPONSES[choice])


def _disclosed(facts: Facts) -> Finding:
    choice = facts.package.guards.disclosure
    fix = facts.amended("guards", 'disclosure = "columns"')
    if choice in _TELLING:
        return Finding(facts.grave, "full: callers are told what training rows held", fix)
    return Finding(PASS, f"{choice}, of which callers learn nothing about single training rows")


def _used_up(facts: Facts) -> Finding:
    own = [str(limit) for limit in facts.package.limits.usage]
    shared = [*facts.bounds.usage, *own]
    asking = [key for key in facts.callers.keys if key.allows]
    free = [key.name for key in asking if not key.limited]
    fix = facts.amended("limits", 'usage = ["rows=100000/minute"]')
    if shared:
        return Finding(PASS, f"all callers together: {', '.join(shared[:_NAMED])}")
    if asking and not free:
        return Finding(PASS, "each key has limits of its own or by its plan")
    told = (
        f"{counted(len(free), 'key')} without a limit: {', '.join(free[:_NAMED])}"
        if free
        else "no limits"
    )
    return Finding(facts.grave, told, fix)


def _kept(facts: Facts) -> Finding:
    payloads = facts.package.payloads
    plain = [name for name, how in payloads.fields.items() if how == "plain"]
    if not payloads.sample or not payloads.fields:
        return Finding(PASS, "nothing of them is kept")
    told = f"{payloads.sample:.2%} of calls for {payloads.days} days"
    if not plain:
        return Finding(PASS, f"{told}, every column hashed")
    fix = facts.amended("payloads", f'fields = {{ {json.dumps(plain[0])} = "hash" }}')
    return Finding(facts.mild, f"{told}, plain: {', '.join(plain[:_NAMED])}", fix)


QUESTIONS = (
    Question("misuse-watched", "Would anybody notice that the model is being copied?", _watched),
    Question("misuse-answered", "What happens to a caller who is suspected?", _answered),
    Question("disclosure", "How much does an answer give away?", _disclosed),
    Question("usage-limits", "Can one caller use up the server?", _used_up),
    Question("payloads-kept", "What is kept of the rows that people send?", _kept),
)
