"""Functions of people, packed as they are by hand: sources and the command that packs them."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from fairlead.cli.main import main as command

COUNTS = "count\n3\n1\n2\n"
"""Reference rows of a function that is told how many answers to give."""
ENDLESS = dedent('''
    import numpy as np

    OPEN = set()

    def endless(count):
        """Never ends by itself; says how many of it are open."""
        mine = object()
        OPEN.add(mine)
        try:
            while True:
                yield {"open": np.array([len(OPEN)]), "fill": np.array(["x" * int(count[0])])}
        finally:
            OPEN.discard(mine)
''')


def packed(folder: Path, source: str, *names: str, rows: str = COUNTS) -> Path:
    """The repository with these functions of a source, each a model of its name."""
    (folder / "model.py").write_text(dedent(source))
    (folder / "rows.csv").write_text(rows)
    for name in names:
        words = ["pack", f"{folder}/model.py:{name}", "--name", name]
        words += ["--reference", str(folder / "rows.csv"), "--repository", str(folder / "models")]
        assert command(words) == 0
    return folder / "models"
