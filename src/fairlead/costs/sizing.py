"""How many of a machine hold a model and reach its goal, and why it may be none."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil, floor

from fairlead.core.errors import GoalImpossible
from fairlead.costs.bill import GIB
from fairlead.costs.capacity import Goal, Machines, Planner, Seen
from fairlead.costs.priced import Machine
from fairlead.costs.profile import Profile
from fairlead.costs.simulation import USUAL, Bounds, worker_of
from fairlead.costs.speeds import Speed
from fairlead.costs.traffic import Traffic

MARGIN = 1.3
"""So much of what was measured must be there: the system, growth, a second version in a swap."""
_SAFE = 0.6
"""The part of its whole work that one machine is taken to do safely, where the goal was not tried
so near its limit."""
CALLS = 2000
"""Calls that one trial draws: bills compare many machines, and must be there at once."""


@dataclass(frozen=True, slots=True)
class Sized:
    """replicas: 0 where no number is right, and then why. workers: of each. safe_each: calls per
    second that one answers within the goal."""

    replicas: int
    workers: int
    speed: Speed
    seen: Seen | None = None
    safe_each: float = 0.0
    why: str = ""


def need_bytes(profile: Profile, workers: int = 1) -> int:
    """Memory of a machine with so many workers: each holds the model; two more processes do not."""
    return int(MARGIN * (2 * profile.base_bytes + workers * profile.peak_bytes))


@dataclass
class Sizing:
    """For one traffic and one goal; machines that are alike are simulated once."""

    traffic: Traffic
    goal: Goal
    seed: int = 1
    bounds: Bounds = USUAL
    _known: dict[tuple[int, float, float, int, int, float], Sized] = field(
        default_factory=dict[tuple[int, float, float, int, int, float], Sized]
    )

    def workers(self, machine: Machine, profile: Profile) -> int:
        """Workers that the machine has cores and memory for; 0 where not even one fits."""
        room = (machine.memory_gib * GIB + 1) / MARGIN - 2 * profile.base_bytes  # 1 for rounding
        return max(0, min(max(1, floor(machine.vcpu)), int(room // max(1, profile.peak_bytes))))

    def fewest(self, machine: Machine, speed: Speed) -> int:
        """No fewer can do it, whatever comes when: by the work alone."""
        workers = max(1, self.workers(machine, speed.profile))
        planner = self._planner(speed, speed.factor, workers, machine.vcpu)
        work = self.traffic.peak_per_s * planner.worker().call_each_s / workers
        steady = self.for_good(speed) * planner.worker().call_each_s / workers
        return max(1, ceil(work), ceil(steady / speed.baseline))

    def most_per_s(self, machine: Machine, speed: Speed) -> float:
        """Calls per second that a machine answers while it does nothing else."""
        workers = max(1, self.workers(machine, speed.profile))
        planner = self._planner(speed, speed.factor, workers, machine.vcpu)
        return workers / planner.worker().call_each_s

    def for_good(self, speed: Speed) -> float:
        """Calls per second that a machine must bear for as long as its credit lasts."""
        day = self.traffic.busiest_day
        return self.traffic.peak_per_s if speed.credit == "hour" else sum(day) / len(day)

    def of(self, machine: Machine, speed: Speed) -> Sized:
        """How many of a machine."""
        workers = self.workers(machine, speed.profile)
        if not workers:
            short = need_bytes(speed.profile) / GIB - machine.memory_gib
            return Sized(0, 0, speed, why=f"RAM short by {max(short, 0.1):.1f} GiB")
        lasting = self.for_good(speed) if speed.credit else 0.0
        cores = floor(machine.vcpu)
        key = (id(speed.profile), speed.factor, speed.baseline, workers, cores, lasting)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._sized(speed, workers, machine.vcpu, lasting)
        return replace(found, speed=speed)  # alike, and known from elsewhere

    def band(self, machine: Machine, sized: Sized) -> tuple[int, int]:
        """The replicas where the machine is as fast, and as slow, as the band says; by the work."""
        speed = sized.speed
        fast = self._at(sized, machine, speed.factor * (1 + speed.band))
        slow = self._at(sized, machine, speed.factor * (1 - speed.band))
        return min(fast, sized.replicas), max(slow, sized.replicas)

    def _at(self, sized: Sized, machine: Machine, factor: float) -> int:
        """By how much less or more a call then takes of the others' time."""
        one = self._planner(sized.speed, sized.speed.factor, sized.workers, machine.vcpu)
        other = self._planner(sized.speed, factor, sized.workers, machine.vcpu)
        part = other.worker().call_each_s / one.worker().call_each_s
        safe = sized.safe_each / part
        spare = 1 if self.goal.spare else 0
        return max(1, ceil(self.traffic.peak_per_s / safe - 1e-9)) + spare

    def _planner(self, speed: Speed, factor: float, workers: int, vcpu: float) -> Planner:
        machines = Machines(workers, max(1, floor(vcpu)), factor)
        return Planner(
            speed.profile, self.traffic, machines,
            seed=self.seed, calls=CALLS, bounds=self.bounds,
        )  # fmt: skip

    def _sized(self, speed: Speed, workers: int, vcpu: float, for_good: float) -> Sized:
        planner = self._planner(speed, speed.factor, workers, vcpu)
        try:
            planner.check(self.goal)
            needed = planner.fewest(self.goal)
        except GoalImpossible as error:
            return Sized(0, workers, speed, why=error.what)
        if not needed:
            return Sized(0, workers, speed, why="no number of them reaches the goal")
        lasting = ceil(for_good * planner.worker().call_each_s / workers / speed.baseline)
        replicas = max(needed, lasting) + (1 if self.goal.spare else 0)
        safe = self.traffic.peak_per_s / max(needed, lasting)
        if needed == 1:
            safe = max(safe, _SAFE * workers / planner.worker().call_each_s)
        return Sized(replicas, workers, speed, planner.seen(replicas), safe)


def alone_s(profile: Profile, rows: int, factor: float = 1.0) -> float:
    """Seconds within which 99 of 100 calls are that have a machine for themselves."""
    worker = worker_of(profile, faster=factor, rows=rows)
    return worker.alone_s(0.99)


def usual_goal_s(profile: Profile, rows: int) -> float:
    """What is taken for a goal where nobody says one: ten times what a lone call takes."""
    return 10 * alone_s(profile, rows)
