"""Node's gRPC client, as it is, with our own .proto files."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.clients.conftest import ROOT

HOME = ROOT / ".venvs" / "clients" / "node"
PROTOS = ROOT / "src" / "fairlead" / "protos"


def test_node_is_served(served):
    script = Path(__file__).parent / "node.mjs"
    told = subprocess.run(
        ["node", str(script), served.grpc, str(PROTOS)],
        env={**os.environ, "NODE_HOME": str(HOME)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == {
        "live": True,
        "inputs": [-1, 4],
        "back": [1, 2, 3, 4],
        "unknown": 5,
        "many": 200,
        "streamed": ["a", "b", "c"],
    }
