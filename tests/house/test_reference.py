"""docs/reference is whole: every setting, error, command, metric and route has its heading."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from itertools import product

import pytest
from tests.house.source import HOUSE, ROOT, tree

from fairlead.assembly.settings import KNOWN
from fairlead.cli.main import COMMANDS
from fairlead.core.errors import CATALOGUE, MethodNotAllowed, ModelNotFound, SetupError
from fairlead.edge.router import Router
from fairlead.serving.observe import exposition
from fairlead.serving.registry import Registry
from fairlead.serving.status import merge
from fairlead.wires import native, oip_rest
from fairlead.wires.admin import Admin
from fairlead.wires.native import Native
from fairlead.wires.oip_rest import OipRest

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

MODEL, VERSION = "m", "7"


@pytest.fixture(scope="module")
def router():
    registry = Registry()
    return Router(
        [OipRest(registry, lambda: True), Native(registry, lambda: True, lambda openmetrics: "")]
    )


def answers(router: Router, method: str, address: str) -> bool:
    """Whether a route answers this method at this address."""
    try:
        for wire in router._wires:
            if wire.route(method, address) is not None:
                return True
    except (MethodNotAllowed, ModelNotFound):
        return False
    return False


def words() -> set[str]:
    """Every word that stands in the routing of a wire: a class with a prefix."""
    found: set[str] = set()
    for file in (HOUSE / "wires").glob("*.py"):
        for wire in tree(file).body:
            if (
                isinstance(wire, ast.ClassDef)
                and "prefix" in _assigned(wire)
                and wire.name != Admin.__name__  # it has a listener and a page of its own
            ):
                found |= set(_words_of_routing(wire))
    return found


def _assigned(wire: ast.ClassDef) -> set[str]:
    targets = [t for part in wire.body if isinstance(part, ast.Assign) for t in part.targets]
    return {ast.unparse(target) for target in targets}


def _words_of_routing(wire: ast.ClassDef) -> Iterator[str]:
    """Of the names of its fixed addresses, and of what its routing compares parts with."""
    for function in wire.body:
        if isinstance(function, ast.FunctionDef) and (
            "route" in function.name or function.name in ("__init__", "_predict")
        ):
            for part in ast.walk(function):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield from re.findall(r"[a-z]\w+", part.value if " " not in part.value else "")


def addresses(router: Router) -> Iterator[tuple[str, str]]:
    """Every route that words of the wires, a model and a version can spell, by its template."""
    parts = sorted(words() | {MODEL, VERSION, "v2"})
    found = {""}
    for length in range(1, 4):
        found |= {"/" + "/".join(p) for p in product(parts, repeat=length)}
    routes = {(m, a or "/") for m in ("GET", "POST") for a in found if answers(router, m, a or "/")}
    while True:
        longer = {
            (method, f"{address.rstrip('/')}/{'/'.join(more)}")
            for _, address in routes
            for length in (1, 2)
            for more in product(parts, repeat=length)
            for method in ("GET", "POST")
        }
        new = {(m, a) for m, a in longer if answers(router, m, a)} - routes
        if not new:
            return iter({(m, _template(a)) for m, a in routes})
        routes |= new


def _template(address: str) -> str:
    """An address with its model and version as the page writes them."""
    parts = address.split("/")
    for number, part in enumerate(parts):
        before = parts[number - 1] if number else ""
        if before == "versions" and part.isdigit():
            parts[number] = "{version}"
        elif before in ("feedback", "models", "predict") and part:
            parts[number] = "{model}"
    return "/".join(parts)


def test_every_route_has_its_heading_and_no_other_is_there(router):
    found = {f"{method} {address}" for method, address in addresses(router)}
    assert {"GET /livez", "POST /v2/models/{model}/infer"} <= found
    assert found == set(headings("http"))


def test_words_are_found_in_the_wires():
    assert {"predict", "models", "versions", "infer", "ready", "livez", "index"} <= words()


ROOMS = {"keys": "{id}", "tenants": "{tenant}", "plans": "{plan}"}
"""What stands behind the rooms of the administration."""


def admin_addresses() -> Iterator[str]:
    """Every route of the administration, as its page writes it."""
    wire = Admin(lambda *args: None, lambda *args: None, dict)
    words = ["x", *_of_admin()]
    for length in range(1, 5):
        for parts in product(words, repeat=length):
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
                try:
                    found = wire.route(method, "/" + "/".join(parts))
                except MethodNotAllowed:
                    continue
                if found is not None:
                    yield f"{method} {_admin_template(parts)}"


def _of_admin() -> set[str]:
    """The words that the routing of the administration compares parts of an address with."""
    file = HOUSE / "wires" / "admin.py"
    [wire] = [c for c in tree(file).body if isinstance(c, ast.ClassDef) and c.name == "Admin"]
    return {
        part.value
        for part in ast.walk(wire)
        if isinstance(part, ast.Constant)
        and isinstance(part.value, str)
        and re.fullmatch(r"[a-z]{3,8}", part.value)
    }


def _admin_template(parts: tuple[str, ...]) -> str:
    named = len(parts) > 1 and parts != ("keys", "revoke")
    second = [ROOMS.get(parts[0], parts[1])] if named else [*parts[1:2]]
    return "/" + "/".join([parts[0], *second, *parts[2:]])


def test_every_address_of_the_administration_has_its_heading_and_no_other_is_there():
    assert {*admin_addresses()} == {*headings("administration")}
