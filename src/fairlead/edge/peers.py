"""Who is at the other end of a connection."""

from __future__ import annotations

import asyncio
from typing import Any

from fairlead.core.call import Peer

SUBJECT = "subject"
"""What a transport is asked for by who wants to know whom a client certificate names."""


def peer_of(transport: asyncio.BaseTransport) -> Peer:
    """The address, and whom a client certificate names; each "" where there is none."""
    address: Any = transport.get_extra_info("peername")
    subject: str = transport.get_extra_info(SUBJECT, "")
    return Peer(str(address[0]) if address.__class__ is tuple else "", subject)
