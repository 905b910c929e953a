"""What waits for one version: bounded in calls and bytes, and given out to each caller its share.

While all that waits can go at once it is one plain list, and nobody is told apart. Only where some
must wait on is it dealt out to lanes, one for each caller of each class of priority: the higher
class goes first, and in it the caller that has had least. No loop, no clock and no thread here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from heapq import heappop, heappush

from fairlead.core.access import PRIORITIES
from fairlead.core.call import Call

FLOOR = 1 / 16
"""Rows that a class which waits is owed for each row of another: in all 5 % and a little more."""

_MOST_ASIDE = 32
"""Lanes that are passed over in one search for calls that may join a batch."""
_NOBODY: tuple[Call, ...] = ()


class _Lane:
    """The calls of one caller in one class, oldest first.

    had: rows that it was given, to be compared with other lanes of the class. rows: that wait.
    """

    __slots__ = ("account", "calls", "had", "rows")

    def __init__(self, account: str, had: float) -> None:
        self.account = account
        self.calls: deque[Call] = deque()
        self.had = had
        self.rows = 0


_Turn = tuple[float, int, _Lane]


class _Class:
    """The lanes of one class of priority.

    turns:   the lanes by what they have had, equal ones by who waits longer; some may have ended.
    at:      what the last lane had that was given something: who comes now has no arrears.
    owed:    rows, for those that went to other classes while it waited.
    rows, waiting: rows and calls that wait.
    """

    __slots__ = ("_serial", "at", "lanes", "owed", "rows", "turns", "waiting")

    def __init__(self) -> None:
        self.lanes: dict[str, _Lane] = {}
        self.turns: list[_Turn] = []
        self.at = self.owed = 0.0
        self._serial = self.rows = self.waiting = 0

    def deal(self, call: Call) -> None:
        """Puts a call behind the others of its caller."""
        account = call.caller.account
        lane = self.lanes.get(account)
        if lane is None:
            lane = self.lanes[account] = _Lane(account, self.at)
            self._line_up(lane)
        lane.calls.append(call)
        lane.rows += call.rows
        self.rows += call.rows
        self.waiting += 1

    def next(self) -> _Turn:
        """The lane whose turn it is, taken out of the turns. Only while a call waits."""
        turn = heappop(self.turns)
        while not turn[2].calls:
            turn = heappop(self.turns)
        return turn

    def serve(self, lane: _Lane) -> None:
        """The first call of a lane is given out, and the lane waits for its next turn."""
        call = lane.calls.popleft()
        self.at = max(self.at, lane.had)
        lane.had += call.rows
        self.leave(lane, call)
        if lane.calls:
            self._line_up(lane)

    def serve_alone(self, most_rows: int, share: int, plain: bool) -> list[Call]:
        """What `Queue.take` gives where one caller alone waits: no turns need be kept."""
        (lane,) = self.lanes.values()
        if plain and lane.calls[0].prepare is not None:
            return []
        taken = [lane.calls.popleft() for _ in range(_fitting(lane.calls, most_rows, share))]
        rows = sum([call.rows for call in taken])
        self.at = lane.had = max(self.at, lane.had) + rows
        if not lane.calls:
            self.turns.clear()
        for call in taken:
            self.leave(lane, call)
        return taken

    def leave(self, lane: _Lane, call: Call) -> None:
        """Counts a call that stands in its lane no more."""
        lane.rows -= call.rows
        self.rows -= call.rows
        self.waiting -= 1
        if not lane.calls:
            self.lanes.pop(lane.account, None)
            if not self.waiting:
                self.turns.clear()
                self.owed = min(self.owed, 0.0)

    def _line_up(self, lane: _Lane) -> None:
        self._serial += 1
        heappush(self.turns, (lane.had, self._serial, lane))

    def longest(self, more_than: int) -> _Lane | None:
        """The lane with most calls, if they are more than that."""
        if self.waiting - len(self.lanes) + 1 <= more_than:
            return None
        lane = max(self.lanes.values(), key=lambda lane: len(lane.calls))
        return lane if len(lane.calls) > more_than else None


class Queue:
    """The calls that wait for one version.

    calls, rows, bytes: what waits now; bytes are those of the requests' bodies.
    """

    __slots__ = ("_classes", "_most_bytes", "_most_calls", "_new", "bytes", "calls", "rows")

    def __init__(self, most_calls: int, most_bytes: int) -> None:
        """most_calls, most_bytes: that may wait; an empty queue takes a call of any size."""
        self._most_calls = most_calls
        self._most_bytes = most_bytes
        self._new: list[Call] = []
        self._classes = tuple(_Class() for _ in PRIORITIES)
        self.calls = self.rows = self.bytes = 0

    @property
    def dealt(self) -> bool:
        """Whether callers are told apart now."""
        return len(self._new) < self.calls

    def push(self, call: Call) -> Sequence[Call]:
        """Takes a call. Returns those that find no room: nobody; `call` itself; or those that have
        left for it, the newest of the lowest class below its own, or of the caller of its own class
        that has most.
        """
        waiting, size = self.calls, self.bytes + call.bytes_in
        if waiting and (waiting >= self._most_calls or size > self._most_bytes):
            return self._push_out(call)
        self._new.append(call)
        self.calls = waiting + 1
        self.bytes = size
        self.rows += call.rows
        return _NOBODY

    def take(self, most_rows: int, share: int, plain: bool = False) -> list[Call]:
        """Calls to execute together: of one group, within `most_rows` unless the first has more.

        share: calls at most; where more wait, the rest of them must be taken at once too.
        plain: none, where the first of them must be prepared.
        """
        new = self._new
        if len(new) == self.calls:
            count = _fitting(new, most_rows, share)
            if count == len(new) or count == share:
                if plain and new[0].prepare is not None:
                    return []
                self._new = new[count:]
                if self._new:
                    new = new[:count]
                    self._gone(new)
                else:
                    self.calls = self.rows = self.bytes = 0
                return new
        self._deal()
        taken = self._pick(most_rows, share, plain)
        self._gone(taken)
        return taken

    def ahead(self, call: Call) -> int:
        """Rows that go before a call that comes now, if no other came after it."""
        self._deal()
        rank = call.caller.rank
        mine = self._classes[rank]
        lane = mine.lanes.get(call.caller.account)
        own = 0 if lane is None else lane.rows
        others = len(mine.lanes) - (lane is not None)
        fair = own + others * (own + call.rows)
        return sum(one.rows for one in self._classes[:rank]) + min(mine.rows, fair)

    def sift(self, keep: Callable[[Sequence[Call]], list[Call]]) -> list[Call]:
        """Leaves what `keep` gives back of the calls that it is shown; returns the others."""
        kept = keep(self._new)
        dropped = _without(self._new, kept)
        self._new = kept
        for one in self._classes:
            for lane in [*one.lanes.values()]:
                kept = keep(lane.calls)
                left = _without(lane.calls, kept)
                if left:
                    lane.calls = deque(kept)
                    for call in left:
                        one.leave(lane, call)
                    dropped += left
        self._gone(dropped)
        return dropped

    def _gone(self, calls: Sequence[Call]) -> None:
        self.calls -= len(calls)
        for call in calls:
            self.rows -= call.rows
            self.bytes -= call.bytes_in

    def _deal(self) -> None:
        """Tells the callers apart."""
        classes = self._classes
        for call in self._new:
            classes[call.caller.rank].deal(call)
        self._new = []

    def _pick(self, most_rows: int, share: int, plain: bool) -> list[Call]:
        waiting = [one for one in self._classes if one.waiting]
        if len(waiting) == 1 and len(waiting[0].lanes) == 1:
            return waiting[0].serve_alone(most_rows, share, plain)
        taken: list[Call] = []
        aside: list[tuple[_Class, _Turn]] = []
        rows = 0
        while len(taken) < share and len(aside) < _MOST_ASIDE:
            one = _class_to_serve(waiting, aside)
            if one is None:
                break
            turn = one.next()
            call = turn[2].calls[0]
            if not taken:
                if plain and call.prepare is not None:
                    heappush(one.turns, turn)
                    break
            elif call.group != taken[0].group:
                aside.append((one, turn))
                continue
            elif rows + call.rows > most_rows:
                heappush(one.turns, turn)
                break
            rows += call.rows
            taken.append(call)
            one.serve(turn[2])
            if len(waiting) > 1:
                _owe(waiting, one, call.rows)
        for one, turn in aside:
            heappush(one.turns, turn)
        return taken

    def _push_out(self, call: Call) -> Sequence[Call]:
        self._deal()
        out: list[Call] = []
        while self.calls and (
            self.calls >= self._most_calls or self.bytes + call.bytes_in > self._most_bytes
        ):
            found = self._weakest(call)
            if found is None:
                for last in reversed(out):  # it was all in vain
                    self.push(last)
                return [call]
            one, lane = found
            out.append(lane.calls.pop())
            one.leave(lane, out[-1])
            self._gone(out[-1:])
        self.push(call)
        return out

    def _weakest(self, call: Call) -> tuple[_Class, _Lane] | None:
        """The lane whose newest call has to leave for this one, if there is one."""
        rank = call.caller.rank
        for one in reversed(self._classes[rank:]):
            more_than = 0
            if one is self._classes[rank]:
                own = one.lanes.get(call.caller.account)
                more_than = 1 + (0 if own is None else len(own.calls))
            lane = one.longest(more_than) if one.waiting else None
            if lane is not None:
                return one, lane
        return None


def _class_to_serve(
    waiting: Sequence[_Class], aside: Sequence[tuple[_Class, _Turn]]
) -> _Class | None:
    """The lowest class that is owed something, else the highest of which a call waits."""
    passed = [one for one, _ in aside]
    able = [one for one in waiting if len(one.lanes) > passed.count(one)]
    for one in reversed(able[1:]):
        if one.owed >= 1:
            return one
    return able[0] if able else None


def _owe(waiting: Sequence[_Class], served: _Class, rows: int) -> None:
    if served.owed >= 1:
        served.owed -= rows
    for one in waiting:
        if one is not served and one.waiting:
            one.owed += rows * FLOOR


def _fitting(calls: Sequence[Call], most_rows: int, share: int) -> int:
    """How many calls from the first on may run together."""
    group, rows, count = calls[0].group, 0, 0
    for call in calls:
        rows += call.rows
        if call.group != group or count == share or (rows > most_rows and count):
            break
        count += 1
    return count


def _without(calls: Sequence[Call], kept: Sequence[Call]) -> list[Call]:
    if len(kept) == len(calls):
        return []
    staying = set(map(id, kept))
    return [call for call in calls if id(call) not in staying]
