"""A Python source file, read as text: what it defines and imports, without running it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from fairlead.core.errors import FormatUnknown

_MOST_BYTES = 4 << 20


def look(path: Path, name: str) -> dict[str, Any]:
    """What the file says, for `inspect`. Raises FormatUnknown when it does not define `name`."""
    tree = _tree(path)
    node = next(
        (n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == name),
        None,
    )
    assigned = any(
        isinstance(n, ast.Assign)
        and any(isinstance(t, ast.Name) and t.id == name for t in n.targets)
        for n in tree.body
    )
    if node is None and not assigned:
        defined = [n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
        raise FormatUnknown(
            f"{path.name} defines no {name!r}",
            fix=f"It defines: {', '.join(defined[:10]) or 'nothing'}",
        )
    kind = "class" if isinstance(node, ast.ClassDef) else "function"
    imports = sorted(_imports(tree))
    return {
        "model": f"Python {kind} {name}",
        "inputs": _parameters(node),
        "code": {"holds": True, "touches": imports, "refused": []},
    }


def _tree(path: Path) -> ast.Module:
    if path.stat().st_size > _MOST_BYTES:
        raise FormatUnknown(f"{path.name} is larger than 4 MiB")
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError) as error:
        raise FormatUnknown(f"{path.name} is not valid Python: {error}") from None


def _imports(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def _parameters(node: ast.stmt | None) -> list[dict[str, Any]]:
    if not isinstance(node, ast.FunctionDef) or len(node.args.args) < 2:
        return []
    return [{"columns": [a.arg for a in node.args.args]}]
