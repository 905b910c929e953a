"""Leases: however messages, lines, workers and lenders fare, no limit is ever exceeded."""

from datetime import UTC, datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.access.network import MS, WAIT_NS, Network
from tests.access.parts import SECOND, caller

from fairlead.access.lease import CREDITS
from fairlead.access.limits import Rules
from fairlead.core.allowance import DIMENSIONS, Cost

ROWS, CREDIT, PLACES = 900, 700, 3
LIMITS = [f"rows={ROWS}/day", f"credits={CREDIT}", f"concurrency={PLACES}"]
ROW = DIMENSIONS.index("rows")
DAY = 86_400 * SECOND
ZONES = ["UTC", "Asia/Tokyo", "America/Los_Angeles"]
LONGEST_NS = 1_000 * MS
"""Messages and broken lines that last longer are another thing: calls are over by then."""

workers = st.integers(0, 1)


class Whatever(RuleBasedStateMachine):
    """Two workers, a quota, credits and places among concurrent calls; everything may happen."""

    @initialize()
    def begin(self) -> None:
        self.who = caller(limits=LIMITS)
        self.net = Network(Rules(), 2)
        self.calls = []
        self.moved = self.harmed = False
        for worker in self.net.workers:
            self.net.join(worker)

    @rule(n=workers, rows=st.integers(0, 200), credits=st.integers(0, 150), heard=st.booleans())
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
        assert net.places() <= PLACES
        assert all(used <= ROWS for used in net.used(ROW, 0).values())
        assert sum(call.cost.units[CREDITS] for call in net.passed) <= CREDIT
        assert all(len(call.answers) <= 1 for call in self.calls)

    @invariant()
    def nothing_of_one_day_is_used_on_another(self):
        if self.moved:
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
TestWhatever.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
