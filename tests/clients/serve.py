"""Serves the small models of tests/models.py to foreign clients; run by the project's own Python.

    python -m tests.clients.serve FOLDER [arguments of `fairlead serve`]

The folder gets a repository of packages and a state; what the server says goes to standard output.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests import models

from fairlead.cli.main import main as command


def make(folder: Path) -> Path:
    """A repository with every small model."""
    repository = folder / "models"
    models.all_of_them(repository)
    return repository


if __name__ == "__main__":
    place = Path(sys.argv[1])
    sys.exit(command(["serve", str(make(place)), "--state", str(place / "state"), *sys.argv[2:]]))
