"""Python text as a tree of what it says; nothing in it runs."""

from __future__ import annotations

import ast
import gc


def tree_of(text: str | bytes) -> ast.Module:
    """As `ast.parse`, without a collection of garbage meanwhile.

    Where an object that is collected just then parses anything itself (a warning of a file left
    open may), CPython 3.11 takes its own count of the tree's depth for wrong: SystemError. Raises
    what `ast.parse` does.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(text)
    finally:
        if collecting:
            gc.enable()
