"""Wrong keys and tokens of one address: answered at a bounded rate, counted in bounded memory.

Only failures count. Whoever shows what is right is never kept waiting for what somebody else of the
same address has tried: a key is looked up before anything is asked here, which costs less than
remembering whom to refuse. A token is dearer than that, so it is asked here first. Callers on this
machine are not counted: they share an address with whatever stands in front of the server.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address

from fairlead.core.errors import FairleadError, TooManyAttempts, Unauthenticated

BURST, PER_SECOND = 20, 5
"""Failures of one address that may come at once, and how many may follow in each second."""
REMEMBERED = 32_768
"""Addresses that are remembered at least; at most twice as many."""

_HERE = re.compile(r"127\.|::1\Z|::ffff:127\.|\Z")
_SECOND_NS = 1_000_000_000
_V6_PREFIX = 64


class Throttle:
    """Failures of each address. Of IPv6, a network of 64 bits is one address: it is one household.

    Two generations are kept. A failure matters for as long as its address is not at rest again,
    which takes BURST / PER_SECOND seconds, so an older generation is forgotten without loss.
    """

    def __init__(
        self, burst: int = BURST, per_second: int = PER_SECOND, remembered: int = REMEMBERED
    ) -> None:
        self._step = _SECOND_NS // per_second
        self._slack = self._step * burst
        self._remembered = remembered
        self._rest: dict[str, int] = {}
        self._before: dict[str, int] = {}
        self._turned = 0

    def check(self, address: str, now_ns: int) -> None:
        """Raises TooManyAttempts where too many failures of the address came lately.

        now_ns: of a clock that never goes back.
        """
        if (self._rest or self._before) and not is_here(address):
            wait = self._wait(_household(address), now_ns)
            if wait > 0:
                raise _too_many(wait)

    def answer(self, error: FairleadError, address: str, now_ns: int) -> FairleadError:
        """Counts a failure, and says how it is answered: as it is, or as one too many.

        What was no attempt, because nothing was shown, is not counted.
        """
        if type(error) is Unauthenticated or is_here(address):
            return error
        name = _household(address)
        wait = self._wait(name, now_ns)
        if wait > 0:
            return _too_many(wait)
        self._turn(now_ns)
        self._rest[name] = max(self._at_rest(name), now_ns) + self._step
        return error

    def _wait(self, name: str, now_ns: int) -> int:
        """Nanoseconds until one more failure is answered as one."""
        return self._at_rest(name) + self._step - self._slack - now_ns

    def _at_rest(self, name: str) -> int:
        """When an address is as if it had never failed."""
        return self._rest.get(name) or self._before.get(name, 0)

    def _turn(self, now_ns: int) -> None:
        full = len(self._rest) >= self._remembered
        if full or now_ns - self._turned > self._slack:
            self._before, self._rest = self._rest, {}
            self._turned = now_ns

    def __len__(self) -> int:
        """Addresses that are remembered."""
        return len(self._rest) + len(self._before)


def is_here(address: str) -> bool:
    """Whether a caller is on this machine; one without an address comes over a Unix socket."""
    return _HERE.match(address) is not None


def _too_many(wait_ns: int) -> TooManyAttempts:
    error = TooManyAttempts(
        "too many wrong keys came from this address", fix="Correct the key, and try again later"
    )
    error.retry_after = -(-wait_ns // _SECOND_NS)
    return error


def _household(address: str) -> str:
    if ":" not in address:
        return address
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return found.packed[: _V6_PREFIX // 8].hex()
    return address
