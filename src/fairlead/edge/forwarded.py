"""Who calls through a proxy: what it says is believed only where it is one that is trusted.

`X-Forwarded-For` is read from the right: each proxy appends the address that it was called from, so
the first one that is no trusted proxy is the caller, and whatever stands before it is that caller's
own invention. `Forwarded`, and every other header of the kind, is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from fairlead.core.access import Network, parse_network
from fairlead.core.call import Head, Peer
from fairlead.edge.certificates import chosen

FOR, CERTIFICATE = "x-forwarded-for", "x-forwarded-client-cert"

_WITH_PORT = re.compile(r"(?:\[([^\[\]]+)\]|([^:\[\]]+))(?::[0-9]{1,5})?", re.ASCII)
_MOST_PROXIES = 16
_REMEMBERED, _LONG = 4096, 256

_Address = IPv4Address | IPv6Address


class TrustedProxies:
    """The networks of proxies that are trusted.

    networks:     such as `10.0.0.0/8`, or single addresses. Raises KeyFieldInvalid.
    certificates: whether they also say whom a client certificate names, in the form of Envoy's
                  `X-Forwarded-Client-Cert`. A proxy that does not set that header lets callers set
                  it, so it has to be asked for.
    """

    def __init__(self, networks: Iterable[str], certificates: bool = False) -> None:
        self._networks: tuple[Network, ...] = tuple(parse_network(text) for text in networks)
        self._certificates = certificates
        self._trusts = lru_cache(_REMEMBERED)(self._within)
        self._caller = lru_cache(_REMEMBERED)(self._last)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def trusts(self, address: str) -> bool:
        """Whether an address is a trusted proxy's."""
        return bool(self._networks) and self._trusts(address)

    def peer(self, head: Head, peer: Peer) -> Peer:
        """Who calls: the peer itself, or whom it calls for where it is a trusted proxy."""
        if not self._networks or not self._trusts(peer.address):
            return peer
        given = head.headers.get(FOR)
        address = peer.address
        if given is not None:
            whence = self._caller if len(given) < _LONG else self._last
            address = whence(given, address)
        subject = peer.subject
        if self._certificates:
            # The proxy's own certificate is not its caller's.
            subject = forwarded_subject(head.headers)
        return Peer(address, subject)

    def _last(self, given: str, otherwise: str) -> str:
        """The last address that is no trusted proxy's; `otherwise` where that cannot be told."""
        parts = given.rsplit(",", _MOST_PROXIES)
        for number in range(len(parts) - 1, -1, -1):
            found = _address(parts[number].strip(" \t"))
            if found is None or (number == 0 and len(parts) > _MOST_PROXIES):
                return otherwise
            text = str(found)
            if not self._trusts(text):
                return text
        return str(_address(parts[0].strip(" \t")))

    def _within(self, address: str) -> bool:
        found = _address(address.partition("%")[0])
        return found is not None and any(found in network for network in self._networks)


def _address(text: str) -> _Address | None:
    """An address as it stands in `X-Forwarded-For`; None for anything else.

    One of IPv4 that IPv6 carries counts as of IPv4. A port, which some proxies add, is not part of
    it: `192.0.2.1:4711`, `[2001:db8::1]:4711`.
    """
    with_port = _WITH_PORT.fullmatch(text)
    try:
        found = ip_address((with_port[1] or with_port[2]) if with_port else text)
    except ValueError:
        return None
    if isinstance(found, IPv4Address):
        return found
    return found.ipv4_mapped or (None if found.scope_id else found)


def forwarded_subject(headers: Mapping[str, str]) -> str:
    """Whom the certificate names that a trusted proxy was shown; "" for nobody.

    Of several elements the last counts: it is of the caller of the proxy that we were called by.
    """
    elements = _split(headers.get(CERTIFICATE, ""), ",")
    if not elements:
        return ""
    uris: list[str] = []
    hosts: list[str] = []
    for pair in _split(elements[-1], ";"):
        key, _, value = pair.strip(" \t").partition("=")
        value = value.strip('"')
        if key.lower() == "uri":
            uris.append(value)
        elif key.lower() == "dns":
            hosts.append(value)
    return chosen(uris, hosts, [])


def _split(text: str, mark: str) -> list[str]:
    """The parts of a header between marks that stand outside quotes."""
    parts: list[str] = []
    begin, quoted, at = 0, False, 0
    while at < len(text):
        if text[at] == "\\" and quoted:
            at += 1
        elif text[at] == '"':
            quoted = not quoted
        elif text[at] == mark and not quoted:
            parts.append(text[begin:at])
            begin = at + 1
        at += 1
    rest = text[begin:]
    return [*parts, rest] if rest.strip() or parts else []
