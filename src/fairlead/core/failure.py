"""What every error is: a code, a stable id, and what, where and how to fix it."""

from __future__ import annotations

from enum import Enum
from typing import Any, ClassVar


class Code(Enum):
    """What kind of failure it is, without a word of any protocol."""

    INVALID_ARGUMENT = "invalid_argument"
    OUT_OF_SIZE = "out_of_size"
    UNAUTHENTICATED = "unauthenticated"
    PERMISSION_DENIED = "permission_denied"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    MEDIA_TYPE = "media_type"
    CONFLICT = "conflict"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    UNAVAILABLE = "unavailable"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    UNSUPPORTED = "unsupported"
    DECLINED = "declined"
    MODEL_FAILED = "model_failed"
    INTERNAL = "internal"
    SETUP = "setup"


CATALOGUE: dict[str, type[FairleadError]] = {}
"""Every concrete error by id; the reference page and a test are made from it."""


class FairleadError(Exception):
    """An error with a stable id that says what is wrong, where, and how to fix it.

    `where` names the place in the caller's own words: an input, a row, a column, a file, a line.
    Neither text ever holds a value of another caller, a path inside the server or a traceback.
    """

    code: ClassVar[Code] = Code.INTERNAL
    id: ClassVar[str] = ""
    name: ClassVar[str] = ""

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        fix: str | None = None,
        row: int | None = None,
        column: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix
        self.row = row
        self.column = column

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "id" in cls.__dict__:
            if cls.id in CATALOGUE:
                raise TypeError(f"error id {cls.id} is used twice")
            CATALOGUE[cls.id] = cls

    def line(self) -> str:
        """The error as one line for a terminal or a log."""
        text = f"{self.id} {self.what}" if self.id else self.what
        if self.where:
            text += f" ({self.where})"
        if self.fix:
            text += f". {self.fix}"
        return " ".join(text.split())
