"""Every setting: its section, its default, what values it takes and what it means.

One frozen dataclass per section of `fairlead.toml`. The reference page and the flags of
`fairlead serve` are made from these declarations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from fairlead.assembly.kinds import (
    ADMIN,
    DELAY,
    FILE,
    GRPC_PORT,
    HOST,
    LIMITS,
    NAME,
    NETWORKS,
    OBJECTS,
    PATH,
    PORT,
    PORTS,
    TRUTH,
    WORKERS,
    Kind,
    one_of,
    seconds,
    share,
    text,
    whole,
)
from fairlead.assembly.model_settings import Models
from fairlead.assembly.setting import setting
from fairlead.assembly.usage_settings import Usage


@dataclass(frozen=True, slots=True)
class Server:
    """Where the server listens, who authenticates its callers, and where it keeps its state."""

    host: str = setting(
        "127.0.0.1", HOST, "The address on which callers are served.", flag="--host"
    )
    port: int = setting(8080, PORT, "The HTTP port for callers; 0 takes a free one.", flag="--port")
    grpc_port: int | str = setting(
        "auto",
        GRPC_PORT,
        "The gRPC port for callers; 0 takes a free one, off none, and auto the one above the "
        "service's, which speaks gRPC too.",
        flag="--grpc-port",
    )
    also_bind: tuple[int, ...] = setting(
        (),
        PORTS,
        "Further ports for callers, each for HTTP and gRPC alike, where clients expect other ones: "
        "8000,8001 for Triton's, 8500,8501 for TensorFlow Serving's.",
        flag="--also-bind",
    )
    admin: str = setting(
        "auto",
        ADMIN,
        "Where the administration listens: HOST:PORT, unix:PATH, off, or auto, which is 127.0.0.1 "
        "and the port two above the service's.",
        flag="--admin",
    )
    workers: int | Literal["auto"] = setting(
        "auto", WORKERS, "Worker processes; auto takes one per usable core.", flag="--workers"
    )
    auth: str = setting(
        "keys",
        one_of("keys", "platform"),
        "Who authenticates callers: our own keys, or the platform in front of the server. Without "
        'keys, only "platform" allows an address that other machines can reach.',
        flag="--auth",
    )
    tls_cert: str = setting(
        "",
        FILE,
        "The PEM file of the certificate and of those between it and its authority.",
        flag="--tls-cert",
    )
    tls_key: str = setting(
        "", FILE, "The PEM file of the certificate's key, unencrypted.", flag="--tls-key"
    )
    client_ca: str = setting(
        "",
        FILE,
        "The PEM file of the authorities whose client certificates are accepted.",
        flag="--client-ca",
    )
    client_cert: str = setting(
        "required",
        one_of("required", "optional"),
        "Whether callers must show a client certificate where there is a client_ca.",
        flag="--client-cert",
    )
    tls_elsewhere: bool = setting(
        False,
        TRUTH,
        "Something in front of the server speaks TLS, so an address that other machines can reach "
        "may be served without.",
        flag="--tls-elsewhere",
    )
    trusted_proxy: tuple[str, ...] = setting(
        (),
        NETWORKS,
        "Networks of proxies whose X-Forwarded-For is believed.",
        flag="--trusted-proxy",
    )
    forwarded_certificates: bool = setting(
        False,
        TRUTH,
        "Believe the X-Forwarded-Client-Cert of trusted proxies too; they must set or remove it in "
        "every request.",
    )
    state: str = setting(
        "./.fairlead",
        PATH,
        "The folder of the journal and of everything else that outlives a restart.",
        flag="--state",
    )
    grace_s: float = setting(
        25.0,
        seconds(3600),
        "Seconds between SIGTERM and the end, in which what was begun is answered; platforms kill "
        "a container after 30.",
    )
    drain_delay_s: float | Literal["auto"] = setting(
        "auto",
        DELAY,
        "How many of these seconds new callers are still taken, so that whoever sends them learns "
        "that the server is not ready any more; auto takes none where only this machine is "
        "served, else 5.",
    )
    name: str = setting(
        "", NAME, "The name under which a single package or trained file is served.", flag="--name"
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request, one connection and one model's queue may use."""

    body_mib: int = setting(64, whole(1, 2047), "The largest request body, in MiB.")
    head_kib: int = setting(32, whole(1, 1024), "The largest request head, in KiB.")
    headers: int = setting(100, whole(1, 1000), "The most headers of one request.")
    url_kib: int = setting(8, whole(1, 64), "The longest address of a request, in KiB.")
    connections: int = setting(4096, whole(1, 1_000_000), "Connections open at once, per worker.")
    connections_per_ip: int = setting(
        256,
        whole(1, 1_000_000),
        "Connections open at once from one IP address, per worker; loopback is exempt.",
    )
    head_timeout_s: float = setting(
        10.0, seconds(3600), "Seconds in which the head of a request must have arrived."
    )
    idle_timeout_s: float = setting(
        75.0, seconds(86400), "Seconds after which a connection without a request is closed."
    )
    queue_calls: int = setting(
        1024, whole(1, 1_000_000), "Calls that may wait for one model, per worker."
    )
    queue_mib: int = setting(
        256,
        whole(1, 1_000_000),
        "MiB of request bodies that may wait for one model, per worker; one call always may.",
    )
    queue_wait_s: float = setting(
        1.0,
        seconds(3600),
        "Seconds that a call may wait in its model's queue; one that would wait longer, or beyond "
        "its deadline, is refused at once.",
    )
    request_timeout_s: float = setting(
        30.0, seconds(86400), "Seconds in which an answer is due when the caller does not say."
    )
    request_timeout_max_s: float = setting(
        300.0, seconds(86400), "The most seconds that a caller may ask for."
    )
    response_mib: int = setting(64, whole(1, 2047), "The largest answer, in MiB.")
    memory_share: float = setting(
        0.95,
        share(),
        "Of the machine's or container's memory: above it no call is taken. 1: never.",
    )
    untaken_mib: int = setting(
        256,
        whole(1, 1_000_000),
        "MiB of answers that callers have not taken yet, per worker; beyond it who takes least is "
        "cut off.",
    )
    usage: tuple[str, ...] = setting(
        (),
        LIMITS,
        "What all callers of the server together may use, such as requests=1000/second.",
    )
    shared: str = setting(
        "",
        Kind("file:/PATH or env:NAME", str, lambda v: isinstance(v, str), str),
        "Where the address of a store is read that counts limits for several hosts together, in "
        "PostgreSQL or Redis: file:/PATH (of a file for its owner alone) or env:NAME. Without it "
        "each host counts for itself.",
    )
    json_depth: int = setting(100, whole(4, 500), "The deepest nesting of JSON in a request.")


@dataclass(frozen=True, slots=True)
class Access:
    """Who may, beside the keys in the state folder."""

    identities: str = setting(
        "",
        FILE,
        "The file of issuers whose tokens, and of client certificates whose callers, are known.",
        flag="--identities",
    )


@dataclass(frozen=True, slots=True)
class Pages:
    """The web pages that people use."""

    on: bool = setting(
        True, TRUTH, "Whether browsers are shown pages; without them they get what programs get."
    )
    guest: str = setting(
        "",
        text("the id of a key", r"|key_[A-Za-z0-9]{16}"),
        "The id of the key under which pages are shown to whoever has not signed in. It must have "
        "limits, which all guests share.",
    )
    address: str = setting(
        "",
        text("an address such as https://example.org/models", r"|https?://[^\s?#]*[^\s?#/]"),
        "Where browsers reach the pages, where that is not the host that they ask for: behind a "
        "proxy that puts them below a path, for sign-in with an issuer, and in code to paste.",
    )
    secure: bool = setting(
        False,
        TRUTH,
        "Sessions travel over TLS alone. Where the server speaks TLS, or tls_elsewhere is said, "
        "they do so anyway.",
    )


@dataclass(frozen=True, slots=True)
class Airlock:
    """What a trained file may hold beyond the built-in allow-list."""

    allow: tuple[str, ...] = setting(
        (), OBJECTS, "Further objects that a pickle may name, each by its exact module and name."
    )
    weak: bool = setting(
        False,
        TRUTH,
        "Read trained files also where this machine cannot cut the airlock's network.",
    )


@dataclass(frozen=True, slots=True)
class State:
    """How keys, plans, usage and the audit trail are kept."""

    database: str = setting(
        "",
        Kind("file:/PATH or env:NAME", str, lambda v: isinstance(v, str), str),
        "Where the address of a PostgreSQL database is read, for keys, plans, usage and the audit "
        "trail: file:/PATH (of a file for its owner alone) or env:NAME. Without it they are files "
        "of the state folder. Commands need the same setting.",
    )
    stale_max_s: float = setting(
        3600.0,
        seconds(30 * 86_400),
        "Seconds for which callers are known by the keys in memory while the database of keys "
        "cannot be read; then they get 503.",
    )


@dataclass(frozen=True, slots=True)
class Log:
    """What the server writes on standard error."""

    level: str = setting(
        "info",
        one_of("debug", "info", "warning", "error"),
        "The least severe event that is written.",
    )
    format: str = setting(
        "json", one_of("json", "text"), "One JSON object or one line of text per event."
    )
    requests: str = setting(
        "sampled",
        one_of("off", "sampled", "all"),
        "Which requests get a line: none, every failed one and one in a hundred good ones (at most "
        "50 of either in a second and worker), or all. They are of the level info.",
    )


@dataclass(frozen=True, slots=True)
class Trace:
    """Whether requests become spans of OpenTelemetry, and where these go."""

    endpoint: str = setting(
        "",
        text("an address such as http://127.0.0.1:4318", r"|https?://[^\s?#]+"),
        "The collector that takes spans by OTLP over HTTP, with or without /v1/traces; without one "
        "there are no spans. Needs the extra otel.",
    )
    sample: float = setting(
        0.01,
        share(),
        "Which share of the requests become spans that their callers do not keep themselves. Of "
        "those that they keep all do, up to 200 in a second and worker.",
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, read once and frozen.

    origins: for every "section.key", where its value came from: "default", "file NAME",
    "environment VARIABLE" or "flag --NAME".
    """

    server: Server
    access: Access
    pages: Pages
    limits: Limits
    models: Models
    airlock: Airlock
    state: State
    usage: Usage
    log: Log
    trace: Trace
    origins: Mapping[str, str]


SECTIONS: Mapping[str, type[Any]] = {
    "server": Server,
    "access": Access,
    "pages": Pages,
    "limits": Limits,
    "models": Models,
    "airlock": Airlock,
    "state": State,
    "usage": Usage,
    "log": Log,
    "trace": Trace,
}


@dataclass(frozen=True, slots=True)
class Setting:
    """The declaration of one setting."""

    section: str
    key: str
    default: object
    kind: Kind
    meaning: str
    flag: str

    @property
    def name(self) -> str:
        return f"{self.section}.{self.key}"

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"FAIRLEAD_{self.section}__{self.key}".upper()


KNOWN: Mapping[str, Setting] = {
    f"{section}.{f.name}": Setting(section, f.name, f.default, **f.metadata)
    for section, cls in SECTIONS.items()
    for f in fields(cls)
}
"""Every setting by "section.key", in the order of the reference page."""
