"""The owner's words: `model.toml`, made with what is known and holes for what only they know."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fairlead.core.package import GuardChoice, Limits
from fairlead.core.signature import Signature

FILE = "model.toml"


def first_words(name: str, signature: Signature) -> str:
    """A model.toml for a fresh package, ready to be filled in and given to `fairlead amend`."""
    limits, guards = Limits(), GuardChoice()
    classes = next((s.classes for s in signature.outputs if s.role == "label"), ())
    columns = [c.name for c in signature.columns]
    return "\n".join(
        [
            f"# What only the owner of {name} knows. Change it with `fairlead amend`.",
            "",
            "[words]",
            'purpose = ""   # what the model is for, and what it is not for',
            'licence = ""',
            'contact = ""',
            "",
            "[labels]       # what a label is called in answers",
            *_examples(classes, "name"),
            "",
            "[units]        # the unit of a column",
            *_examples(columns, "unit"),
            "",
            "[limits]",
            f"# max_rows = {limits.max_rows}        # rows in one request",
            f"# max_batch = {limits.max_batch}         # rows joined into one execution",
            f"# time_budget_s = {limits.time_budget_s:g}      # seconds for one execution",
            "",
            "[guards]       # what becomes of rows and answers that the guards doubt",
            f'# novelty = "{guards.novelty}"         # or abstain, warn, shadow, off',
            f"# false_alarm_rate = {guards.false_alarm_rate}  # of good rows, called novel",
            "# error_goal = 0.02          # wrong answers among those given; none without a goal",
            f'# unsure = "{guards.unsure}"         # or warn, shadow: answers below the goal',
            f'# rows = "{guards.rows}"         # or mask, where no decision has a place',
            f'# disclosure = "{guards.disclosure}"     # or full: say what training rows held',
            "",
        ]
    )


def _examples(keys: Sequence[str], what: str) -> list[str]:
    return [f'# {_quoted(key)} = "{what}"' for key in keys[:3]]


def _quoted(key: str) -> str:
    """A key as TOML writes it; JSON's escapes are TOML's but for surrogate pairs and DEL."""
    return json.dumps(key, ensure_ascii=False).replace("\x7f", "\\u007f")
