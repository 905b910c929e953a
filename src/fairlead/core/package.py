"""One version of a model as it lies on disk, already read and checked: facts, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from fairlead.core.allowance import Limit
from fairlead.core.disclosure import DISCLOSURES as DISCLOSURES
from fairlead.core.preparation import Preparation
from fairlead.core.signature import Signature


@dataclass(frozen=True, slots=True)
class FileFact:
    """Size in bytes and SHA-256 (hex) of one file of a package."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What the owner allows per request (`[limits]` in model.toml).

    max_rows:      rows in one request.
    time_budget_s: seconds one execution may take before it is stopped.
    max_batch:     rows joined into one execution.
    threads:       executions at once in a worker, where it is no runner's; 0 is chosen at warm-up.
    usage:         what all callers together may use, such as `rows=100000/minute`.
    max_body_mib:  MiB of one request's body, once it is decoded; 0 for what the server allows.
    """

    max_rows: int = 10_000
    time_budget_s: float = 30.0
    max_batch: int = 256
    usage: tuple[Limit, ...] = ()
    max_body_mib: int = 0
    threads: int = 0


@dataclass(frozen=True, slots=True)
class Feedback:
    """What is kept so that true labels can be joined later (`[feedback]` in model.toml).

    outcomes: the predicted label and the confidence of every served row go to the outcome log.
    days:     how long they are kept.
    """

    outcomes: bool = False
    days: int = 30


@dataclass(frozen=True, slots=True)
class Payloads:
    """What is kept of the rows that are sent (`[payloads]` in model.toml): nothing, by default.

    sample: the share of calls of which something is kept.
    fields: the columns that are kept, and how: "plain", or "hash" under a key of the server.
    days:   how long.
    """

    sample: float = 0.0
    fields: Mapping[str, str] = field(default_factory=dict[str, str])
    days: int = 7


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the owner expects of the model once it is served (`[expect]` in model.toml).

    requests_per_second: at the busiest time; 0 where nothing is said.
    rows_per_request:    rows that a usual request holds.
    latency_ms:          milliseconds within which 99 of 100 requests are answered; 0 where nothing
                         is said.
    callers_mbit:        megabits per second between a usual caller and the server.
    cost:                one sentence about who pays for it, or "free"; "" where nothing is said.
    """

    requests_per_second: float = 0.0
    rows_per_request: int = 1
    latency_ms: float = 0.0
    callers_mbit: float = 20.0
    cost: str = ""


RESPONSES = {
    "off": "nobody is suspected",
    "log": "the suspicion is recorded, and nothing else happens",
    "slow": "the caller is answered once a second",
    "coarse": "the caller's answers are banded",
    "label": "the caller is given labels only",
    "suspend": "the caller is refused until the owner has looked",
}
"""What becomes of a caller who is suspected of misuse, from mild to severe."""


@dataclass(frozen=True, slots=True)
class GuardChoice:
    """What the owner wants of the guards (`[guards]` in model.toml).

    novelty:    what becomes of a row unlike the training rows: "reject", "abstain", "warn",
                "shadow" (only counted) or "off".
    false_alarm_rate: the share of good rows that may be called novel; assured: hold it with 95 %
                confidence instead of on average.
    error_goal: the largest share of wrong answers among those given, None for no goal;
    assurance:  the confidence with which it is kept.
    unsure:     what becomes of an answer below the goal's threshold: "abstain", "warn", "shadow".
    rows:       where an answer has no room for a decision per row: "refuse" the whole request or
                "mask" the rows.
    disclosure: how much is said: one of DISCLOSURES.
    misuse:     what becomes of a caller who is suspected of copying or probing the model: one of
                RESPONSES.
    embedding:  the output in which the model shows what it makes of a row, on which novelty is
                learnt at pack; "" leaves the choice to pack.
    """

    novelty: str = "reject"
    false_alarm_rate: float = 0.01
    assured: bool = False
    error_goal: float | None = None
    assurance: float = 0.95
    unsure: str = "abstain"
    rows: str = "refuse"
    disclosure: str = "columns"
    misuse: str = "log"
    embedding: str = ""


@dataclass(frozen=True, slots=True)
class CardChoice:
    """What the owner wants of the model card (`[card]` in model.toml).

    required:   the share of what a card asks the owner that must be said before anybody but those
                who may administer models is served; 0 requires nothing.
    groups:     columns of the evaluation rows whose groups of people are compared.
    favourable: the label that people want for themselves, "" for none.
    """

    required: float = 0.0
    groups: tuple[str, ...] = ()
    favourable: str = ""


@dataclass(frozen=True, slots=True)
class RolloutChoice:
    """How a new version takes the place of the one before (`[rollout]` in model.toml).

    mode:       "canary": it answers a share of the calls until there is a verdict; "shadow": it is
                asked beside the version before and its answers are only compared; "none": it
                replaces the version before as soon as it is ready.
    share:      of the calls that it answers or is asked beside, above 0 and at most 0.5.
    assignment: "random" draws for every call; "caller" keeps a caller at one version.
    automatic:  the verdict is carried out; otherwise somebody must promote or roll back.
    error_points: so many more calls of a hundred that fail are too much.
    latency_factor: so many times the 99th percentile of latency is too much.
    decision_points, prediction_points: a share of calls whose decision, or answer, has become
                another one; so many of a hundred are too much. 100 asks nothing.
    requests:   calls of the new version after which it is decided at the latest.
    otherwise:  what is decided then: "promote" or "rollback".
    minutes:    the least time before it is promoted; it is rolled back at any time.
    """

    mode: str = "none"
    share: float = 0.1
    assignment: str = "random"
    automatic: bool = True
    error_points: float = 2.0
    latency_factor: float = 1.5
    decision_points: float = 10.0
    prediction_points: float = 10.0
    requests: int = 5000
    otherwise: str = "promote"
    minutes: float = 10.0


@dataclass(frozen=True, slots=True)
class Package:
    """An immutable version: what its manifest, signature and model.toml say.

    runtime:     which runtime loads it: onnx, python, sklearn, xgboost, lightgbm, torch, ...
    isolated:    it is code, or was asked to be apart: it runs in a runner process.
    graph:       the file or folder the runtime loads, relative to `folder`.
    trained:     facts of the trained file: format, framework, framework_version, size, sha256.
    environment: {"python": path or "", "versions": {library: exact version}} for isolated ones.
    reason:      why it is kept native, or "".
    words:       the owner's words from model.toml.
    preparations: how inputs are made of pictures and texts.
    signatures:  further signatures of the same model by name, each as a package of its own with
                 the same folder; None where the name is another one of `signature`. What is learnt
                 of rows belongs to `signature` alone.
    """

    name: str
    version: int
    folder: Path
    runtime: str
    isolated: bool
    graph: str
    signature: Signature
    files: dict[str, FileFact]
    trained: dict[str, Any] = field(default_factory=dict[str, Any])
    environment: dict[str, Any] = field(default_factory=dict[str, Any])
    reason: str = ""
    words: dict[str, Any] = field(default_factory=dict[str, Any])
    limits: Limits = Limits()
    guards: GuardChoice = GuardChoice()
    feedback: Feedback = Feedback()
    payloads: Payloads = Payloads()
    card: CardChoice = CardChoice()
    expect: Expectation = Expectation()
    rollout: RolloutChoice = RolloutChoice()
    preparations: tuple[Preparation, ...] = ()
    signatures: Mapping[str, Package | None] = field(default_factory=dict[str, "Package | None"])

    @property
    def decoupled(self) -> bool:
        """A call may have any number of answers, which come one by one."""
        return bool(self._about.get("decoupled"))

    @property
    def takes(self) -> frozenset[str]:
        """What the model is told beside tensors: "parameters", "sequence"."""
        return frozenset(map(str, self._about.get("takes", ())))

    @property
    def _about(self) -> dict[str, Any]:
        about: Any = self.environment.get("about")
        return cast("dict[str, Any]", about) if isinstance(about, dict) else {}

    @property
    def graph_path(self) -> Path:
        return self.folder / self.graph
