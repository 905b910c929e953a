"""What a model costs under the traffic that somebody expects: sliders that need no script."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from fairlead.access.book import allows
from fairlead.core.access import Caller
from fairlead.core.call import Ask, Head, Reply
from fairlead.core.errors import FairleadError, NotProfiled
from fairlead.documents.cost_page import sections
from fairlead.pages.administered import Administered
from fairlead.pages.frame import page
from fairlead.pages.visit import visitor_of


class Slider(NamedTuple):
    """One question. low, high, step, usual: of the slider; power: it tells an exponent of 10.

    words: what is said of a number, {} for it.
    """

    name: str
    asks: str
    low: float
    high: float
    step: float
    usual: float
    words: str
    power: bool = False


SLIDERS = (
    Slider("calls", "How many calls come", 0, 8, 0.1, 5, "{} a day", power=True),
    Slider("peak", "How much busier is the busiest hour", 1, 8, 0.5, 2, "{} times the mean"),
    Slider("p99", "How long may 99 of 100 calls take", 0, 4, 0.1, 2.5, "{} ms", power=True),
    Slider("rows", "How many rows has a call", 0, 3, 0.1, 0, "{}", power=True),
)
HOURS = {
    "always": ("at all hours", ""),
    "day": ("8 to 18, every day", ", open 8-18"),
    "office": ("8 to 18, on weekdays", ", open 8-18, weekdays"),
}
BURSTS = {
    "steady": ("each by itself", ", steady"),
    "usual": ("as people come", ""),
    "bursty": ("in crowds", ", bursty"),
}


class AdminCosts:
    """The page of what a model costs."""

    def __init__(self, known: Administered) -> None:
        self._known = known

    def of(self, name: str) -> Ask:
        """The page, for what the address says of the traffic."""

        def ask(
            head: Head, body: bytes, caller: Caller, peer: Any, later: Callable[[Reply], None]
        ) -> None:
            asked = {key: values[0] for key, values in parse_qs(head.query[:2000]).items()}
            numbers = {slider.name: _number(slider, asked.get(slider.name)) for slider in SLIDERS}
            values = {slider.name: _value(slider, numbers[slider.name]) for slider in SLIDERS}
            hours = asked.get("hours") if asked.get("hours") in HOURS else "always"
            bursts = asked.get("bursts") if asked.get("bursts") in BURSTS else "usual"
            facts: dict[str, Any] = {
                "title": f"What {name} costs",
                "who": visitor_of(self._known.sessions, head, caller),
                "here": "costs",
                "allowed": {
                    "keys": allows(caller, "admin:keys"), "audit": allows(caller, "admin:audit"),
                },
                "model": name,
                "sliders": [(slider, numbers[slider.name]) for slider in SLIDERS],
                "shown": {s.name: shown(s, numbers[s.name]) for s in SLIDERS},
                "hours": (hours, {key: words for key, (words, _) in HOURS.items()}),
                "bursts": (bursts, {key: words for key, (words, _) in BURSTS.items()}),
                "cost": None,
                "unmeasured": None,
            }  # fmt: skip

            def told(outcome: Mapping[str, Any] | FairleadError) -> None:
                if isinstance(outcome, NotProfiled):
                    facts["unmeasured"] = outcome
                elif isinstance(outcome, FairleadError):
                    later(head.route.error(outcome))
                    return
                else:
                    facts["cost"] = sections(outcome)
                later(page("admin_costs.html", head.path, facts))

            words = _words(values) + HOURS[str(hours)][1] + BURSTS[str(bursts)][1]
            self._known.cost(name, words, values["p99"] / 1000, told)

        return ask


def _number(slider: Slider, text: str | None) -> float:
    """Where a slider stands; what is no number within it is the usual one."""
    try:
        found = float(text) if text is not None else slider.usual
    except ValueError:
        return slider.usual
    return min(slider.high, max(slider.low, found)) if found == found else slider.usual


def _value(slider: Slider, number: float) -> float:
    """What a slider means."""
    return float(f"{10**number:.2g}") if slider.power else number


def shown(slider: Slider, number: float) -> str:
    """The same for people."""
    return slider.words.format(f"{_value(slider, number):,.10g}")


def _words(values: Mapping[str, float]) -> str:
    """The traffic, as `fairlead cost --traffic` takes it."""
    more = f", peak {values['peak']:g}x" if values["peak"] > 1 else ""
    return f"{values['calls']:.0f}/day{more}, rows {max(1, round(values['rows']))}"
