"""Who calls through a proxy: nobody believes a header of somebody who is no trusted proxy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.call import Head, Peer
from fairlead.core.errors import KeyFieldInvalid
from fairlead.edge.forwarded import TrustedProxies, forwarded_subject

PROXIES = TrustedProxies(["10.0.0.0/8", "192.168.1.1", "2001:db8:1::/48"])
PROXY, CALLER = "10.1.2.3", "203.0.113.7"


def head(**headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Head("GET", "/", "", named, 0, True, None, 30.0)


def called_from(peer, given, proxies=PROXIES):
    return proxies.peer(head(x_forwarded_for=given), Peer(peer)).address


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (CALLER, CALLER),
        (f"6.6.6.6, {CALLER}", CALLER),
        (f"6.6.6.6, {CALLER}, 10.9.9.9", CALLER),
        (f"{CALLER},192.168.1.1 ,10.0.0.1", CALLER),
        (f"\t{CALLER} ", CALLER),
        (f"{CALLER}:4711", CALLER),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        (f"{CALLER}, 2001:db8:1::5", CALLER),
        (f"::ffff:{CALLER}", CALLER),
        ("10.0.0.1, 10.0.0.2", "10.0.0.1"),
        ("192.168.1.2", "192.168.1.2"),
    ],
)
def test_the_last_address_that_is_no_trusted_proxy_is_the_caller(given, address):
    assert called_from(PROXY, given) == address


@pytest.mark.parametrize(
    "given",
    ["", " ", "unknown", "_hidden", "1.2.3", "1.2.3.4.5", f"{CALLER};", f"{CALLER} x", ",",
     f"{CALLER}, hello", f"{CALLER},", "[::1", "[::1]x", "1.2.3.4:x", "1.2.3.4:",
     "fe80::1%eth0", "0x7f.1", "1.2.3.04", "\xff", "a" * 10_000],
)  # fmt: skip
def test_what_cannot_be_read_leaves_the_proxy_itself(given):
    assert called_from(PROXY, given) == PROXY


@pytest.mark.parametrize("peer", [CALLER, "11.0.0.1", "192.168.1.2", "::1", "", "hello"])
def test_who_is_no_trusted_proxy_is_never_believed(peer):
    assert called_from(peer, "10.0.0.1") == peer


def test_without_trusted_proxies_nothing_is_looked_at():
    nobody = TrustedProxies([])
    peer = Peer(PROXY)
    assert nobody.peer(head(x_forwarded_for=CALLER), peer) is peer
    assert not nobody
    assert not nobody.trusts(PROXY)


@pytest.mark.parametrize("header", ["forwarded", "x_real_ip", "true_client_ip", "cf_connecting_ip"])
def test_other_headers_are_ignored(header):
    found = PROXIES.peer(head(**{header: f"for={CALLER}"}), Peer(PROXY))
    assert found.address == PROXY


def test_a_long_row_of_proxies_is_not_followed_for_ever():
    row = ", ".join(["10.0.0.1"] * 100)
    assert called_from(PROXY, f"{CALLER}, {row}") == PROXY
    assert called_from(PROXY, f"{CALLER}, {', '.join(['10.0.0.1'] * 15)}") == CALLER


def test_a_proxy_of_ipv4_that_ipv6_carries_is_that_proxy():
    assert called_from(f"::ffff:{PROXY}", CALLER) == CALLER


def test_a_network_that_is_none_is_refused():
    with pytest.raises(KeyFieldInvalid):
        TrustedProxies(["10.0.0.0/33"])


@given(st.text(max_size=60) | st.lists(st.ip_addresses().map(str), max_size=4).map(", ".join))
def test_a_caller_cannot_choose_its_address_by_what_it_sends(invented):
    """Whatever a caller sends, a proxy appends the address that it was called from."""
    assert called_from(PROXY, f"{invented}, {CALLER}") == CALLER


# --- client certificates ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("", ""),
        ("By=spiffe://a;Hash=ab;URI=spiffe://x/caller", "spiffe://x/caller"),
        ('Hash=ab;Subject="CN=a,O=b;c";URI=spiffe://x/y;DNS=a.org', "spiffe://x/y"),
        ("Hash=ab;DNS=a.org;DNS=b.org", "a.org"),
        ('URI="spiffe://x/y"', "spiffe://x/y"),
        ("URI=spiffe://first,URI=spiffe://last", "spiffe://last"),
        ('Subject="URI=spiffe://x,URI=spiffe://y"', ""),
        ('Subject="a\\",URI=spiffe://forged;";DNS=a.org', "a.org"),
        ("URI=spiffe://x;URI=spiffe://y", ""),
        ("DNS=spiffe://x", ""),
        ("URI=", ""),
        ("hello", ""),
        (",", ""),
        ("URI=spiffe://x,", ""),
    ],
)
def test_the_last_element_names_the_caller(given, name):
    assert forwarded_subject({"x-forwarded-client-cert": given}) == name


def test_certificates_are_believed_only_of_trusted_proxies_and_only_where_that_is_wanted():
    sent = head(x_forwarded_for=CALLER, x_forwarded_client_cert="URI=spiffe://x/y")
    believing = TrustedProxies(["10.0.0.0/8"], certificates=True)
    assert believing.peer(sent, Peer(PROXY, "proxy")) == Peer(CALLER, "spiffe://x/y")
    assert believing.peer(head(), Peer(PROXY, "proxy")) == Peer(PROXY, "")
    assert believing.peer(sent, Peer(CALLER, "own")) == Peer(CALLER, "own")
    assert PROXIES.peer(sent, Peer(PROXY, "proxy")) == Peer(CALLER, "proxy")
