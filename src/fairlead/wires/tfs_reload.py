"""TensorFlow Serving's reload: the models of a list are served from then on, and no others.

A listed model is loaded from this server's repository by its name. Whatever a list asks beyond that
is refused before anything is changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairlead.core.access import Caller
from fairlead.core.call import Head, Peer, Reply
from fairlead.core.errors import (
    DuplicateName,
    FairleadError,
    MissingField,
    ModelNotFound,
    Unsupported,
)
from fairlead.core.package import is_name
from fairlead.protos.pool import methods
from fairlead.serving.control import Control
from fairlead.serving.registry import DRAINING, FAILED, UNLOADED, Registry
from fairlead.wires.grpc_service import question
from fairlead.wires.grpc_status import error_reply, ok
from fairlead.wires.tfs_facts import STABLE

_SERVICE, _METHOD = "tensorflow.serving.ModelService", "HandleReloadConfigRequest"
_ENDED = (UNLOADED, DRAINING, FAILED)

_Later = Callable[[Reply], None]


class TfsReload:
    """Answers HandleReloadConfigRequest. control: None where models are not loaded on demand."""

    def __init__(self, registry: Registry, control: Control | None) -> None:
        self._registry = registry
        self._control = control

    def ask(self, head: Head, body: bytes, caller: Caller, peer: Peer, later: _Later) -> None:
        """Loads what is listed, then ends what is not; answers once all workers have done it.

        Nothing is ended when something cannot be loaded.
        """
        takes, gives = methods(_SERVICE)[_METHOD]
        names = listed_models(question(takes, body))
        control = self._control
        if control is None:
            raise Unsupported("models are not loaded while this server runs")
        known = self._registry.versions.items()
        ending = [
            name
            for name, versions in known
            if name not in names and any(v.state not in _ENDED for v in versions.values())
        ]
        steps = [(control.load, name) for name in names]
        steps += [(control.unload, name) for name in sorted(ending)]

        def go_on(error: FairleadError | None) -> None:
            if error is not None:
                later(error_reply(error))
            elif steps:
                act, name = steps.pop(0)
                act(name, go_on)
            else:
                later(ok(gives(status={"error_code": 0})))

        go_on(None)


def listed_models(asked: Any) -> list[str]:
    """The names in a ReloadConfigRequest.

    Raises MissingField, DuplicateName, ModelNotFound, and Unsupported for what is more than names.
    """
    kind = asked.config.WhichOneof("config")
    if kind is None:
        raise MissingField("there is no model_config_list", where="config")
    if kind != "model_config_list":
        raise Unsupported(f"{kind} is not read here", where="config", fix="Send model_config_list")
    names: list[str] = []
    for number, config in enumerate(asked.config.model_config_list.config):
        where = f"config[{number}]"
        if not is_name(config.name):
            raise ModelNotFound(f"the repository holds no model {config.name[:80]!r}", where=where)
        if config.name in names:
            raise DuplicateName(f"the model {config.name!r} is listed twice", where=where)
        _check(config, where)
        names.append(config.name)
    return names


def _check(config: Any, where: str) -> None:
    """Raises Unsupported for what a model's entry asks beyond its newest version."""
    last = config.base_path.rstrip("/").rpartition("/")[2]
    if last not in ("", config.name):
        raise Unsupported(
            f"models come from this server's repository, and there {config.name!r} is no "
            f"{last[:80]!r}",
            where=f"{where}.base_path",
            fix="Leave base_path out",
        )
    policy = config.model_version_policy
    chosen = policy.WhichOneof("policy_choice")
    if chosen not in (None, "latest") or policy.latest.num_versions > 1:
        raise Unsupported(
            "the newest version of a model is loaded",
            where=f"{where}.model_version_policy",
            fix="Leave the policy out; which versions a server begins with says models.versions",
        )
    if config.version_labels:
        raise Unsupported(
            f"labels are not set here: {min(config.version_labels)[:80]!r}",
            where=f"{where}.version_labels",
            fix=f"Leave them out; {STABLE!r} is the version that answers when none is named",
        )
