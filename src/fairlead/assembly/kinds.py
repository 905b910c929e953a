"""What values a setting may take, each kind with its words for an error."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from fairlead.serving.choosing import POLICY as VERSIONS_WANTED


@dataclass(frozen=True, slots=True)
class Kind:
    """What values a setting takes.

    words:     completes "it must be ...".
    from_text: the value that a flag or an environment variable spells; raises ValueError.
    accepts:   whether a value, as TOML gives it, may be used.
    make:      the accepted value in the type of the field.
    """

    words: str
    from_text: Callable[[str], object]
    accepts: Callable[[Any], bool]
    make: Callable[[Any], object]


def text(words: str, pattern: str) -> Kind:
    """Text of a shape; words: what it is called."""
    shape = re.compile(pattern)
    return Kind(words, str, lambda v: isinstance(v, str) and bool(shape.fullmatch(v)), str)


def one_of(*names: str) -> Kind:
    """One of these words."""
    return Kind(" or ".join(f'"{n}"' for n in names), str, lambda v: v in names, str)


def whole(low: int, high: int) -> Kind:
    """A whole number."""
    return Kind(
        f"a whole number from {low} to {high}",
        int,
        lambda v: type(v) is int and low <= v <= high,
        int,
    )


def seconds(high: float) -> Kind:
    """A time above 0."""
    return Kind(
        f"a number of seconds above 0 and up to {high:g}",
        float,
        lambda v: type(v) in (int, float) and 0 < v <= high,
        float,
    )


def share() -> Kind:
    """A share of a whole."""
    return Kind(
        "a number from 0 to 1",
        float,
        lambda v: type(v) in (int, float) and 0 <= v <= 1,
        float,
    )


def dollars(high: float) -> Kind:
    """An amount of US dollars; 0 is none."""
    return Kind(
        f"a number of US dollars from 0 to {high:g}",
        float,
        lambda v: type(v) in (int, float) and 0 <= v <= high,
        float,
    )


def list_of(words: str, pattern: str) -> Kind:
    """A list of texts of a shape, in text with commas between; words: what each is called."""
    shape = re.compile(pattern)

    def accepts(value: Any) -> bool:
        return isinstance(value, list | tuple) and all(
            isinstance(item, str) and bool(shape.fullmatch(item))
            for item in cast("list[Any]", value)
        )

    return Kind(
        f"a list of {words}",
        lambda given: [part.strip() for part in given.split(",") if part.strip()],
        accepts,
        tuple,
    )


HOST = text("a host name or an IP address", r"[^\s/]+")
PORT = whole(0, 65535)
GRPC_PORT = Kind(
    '"auto", "off" or a whole number from 0 to 65535',
    lambda given: given if given in ("auto", "off") else int(given),
    lambda v: v in ("auto", "off") or (type(v) is int and 0 <= v <= 65535),
    lambda v: v,
)
ADMIN = text('HOST:PORT, "unix:PATH", "auto" or "off"', r"auto|off|unix:[^\s\0]+|[^\s/]+:\d{1,5}")
PATH = text("a path", r"[^\0]+")
FILE = text("a path", r"[^\0]*")
NETWORKS = list_of("networks such as 10.0.0.0/8", r"[0-9a-fA-F.:]+(/[0-9]{1,3})?")
NAME = text("a name", r"[^\0\r\n]{0,128}")
WORKERS = Kind(
    '"auto" or a whole number from 1 to 256',
    lambda given: given if given == "auto" else int(given),
    lambda v: v == "auto" or (type(v) is int and 1 <= v <= 256),
    lambda v: v,
)
DELAY = Kind(
    '"auto" or a number of seconds from 0 to 3600',
    lambda given: given if given == "auto" else float(given),
    lambda v: v == "auto" or (type(v) in (int, float) and 0 <= v <= 3600),
    lambda v: v if v == "auto" else float(v),
)
TRUTH = Kind(
    "true or false",
    lambda given: {"true": True, "false": False}.get(given, given),
    lambda v: type(v) is bool,
    bool,
)
POLICY = text('"latest", "latest:N", "all" or versions such as "3,5"', VERSIONS_WANTED)
MEMORY = Kind(
    '"auto" or an amount of memory such as "4GiB" or "800MiB"',
    str,
    lambda v: isinstance(v, str) and bool(re.fullmatch(r"auto|[1-9][0-9]{0,6} ?[MG]iB", v)),
    str,
)
MODELS = list_of("model names", r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
LIMITS = list_of("limits such as requests=1000/second", r"[a-z_]+=[0-9a-z/:]+")
OBJECTS = list_of("exact names such as sklearn.svm.SVC", r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
PORTS = Kind(
    "a list of whole numbers from 1 to 65535",
    lambda given: [int(part) for part in given.split(",") if part.strip()],
    lambda v: (
        isinstance(v, list | tuple)
        and all(type(one) is int and 1 <= one <= 65535 for one in cast("list[Any]", v))
    ),
    tuple,
)
