"""docs/reference is whole: every setting, error, command, metric and route has its heading."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from collections.abc import Iterator
from textwrap import dedent

import pytest
from tests.house.source import ROOT

from fairlead.access.sessions import Sessions
from fairlead.assembly.settings import KNOWN
from fairlead.cli.main import COMMANDS
from fairlead.core.errors import CATALOGUE, MethodNotAllowed, SetupError
from fairlead.pages.admin import AdminPages
from fairlead.pages.administered import Administered
from fairlead.pages.visit import Known
from fairlead.pages.wire import Pages
from fairlead.serving.observe import exposition
from fairlead.serving.registry import Registry
from fairlead.serving.status import merge
from fairlead.wires import native, oip_rest
from fairlead.wires.admin import Admin
from fairlead.wires.grpc_health import GrpcHealth
from fairlead.wires.grpc_reflection import GrpcReflection
from fairlead.wires.invocations import Invocations
from fairlead.wires.multi_model import MultiModel
from fairlead.wires.native import Native
from fairlead.wires.oip_grpc import OipGrpc
from fairlead.wires.oip_rest import OipRest
from fairlead.wires.oip_settings import OipSettings
from fairlead.wires.tfs_grpc import TfsGrpc
from fairlead.wires.tfs_rest import TfsRest

PAGES = ROOT / "docs" / "reference"


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def headings(name: str) -> list[str]:
    """The headings of the third level, without backticks."""
    return [h.replace("`", "") for h in re.findall(r"^### (.+)$", page(name), re.M)]


@pytest.fixture(scope="module")
def generator():
    """scripts/reference.py, which writes settings.md and cli.md."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("file", ["settings.md", "cli.md"])
def test_a_generated_page_is_what_make_reference_writes(generator, file):
    assert (PAGES / file).read_text(encoding="utf-8") == generator.PAGES[file]()


def test_every_setting_has_its_heading_and_no_other_is_there():
    assert headings("settings") == list(KNOWN)


def test_every_command_has_its_heading():
    found = re.findall(r"^## fairlead (\w+)$", page("cli"), re.M)
    assert found == list(COMMANDS)


# --- errors -------------------------------------------------------------------------------


def test_every_error_has_its_heading_and_no_other_is_there():
    expected = [f"{error.id} {error.name}" for error in CATALOGUE.values()]
    assert sorted(headings("errors")) == sorted(expected)


@pytest.mark.parametrize("error", CATALOGUE.values(), ids=lambda error: error.id)
def test_the_page_says_of_an_error_what_the_code_does(error):
    """Its first sentence, its code, and its status on either wire, which are the same."""
    _, _, rest = page("errors").partition(f"### {error.id} {error.name}\n")
    section = rest.partition("\n###")[0].partition("\n## ")[0]
    meaning = " ".join((error.__doc__ or "").split("\n\n")[0].split())
    assert meaning in " ".join(section.split())
    assert "To fix it: " in section
    assert f"`{error.code.value}`" in section
    made = error("GET", ["POST"]) if error is MethodNotAllowed else error("x")
    status = native.error_reply(made).status
    assert oip_rest.error_reply(made).status == status
    assert (f"HTTP {status}" in section) is not issubclass(error, SetupError)


# --- metrics ------------------------------------------------------------------------------


def test_every_metric_has_its_heading_and_no_other_is_there():
    text = exposition([], merge([]), {}, openmetrics=False)
    families = re.findall(r"^# TYPE (\S+) ", text, re.M)
    assert sorted(headings("metrics")) == sorted(families)


# --- routes -------------------------------------------------------------------------------

MULTI_MODEL = MultiModel(Registry(), None, Invocations(Registry(), lambda: True), lambda: 0)  # type: ignore[arg-type]
SESSIONS = Sessions(lambda: b"p" * 32)
KNOWN_TO_PAGES = Known(
    Registry(),
    SESSIONS,
    *[lambda *args: None] * 6,
    issuers=("m",),  # type: ignore[arg-type]
)
ADMINISTERED = Administered(SESSIONS, *[lambda *args: None] * 13)  # type: ignore[arg-type]
WIRES = {
    "http": [
        OipRest(Registry(), lambda: True),
        TfsRest(Registry()),
        Invocations(Registry(), lambda: True),
        MULTI_MODEL,
        Native(Registry(), lambda: True, lambda openmetrics: ""),
    ],
    "grpc": [
        GrpcHealth(lambda: True),
        GrpcReflection([]),
        TfsGrpc(Registry()),
        OipGrpc(Registry(), lambda: True, lambda: {"stats": {}}, OipSettings("info")),
    ],
    "administration": [
        Admin(*[lambda *args: None] * 3, dict),  # type: ignore[arg-type]
        AdminPages(ADMINISTERED, native.error_reply),
    ],
    "pages": [Pages(KNOWN_TO_PAGES, lambda *args: {}, lambda served: None, native.error_reply)],
}
"""The wires of each page of the reference."""


def listed(page: str) -> list[tuple[str, str]]:
    """Method and address of everything that the wires of a page say they answer."""
    return [tuple(a.split(" ", 1)) for wire in WIRES[page] for a in wire.addresses]  # type: ignore[misc]


def answered(page: str, method: str, address: str) -> bool:
    """Whether a wire answers an address of the reference, for some model and version."""
    known = {"version": "7", "label": "stable", "asset": "fairlead.css"}
    plain = re.sub(r"\{(\w+)\}", lambda found: known.get(found[1], "m"), address)
    return any(wire.route(method, plain) is not None for wire in WIRES[page])


@pytest.mark.parametrize("page", WIRES)
def test_every_route_has_its_heading_and_no_other_is_there(page):
    routes = listed(page)
    assert len({*routes}) == len(routes)
    assert sorted(f"{method} {address}" for method, address in routes) == sorted(headings(page))
    assert [route for route in routes if not answered(page, *route)] == []


def test_no_word_of_the_routing_is_missing_from_the_addresses():
    known = {word for _, address in listed("http") for word in re.findall(r"\w+", address)}
    for wire in WIRES["http"]:
        assert {*_words_of_routing(type(wire))} <= known


def _words_of_routing(wire: type) -> Iterator[str]:
    """Of the names of its fixed addresses, and of what its routing compares parts with."""
    for function in ast.parse(dedent(inspect.getsource(wire))).body[0].body:  # type: ignore[attr-defined]
        if isinstance(function, ast.FunctionDef) and (
            "route" in function.name or function.name == "__init__"
        ):
            for part in ast.walk(function):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    text = part.value if " " not in part.value else ""
                    yield from re.findall(r"[a-z]\w+", re.sub(r"[a-z]+:[a-z]+", "", text))
