"""What tests of the client over gRPC share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import fairlead


@pytest.fixture(params=["sync", "async"])
def ask(request) -> Callable[..., Any]:
    """Calls one method of a client of an address, the one client's or the other's."""

    def waiting(url: str, method: str, *words: Any, settings: Any = (), **more: Any) -> Any:
        with fairlead.Client(url, **dict(settings)) as client:
            return getattr(client, method)(*words, **more)

    def awaiting(url: str, method: str, *words: Any, settings: Any = (), **more: Any) -> Any:
        async def asked() -> Any:
            async with fairlead.AsyncClient(url, **dict(settings)) as client:
                return await getattr(client, method)(*words, **more)

        return asyncio.run(asked())

    return waiting if request.param == "sync" else awaiting
