"""Who may use it: whether callers are known, and what they may do."""

from __future__ import annotations

from shlex import quote

from fairlead.readiness.facts import FAIL, PASS, Facts, Finding, Question, counted

GROUP = "Who may use it"
_NAMED = 3


def _known(facts: Facts) -> Finding:
    callers, doors = facts.callers, facts.doors
    ways = [f"{counted(len(callers.keys), 'key')} that work"] if callers.keys else []
    ways += ["tokens or certificates"] if callers.identities else []
    ways += ["the platform in front, by the owner's word"] if doors.platform else []
    told = " and ".join(ways) or "by keys, of which none works any more"
    if callers.guest:
        told += f"; whoever has not signed in asks by pages, under {callers.guest}"
        return Finding(facts.mild, told, 'guest = "" under [pages] of fairlead.toml')
    if ways or callers.closed:
        return Finding(PASS, told)
    return Finding(facts.grave, "by nothing: whoever reaches it is answered", _key(facts))


def _allowed(facts: Facts) -> Finding:
    callers = facts.callers
    count = sum(key.allows for key in callers.keys)
    if count or callers.identities or facts.doors.platform:
        return Finding(PASS, f"{counted(count, 'key')} may ask it")
    if not callers.closed:
        return Finding(PASS, "everybody who reaches it: no key was ever made")
    return Finding(FAIL, "no key that works may ask it", _key(facts))


def _ends(facts: Facts) -> Finding:
    endless = [key.name for key in facts.callers.keys if not key.ends]
    if not endless:
        return Finding(PASS, "every key has a last day" if facts.callers.keys else "no keys")
    told = f"{len(endless)} never end: {', '.join(endless[:_NAMED])}"
    state = facts.record.state
    fix = f"{_key(facts)} --expires 90d; fairlead keys revoke {quote(endless[0])} --state {state}"
    return Finding(facts.mild, told, fix)


def _narrow(facts: Facts) -> Finding:
    keys = facts.callers.keys
    both = [key.name for key in keys if key.admin and key.allows]
    wide = [key.name for key in keys if key.everything and not key.admin]
    fix = _key(facts)
    if both:
        told = f"{len(both)} may ask it and administer too: {', '.join(both[:_NAMED])}"
        return Finding(facts.grave, told, fix)
    if wide:
        told = f"{len(wide)} may ask every model: {', '.join(wide[:_NAMED])}"
        return Finding(facts.mild, told, fix)
    return Finding(PASS, "each key names what it may do" if keys else "no keys")


def _key(facts: Facts) -> str:
    scope = f"predict:{facts.package.name}"
    return f"fairlead keys create --name NAME --scope {scope} --state {facts.record.state}"


QUESTIONS = (
    Question("callers-known", "Does the server know who asks?", _known),
    Question("callers-allowed", "May anybody ask this model at all?", _allowed),
    Question("keys-end", "Does a key that was lost stop working by itself?", _ends),
    Question("keys-narrow", "May a key do more than its holder needs?", _narrow),
)
