"""Serves one of the small models of tests/models.py alone; run by the project's own Python.

python -m tests.clients.serve_one MODEL FOLDER [arguments of `fairlead serve`]
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests import models

from fairlead.cli.main import main as command

if __name__ == "__main__":
    place = Path(sys.argv[2])
    getattr(models, sys.argv[1])(place / "models")
    words = ["serve", str(place / "models"), "--state", str(place / "state")]
    sys.exit(command([*words, *sys.argv[3:]]))
