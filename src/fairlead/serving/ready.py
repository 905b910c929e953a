"""Whether new calls are answered, computed from the workers' pages with a fresh heartbeat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.serving.states import DRAINING, READY, UNLOADED

Page = Mapping[str, Any]
ENDS, NOBODY_ANSWERS = "the server ends", "no worker takes calls"


def has_every_model(models: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether each model has a version that is ready, by the states of all versions."""
    return bool(models) and not lacking(models)


def lacking(models: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The models without a version that is ready.

    One of which every version was ended is not missed, nor one that came while the server ran and
    has not answered yet.
    """
    ready = {_name(key) for key, model in models.items() if model["state"] == READY}
    ended = (UNLOADED, DRAINING)
    missed = {
        _name(key)
        for key, model in models.items()
        if model["state"] not in ended and model.get("promised", True)
    }
    return missed - ready


def why_not(pages: Sequence[Page]) -> str:
    """Why not every model is ready, in words that name none: whoever asks need not know them.

    pages: of the workers that take calls.
    """
    if not pages:
        return NOBODY_ANSWERS
    if not any(page["models"] for page in pages):
        return "no model is known"
    missed = {name for page in pages for name in lacking(page["models"])}
    known = {_name(key) for page in pages for key in page["models"]}
    verb = "has" if len(missed) == 1 else "have"
    return f"{len(missed)} of {len(known)} models {verb} no version that is ready"


def of_model(pages: Sequence[Page], model: str) -> dict[str, Any]:
    """Whether a model is ready, and each of its versions with the workers in which it is.

    pages: of the workers that take calls. It is ready once every one of them has a ready version.
    """
    versions: dict[int, dict[str, Any]] = {}
    having = 0
    for page in pages:
        own = {k: v for k, v in page["models"].items() if _name(k) == model}
        having += any(state["state"] == READY for state in own.values())
        for key, state in own.items():
            number = int(key.rpartition("/")[2])
            told = versions.setdefault(number, {"version": number, "ready_workers": 0})
            told["ready_workers"] += state["state"] == READY
            if state["state"] != READY or "state" not in told:
                # Of workers that differ, the one that is behind is told of.
                told["state"] = state["state"]
                told.pop("reason", None)
                if state.get("reason"):
                    told["reason"] = state["reason"]
    ready = bool(pages) and having == len(pages)
    found = [versions[number] for number in sorted(versions, reverse=True)]
    about: dict[str, Any] = {"model": model, "ready": ready, "workers": len(pages)}
    if not ready:
        about["why"] = _why(found, len(pages), having)
    return {**about, "versions": found}


def _why(versions: Sequence[Mapping[str, Any]], workers: int, having: int) -> str:
    if not workers:
        return NOBODY_ANSWERS
    if not versions:
        return "no worker knows it"
    newest = versions[0]
    where = "" if not having else f" in {workers - having} of {workers} workers"
    reason = f": {newest['reason']}" if newest.get("reason") else ""
    return f"version {newest['version']} is {newest['state']}{where}{reason}"


def _name(key: str) -> str:
    return key.rpartition("/")[0]
