"""Python text is read whatever the collector of garbage does meanwhile."""

from __future__ import annotations

import ast
import gc

import pytest

from fairlead.packing.syntax import tree_of

TEXT = "\n".join(f"def f{n}(x, y):\n    return [x + y * {n}, (x, y)]" for n in range(300))


class Parsing:
    """Parses something while it is collected."""

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        ast.parse("x = 1 + 2")


def test_what_parses_while_it_is_collected_disturbs_nothing():
    before = gc.get_threshold()
    gc.set_threshold(50)
    try:
        for _ in range(50):
            Parsing()
            assert ast.dump(tree_of(TEXT)) == ast.dump(tree_of(TEXT.encode()))
    finally:
        gc.set_threshold(*before)
    assert gc.isenabled()


def test_what_is_no_python_is_an_error_and_the_collector_goes_on():
    with pytest.raises(SyntaxError):
        tree_of("def f(:")
    assert gc.isenabled()
