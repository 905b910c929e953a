"""A Python source file, read as text: what it defines and imports, without running it."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fairlead.core.errors import FileUnreadable, FormatUnknown
from fairlead.packing.airlock.refused import printable
from fairlead.packing.syntax import tree_of

_MOST_BYTES = 4 << 20
_Defined = ast.FunctionDef | ast.ClassDef


def look(path: Path, name: str) -> dict[str, Any]:
    """What the file says, for `inspect`. Raises FormatUnknown when it does not define `name`."""
    tree = _tree(path)
    bound = _bound(tree.body)
    if name not in bound:
        defined = [n for n, node in bound.items() if isinstance(node, _Defined) and n[0] != "_"]
        raise FormatUnknown(
            f"{path.name} defines no {name!r}",
            fix=f"It defines: {', '.join(defined[:10]) or 'nothing'}",
        )
    node = bound[name]
    kind = "class" if isinstance(node, ast.ClassDef) else "function"
    return {
        "model": f"Python {kind} {name}",
        "inputs": _parameters(node),
        "code": {"holds": True, "touches": sorted(_imports(tree)), "refused": []},
    }


def _bound(body: Sequence[ast.stmt]) -> dict[str, ast.stmt]:
    """The names that these statements bind when the file is imported, each with the last one."""
    found: dict[str, ast.stmt] = {}
    for node in body:
        found |= dict.fromkeys(_names(node), node)
        if not isinstance(node, _Defined):
            for part in ("body", "orelse", "handlers", "finalbody"):
                found |= _bound(getattr(node, part, []))
    return found


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, _Defined):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]


def _tree(path: Path) -> ast.Module:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise FormatUnknown(f"{path.name} is larger than 4 MiB")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return tree_of(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        text = printable(str(error) or "it is nested too deep")
        raise FormatUnknown(f"{path.name} is not valid Python: {text}") from None
    except OSError as error:
        raise FileUnreadable(f"{path} cannot be read: {error.strerror}") from None


def _imports(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def _parameters(node: ast.stmt) -> list[dict[str, Any]]:
    """A column for each parameter of a function of several, or of a class's predict."""
    own = 0
    if isinstance(node, ast.ClassDef):
        inner = _bound(node.body).get("predict")
        own, node = 1, inner if inner is not None else node
    if not isinstance(node, ast.FunctionDef):
        return []
    names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)][own:]
    return [{"columns": names}] if len(names) > 1 else []
