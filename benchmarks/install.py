"""Makes the peers' environments: `python -m benchmarks.install [PEER ...]`.

Each peer gets its own, because their requirements contradict each other. All run the onnxruntime
that Fairlead runs. What is there already, with the same requirements, is left alone.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

from benchmarks.places import VENVS, Missing, tool

PEERS = {
    "fastapi": ["fastapi==0.165.*", "uvicorn[standard]==0.54.*", "orjson==3.*"],
    "mlserver": ["mlserver==1.7.*"],
    "mosec": ["mosec==0.9.*", "orjson==3.*"],
}
"""What is installed for each peer, besides onnxruntime."""

TOOLS = {"wrk": "wrk", "nginx": "nginx-light"}
"""Programs that the distribution ships, with the package that holds each."""


def requirements(peer: str) -> list[str]:
    """Everything that is installed for a peer."""
    return [*PEERS[peer], f"onnxruntime=={version('onnxruntime')}"]


def install(peer: str) -> None:
    """Makes one environment, unless it is there."""
    folder = VENVS / peer
    wanted = "\n".join(requirements(peer))
    ready = folder / "ready"
    if ready.exists() and ready.read_text() == wanted:
        return
    print(f"installing {peer} into {folder}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, *requirements(peer)], check=True)
    ready.write_text(wanted)


def main(asked: list[str]) -> int:
    """Installs the peers asked for, or all, and says which programs are missing."""
    unknown = [peer for peer in asked if peer not in PEERS]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; known: {', '.join(PEERS)}", file=sys.stderr)
        return 2
    for peer in asked or PEERS:
        install(peer)
    for name, package in TOOLS.items():
        try:
            tool(name, package)
        except Missing as missing:
            print(missing, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
