"""How a command speaks to the guards' state: through the bookkeeper, or itself without a server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairlead.core.errors import FileUnreadable
from fairlead.serving.guard_state import FILE


def asked(folder: Path, message: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer to a message. Without a server the state folder is ours meanwhile.

    Raises FileUnreadable when nothing has been watched there, BindRefused when somebody holds it.
    """
    from fairlead.assembly.server import take_state
    from fairlead.serving.exchange import ask
    from fairlead.serving.standing import Standing

    if not (folder / FILE).exists():
        raise FileUnreadable(
            "no server has watched anything here yet",
            where=str(folder),
            fix="Name the state folder of the server with --state",
        )
    try:
        return ask(folder, message)
    except OSError:
        handle = take_state(str(folder))
    standing = Standing(folder / FILE)
    try:
        return standing.answer(message)
    finally:
        standing.close()
        os.close(handle)
