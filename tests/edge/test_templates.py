"""Templates: every address that is served has one, and what callers send makes none."""

from __future__ import annotations

import re

import pytest

from fairlead.edge.templates import Templates
from fairlead.serving.registry import Registry
from fairlead.wires.native import Native
from fairlead.wires.oip_rest import OipRest
from fairlead.wires.tfs_rest import TfsRest

WIRES = [
    OipRest(Registry(), lambda: True),
    TfsRest(Registry()),
    Native(Registry(), lambda: True, str),
]
TEMPLATES = Templates(WIRES)
LISTED = [listed.split(" ", 1) for wire in WIRES for listed in wire.addresses]


@pytest.mark.parametrize(("method", "address"), LISTED)
def test_every_listed_address_is_found_under_its_own_name(method, address):
    asked = re.sub(r"\{\w+\}", "7", address)
    assert TEMPLATES.of(method, asked)[0] == address


def test_the_wire_is_named_and_head_is_asked_as_get_is():
    assert TEMPLATES.of("POST", "/v2/models/iris/infer") == ("/v2/models/{model}/infer", "oip_rest")
    assert TEMPLATES.of("HEAD", "/models") == ("/models", "native")


def test_what_nobody_answers_has_no_template_however_much_of_it_is_asked():
    for number in range(5000):
        assert TEMPLATES.of("GET", f"/nowhere/{number}") == ("", "")
        assert TEMPLATES.of(f"BREW{number}", "/models") == ("", "")
    assert TEMPLATES.of("GET", "/models/a/b/c/d") == ("", "")


def test_what_is_remembered_of_addresses_is_bounded_in_bytes():
    templates = Templates(WIRES)
    longest = "x" * 8000
    for number in range(50):
        templates.of("GET", f"/models/{number}{longest}")
        templates.of(f"{number}{longest}", "/models")
    assert templates.of("GET", f"/models/{longest}") == templates.of("GET", "/models/short")
    assert sum(len(method) + len(path) for method, path in templates._known) < 1000
