"""Everything that can be done to keys, tenants, plans and their audit trail, by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fairlead.core.audit import By, Record
from fairlead.serving import key_acts, model_acts, plan_acts
from fairlead.serving.act_fields import Fields
from fairlead.serving.acting import Acting, Room, acting
from fairlead.usage.stores.audit import MOST


def trail(acting: Acting, given: Mapping[str, Any]) -> dict[str, Any]:
    """Records of the audit trail, oldest first, as they stand in the database: whoever asks can
    check the chain. `next` is the `after` of the next page."""
    fields = Fields(given, "since_ns", "object", "after", "most")
    since = fields.whole("since_ns", 0, 0, 2**63 - 1)
    most = fields.whole("most", MOST, 1, MOST)
    after = fields.whole("after", 0, 0, 2**63 - 1)
    found = acting.room.audit.records(since, fields.text("object", ""), after, most)
    following = found[-1].number if len(found) == most else None
    return {"records": [record_to_json(record) for record in found], "next": following}


def noted(acting: Acting, given: Mapping[str, Any]) -> dict[str, Any]:
    """The newest record that the state folder remembers. Raises StateInvalid."""
    Fields(given)
    head = acting.room.noted.read()
    return {"number": head.number, "hash": head.hash.hex()}


def backed_up(acting: Acting, given: Mapping[str, Any]) -> dict[str, Any]:
    """Puts on record that a backup was taken: whoever holds it holds the pepper of the keys."""
    fields = Fields(given, "sha256", "files", "size")
    about = fields.text("sha256", "")
    held = {name: fields.whole(name, 0, 0, 2**63 - 1) for name in ("files", "size")}
    with acting.changing() as acts:
        acts.append(acting.act("state.backup", about, None, held))
    return {}


def record_to_json(record: Record) -> list[Any]:
    """A record as it stands in the database, so that its hash can be computed again."""
    r = record
    told = [r.number, r.time_ns, r.who, r.place, r.act, r.about, r.before, r.after]
    return [*told, r.hash.hex()]


def record_from_json(value: list[Any]) -> Record:
    """The record that `record_to_json` told."""
    return Record(*value[:-1], hash=bytes.fromhex(value[-1]))


ACTS: Mapping[str, Callable[[Acting, Mapping[str, Any]], dict[str, Any]]] = {
    "keys.create": key_acts.create,
    "keys.list": key_acts.listed,
    "keys.show": key_acts.show,
    "keys.rotate": key_acts.rotate,
    "keys.revoke": key_acts.revoke,
    "tenants.create": plan_acts.create_tenant,
    "tenants.list": plan_acts.list_tenants,
    "tenants.show": plan_acts.show_tenant,
    "tenants.change": plan_acts.change_tenant,
    "plans.put": plan_acts.put_plan,
    "plans.list": plan_acts.list_plans,
    "plans.show": plan_acts.show_plan,
    "models.list": model_acts.listed,
    "models.choose": model_acts.choose,
    "models.label": model_acts.label,
    "models.rollout": model_acts.begin,
    "models.promote": model_acts.promote,
    "models.rollback": model_acts.roll_back,
    "audit.list": trail,
    "audit.noted": noted,
    "state.backup": backed_up,
}
"""By name: what is done, with which fields, and what is answered."""

READING = frozenset(
    {
        "keys.list",
        "keys.show",
        "tenants.list",
        "tenants.show",
        "plans.list",
        "plans.show",
        "models.list",
        "audit.list",
        "audit.noted",
    }
)
"""Those that change nothing."""


def do(room: Room, kind: str, given: Mapping[str, Any], by: By) -> dict[str, Any]:
    """Does one act and returns its answer. Raises FairleadError; then nothing was changed."""
    return ACTS[kind](acting(room, by), given)
