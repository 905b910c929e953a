"""Serves the small models of tests/models.py to foreign clients; run by the project's own Python.

    python -m tests.clients.serve FOLDER [arguments of `fairlead serve`]

The folder gets a repository of packages and a state; what the server says goes to standard output.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests import models

from fairlead.cli.main import main as command

TOKENS = '''
def tokens(count):
    """As many answers as the count says, each one number."""
    for number in range(int(count[0])):
        yield {"token": count * 0 + number}
'''


def make(folder: Path) -> Path:
    """A repository with every small model, and one that answers many times."""
    repository = folder / "models"
    models.all_of_them(repository)
    models.several(repository)
    source = folder / "tokens.py"
    source.write_text(TOKENS)
    rows = folder / "counts.csv"
    rows.write_text("count\n" + "\n".join(map(str, range(40))) + "\n")
    words = ["pack", f"{source}:tokens", "--name", "tokens", "--repository", str(repository)]
    if command([*words, "--reference", str(rows)]) != 0:
        raise SystemExit("the streaming model could not be packed")
    return repository


if __name__ == "__main__":
    place = Path(sys.argv[1])
    sys.exit(command(["serve", str(make(place)), "--state", str(place / "state"), *sys.argv[2:]]))
