"""What is decided about each row, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.core.tensor import Array

SERVE, WARN, ABSTAIN, REJECT = "serve", "warn", "abstain", "reject"
OUTCOMES = (SERVE, WARN, ABSTAIN, REJECT)
"""In rising order of severity; a code is a position in it."""

SERVED, WARNED, ABSTAINED, REJECTED = range(4)


@dataclass(frozen=True, slots=True)
class Decision:
    """`serve`, `warn`, `abstain` or `reject`, with reasons in words, for one row."""

    outcome: str
    reasons: tuple[str, ...]


UNGUARDED = Decision(SERVE, ("unguarded",))
"""The decision of a package that has learnt no guard: served, and said so."""


@dataclass(slots=True)
class Verdicts:
    """What the guards decided of the joined rows of one execution.

    codes:      a position in OUTCOMES for each row; `worst` is the largest.
    novel:      whether each row is unlike the training rows; None when none is.
    p_novel:    the share of good rows that are as strange; None without a novelty guard, and where
                nobody has asked yet (`p_values`).
    confidence: the calibrated probability of each row's answer; None without one, and where nobody
                has asked yet (`confidences`).
    likely:     for each row the names of its prediction set, made when asked for; None when it is
                kept from the caller.
    reasons:    words for the rows that are not simply served, by row; less: the same for callers
                who are given less than the whole answer.
    placed:     each row's coordinates, as the novelty guard sees it; None without one.
    scores:     the model's answer on each row as a number or a probability per class, where guards
                need it.
    hidden:     rows whose outputs are kept from the caller although they are served.
    later:      makes placed and p_novel, which costs more than to know that p_novel is large.
    weigh:      makes confidence, which costs more than to know that it is large enough.
    """

    codes: Array
    worst: int = SERVED
    p_novel: Array | None = None
    confidence: Array | None = None
    likely: Callable[[int], tuple[str, ...] | None] | None = None
    reasons: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    novel: Array | None = None
    placed: Array | None = None
    scores: Array | None = None
    hidden: Array | None = None
    less: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    later: Callable[[], tuple[Array, Array]] | None = None
    weigh: Callable[[], Array | None] | None = None

    def p_values(self) -> Array | None:
        """`p_novel`, made now where it was left for later; None without a novelty guard."""
        if self.p_novel is None and self.later is not None:
            self.placed, self.p_novel = self.later()
        return self.p_novel

    def confidences(self) -> Array | None:
        """`confidence`, made now where it was left for later; None without a confidence guard."""
        if self.confidence is None and self.weigh is not None:
            self.confidence = self.weigh()
        return self.confidence

    def set(self, row: int, code: int, words: list[str], less: list[str] | None = None) -> None:
        """Makes a row's decision at least this severe, and says why.

        less: the words for callers who are given less than the whole answer, where they differ.
        """
        if code > self.codes[row]:
            self.codes[row] = code
        self.worst = max(self.worst, code)
        self.reasons.setdefault(row, []).extend(words)
        self.less.setdefault(row, []).extend(words if less is None else less)

    def part(self, start: int, stop: int) -> Verdicts:
        """The verdicts on some of the rows."""
        codes, likely, p_novel = self.codes[start:stop], self.likely, self.p_values()
        sure = self.confidences()
        return Verdicts(
            codes,
            int(codes.max(initial=0)),
            None if p_novel is None else p_novel[start:stop],
            None if sure is None else sure[start:stop],
            None if likely is None else lambda row: likely(start + row),
            _part(self.reasons, start, stop),
            None if self.novel is None else self.novel[start:stop],
            hidden=None if self.hidden is None else self.hidden[start:stop],
            less=_part(self.less, start, stop),
        )

    def counts(self) -> Mapping[str, int]:
        """Rows by outcome."""
        found: dict[str, int] = {}
        codes: Any = self.codes.tolist()
        for code, name in enumerate(OUTCOMES):
            count = int(codes.count(code))
            if count:
                found[name] = count
        return found

    def of(self, row: int) -> Decision:
        """One row's decision."""
        return Decision(OUTCOMES[int(self.codes[row])], tuple(self.reasons.get(row, ())))


def _part(words: Mapping[int, list[str]], start: int, stop: int) -> dict[int, list[str]]:
    return {row - start: said for row, said in words.items() if start <= row < stop}
