"""What a state folder holds, by its largest parts: how many files and bytes, in which formats."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from fairlead.assembly.backup import names_of
from fairlead.usage.stores.sqlite import formats_of

_DATABASE = ".sqlite"


def inventory(folder: Path) -> list[dict[str, Any]]:
    """A row for every file and folder at the top, in order of names: name, files, size in bytes,
    formats by part for a database. It may be read while a server runs.

    Raises StateUnavailable and StateDamaged for a database that cannot be read.
    """
    sizes: dict[str, list[int]] = defaultdict(list)
    for name in names_of(folder):
        try:
            size = (folder / name).stat().st_size
        except FileNotFoundError:
            continue  # its time was over
        sizes[name.partition("/")[0]].append(size)
    return [
        {
            "name": name,
            "files": len(each),
            "size": sum(each),
            "formats": formats_of(folder / name, name) if name.endswith(_DATABASE) else {},
        }
        for name, each in sizes.items()
    ]
