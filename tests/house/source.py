"""What the house check reads: our files, and what each of them imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOUSE = ROOT / "src" / "fairlead"
_PLACES = ("src", "tests", "scripts", "examples", "benchmarks")
_BY_NAME = ("import_module", "find_spec", "__import__")


@cache
def files() -> list[Path]:
    """Every Python file of ours, whatever was set up beside them left out."""
    found = [file for place in _PLACES for file in (ROOT / place).rglob("*.py")]
    ours = (f for f in found if not any(p.startswith(".") for p in f.relative_to(ROOT).parts))
    return sorted(ours)


@cache
def tree(file: Path) -> ast.Module:
    """The file, parsed."""
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


@cache
def imports(file: Path) -> frozenset[str]:
    """The modules that a file imports, at its top or later, also by name: import_module("x.y")."""
    return frozenset(_imports(file))


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = _module(node, file)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and _called(node) in _BY_NAME:
            name = node.args[0]
            yield str(name.value) if isinstance(name, ast.Constant) else f"?{ast.unparse(name)}"


def _module(node: ast.ImportFrom, file: Path) -> str:
    """The module that a `from ... import` names, in full."""
    if not node.level:
        return node.module or ""
    package = file.parents[node.level - 1].relative_to(HOUSE.parent).as_posix().replace("/", ".")
    return f"{package}.{node.module}" if node.module else package


def _called(node: ast.Call) -> str:
    return getattr(node.func, "id", "") or getattr(node.func, "attr", "")


def libraries(file: Path) -> set[str]:
    """The top-level names of what a file imports; "?" for a name that is made at run time."""
    return {"?" if name.startswith("?") else name.partition(".")[0] for name in imports(file)}
