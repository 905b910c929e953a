"""Fairlead turns a trained model file into a service that others can safely depend on.

`pack` makes a package of a fitted model or a trained file, `serve` starts a server for packages.
Every error is a `FairleadError`; `errors` holds the whole tree.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fairlead.core import errors
from fairlead.core.errors import FairleadError
from fairlead.core.version import __version__

if TYPE_CHECKING:
    from fairlead.assembly.handle import serve
    from fairlead.client.aio import AsyncClient
    from fairlead.client.sync import Client
    from fairlead.notebook import pack

__all__ = ["AsyncClient", "Client", "FairleadError", "__version__", "errors", "pack", "serve"]

_LATER = {
    "AsyncClient": "fairlead.client.aio",
    "Client": "fairlead.client.sync",
    "pack": "fairlead.notebook",
    "serve": "fairlead.assembly.handle",
}
"""What is imported when it is first used, so that `import fairlead` costs nothing."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_LATER[name]), name)
    globals()[name] = found
    return found
