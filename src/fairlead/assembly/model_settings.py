"""The settings of [models]: what is served, when it is loaded, and the memory that it may take."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.assembly.kinds import MEMORY, MODELS, NAME, POLICY, TRUTH, one_of, seconds
from fairlead.assembly.setting import setting


@dataclass(frozen=True, slots=True)
class Models:
    """Which versions are served, and how."""

    versions: str = setting(
        "latest",
        POLICY,
        "Which versions of each model are served: latest, latest:N, all, or versions such as 3,5. "
        "What operators want of a model goes before.",
        flag="--versions",
    )
    watch: bool = setting(
        True, TRUTH, "Serve the versions that appear in a repository while the server runs."
    )
    plain: bool = setting(
        False,
        TRUTH,
        "Serve folders of SavedModels that appear while the server runs too: they have no manifest "
        "that says that they are whole, so they are taken once nothing has changed for 5 seconds.",
        flag="--plain-versions",
    )
    memory: str = setting(
        "auto",
        MEMORY,
        "The memory that the whole server may use, its workers and runners together, such as 4GiB. "
        "Beyond it models sleep that were not asked for the longest time. auto sets no bound.",
        flag="--memory",
    )
    load: str = setting(
        "eager",
        one_of("eager", "lazy"),
        "When a model is loaded: when the server starts, or when somebody asks for it.",
    )
    pinned: tuple[str, ...] = setting(
        (), MODELS, "Models that are loaded when the server starts and never make room for others."
    )
    load_wait_s: float = setting(
        30.0, seconds(3600), "Seconds that a call may wait for its model to be loaded."
    )
    default: str = setting(
        "", NAME, "The model that is asked where an address names none, such as /invocations."
    )
    isolate: tuple[str, ...] = setting(
        (), MODELS, "Models that run in a runner process of their own although they need not."
    )
    kserve_inputs: tuple[str, ...] = setting(
        (), MODELS, "Models for which `inputs` below /v1 means `instances`, as KServe says."
    )
