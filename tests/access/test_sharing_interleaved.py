"""Whatever is late, lost or away, and whoever asks first: hosts never have too much together."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.access.hosts import NOON, SECOND, Host, back, want
from tests.meter_store import RamStore

from fairlead.core.metering import Want

STOCK, DAY, PLACES = want("credits=60", 1), want("rows=40/day", 1), want("concurrency=9", 1)
RATE = want("requests=50/second:20", 1)
_KINDS = ["sum", "held", "rate"] * 4 + [
    "ask",
    "step",
    "give",
    "give",
    "unused",
    "cut",
    "time",
    "time",
]


def _steps(kinds):
    one = st.tuples(
        st.sampled_from([*kinds, "away", "back", "mute"]),
        st.integers(0, 2), st.integers(1, 9), st.integers(0, 9),
    )  # fmt: skip
    return st.lists(one, min_size=30, max_size=120)


_TOGETHER = _steps([kind for kind in _KINDS if kind != "cut"])
"""All hosts lose the store and find it again at the same time."""
_STEPS = _steps(_KINDS)


class Play:
    """Three hosts and one store, and what the hosts have been lent, as they know it."""

    def __init__(self) -> None:
        self.store = RamStore()
        self.hosts = [Host(self.store, n * 1000 * SECOND) for n in range(3)]
        self.used = {STOCK.meter: 0, DAY.meter: 0}
        # By host, the places that it has and since when it might not be thought there.
        self.held: list[list[tuple[Want, object]]] = [[], [], []]
        self.lent: list[list[int]] = []
        self.unused: list[tuple[int, Want, object, list[int]]] = []
        # Hosts that were ever cut off while others may not have been.
        self.alone: set[int] = set()
        self.notice()

    def notice(self) -> None:
        """Every host finds out how it is with the store, before anybody asks for more."""
        for host in self.hosts * 2:
            host.meters.save()
            host.run()

    def ask(self, kind: str, number: int, least: int, more: int) -> None:
        kinds = {"sum": [STOCK, DAY], "held": [PLACES, STOCK], "rate": [RATE], "ask": [PLACES]}
        wants = [one._replace(least=least, sure=least + more, most=more) for one in kinds[kind]]
        if kind == "held":
            wants[1] = STOCK

        def done(lent) -> None:
            for one, got in zip(wants, lent or (), strict=False):
                entry = [self.store.now_us, got.units]
                if one.limit.dimension == "concurrency":
                    self.held[number] += [(one, got)] * bool(got.units)
                    continue
                if one.meter in self.used:
                    self.used[one.meter] += got.units
                else:
                    self.lent.append(entry)
                self.unused.append((number, one, got, entry))

        self.hosts[number].meters.take(wants, done)

    def give(self, number: int, which: int) -> None:
        if self.held[number]:
            one, lent = self.held[number].pop(which % len(self.held[number]))
            self.hosts[number].meters.give_back(back(one, lent))

    def bring(self, which: int) -> None:
        """Gives back everything of something that was lent, whichever host it was."""
        if self.unused:
            number, one, lent, entry = self.unused.pop(-1 - which % len(self.unused))
            self.used[one.meter] = self.used.get(one.meter, 0) - lent.units
            entry[1] = 0
            self.hosts[number].meters.give_back(back(one, lent))

    def time(self, ms: int) -> None:
        """Every host says that it is there; of places, who has them knows when they end."""
        self.store.now_us += ms * 1000
        for number, host in enumerate(self.hosts):
            host.meters.save()
            wall = NOON + (self.store.now_us - 10**15) * 1000 + host.ahead_ns
            for one, lent in list(self.held[number]):
                if wall >= lent.ends_ns:
                    self.held[number].remove((one, lent))
                    host.meters.give_back(back(one, lent))
        there = not (self.store.away or self.store.mute)
        if there and any(host.meters.away for host in self.hosts):
            # Who has waited too long for an answer gave the store up; all find it again together.
            self.notice()

    def play(self, name: str, number: int, one: int, other: int) -> None:
        host = self.hosts[number]
        if name in ("sum", "held", "rate", "ask"):
            self.ask(name, number, one, other)
            if name != "ask":  # which is answered later
                host.run()
        elif name == "step" and host.work:
            host.step()
        elif name == "give":
            self.give(number, one)
        elif name == "unused":
            self.bring(one)
        elif name == "cut":
            host.line.cut = not host.line.cut
            self.alone.add(number)
            self.notice()
        elif name == "time":
            self.time(one**3 * 3)
        elif name in ("away", "back", "mute"):
            self.store.away, self.store.mute = name == "away", name == "mute"
            self.notice()

    def check(self) -> None:
        assert self.used[STOCK.meter] <= 60
        assert self.used[DAY.meter] <= 40
        assert sum(lent.units for held in self.held for _, lent in held) <= 9
        for n, (began, _) in enumerate(self.lent):
            units = 0
            for now, more in self.lent[n:]:
                units += more
                passes = 20 * 10**6 + 50 * (now - began)
                # Whoever is cut off alone has its third beside the others, who have all. A unit
                # that is begun counts as whole, at every host.
                beside = len(self.alone) * (passes // 3 + 10**6)
                assert units * 10**6 <= passes + 3 * 10**6 + beside


_WAITED = [("time", 0, ms, 0) for ms in (1, 7, 5)]
"""More than a second in which no host hears what it has asked the store."""


@settings(max_examples=300)
@given(_TOGETHER)
@example([*_WAITED, ("rate", 0, 1, 0), ("rate", 0, 8, 9), ("rate", 1, 1, 5)])
def test_while_all_hosts_lose_the_store_together_a_rate_passes_once(steps):
    play = Play()
    for step in steps:
        play.play(*step)
        play.check()


@settings(max_examples=300)
@given(_STEPS)
def test_whatever_is_late_lost_or_away_no_limit_is_exceeded(steps):
    play = Play()
    for step in steps:
        play.play(*step)
        play.check()
