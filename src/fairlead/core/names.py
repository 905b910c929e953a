"""What may name a model, and how a version is written."""

from __future__ import annotations

import re

from fairlead.core.errors import BadUsage, ModelNotFound

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?\Z", re.ASCII)
_VERSION = re.compile(r"(?:0|[1-9][0-9]{0,17})\Z", re.ASCII)


def check_name(name: str) -> str:
    """`name` if it may name a model (ASCII letters, digits, . _ -), else raises BadUsage."""
    if not is_name(name):
        raise BadUsage(
            f"{name[:80]!r} cannot name a model",
            fix="Use 1 to 128 ASCII letters, digits, '.', '_' or '-', "
            "beginning and ending with a letter or digit",
        )
    return name


def is_name(name: str) -> bool:
    """Whether `name` may name a model; decides before any file is touched."""
    return bool(_NAME.match(name)) and ".." not in name


def parse_version(text: str) -> int:
    """A version written in plain ASCII digits; anything else raises ModelNotFound."""
    if not _VERSION.match(text):
        raise ModelNotFound(
            f"{text[:40]!r} is not a version", fix="Versions are plain integers such as 1 or 12"
        )
    return int(text)
