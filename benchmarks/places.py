"""Where the benchmark keeps what it makes, and what it must find on the machine."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOME = HERE / ".home"
"""Peers' environments, graphs, packages and request bodies: made on demand, never committed."""

GRAPHS = HOME / "graphs"
PACKED = HOME / "packed"
BODIES = HOME / "bodies"
VENVS = HOME / "venvs"
RESULTS = HERE / "results"


class Missing(Exception):
    """Something that must be installed first; says how."""


def tool(name: str, package: str) -> str:
    """The path of a program. Raises Missing."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        raise Missing(f"{name} is not installed: apt-get install {package}")
    return found


def peer_python(peer: str) -> str:
    """The interpreter of a peer's environment. Raises Missing."""
    python = VENVS / peer / "bin" / "python"
    if not (VENVS / peer / "ready").exists():
        raise Missing(
            f"{peer} is not installed: {Path(sys.executable).name} -m benchmarks.install {peer}"
        )
    return str(python)
