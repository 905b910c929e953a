"""A bad name in an address is refused by its letters: nothing is looked up on disk for it."""

import sys
from collections.abc import Callable

import pytest

from fairlead.core.errors import FairleadError
from fairlead.edge.router import Router
from fairlead.serving.registry import Registry
from fairlead.wires.native import Native
from fairlead.wires.oip_rest import OipRest

NAMES = [
    "..", ".", "...", "../a", "a/../b", "%2e%2e", "%252e%252e", "..%2f..%2fetc", "a%00", "a%5cb",
    "%20a", "%EF%BD%81", "%E2%80%AEa", "a" * 300, "~root", "%2fetc%2fpasswd", "con:", "*", "a%0ab",
]  # fmt: skip
VERSIONS = ["1_0", "%207", "01", "+1", "1e0", "9" * 30, "..", "1%2f..", "%EF%BC%91"]
ADDRESSES = [
    *(f"/predict/{name}" for name in NAMES),
    *(f"/v2/models/{name}/infer" for name in NAMES),
    *(f"/predict/total/versions/{version}" for version in VERSIONS),
    *(f"/v2/models/total/versions/{version}/infer" for version in VERSIONS),
]
FILES = ("posix", "nt", "io", "_io")


def file_calls(action: Callable[[], object]) -> list[str]:
    """Every call into the operating system's files that `action` makes."""
    found: list[str] = []

    def watch(frame: object, event: str, function: object) -> None:
        module = str(getattr(function, "__module__", ""))
        if event == "c_call" and (module in FILES or "io." in repr(function)):
            found.append(repr(function))

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        action()
    finally:
        sys.setprofile(before)
    return found


@pytest.fixture(scope="module")
def router():
    registry = Registry()
    return Router([OipRest(registry, lambda: True), Native(registry, lambda: True, str)])


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_bad_name_or_version_touches_no_file(router, address):
    def ask() -> None:
        with pytest.raises(FairleadError) as caught:
            router.route("POST", address)
        assert caught.value.name in ("MODEL_NOT_FOUND", "ADDRESS_NOT_FOUND")

    assert file_calls(ask) == []


def test_a_call_that_touches_a_file_is_seen(tmp_path):
    """The control of the one above."""
    assert file_calls(lambda: (tmp_path / "a").exists()) != []
    assert file_calls(lambda: open(__file__).close()) != []
