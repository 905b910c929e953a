"""What was wished of models while a server runs, kept in the state folder for its later workers.

It ends with the server: the next one serves what its command line names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairlead.serving.whole_file import write_whole

FILE = "wishes.json"
"""In the state folder, while a server runs."""

Wishes = dict[str, Mapping[str, Any]]
"""By model what was wished last."""


def read_wishes(state: Path) -> Wishes:
    """What is kept; nothing where the file is not there, or is not ours."""
    try:
        found: Mapping[str, Any] = json.loads((state / FILE).read_text())
        return {str(model): dict(wish) for model, wish in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def keep_wishes(state: Path, wishes: Wishes) -> None:
    """Keeps them. Raises OSError where the disk does not take them."""
    write_whole(state / FILE, json.dumps(wishes))


def forget_wishes(state: Path) -> None:
    """What an earlier server was told while it ran does not hold for the next one."""
    (state / FILE).unlink(missing_ok=True)
