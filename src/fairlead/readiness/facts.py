"""What the questions are answered from, and what an answer is: facts in, answers out, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from shlex import quote
from typing import Any, Literal, NamedTuple, get_args

from fairlead.core.figures import figure as figure
from fairlead.core.figures import span as span
from fairlead.core.package import Package
from fairlead.core.preparation import Picture
from fairlead.costs.profile import Profile
from fairlead.documents.card_words import said
from fairlead.guards.files import DRIFT

Exposure = Literal["laptop", "internal", "internet"]
EXPOSURES: tuple[Exposure, ...] = get_args(Exposure)
"""Who is to reach the model: its owner alone, the people of a house, or everybody."""

Verdict = Literal["pass", "warn", "fail", "owner must say"]
PASS: Verdict = "pass"  # noqa: S105 - no secret
WARN: Verdict = "warn"
FAIL: Verdict = "fail"
OWNER: Verdict = "owner must say"
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
"""What an answer comes to. OWNER stands where nobody but the owner can know, and nothing can be
measured."""

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Lighter:
    """What 8-bit weights make of a graph.

    size: bytes of the graph. median_s: seconds for a row. difference: the largest between the
    answers to the example.
    """

    size: int
    median_s: float
    difference: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One version, measured on this machine.

    load_s:    seconds until it was loaded and had answered.
    base:      bytes of memory that a worker needs without it; model: what it adds, its runner
               included; both 0 where the system does not say.
    median_s, slow_s: seconds of one request of one row: the median, and the 99th percentile.
    rows_per_s: rows that one worker answers in a second when `batch` are joined.
    cpu_s:     seconds of processor time for a thousand rows, the runner's included.
    request_bytes, answer_bytes: one row and its answer as JSON.
    real:      the package has an example; without one, rows of zeros were sent.
    answered:  the model answered. finite: no number of the answer is NaN or infinite.
    passes:    what the guards decide about the example: "serve", "warn", "abstain", "reject".
    strange:   of rows that make no sense, how many were held back, how many were marked only, and
               how many there were.
    inline, slots: how it runs: on the worker's loop, or in so many threads.
    locks:     what its runner is cut off from; {} for a graph, which runs in the worker.
    guards:    what its guards say of themselves, as `GET /models/MODEL` shows it.
    lighter:   what a lighter variant would be; None where it was not tried.
    """

    load_s: float
    base: int
    model: int
    median_s: float
    slow_s: float
    rows_per_s: float
    batch: int
    cpu_s: float
    request_bytes: int
    answer_bytes: int
    real: bool
    answered: bool
    finite: bool
    passes: str
    strange: tuple[int, int, int]
    inline: bool
    slots: int
    locks: Mapping[str, bool] = field(default_factory=dict[str, bool])
    guards: Mapping[str, Any] = field(default_factory=dict[str, Any])
    lighter: Lighter | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What was reckoned from a profile and the traffic that the owner expects.

    taken: the day of the profile. p99_s: of a call on machines like the profile's; None where no
    number of them reaches what is expected, and then why. machines: of them that are needed.
    headroom: so many times the traffic may come. cheapest: of all offers, "" for none; monthly: its
    bill in US dollars. per_million: likewise. prices: the version of the price table; stale: it is
    older than 90 days.
    """

    taken: str
    p99_s: float | None = None
    machines: int = 0
    headroom: float = 0.0
    why: str = ""
    cheapest: str = ""
    monthly: float = 0.0
    per_million: float = 0.0
    prices: str = ""
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found. measured: the number or fact, with its unit. fix: the command or setting."""

    verdict: Verdict
    measured: str
    fix: str = ""

    def __post_init__(self) -> None:
        if self.verdict == PASS:
            object.__setattr__(self, "fix", "")


class Question(NamedTuple):
    """A question that a person asks before a model goes into the world.

    id:      stable, in kebab-case. asks: in that person's words.
    measures: it cannot be answered of a model that does not load.
    """

    id: str
    asks: str
    answer: Callable[[Facts], Finding]
    measures: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Where callers come in, as the settings say.

    inside:  only this machine can reach the address. admin_inside: the administration likewise.
    tls: our own TLS; elsewhere: something in front speaks it; ends: days until the certificate
    does, None without one.
    platform: something in front authenticates every caller. proxied: a proxy is trusted.
    refused, remedy: why a server would not start with these settings, and what helps; "" else.
    """

    host: str = "127.0.0.1"
    inside: bool = True
    tls: bool = False
    elsewhere: bool = False
    ends: float | None = None
    platform: bool = False
    proxied: bool = False
    admin: str = "auto"
    admin_inside: bool = True
    refused: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one request may be, as the settings say. usage: what all callers may use together."""

    body_mib: int = 64
    chosen: bool = False
    timeout_s: float = 30.0
    usage: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFact:
    """A key that works.

    allows: it may ask the model. everything: every model. admin: it may administer.
    limited: it, or its tenant's plan, has limits. plan: of its tenant; priced: the plan has prices.
    """

    name: str
    allows: bool = True
    everything: bool = False
    admin: bool = False
    ends: bool = True
    limited: bool = True
    tenant: str = "default"
    plan: str = ""
    priced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """Who may call. identities: tokens or certificates are known. closed: a key was ever made, so
    nobody is let in without one. prices: plans with prices, whoever has them. guest: the key under
    which pages are shown to whoever has not signed in."""

    keys: tuple[KeyFact, ...] = ()
    identities: bool = False
    closed: bool = False
    prices: tuple[str, ...] = ()
    guest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Where calls are written down.

    state: as a command line names it. free: bytes left there. private: nobody else may look into
    it. durable: a record survives a power cut. backup: days since the last one; None for none in
    the last month.
    """

    state: str = ".fairlead"
    writable: bool = True
    private: bool = True
    free: int = 1 << 40
    durable: bool = False
    backup: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """This machine. memory, free: bytes in all, and still to be had. beside: bytes of the other
    models that the same server would hold."""

    cores: int = 2
    workers: int = 2
    memory: int = 8 << 30
    free: int = 4 << 30
    beside: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything about one version on one machine under one set of settings.

    given:  what was checked, as the command line names it. repository: where it is packed; "" for
            a trained file that is not.
    measured: None where the version does not load; broken: why, and remedy.
    evaluation: what pack measured on labelled rows. profile: what `fairlead profile` measured here;
            None where nobody did. planned: what follows of it for the expected traffic, likewise.
    """

    exposure: Exposure
    package: Package
    given: str = "models"
    repository: str = "models"
    doors: Doors = Doors()
    bounds: Bounds = Bounds()
    callers: Callers = Callers()
    record: Record = Record()
    machine: Machine = Machine()
    measured: Measured | None = None
    broken: str = ""
    remedy: str = ""
    evaluation: Mapping[str, Any] = field(default_factory=dict[str, Any])
    profile: Profile | None = None
    planned: Planned | None = None

    @property
    def run(self) -> Measured:
        """What was measured; only questions that measure ask for it."""
        assert self.measured is not None
        return self.measured

    def by_exposure(self, laptop: Verdict, internal: Verdict, internet: Verdict) -> Verdict:
        """The verdict that a finding has for those who are to reach the model."""
        found: Mapping[Exposure, Verdict] = {
            "laptop": laptop,
            "internal": internal,
            "internet": internet,
        }
        return found[self.exposure]

    @property
    def grave(self) -> Verdict:
        """Of what nobody minds alone, and strangers turn into harm."""
        return self.by_exposure(PASS, WARN, FAIL)

    @property
    def mild(self) -> Verdict:
        """Of what is worth knowing once others depend on the model."""
        return self.by_exposure(PASS, WARN, WARN)

    # --- the exact words that fix something ------------------------------------------------------

    def served(self, flags: str) -> str:
        """The command that serves it with further flags."""
        return f"fairlead serve {self.given} {flags}"

    def amended(self, section: str, *lines: str) -> str:
        """How lines come into the model's words."""
        line = f"{' and '.join(lines)} under [{section}] of model.toml"
        if not self.repository:
            return f"{line}; {self.packed(words=True)}"
        name = self.package.name
        amend = f"fairlead amend {name} --repository {self.repository}"
        return f"{line}; {amend} --model-toml model.toml"

    def packed(
        self,
        *,
        reference: bool = False,
        labelled: bool = False,
        words: bool = False,
        more: str = "",
    ) -> str:
        """The command that packs it again; what it was packed with is named again, too.

        reference, labelled, words: with reference rows, labelled rows, a model.toml. more: flags.
        """
        package = self.package
        parts = [f"fairlead pack {self._trained()} --name {package.name}"]
        parts.append(f"--repository {self.repository or 'models'}")
        if reference or DRIFT in package.files:
            pictures = any(isinstance(one, Picture) for one in package.preparations)
            parts.append("--reference pictures" if pictures else "--reference rows.csv")
        if labelled or self.evaluation:
            parts.append("--evaluation labelled.csv --target COLUMN")
        if words or package.preparations or said(package.words.get("words", {})):
            parts.append("--model-toml model.toml")
        return " ".join([*parts, *([more] if more else [])])

    def _trained(self) -> str:
        """The trained file, as `fairlead pack` is given it."""
        if not self.repository:
            return self.given
        trained = self.package.trained
        file = str(trained.get("file") or "FILE")
        if self.package.runtime == "python":
            file += f":{trained.get('class') or 'FUNCTION'}"
        return quote(file)


def counted(count: int, what: str) -> str:
    """A number of things: 1 key, 2 keys."""
    return f"{count:,} {what}{'s' * (count != 1)}"


def mib(count: float) -> str:
    """A number of bytes as people read it."""
    if count < 1 << 10:
        return f"{count:.0f} bytes"
    if count < MIB:
        return f"{count / 1024:.1f} KiB"
    return f"{count / MIB:,.1f} MiB" if count < 1 << 30 else f"{count / (1 << 30):,.1f} GiB"
