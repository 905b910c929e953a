"""TensorFlow Serving's reload: the models of a list are served from then on, and no others.

A listed model is loaded from this server's repository by its name, in the versions that its policy
asks for. Its labels are those of the list and no others. What cannot be is refused before anything
ends.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fairlead.core.access import Caller
from fairlead.core.call import Head, Peer, Reply
from fairlead.core.errors import (
    BadParameter,
    DuplicateName,
    FairleadError,
    MissingField,
    ModelNotFound,
    Unsupported,
)
from fairlead.core.names import is_name
from fairlead.protos.pool import methods
from fairlead.serving.choosing import Choice
from fairlead.serving.control import Control
from fairlead.serving.registry import Registry
from fairlead.serving.states import DRAINING, FAILED, UNLOADED
from fairlead.wires.grpc_service import question
from fairlead.wires.grpc_status import error_reply, ok

_SERVICE, _METHOD = "tensorflow.serving.ModelService", "HandleReloadConfigRequest"
_ENDED = (UNLOADED, DRAINING, FAILED)

_LONGEST_LABEL = 80

_Later = Callable[[Reply], None]
_Step = Callable[..., None]


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
        wanted = listed_models(question(takes, body))
        control = self._control
        if control is None:
            raise Unsupported("models are not loaded while this server runs")
        known = self._registry.versions.items()
        ending = [
            name
            for name, versions in known
            if name not in wanted and any(v.state not in _ENDED for v in versions.values())
        ]
        steps: list[_Step] = [partial(control.load, n, choice=c) for n, c in wanted.items()]
        steps += [partial(control.unload, name) for name in sorted(ending)]

        def go_on(error: FairleadError | None) -> None:
            if error is not None:
                later(error_reply(error))
            elif steps:
                steps.pop(0)(told=go_on)
            else:
                later(ok(gives(status={"error_code": 0})))

        go_on(None)


def listed_models(asked: Any) -> dict[str, Choice]:
    """The models in a ReloadConfigRequest, and which versions of each are wanted.

    Raises MissingField, DuplicateName, ModelNotFound, BadParameter, and Unsupported for what this
    server does not do.
    """
    kind = asked.config.WhichOneof("config")
    if kind is None:
        raise MissingField("there is no model_config_list", where="config")
    if kind != "model_config_list":
        raise Unsupported(f"{kind} is not read here", where="config", fix="Send model_config_list")
    found: dict[str, Choice] = {}
    for number, config in enumerate(asked.config.model_config_list.config):
        where = f"config[{number}]"
        if not is_name(config.name):
            raise ModelNotFound(f"the repository holds no model {config.name[:80]!r}", where=where)
        if config.name in found:
            raise DuplicateName(f"the model {config.name!r} is listed twice", where=where)
        _check_base(config, where)
        found[config.name] = _choice(config, where)
    return found


def _check_base(config: Any, where: str) -> None:
    """Raises Unsupported for a model that is to come from elsewhere."""
    last = config.base_path.rstrip("/").rpartition("/")[2]
    if last not in ("", config.name):
        raise Unsupported(
            f"models come from this server's repository, and there {config.name!r} is no "
            f"{last[:80]!r}",
            where=f"{where}.base_path",
            fix="Leave base_path out",
        )


def _choice(config: Any, where: str) -> Choice:
    """The versions that a policy asks for, and their labels. Raises BadParameter."""
    policy = config.model_version_policy
    kind = policy.WhichOneof("policy_choice")
    labels = dict(config.version_labels)
    for label in labels:
        if not 0 < len(label) <= _LONGEST_LABEL:
            raise BadParameter(
                f"a label has 1 to {_LONGEST_LABEL} letters", where=f"{where}.version_labels"
            )
    if kind == "all":
        return Choice(newest=0, exact=True, labels=labels)
    if kind == "specific":
        numbers = tuple(sorted({*policy.specific.versions}))
        if not numbers or numbers[0] < 0:
            raise BadParameter(
                "a specific policy names versions, none below 0",
                where=f"{where}.model_version_policy",
            )
        return Choice(only=numbers, exact=True, labels=labels)
    return Choice(newest=max(1, policy.latest.num_versions), exact=kind is not None, labels=labels)
