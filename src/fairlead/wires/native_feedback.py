"""True labels that come later: `POST /feedback/{model}`.

Checked as a whole, kept as a whole, and only then accepted. Whether an id is one of ours is found
when the labels are joined; nothing here tells a caller which calls exist.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from fairlead.access.book import allows
from fairlead.core.access import Caller
from fairlead.core.call import ErrorReply, Head, Reply, Route
from fairlead.core.errors import (
    BadParameter,
    DtypeMismatch,
    FeedbackOff,
    FeedbackUnavailable,
    MalformedBody,
    MediaTypeUnsupported,
    MissingField,
    TooManyRows,
    UnknownName,
)
from fairlead.core.limits import BodyLimits
from fairlead.inputs.rows import listed
from fairlead.inputs.strict_json import loads
from fairlead.serving.outcomes import word
from fairlead.serving.registry import LATEST, Registry
from fairlead.serving.served import Served
from fairlead.usage.feedback import Label, Labelled, is_usage_id
from fairlead.usage.outcomes import CLASSES, owner_of

MOST_CALLS = 10_000
MOST_LABELS = 100_000
"""Calls whose labels come in one request, and all their labels."""

Keep = Callable[[str, Sequence[Labelled]], None]
"""Keeps labels of a model; they are safe once it returns. Raises FeedbackUnavailable."""


def kept_nowhere(model: str, given: Sequence[Labelled]) -> None:
    """Stands where nothing keeps labels. Raises FeedbackUnavailable."""
    raise FeedbackUnavailable("no labels are kept here")


class Feedback:
    """The route of one wire for labels."""

    def __init__(
        self, registry: Registry, keep: Keep, limits: BodyLimits, error: ErrorReply
    ) -> None:
        self._registry = registry
        self._keep = keep
        self._limits = limits
        self._error = error

    def route(self, name: str) -> Route:
        """The route for the labels of a model."""
        return Route(
            "feedback",
            self._error,
            answer=lambda head, body, caller: self._answer(name, head, body, caller),
            model=name,
        )

    def _answer(self, name: str, head: Head, body: bytes, caller: Caller) -> Reply:
        if self._registry.get(name, LATEST) is None:
            raise self._registry.absence(name, LATEST)
        keeping = [s for s in self._registry.served() if s.package.name == name and s.outcomes]
        if not keeping:
            raise FeedbackOff(
                f"model {name!r} keeps no outcomes that labels could be joined with",
                fix="Its owner sets outcomes = true in [feedback] of model.toml, with fairlead "
                "amend, if its answers are one label or one number per row",
            )
        media = head.headers.get("content-type", "application/json").partition(";")[0].strip()
        if not media.lower().endswith(("json", "x-www-form-urlencoded")) and media:
            raise MediaTypeUnsupported(
                f"content type {media[:60]!r} is not taken here", fix="Send application/json"
            )
        truths = _Truths(keeping, _labels_of(caller))
        given: list[Labelled] = []
        count = 0
        for entry, where in _entries(loads(body, self._limits)):
            given.append(truths.labelled(entry, where))
            count += len(given[-1].labels)
            if count > MOST_LABELS:
                raise TooManyRows(
                    f"more than {MOST_LABELS} labels in one request", where=where + "labels"
                )
        self._keep(name, given)
        return Reply(202, orjson.dumps({"accepted": len(given)}))


def _entries(value: Any) -> list[tuple[Any, str]]:
    """What was sent for each call, and where it stands in the body."""
    if value.__class__ is not dict:
        raise MalformedBody(
            "the body must be an object", fix='Send {"usage_id": "…", "labels": ["…"]}'
        )
    if "feedback" not in value:
        return [(value, "")]
    _only(value, ("feedback",), "")
    entries = value["feedback"]
    if entries.__class__ is not list or not entries:
        raise MalformedBody("`feedback` must be a list of objects", where="feedback")
    if len(entries) > MOST_CALLS:
        raise TooManyRows(
            f"labels of {len(entries)} calls in one request; {MOST_CALLS} is the limit",
            where="feedback",
        )
    return [(entry, f"feedback[{number}].") for number, entry in enumerate(entries)]


def _only(value: dict[str, Any], known: Sequence[str], where: str) -> None:
    for key in value:
        if key not in known:
            raise UnknownName(
                f"{key[:80]!r} is not known here",
                where=where.rstrip(".") or None,
                fix=f"Known: {', '.join(known)}",
            )


def _labels_of(caller: Caller) -> int:
    """Whose calls a caller may label: its tenant's own; an administrator everybody's."""
    return 0 if allows(caller, "admin:models") else owner_of(caller.tenant)


class _Truths:
    """What may be a true label of some versions of a model. owner: whose calls are labelled."""

    def __init__(self, keeping: Sequence[Served], owner: int) -> None:
        self._owner = owner
        self._most = max(served.package.limits.max_rows for served in keeping)
        self._names: dict[str, str] = {}
        self._numbers = False
        for served in keeping:
            outcomes = served.outcomes
            if outcomes is None or outcomes.kind != CLASSES:
                self._numbers = True
                continue
            named: dict[str, Any] = served.package.words.get("labels", {})
            # What answers call a class is understood; a class's own name comes first.
            for name in outcomes.classes:
                self._names.setdefault(str(named.get(name, name)), name)
        for served in keeping:
            for name in served.outcomes.classes if served.outcomes else ():
                self._names[name] = name

    def labelled(self, entry: Any, where: str) -> Labelled:
        """One call's labels. Raises MalformedBody, MissingField, UnknownName and the like."""
        if entry.__class__ is not dict:
            raise MalformedBody("labels come as an object", where=where.rstrip("."))
        _only(entry, ("usage_id", "labels"), where)
        for key in ("usage_id", "labels"):
            if key not in entry:
                raise MissingField(f"`{key}` is missing", where=where + key)
        usage, labels = entry["usage_id"], entry["labels"]
        if usage.__class__ is not str or not is_usage_id(usage):
            raise BadParameter(
                "this is no usage id",
                where=f"{where}usage_id",
                fix="Take it from the header Fairlead-Usage-Id of the answer",
            )
        if labels.__class__ is not list or not labels:
            raise MalformedBody("`labels` must be a list, one per row", where=f"{where}labels")
        if len(labels) > self._most:
            raise TooManyRows(
                f"{len(labels)} labels for one call; {self._most} rows is the limit",
                where=f"{where}labels",
            )
        names = self._names
        known = [
            names[value]
            if value.__class__ is str and value in names
            # Whatever is not simply a class's name takes the careful way.
            else self._label(value, row, where)
            for row, value in enumerate(labels)
        ]
        return Labelled(usage, known, self._owner)

    def _label(self, value: Any, row: int, where: str) -> Label:
        kind = value.__class__
        if value is None:
            return None
        if kind in (str, int, float, bool):
            name = self._names.get(word(value))
            if name is not None:
                return name
            if self._numbers and kind in (int, float):
                return float(value)
        place = f"{where}labels[{row}]"
        if self._numbers or kind not in (str, int, float, bool):
            wanted = "a number" if self._numbers else "a class"
            raise DtypeMismatch(f"row {row}: a label is {wanted} or null", where=place, row=row)
        raise UnknownName(
            f"row {row}: {str(value)[:80]!r} is no class of this model",
            where=place,
            fix=f"Its classes: {listed([*self._names])}",
            row=row,
        )
