"""One value of a row as a person enters it."""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "row."
"""Stands before the name of a value in a form, so that no column can be taken for anything else."""


@dataclass(frozen=True, slots=True)
class Control:
    """One value of a row as a person enters it.

    kind:    number, integer, truth, choice, text, picture, long (a text of lines) or json (what is
             no single value).
    hint:    what training rows held, and the unit. value: what stands in it.
    least, most: of a number that is refused beyond them, as text; "" for none.
    choices: what may be chosen. optional: it may be left empty.
    """

    name: str
    kind: str
    value: str = ""
    unit: str = ""
    hint: str = ""
    least: str = ""
    most: str = ""
    choices: tuple[str, ...] = ()
    optional: bool = False
