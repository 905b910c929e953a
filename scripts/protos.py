"""Compiles src/fairlead/protos/*.proto into the descriptor set that wires and the client read.

Needs grpcio-tools, which nothing else here does: `pip install grpcio-tools`, then
`python scripts/protos.py`.
"""

from __future__ import annotations

from pathlib import Path

import grpc_tools
from grpc_tools import protoc

FOLDER = Path(__file__).parents[1] / "src" / "fairlead" / "protos"


def main() -> int:
    """Writes the set; the exit status of the compiler."""
    known = Path(grpc_tools.__file__).parent / "_proto"
    files = sorted(str(f.relative_to(FOLDER)) for f in FOLDER.rglob("*.proto"))
    out = FOLDER / "descriptors.binpb"
    words = [f"-I{FOLDER}", f"-I{known}", "--include_imports", f"--descriptor_set_out={out}"]
    return protoc.main(["protoc", *words, *files])


if __name__ == "__main__":
    raise SystemExit(main())
