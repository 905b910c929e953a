"""What happens to a finished call before it leaves: its bytes, its place in the journal."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from fairlead.core.call import Call
from fairlead.core.errors import FairleadError, Internal, JournalUnavailable
from fairlead.serving.execute import Answered
from fairlead.serving.registry import Served, release
from fairlead.usage.journal import Columns, Journal

_OK, _FAILED, _ABANDONED = 0, 1, 2
_SERVE = 0
# One attribute of many calls: `map` over these makes no frame per list.
_rows, _bytes_in = attrgetter("rows"), attrgetter("bytes_in")
_payload, _compute_ns = attrgetter("payload"), attrgetter("compute_ns")


def refuse(call: Call, error: FairleadError) -> None:
    """Answers a call that never reached the model."""
    if call.lease is not None:
        call.lease.stats.refuse(error.name)
        release(call.lease)
    _set_error(call, error)
    call.done(call)


def encode(answers: Sequence[Answered]) -> None:
    """Sets the payload of every answered call; one that cannot be encoded gets its error."""
    for calls, outputs in answers:
        encoder = calls[0].encoder
        try:
            encoder.encode(calls, outputs)  # type: ignore[union-attr] - set by every wire
        except FairleadError as error:
            if len(calls) == 1:
                calls[0].error = error
                continue
            start = 0
            for call in calls:
                part = [output[start : start + call.rows] for output in outputs]
                start += call.rows
                encode([([call], part)])


def write_down(journal: Journal, served: Served, calls: Sequence[Call]) -> None:
    """Appends all calls to the journal in one write; what cannot be recorded is not answered."""
    status = [_OK] * len(calls)
    for number, call in enumerate(calls):
        if call.error is not None or call.payload is None:
            _set_error(call, call.error or Internal("the call was lost"))
            status[number] = _ABANDONED if call.gone else _FAILED
    columns = Columns(
        rows=[*map(_rows, calls)],
        bytes_in=[*map(_bytes_in, calls)],
        bytes_out=[*map(len, map(_payload, calls))],
        compute_ns=[*map(_compute_ns, calls)],
        status=status,
        decision=[_SERVE] * len(calls),
    )
    package = served.package
    try:
        journal.append(package.name, package.version, columns)
    except JournalUnavailable as error:
        for call in calls:
            _set_error(call, error)
    served.stats.batch(columns)


def _set_error(call: Call, error: FairleadError) -> None:
    call.error = error
    call.reply = call.route.error(error)
    call.payload = call.reply.body
