"""Leases: however messages, lines, workers and lenders fare, no limit is ever exceeded."""

from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.access.network import MS, WAIT_NS, Network
from tests.access.parts import SECOND, caller

from fairlead.access import parking
from fairlead.access.lease import CREDITS
from fairlead.access.limits import Rules
from fairlead.core.access import Caller
from fairlead.core.allowance import DIMENSIONS, Cost
from fairlead.core.errors import Overloaded

ROWS, CREDIT, PLACES = 400, 800, 1
LIMITS = [f"rows={ROWS}/day", f"credits={CREDIT}", f"concurrency={PLACES}"]
ROW = DIMENSIONS.index("rows")
DAY = 86_400 * SECOND
ZONES = ["UTC", "Asia/Tokyo", "America/Los_Angeles"]
LONGEST_NS = 1_000 * MS
"""Messages and broken lines that last longer are another thing: calls are over by then."""

workers = st.integers(0, 1)


class Whatever(RuleBasedStateMachine):
    """Two workers, a quota, credits and places among concurrent calls; everything may happen."""

    @initialize(limits=st.sampled_from([*([one] for one in LIMITS), LIMITS]))
    def begin(self, limits) -> None:
        self.limits = limits
        self.who = caller(limits=limits)
        self.net = Network(Rules(), 2)
        self.calls = []
        self.moved = self.harmed = False
        for worker in self.net.workers:
            self.net.join(worker)

    @rule(n=workers, rows=st.integers(0, 90), credits=st.integers(0, 90), heard=st.booleans())
    def call_comes(self, n, rows, credits, heard):
        self.calls.append(self.net.workers[n].call(self.who, Cost(rows=rows, credits=credits)))
        if heard:
            self.net.deliver()

    @rule(n=workers, most=st.integers(2, 8), ms=st.integers(0, 30))
    def calls_come_and_go(self, n, most, ms):
        """What a worker has lately used is lent to it ahead."""
        worker = self.net.workers[n]
        for _ in range(most):
            call = worker.call(self.who, Cost(rows=3, credits=2))
            self.calls.append(call)
            self.net.deliver()
            if call in worker.running:
                worker.end(call)
            self.time_passes(ms)

    @rule(n=workers)
    def caller_looks(self, n):
        self.net.workers[n].leases.look(self.who, "m")

    @rule(n=workers, which=st.integers(0, 9), refund=st.booleans())
    def call_ends(self, n, which, refund):
        worker = self.net.workers[n]
        if worker.running:
            worker.end(worker.running[which % len(worker.running)], refund=refund)

    @rule(n=workers, most=st.integers(1, 3))
    def lender_hears(self, n, most):
        for _ in range(most):
            self.net.up_one(self.net.workers[n])

    @rule(n=workers, most=st.integers(1, 3))
    def worker_hears(self, n, most):
        for _ in range(most):
            self.net.down_one(self.net.workers[n])

    @rule()
    def all_hear(self):
        self.net.deliver()

    @rule(fails=st.booleans())
    def disk_writes(self, fails):
        self.net.keep.fails = fails
        if self.net.work:
            self.net.write_one()
        self.net.keep.fails = False

    @rule()
    def lender_saves(self):
        if self.net.lender is not None:
            self.net.meters.save()

    @rule(ms=st.sampled_from([1, 20, 50, 110, 260, 700, 700, 900]))
    def time_passes(self, ms):
        net = self.net
        for worker in net.workers:
            if worker.line is None and net.now + ms * MS - worker.down_since > LONGEST_NS:
                for call in list(worker.running):
                    worker.end(call)
        net.deliver(net.now + ms * MS - LONGEST_NS)
        net.step(ms * MS)
        for call in self.calls:
            assert call.answers or net.now - call.since < WAIT_NS

    @rule()
    def day_ends(self):
        self.net.wall += DAY - self.net.wall % DAY

    @rule(place=st.sampled_from(ZONES), n=workers)
    def tenant_moves(self, place, n):
        """Workers hear of it one after the other."""
        self.moved = True
        self.net.workers[n].leases.adopt(Rules(zones={"acme": place}))

    @rule(n=workers)
    def line_breaks(self, n):
        self.harmed = True
        self.net.cut(self.net.workers[n])

    @rule()
    def all_is_mended(self):
        if self.net.lender is None:
            self.net.start()
        self.net.bury()
        for worker in self.net.workers:
            self.net.join(worker)
        self.net.deliver()

    @rule()
    def lender_sees_what_broke(self):
        self.net.bury()

    @rule(n=workers)
    def line_comes_back(self, n):
        self.net.join(self.net.workers[n])

    @rule(n=workers)
    def worker_dies(self, n):
        self.harmed = True
        dead = self.net.workers[n]
        self.calls = [call for call in self.calls if call not in dead.parked or call.answers]
        self.net.kill(n)

    @rule(in_order=st.booleans())
    def lender_ends(self, in_order):
        if self.net.lender is not None:
            self.harmed = True
            self.net.stop(in_order=in_order)

    @rule()
    def lender_begins(self):
        if self.net.lender is None:
            self.net.start()

    @invariant()
    def nothing_is_exceeded(self):
        net = self.net
        if LIMITS[0] in self.limits:
            assert all(used <= ROWS for used in net.used(ROW, 0).values())
        if LIMITS[1] in self.limits:
            assert sum(call.cost.units[CREDITS] for call in net.passed) <= CREDIT
        if LIMITS[2] in self.limits:
            assert net.places() <= PLACES
        assert all(len(call.answers) <= 1 for call in self.calls)

    @invariant()
    def nothing_of_one_day_is_used_on_another(self):
        if self.moved or LIMITS[0] not in self.limits:
            return  # the day before may have more hours where the tenant is now
        for call in self.net.passed:
            today = datetime.fromtimestamp(call.wall // SECOND, UTC).date()
            assert not call.cost.units[ROW] or call.tickets[0][0] == today.toordinal()

    def teardown(self):
        """After quiet, everything that was not used is at the lender again."""
        if not hasattr(self, "net"):
            return
        net = self.net
        net.quiet()
        self.nothing_is_exceeded()
        assert all(len(call.answers) == 1 for call in self.calls)
        counted = {name: one for name, one in net.meters._meters.items()}
        for name, one in counted.items():
            if "concurrency" in name:
                assert one.used == 0
            elif "credits" in name:
                used = sum(call.cost.units[CREDITS] for call in net.passed)
                assert used <= one.used
                assert self.harmed or one.used == used
            else:
                for day, used in net.used(ROW, 0).items():
                    if day in one.windows():
                        assert used <= one.windows()[day]
                        assert self.harmed or one.windows()[day] == used


TestWhatever = Whatever.TestCase
TestWhatever.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)


def lived(limits, seed, steps) -> Whatever:
    """A long life, in which calls are more frequent than disasters."""
    chance, life = Random(seed), Whatever()
    life.begin(limits)

    def n() -> int:
        return chance.randrange(2)

    def amount() -> int:
        return chance.choice([0, 1, 3, 9, 40, 90])

    happens = [
        (30, lambda: life.call_comes(n(), amount(), amount(), chance.random() < 0.6)),
        (12, lambda: life.calls_come_and_go(n(), chance.randint(2, 8), chance.randint(0, 30))),
        (20, lambda: life.call_ends(n(), chance.randrange(9), chance.random() < 0.3)),
        (10, lambda: life.lender_hears(n(), 2)),
        (10, lambda: life.worker_hears(n(), 2)),
        (6, life.all_hear),
        (4, lambda: life.disk_writes(chance.random() < 0.2)),
        (10, lambda: life.time_passes(chance.choice([1, 20, 50, 110, 260, 700]))),
        (3, life.day_ends),
        (3, lambda: life.caller_looks(n())),
        (1, life.lender_saves),
        (1, lambda: life.tenant_moves(chance.choice(ZONES), n())),
        (2, lambda: life.line_breaks(n())),
        (2, life.lender_sees_what_broke),
        (1, lambda: life.line_comes_back(n())),
        (1, lambda: life.worker_dies(n())),
        (0.4, lambda: life.lender_ends(chance.random() < 0.5)),
        (10, life.all_is_mended),
    ]
    weights, acts = [weight for weight, _ in happens], [act for _, act in happens]
    for act in chance.choices(acts, weights, k=steps):
        act()
        life.nothing_is_exceeded()
    life.nothing_of_one_day_is_used_on_another()
    life.teardown()
    return life


@pytest.mark.parametrize("limits", [*([one] for one in LIMITS), LIMITS], ids=" ".join)
def test_in_a_long_life_no_limit_is_exceeded_and_calls_pass(limits):
    lives = [lived(limits, seed, 300) for seed in range(25)]
    assert sum(len(life.net.passed) for life in lives) > 25 * 20


def one_of(limits, workers=2) -> tuple[Network, Caller]:
    """A network in which everybody has said hello."""
    net = Network(Rules(), workers)
    for worker in net.workers:
        net.join(worker)
    net.deliver()
    return net, caller(limits=limits)


def passes(net, number, who, cost) -> bool:
    """Whether a call passes once everything has arrived."""
    call = net.workers[number].call(who, cost)
    net.deliver()
    return call.passed


def test_a_place_that_is_freed_while_the_lender_is_silent_is_free_afterwards():
    net, who = one_of(["concurrency=1"])
    assert passes(net, 0, who, Cost())
    for _ in range(50):
        net.step(50 * MS)  # nothing arrives for longer than a lease lasts
    assert net.workers[0].leases.away
    net.workers[0].end(net.workers[0].running[0])
    net.deliver()
    net.step(50 * MS)
    net.deliver()
    assert passes(net, 1, who, Cost())


def test_the_places_of_a_line_that_broke_are_not_lent_while_its_worker_may_come_back():
    net, who = one_of(["concurrency=1"])
    assert passes(net, 0, who, Cost())
    net.cut(net.workers[0])
    net.bury()
    net.step(50 * MS)
    assert not passes(net, 1, who, Cost())
    net.join(net.workers[0])
    net.deliver()
    net.step(SECOND)
    assert not passes(net, 1, who, Cost())
    net.workers[0].end(net.workers[0].running[0])
    net.quiet()
    assert passes(net, 1, who, Cost())


def test_what_was_lent_before_a_crash_comes_back_after_it():
    net, who = one_of(["rows=1000/day"], workers=1)
    for _ in range(20):
        assert passes(net, 0, who, Cost(rows=5))
        net.step(5 * MS)
    assert net.workers[0].leases._routes.leases
    net.stop(in_order=False)
    net.quiet()
    assert passes(net, 0, who, Cost(rows=900))
    assert not passes(net, 0, who, Cost(rows=1))


def test_units_of_a_day_are_not_used_on_the_next_because_somebody_looked():
    net, who = one_of(["rows=1000/day"], workers=1)
    call = net.workers[0].call(who, Cost(rows=7))
    net.deliver()
    net.wall += DAY
    net.workers[0].leases.look(who, "m")
    net.deliver()
    net.workers[0].end(call, refund=True)
    late = net.workers[0].call(who, Cost(rows=7))
    net.deliver()
    assert late.tickets[0][0] == call.tickets[0][0] + 1


def test_no_more_calls_are_parked_than_is_bounded():
    net, who = one_of(["rows=1000000/second"], workers=1)
    worker = net.workers[0]
    for _ in range(parking.WAITING):
        worker.call(who, Cost(rows=1))
    with pytest.raises(Overloaded):
        worker.call(who, Cost(rows=1))
    net.deliver()
    assert all(call.passed for call in worker.parked)
    assert passes(net, 0, who, Cost(rows=1))


def test_beats_may_be_fewer_once_nothing_is_held_asked_for_or_waited_for():
    net, who = one_of(["rows=1000/day", "concurrency=1"], workers=1)
    worker = net.workers[0]
    net.quiet()
    assert worker.leases.quiet
    worker.call(who, Cost(rows=5))
    assert not worker.leases.quiet, "it waits"
    net.deliver()
    for _ in range(10):
        net.step(50 * MS)
        net.deliver()
    assert not worker.leases.quiet, "the call has its place yet"
    worker.end(worker.running[0])
    assert not worker.leases.quiet, "the place is to be given back"
    net.quiet()
    assert worker.leases.quiet
    assert passes(net, 0, who, Cost(rows=900))


def test_before_a_lender_has_said_hello_nothing_is_given_back_that_it_would_not_hear():
    net, who = one_of(["credits=100"], workers=1)
    worker = net.workers[0]
    assert passes(net, 0, who, Cost(credits=60))
    net.cut(worker)
    worker.end(worker.running[0], refund=True)
    net.lines += 1
    worker.line = net.lines  # somebody listens, who cannot count yet
    for _ in range(20):
        net.step(50 * MS)
    assert not worker.up
    net.lender.joined(worker.line)
    net.quiet()
    assert passes(net, 0, who, Cost(credits=99))


def test_after_a_crash_places_wait_for_a_worker_that_is_not_back_yet():
    net, who = one_of(["concurrency=1"])
    assert passes(net, 0, who, Cost())
    net.stop(in_order=False)
    net.start()
    net.join(net.workers[1])
    net.deliver()
    net.step(SECOND)
    assert not passes(net, 1, who, Cost())
    net.join(net.workers[0])
    net.deliver()
    for _ in range(6):
        net.step(SECOND // 2)
        net.deliver()
    assert not passes(net, 1, who, Cost())
    net.workers[0].end(net.workers[0].running[0])
    net.step(50 * MS)
    net.deliver()
    assert passes(net, 1, who, Cost())
