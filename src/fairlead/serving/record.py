"""What happens to a finished call before it leaves: its bytes, its place in the journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter

from fairlead.core.call import Call, Encoder, known_by
from fairlead.core.clock import monotonic_ns, now, wall_ns
from fairlead.core.decision import ABSTAINED, Verdicts
from fairlead.core.errors import (
    AnswerTooLarge,
    DeadlineExceeded,
    FairleadError,
    Internal,
    JournalUnavailable,
    ModelAsleep,
    Overloaded,
    TooManyRows,
)
from fairlead.core.tensor import Array
from fairlead.serving.answered import Answered
from fairlead.serving.deciding import concerns, decide
from fairlead.serving.disclosing import disclose
from fairlead.serving.log import log
from fairlead.serving.served import Served, release
from fairlead.usage.journal import Columns, Journal
from fairlead.usage.records import Settled

_OK, _FAILED, _ABANDONED, _INTERRUPTED = 0, 1, 2, 3
# One attribute of many calls: `map` over these makes no frame per list.
_rows, _bytes_in = attrgetter("rows"), attrgetter("bytes_in")
_payload, _tail = attrgetter("payload"), attrgetter("tail")
_compute_ns, _deadline = attrgetter("compute_ns"), attrgetter("deadline")
_decision, _withheld = attrgetter("decision"), attrgetter("withheld")
_who = attrgetter("caller.who")


def refuse(call: Call, error: Exception, again: Callable[[], None] | None = None) -> bool:
    """Answers a call that never reached the model; what is no error of ours is our fault.

    again: sends it on its way once more. False for a call that is not answered yet: its model
    sleeps, and it waits for it.
    """
    if again is not None and isinstance(error, ModelAsleep):
        try:
            error.wait(again, call.deadline)
        except FairleadError as late:
            error = late
        else:
            return False
    if not isinstance(error, FairleadError):
        log("call_failed", model=call.route.model, error=repr(error), **known_by(call.echo))
        error = Internal("the server failed on this request")
    if call.lease is not None:
        if call.trial is not None:
            call.trial.refused(call, error)
        call.lease.stats.refuse(error.name)
        release(call.lease)
    give_back([call])
    _set_error(call, error)
    call.done(call)
    return True


def check_rows(call: Call) -> None:
    """Raises TooManyRows or AnswerTooLarge for a call with more rows than its encoder takes."""
    if call.rows <= call.encoder.most_rows:
        return
    limit = call.lease.package.limits.max_rows
    if call.rows > limit:
        raise TooManyRows(f"{call.rows} rows in one request; {limit} is the limit")
    raise AnswerTooLarge(
        f"the answer to {call.rows} rows would be too large; {call.encoder.most_rows} rows fit",
        fix="Send fewer rows per request, or ask for fewer outputs",
    )


def encode(answers: Sequence[Answered]) -> None:
    """Sets the payload of every answered call; one that is too late, or cannot be encoded, gets its
    error."""
    moment = now()
    for calls, inputs, outputs, verdicts, _ in answers:
        if min(map(_deadline, calls)) < moment and _all_late(calls, moment):
            continue
        try:
            _encode(calls, outputs, verdicts)
        except Exception as error:
            if len(calls) == 1:
                calls[0].error = _as_ours(calls[0], error)
                continue
            start = 0
            for call in calls:
                stop = start + call.rows
                part = [output[start:stop] for output in outputs]
                mine = None if verdicts is None else verdicts.part(start, stop)
                start = stop
                encode([Answered([call], inputs, part, mine)])


def _all_late(calls: Sequence[Call], moment: float) -> bool:
    """Gives the late ones their error. Whether they are all, so that nothing need be written."""
    on_time = False
    for call in calls:
        if call.deadline < moment:
            call.error = DeadlineExceeded("the deadline passed while the call was executed")
        else:
            on_time = True
    return not on_time


def _encode(calls: Sequence[Call], outputs: list[Array], verdicts: Verdicts | None) -> None:
    """Withholds what must not be given, and writes the rest; what fails is given to nobody."""
    encoder: Encoder = calls[0].encoder
    if verdicts is not None and concerns(calls, verdicts):
        outputs = decide(calls, outputs, verdicts, encoder.decides)
    encoder.encode(calls, *disclose(calls, outputs, verdicts))


def _as_ours(call: Call, error: Exception) -> FairleadError:
    if isinstance(error, FairleadError):
        return error
    log("encode_failed", model=call.route.model, error=repr(error), **known_by(call.echo))
    return Internal("the answer could not be written")


def _sizes(calls: Sequence[Call]) -> list[int]:
    """Bytes of the answers' bodies."""
    sizes = [*map(len, map(_payload, calls))]
    if any(map(_tail, calls)):
        return [n + sum(map(len, c.tail)) for n, c in zip(sizes, calls, strict=True)]
    return sizes


def write_down(journal: Journal, served: Served, calls: Sequence[Call]) -> None:
    """Appends all calls to the journal in one write; what cannot be recorded is not answered.

    The end of a stream settles what was written down at its beginning.
    """
    status = [_OK] * len(calls)
    for number, call in enumerate(calls):
        if call.error is not None or call.payload is None:
            _set_error(call, call.error or Internal("the call was lost"))
            status[number] = _FAILED
        elif call.gone:
            status[number] = _ABANDONED
        elif call.opened is not None:
            call.payload = b""
    decision = [*map(_decision, calls)]
    columns = Columns(
        rows=[*map(_rows, calls)],
        bytes_in=[*map(_bytes_in, calls)],
        bytes_out=_sizes(calls),
        compute_ns=[*map(_compute_ns, calls)],
        status=status,
        decision=decision,
        who=[*map(_who, calls)],
        withheld=[*map(_withheld, calls)] if max(decision) >= ABSTAINED else (),
    )
    package = served.package
    if calls[0].opened is not None:
        _settle(journal, served, calls[0], status[0])
        served.stats.batch(columns)
        return
    try:
        first = journal.append(package.name, package.version, columns)
    except JournalUnavailable as error:
        for call in calls:
            _set_error(call, error)
    else:
        for number, call in enumerate(calls, first):
            call.usage = number
    served.stats.batch(columns)


def open_stream(journal: Journal, served: Served, call: Call) -> None:
    """Writes down a call before the first of its answers leaves: interrupted, until it is settled.

    Raises JournalUnavailable.
    """
    package, who = served.package, [call.caller.who]
    columns = Columns([call.rows], [call.bytes_in], [0], [0], [_INTERRUPTED], [0], who)
    call.usage = journal.append(package.name, package.version, columns)
    call.opened = journal.wall_ns


def _settle(journal: Journal, served: Served, call: Call, status: int) -> None:
    """Writes down what a stream came to. Its answers have left: what fails here only says less."""
    settled = Settled(
        call.opened,
        call.usage,
        call.rows,
        call.bytes_in,
        call.sent,
        call.compute_ns,
        status,
        call.decision,
        call.withheld,
    )
    package = served.package
    try:
        journal.settle(package.name, package.version, call.caller.who, settled)
    except JournalUnavailable as error:
        log("stream_not_settled", model=served.key, error=error.what)


def note(served: Served, calls: Sequence[Call], answers: Sequence[Answered]) -> None:
    """Counts what the guards decided, and keeps the rows for a look at many of them."""
    if served.trial is not None:
        _compare(served, calls, answers)
    for answer in answers:
        if answer.verdicts is not None and answer.verdicts.worst:
            served.stats.decided(answer.verdicts.counts())
    if served.watch is not None:
        try:
            served.watch.note(answers)
        except Exception as error:
            # The answers are written down already, and nobody may wait for them in vain.
            log("guard_failed", model=served.key, error=repr(error))
    if served.outcomes is not None:
        served.outcomes.note(answers)
    if served.payloads is not None:
        served.payloads.note(answers)


def _compare(served: Served, calls: Sequence[Call], answers: Sequence[Answered]) -> None:
    """What a rollout sees of its versions."""
    try:
        served.trial.note(served, calls, answers)
    except Exception as error:
        # The answers are written down already, and nobody may wait for them in vain.
        log("guard_failed", model=served.key, error=repr(error))


def finish(served: Served, calls: Sequence[Call]) -> None:
    """Gives executed calls back to their connections, and what they did not use to their limits."""
    served.leases -= len(calls)
    give_back(calls)
    for call in calls:
        call.done(call)


def give_back(calls: Sequence[Call]) -> None:
    """What was held for finished calls: what they used is settled, the rest is given back."""
    moment = wall = 0
    for call in calls:
        grant = call.grant
        if grant is None:
            continue
        if not moment:
            moment, wall = monotonic_ns(), wall_ns()
        call.grant = None
        if call.compute_ns:
            # A row that was withheld costs no credit, and no row of a call without an answer.
            credits = call.rows - call.withheld if call.error is None else 0
            grant.settle(moment, wall, call.compute_ns, credits)
        else:
            grant.refund(moment)  # it was never executed


def _set_error(call: Call, error: FairleadError) -> None:
    # Its traceback holds the frames that hold the call: in that circle every body would stay in
    # memory until the collector comes by, seventy large ones at a time.
    call.error = error.with_traceback(None)
    replies = error.replies if isinstance(error, Overloaded) else None
    make = call.route.error
    call.reply = None if replies is None else replies.get(make)
    if call.reply is None:
        call.reply = make(error)
        if replies is not None:
            replies[make] = call.reply
    call.payload, call.tail = call.reply.body, ()
