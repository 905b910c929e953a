"""Keys for tests of pages, made as an operator makes them."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from fairlead.cli.main import main as command


def new_key(
    state: Path, name: str, *scopes: str, limit: str = "", more: Sequence[str] = ()
) -> dict[str, str]:
    """A key with its secret, as `fairlead keys create --json` tells it."""
    words = ["keys", "create", "--name", name, "--state", str(state), "--json"]
    for scope in scopes:
        words += ["--scope", scope]
    words += [*(["--limit", limit] if limit else []), *more]
    with redirect_stdout(io.StringIO()) as out:
        assert command(words) == 0
    return json.loads(out.getvalue())
