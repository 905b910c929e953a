"""What the bookkeeper looks for in the repositories while a server runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fairlead.assembly.spec import ServerSpec
from fairlead.packages.repository import Found
from fairlead.serving.finding import Looking


def looking_of(spec: ServerSpec) -> Looking | None:
    """What is looked for; None for nothing."""
    models = spec.settings.models
    if not (models.watch and spec.bases):
        return None
    return Looking([Path(root) for root in spec.bases], _plain if models.plain else None)


def _plain(folder: Path) -> Sequence[Found]:
    from fairlead.assembly.versions import saved_versions

    return [Found(one.name, one.version, one.folder) for one in saved_versions(folder)]
