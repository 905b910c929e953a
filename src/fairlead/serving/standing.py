"""How the guards stand over all workers: drift, the bet on novelty, suspects. The bookkeeper's.

Workers send what they have seen of a version; it is added up here, judged here, kept in a database
that outlives the server, and what came of it is sent back to all of them.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.core.errors import FairleadError, StateDamaged
from fairlead.core.package import Package
from fairlead.guards.betting import Betting
from fairlead.guards.contract import Contract
from fairlead.guards.drift import Drift
from fairlead.guards.files import CONTRACT, DRIFT, EMBEDDING, NOVELTY
from fairlead.guards.misuse import Account, Block, Places
from fairlead.packages.read import open_package, read_verified
from fairlead.serving.exchange import Message
from fairlead.serving.log import log
from fairlead.usage.stores.guards import Kept, State, open_guards

MOST_ACCOUNTS = 2048
"""Callers remembered at once; the one unheard of for longest is forgotten, unless suspected."""

_MOST_SUSPECTS = 1024
_MOST_VERSIONS = 256
_SAVED_AT_ONCE = 64
_JUDGING = (DRIFT, NOVELTY, EMBEDDING)
"""The files of a package against which rows are held: of others no state means anything."""
Key = tuple[str, int]


@dataclass(slots=True)
class Known:
    """What is known of one caller of one version.

    suspicion: the strongest alarm as plain values, {} without one.
    """

    account: Account
    suspicion: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class Watched:
    """The state of one version's guards.

    drift: None when the package has learnt none. private: columns whose values are told to nobody.
    """

    drift: Drift | None
    private: frozenset[str]
    bet: Betting | None
    about: dict[str, Any]
    changed: bool = True


class Standing:
    """All versions' guard state, and its database.

    revision: grows with every change of what workers should know.
    """

    def __init__(self, file: Path) -> None:
        self._versions: dict[Key, Watched] = {}
        self._callers: OrderedDict[tuple[str, int, str], Known] = OrderedDict()
        # In the order in which they changed: whoever waits longest is written first.
        self._unsaved: dict[tuple[str, int, str], None] = {}
        self._unreadable: set[Key] = set()
        self._accuracy: Mapping[Key, Mapping[str, Any]] = {}
        self.revision = 0
        self._store = open_guards(file, lambda error: _dropped(file, error))
        try:
            self._recall()
        except BaseException:
            self._store.close()
            raise

    def close(self) -> None:
        """Saves everything and closes the database."""
        while self.save():
            pass
        self._store.close()

    # --- what workers have seen -------------------------------------------------------------

    def seen(self, told: Message) -> None:
        """Takes in what a worker has seen of one version since its last message.

        told: model, version, folder of the package, calibrated rows, chunks of counted rows,
        p-values. Raises ValueError, KeyError or TypeError for what is no such message.
        """
        key = (str(told["model"]), int(told["version"]))
        watched = self._watched(key, told)
        if watched is None:
            return
        when = _moment()
        for chunk in told.get("chunks", ()):
            if watched.drift is None:
                break
            counts = [np.array(counted, dtype=np.int64) for counted in chunk["counts"]]
            for alarm in watched.drift.absorb(counts, int(chunk["rows"]), when=when):
                secret = alarm.column in watched.private
                words = f"{alarm.column}: has moved" if secret else alarm.words
                log("drift_found", model=f"{key[0]}/{key[1]}", words=words)
        p_values = told.get("p_values", ())
        if watched.bet is not None and p_values:
            before = watched.bet.alarmed
            if watched.bet.see(np.array(p_values, dtype=np.float64)) and not before:
                watched.about["bet_lost"] = when
                words = f"{watched.bet.seen} rows are stranger than good rows would be"
                log("drift_found", model=f"{key[0]}/{key[1]}", words=words)
        watched.changed = True
        self.revision += 1

    def looked(self, told: Message) -> Places:
        """Takes in what a worker has seen of one caller; returns the places seen before.

        told: model, version, caller, block. Raises as `seen`.
        """
        block = Block.from_json(told["block"])
        place = (str(told["model"]), int(told["version"]), str(told["caller"]))
        known = self._callers.get(place)
        if known is None:
            known = self._callers[place] = Known(Account())
            self._forget_oldest()
        self._callers.move_to_end(place)
        before = known.account.recent
        try:
            known.account.absorb(block)
        except ValueError:
            # The version has been packed anew and sees other coordinates: nothing adds up.
            known.account = Account()
            known.account.absorb(block)
        self._unsaved[place] = None
        found = known.account.evidence()
        if found and found[0].kind != known.suspicion.get("kind"):
            worst = found[0]
            known.suspicion = {"kind": worst.kind, "words": worst.words, "since": _moment()}
            log("misuse_suspected", model=f"{place[0]}/{place[1]}", caller=place[2],
                kind=worst.kind, words=worst.words)  # fmt: skip
            self.revision += 1
        if found:
            known.suspicion |= {"odds": found[0].odds, "words": found[0].words}
        return before

    def live(self, accuracy: Mapping[Key, Mapping[str, Any]]) -> None:
        """Takes in how right the answers were, as far as true labels have come."""
        if accuracy != self._accuracy:
            self._accuracy = dict(accuracy)
            self.revision += 1

    # --- what came of it --------------------------------------------------------------------

    def told(self) -> dict[str, Any]:
        """What every worker should know, by "model/version"."""
        found: dict[str, Any] = {}
        for key, watched in self._versions.items():
            found[f"{key[0]}/{key[1]}"] = _described(watched)
        for (model, version, caller), known in self._callers.items():
            if known.suspicion:
                here = found.setdefault(f"{model}/{version}", {})
                here.setdefault("suspects", {})[caller] = known.suspicion
        for (model, version), facts in self._accuracy.items():
            found.setdefault(f"{model}/{version}", {})["accuracy"] = facts
        return found

    def suspects(self) -> list[dict[str, Any]]:
        """Every suspicion, the newest first."""
        found = [
            {"model": model, "version": version, "caller": caller, **known.suspicion}
            for (model, version, caller), known in self._callers.items()
            if known.suspicion
        ]
        return sorted(found, key=lambda s: s["since"], reverse=True)

    def forgive(self, caller: str, model: str = "") -> int:
        """Ends suspicions of a caller, of one model or all; returns how many that were."""
        count = 0
        for place, known in self._callers.items():
            if place[2] == caller and model in ("", place[0]) and known.suspicion:
                known.account.forgive()
                known.suspicion = {}
                self._unsaved[place] = None
                self.revision += 1
                count += 1
        return count

    def answer(self, message: Message) -> dict[str, Any]:
        """What a command asks for. Raises KeyError or ValueError for what is no such message."""
        kind = message["kind"]
        if kind == "suspects":
            return {"kind": "answer", "suspects": self.suspects()}
        if kind == "forgive":
            count = self.forgive(str(message["caller"]), str(message["model"]))
            return {"kind": "answer", "forgiven": count}
        if kind == "restart":
            count = self.restart(str(message["model"]), message["version"])
            return {"kind": "answer", "restarted": count}
        raise ValueError(f"the message {str(kind)[:40]!r} is not known")

    def restart(self, model: str, version: int | None) -> int:
        """Begins to count anew for drift, of one version or all; returns of how many.

        For after somebody has looked: alarms end, and the bet on novelty begins anew.
        """
        kept = self._store.forget_counts(model, version)
        known = [k for k in self._versions if k[0] == model and version in (None, k[1])]
        for key in known:
            del self._versions[key]
        self.revision += 1
        return len(kept.union(known))

    # --- what outlives the server -----------------------------------------------------------

    def save(self) -> bool:
        """Writes what has changed, a bounded part of it; whether there is more."""
        now = _moment()
        changed = [(key, w) for key, w in self._versions.items() if w.changed]
        places = list(islice(self._unsaved, _SAVED_AT_ONCE))
        states = [
            State(*key, kind, json.dumps(state), now)
            for key, watched in changed
            for kind, state in _states(watched)
        ]
        states += [
            State(*key, "accuracy", json.dumps(facts), now) for key, facts in self._accuracy.items()
        ]
        accounts = [
            Kept(place, known.account.to_bytes(), json.dumps(known.suspicion))
            for place in places
            if (known := self._callers.get(place)) is not None
        ]
        gone = [place for place in places if place not in self._callers]
        self._store.save(states, accounts, gone, now)
        for _, watched in changed:
            watched.changed = False
        for place in places:
            del self._unsaved[place]
        return bool(self._unsaved)

    def _recall(self) -> None:
        """Accounts and accuracy of earlier servers; a version's own state when it is first seen."""
        for place, account, suspicion in self._store.accounts():
            with suppress(ValueError, KeyError, TypeError):
                self._callers[place] = Known(Account.from_bytes(account), json.loads(suspicion))
        self._forget_oldest()

    def _watched(self, key: Key, told: Message) -> Watched | None:
        found = self._versions.get(key)
        folder = str(told["folder"])
        if found is not None and found.about["folder"] == folder:
            return found
        if found is None and len(self._versions) >= _MOST_VERSIONS:
            return None
        try:
            package = open_package(Path(folder))
            raw = read_verified(package, DRIFT) if DRIFT in package.files else None
            drift = Drift.from_bytes(raw) if raw is not None else None
            private = _private(package, drift)
        except (FairleadError, OSError, ValueError, KeyError) as error:
            if key not in self._unreadable:
                self._unreadable.add(key)
                log("bookkeeping_failed", what=f"guards of {key[0]}/{key[1]}", error=repr(error))
            return None
        rows = int(told.get("calibrated", 0))
        bet = Betting(rows) if rows else None
        learnt = [package.files[name].sha256 for name in _JUDGING if name in package.files]
        about = {"folder": folder, "since": _moment(), "learnt": learnt}
        self._versions[key] = watched = Watched(drift, private, bet, about)
        self._restore(key, watched)
        return watched

    def _restore(self, key: Key, watched: Watched) -> None:
        """What an earlier server knew of the same package; anything else begins anew."""
        states = {kind: json.loads(s) for kind, s in self._store.states(*key).items()}
        if "about" not in states:
            return
        try:
            if states["about"]["learnt"] != watched.about["learnt"]:
                raise ValueError("the state is of another package")
            if watched.drift is not None:
                watched.drift.restore(states["drift"])
            if watched.bet is not None:
                watched.bet.restore(states["bet"])
            watched.about["since"] = states["about"]["since"]
        except (ValueError, KeyError, TypeError):
            log("guard_state_dropped", model=f"{key[0]}/{key[1]}")

    def _forget_oldest(self) -> None:
        while len(self._callers) > MOST_ACCOUNTS:
            suspected = sum(1 for known in self._callers.values() if known.suspicion)
            spare = suspected < _MOST_SUSPECTS
            place = next(p for p, k in self._callers.items() if not (spare and k.suspicion))
            del self._callers[place]
            self._unsaved[place] = None


def _private(package: Package, drift: Drift | None) -> frozenset[str]:
    """The private columns; all of them where the contract cannot be read."""
    if CONTRACT not in package.files:
        return frozenset()
    try:
        contract = Contract.from_toml(read_verified(package, CONTRACT).decode())
    except ValueError:
        return frozenset(w.name for w in drift.watched) if drift is not None else frozenset()
    return frozenset(rule.name for rule in contract.rules if rule.private)


def _states(watched: Watched) -> Sequence[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [("about", watched.about)]
    if watched.drift is not None:
        found.append(("drift", watched.drift.state()))
    if watched.bet is not None:
        found.append(("bet", watched.bet.state()))
    return found


def _described(watched: Watched) -> dict[str, Any]:
    """What is said of one version's drift."""
    found: dict[str, Any] = {"since": watched.about["since"]}
    drift, bet = watched.drift, watched.bet
    if drift is not None:
        found["drift"] = {
            "columns": len(drift.watched),
            "rows": drift.rows,
            "false_alarm_rate": drift.rate,
            "alarms": [{"column": a.column, "words": a.words} for a in drift.standing],
            "raised": drift.raised,
        }
    if bet is not None:
        found["strangeness"] = {"rows": bet.seen, "alarm": bet.alarmed}
    return found


def _dropped(file: Path, error: StateDamaged) -> None:
    log("guard_state_dropped", file=str(file), error=error.line())


def _moment() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
