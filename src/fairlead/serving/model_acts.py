"""What can be said of a model and stays said: which versions are wanted, which answers, labels.

Every change is audited. Nothing here knows what is loaded (steering.py does).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fairlead.core.errors import KeyFieldInvalid, ModelNotFound
from fairlead.core.model_record import CANDIDATE, STABLE, ModelRecord
from fairlead.core.names import check_name
from fairlead.serving.act_fields import Fields
from fairlead.serving.acting import Acting
from fairlead.serving.choosing import parse_policy, policy_text

_LABEL = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_HIGHEST = 10**18 - 1
_MOST_LABELS = 20


def choose(acting: Acting, given: Mapping[str, Any]) -> dict[str, Any]:
    """Which versions of a model are wanted; "" for what the server's settings say."""
    fields = Fields(given, "model", "versions")
    text = fields.text("versions")
    wanted = policy_text(parse_policy(text)) if text else ""
    return _change(acting, "models.choose", fields, lambda r: replace(r, versions=wanted))


def label(acting: Acting, given: Mapping[str, Any]) -> dict[str, Any]:
    """Points a label to a version, or takes it away where none is given."""
    fields = Fields(given, "model", "label", "version")
    name, version = fields.text("label"), fields.whole("version", 0, 0, _HIGHEST)
    if name == STABLE:
        return _change(acting, "models.label", fields, lambda r: _pinned(r, version))
    if not _LABEL.fullmatch(name):
        raise KeyFieldInvalid(
            f"{name[:80]!r} cannot be a label",
            where="label",
            fix="Use up to 40 small letters, digits, - or _, beginning with a letter",
        )

    def put(record: ModelRecord) -> ModelRecord:
        labels = {k: v for k, v in record.labels.items() if k != name}
        if version:
            labels[name] = version
        if name == CANDIDATE and record.rollout:
            record = _withdrawn(record)  # what was rolled out is the candidate no more
        if len(labels) > _MOST_LABELS:
            raise KeyFieldInvalid(f"a model has at most {_MOST_LABELS} labels", where="label")
        return replace(record, labels=labels)

    return _change(acting, "models.label", fields, put)


def promote(acting: Acting, given: Mapping[str, Any]) -> dict[str, Any]:
    """Makes a version the stable one: the candidate, where none is named.

    answering: the version that answers now, as far as whoever asks knows; newest: the highest that
    there is. rollout: nothing changes once another one is under way. why: for the trail.
    """
    fields = Fields(given, "model", "version", "answering", "newest", "rollout", "why")
    version, answering, newest = (
        fields.whole(name, 0, 0, _HIGHEST) for name in ("version", "answering", "newest")
    )
    chosen = version

    def put(record: ModelRecord) -> ModelRecord:
        nonlocal chosen
        chosen = version or record.labels.get(CANDIDATE, 0)
        if _is_over(fields, record):
            return record
        if not chosen:
            raise ModelNotFound(
                f"model {record.name!r} has no candidate", fix="Name the version to promote"
            )
        return _promoted(record, chosen, record.stable or answering, newest)

    return _change(acting, "models.promote", fields, put) | {"answers": chosen}


def roll_back(acting: Acting, given: Mapping[str, Any]) -> dict[str, Any]:
    """Makes the version stable again that was before, or the one that is named.

    answering: the version that answers now. below: the next lower one that there is. why: for the
    trail. Where a rollout is under way, its candidate is one no more, and the stable version stays.
    rollout: nothing changes once another one is under way.
    """
    fields = Fields(given, "model", "version", "answering", "below", "rollout", "why")
    version, answering, below = (
        fields.whole(name, 0, 0, _HIGHEST) for name in ("version", "answering", "below")
    )

    def put(record: ModelRecord) -> ModelRecord:
        if _is_over(fields, record):
            return record
        if record.rollout and not version:
            return _withdrawn(record)
        back = version or (record.previous if record.stable else 0) or below
        if not back:
            raise ModelNotFound(
                f"it is not known which version of model {record.name!r} answered before",
                fix="Name it: fairlead models rollback MODEL --to VERSION",
            )
        return _promoted(_withdrawn(record), back, record.stable or answering)

    told = _change(acting, "models.rollback", fields, put)
    return told | {"answers": told["stable"]}


def begin(acting: Acting, given: Mapping[str, Any]) -> dict[str, Any]:
    """Begins the rollout of a version: it is the candidate, and the one that answers stays."""
    fields = Fields(given, "model", "version", "answering")
    version = fields.whole("version", 0, 1, _HIGHEST)
    answering = fields.whole("answering", 0, 1, _HIGHEST)

    def put(record: ModelRecord) -> ModelRecord:
        return replace(
            record,
            stable=answering,
            labels={**record.labels, CANDIDATE: version},
            rollout=f"{answering}-{version}-{acting.now_ns:x}",
            follows=record.follows if record.rollout else not record.stable,
            tried=version,
        )

    return _change(acting, "models.rollout", fields, put)


def listed(acting: Acting, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was said of every model."""
    Fields(given)
    return {"models": [record.to_json() for record in acting.room.models.records().values()]}


def _is_over(fields: Fields, record: ModelRecord) -> bool:
    """Whether the rollout that an act speaks of is no longer under way."""
    return "rollout" in fields and fields.text("rollout") != record.rollout


def _promoted(record: ModelRecord, version: int, before: int, newest: int = 0) -> ModelRecord:
    labels = {k: v for k, v in record.labels.items() if (k, v) != (CANDIDATE, version)}
    previous = before if before != version else record.previous
    follows = record.follows and version == record.tried and version >= newest
    stable = 0 if follows else version
    return replace(
        record, stable=stable, previous=previous, labels=labels, rollout="", follows=False
    )


def _withdrawn(record: ModelRecord) -> ModelRecord:
    """Without a candidate, and without a rollout of one."""
    labels = {k: v for k, v in record.labels.items() if k != CANDIDATE}
    return replace(record, labels=labels, rollout="", follows=False)


def _pinned(record: ModelRecord, version: int) -> ModelRecord:
    """One version answers, or (0) the newest again, and no candidate beside it."""
    if version:
        return _promoted(record, version, record.stable)
    return replace(_withdrawn(record), stable=0, previous=record.stable)


def _change(
    acting: Acting, act: str, fields: Fields, change: Callable[[ModelRecord], ModelRecord]
) -> dict[str, Any]:
    name = check_name(fields.text("model"))
    store = acting.room.models
    with acting.changing() as acts:
        before = store.record(name)
        after = change(before)
        if after != before:
            store.put(after, acting.now_ns)
            why = {"why": fields.texts("why")} if "why" in fields else {}
            acts.append(acting.act(act, name, before.to_json(), after.to_json() | why))
    return after.to_json()
