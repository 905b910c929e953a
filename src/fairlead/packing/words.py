"""The owner's words: `model.toml`, made with what is known and holes for what only they know."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from fairlead.core.package import (
    Expectation,
    Feedback,
    GuardChoice,
    Limits,
    Payloads,
    RolloutChoice,
)
from fairlead.core.signature import Signature
from fairlead.documents.card_words import KNOWN, slips

FILE = "model.toml"
_EMPTY = '""'


def first_words(name: str, signature: Signature, chosen: Mapping[str, Any] | None = None) -> str:
    """A model.toml for a fresh package, ready to be filled in and given to `fairlead amend`.

    chosen: keys of [guards] that the owner gave already; the others stay comments.
    """
    limits, feedback = Limits(), Feedback()
    classes = next((s.classes for s in signature.outputs if s.role == "label"), ())
    columns = [c.name for c in signature.columns]
    return "\n".join(
        [
            f"# What only the owner of {name} knows. Change it with `fairlead amend`.",
            "",
            "[words]        # for the model card; what is left empty is shown as not stated",
            *[f"{word.key + ' = ' + _EMPTY:<20} # {word.question}" for word in KNOWN],
            "",
            "[card]         # what the card must say, and what it compares",
            "# required = 0.8             # of [words], before others than you are served",
            '# groups = ["sex"]         # columns of the evaluation rows, for groups of people',
            *[f"# favourable = {_quoted(c)}   # the label that people want" for c in classes[:1]],
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
            "# threads = 2             # executions at once; chosen at warm-up without it",
            f"# time_budget_s = {limits.time_budget_s:g}      # seconds for one execution",
            "# max_body_mib = 128      # MiB of one request, instead of what the server allows",
            '# usage = ["rows=100000/minute"]   # what all callers together may use',
            "",
            "[guards]       # what becomes of rows and answers that the guards doubt",
            *_guards(chosen or {}),
            "",
            "[feedback]     # for true labels that come later",
            "# outcomes = true           # keep what was predicted for every row that is served",
            f"# days = {feedback.days}                # for so long",
            "",
            "[payloads]     # a sample of the rows that are sent, for you to look at",
            "# sample = 0.01             # of calls; nothing is kept by default",
            f"# fields = {{ {_kept(columns)} }}   # the columns that may be kept, or hashed",
            f"# days = {Payloads().days}                 # for so long",
            "",
            "[expect]       # what `fairlead check` holds measured figures against",
            "# requests_per_second = 50  # at the busiest time",
            "# rows_per_request = 1      # in a usual request",
            "# latency_ms = 100          # within which 99 of 100 requests are answered",
            f"# callers_mbit = {Expectation().callers_mbit:g}         # of a caller",
            '# cost = "free"             # who pays, in one sentence',
            "",
            "[rollout]      # how a new version takes the place of the one before",
            '# mode = "canary"           # or shadow; at once without it',
            *_rollout(),
            "",
        ]
    )


def slips_of(text: str) -> list[str]:
    """Keys of [words] in a valid model.toml that look like a known one, a line for each."""
    return slips(tomllib.loads(text).get("words", {}))


_NOTES = {
    "novelty": "or abstain, warn, shadow, off",
    "false_alarm_rate": "of good rows, called novel",
    "assured": "true: hold that rate with 95 % confidence, not on average",
    "error_goal": "wrong answers among those given; none without a goal",
    "assurance": "the confidence with which the goal is kept",
    "unsure": "or warn, shadow: answers below the goal",
    "rows": "or mask, where no decision has a place",
    "disclosure": "or full, banded, label, set",
    "misuse": "or off, slow, coarse, label, suspend",
    "embedding": "an output on which pack learns novelty",
}
_GOAL = 0.02
"""An example of an error goal, of which there is none by default."""


def _guards(chosen: Mapping[str, Any]) -> list[str]:
    """The keys of [guards] with their meaning, those that were not chosen as comments."""
    usual = asdict(GuardChoice()) | {"error_goal": _GOAL}
    lines: list[str] = []
    for key, note in _NOTES.items():
        line = f"{key} = {json.dumps(chosen.get(key, usual[key]))}"
        lines.append(f"{'' if key in chosen else '# '}{line:<28} # {note}")
    return lines


_STEPS = {
    "share": "of calls that the new version answers",
    "assignment": "or caller: each keeps its version",
    "automatic": "false: you promote or roll back",
    "error_points": "more failures of 100 are too much",
    "latency_factor": "times the 99th percentile is too much",
    "decision_points": "other decisions of 100 are too much",
    "prediction_points": "other answers of 100 are too much",
    "requests": "of the new version: decided by then",
    "otherwise": "or rollback: what is decided then",
    "minutes": "before it is promoted, at the least",
}
"""The keys of [rollout] behind `mode`, each with what it means."""


def _rollout() -> list[str]:
    usual = asdict(RolloutChoice())
    said = [(f"# {key} = {json.dumps(usual[key])}", note) for key, note in _STEPS.items()]
    return [f"{line:<28} # {note}" for line, note in said]


def _examples(keys: Sequence[str], what: str) -> list[str]:
    return [f'# {_quoted(key)} = "{what}"' for key in keys[:3]]


def _kept(columns: Sequence[str]) -> str:
    return ", ".join(f'{_quoted(c)} = "plain"' for c in columns[:2]) or 'column = "plain"'


def _quoted(key: str) -> str:
    """A key as TOML writes it; JSON's escapes are TOML's but for surrogate pairs and DEL."""
    return json.dumps(key, ensure_ascii=False).replace("\x7f", "\\u007f")
