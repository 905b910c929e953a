"""Payment: whether those who should pay would."""

from __future__ import annotations

from fairlead.readiness.facts import PASS, Facts, Finding, Question, counted

GROUP = "Payment"
FREE = "free"
_NAMED = 3


def _prices(facts: Facts) -> Finding:
    said, sold = facts.package.expect.cost.strip(), facts.callers.prices
    told = f"by {', '.join(sold[:_NAMED])}" if sold else "nothing: no plan has a price"
    free = said.lower().rstrip(".") == FREE
    if said and not free and not sold:
        return Finding(facts.mild, f"{told}, yet the owner says: {said}", _PUT)
    if free and any(key.priced and key.allows for key in facts.callers.keys):
        fix = facts.amended("expect", 'cost = "..."')
        return Finding(facts.grave, f"{told}, yet the owner says that it is free", fix)
    return Finding(PASS, told)


_PUT = "fairlead plans put gold.toml, then fairlead tenants plan TENANT gold"


def _covered(facts: Facts) -> Finding:
    if not facts.callers.prices:
        return Finding(PASS, "nothing is sold here")
    asking = [key for key in facts.callers.keys if key.allows]
    unpaid = sorted({key.tenant for key in asking if not key.priced})
    if not unpaid:
        return Finding(PASS, "every tenant that may ask it has a plan with prices")
    told = f"{counted(len(unpaid), 'tenant')} may use it for nothing: {', '.join(unpaid[:_NAMED])}"
    fix = f"fairlead tenants plan {unpaid[0]} {facts.callers.prices[0]}"
    return Finding(facts.grave, told, fix)


QUESTIONS = (
    Question("prices", "What does a call cost its caller?", _prices),
    Question("tenants-priced", "Does anybody use for nothing what others pay for?", _covered),
)
