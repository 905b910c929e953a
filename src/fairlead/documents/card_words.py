"""What only the owner can say of a model: the known keys of `[words]`, and how many are said.

A card leaves visibly empty what nobody has said; nothing here is ever guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, cast

DETAILS, USE, FACTORS = "Model details", "Intended use", "Factors"
METRICS, EVALUATION, TRAINING = "Metrics", "Evaluation data", "Training data"
ANALYSES, ETHICS, CAVEATS = (
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
)
SECTIONS = (
    DETAILS, USE, FACTORS, METRICS, EVALUATION, TRAINING, ANALYSES, ETHICS, CAVEATS,
)  # fmt: skip
"""The nine sections of a card, in the order of Mitchell et al. 2019."""

NOT_STATED = "not stated by the owner"
_REMINDERS = ("todo", "tbd", "fixme", "xxx")
_LIKE = 0.8
"""How alike a free key and a known one must be to be taken for a slip."""

_OTHER_SPELLINGS = {"license": "licence", "owner": "owners", "user": "users"}


@dataclass(frozen=True, slots=True)
class Word:
    """A key of `[words]`. section: of the card; question: what it answers."""

    key: str
    section: str
    question: str


KNOWN = (
    Word("purpose", USE, "What is the model for?"),
    Word("users", USE, "Who should use it?"),
    Word("out_of_scope", USE, "What must it not be used for?"),
    Word("factors", FACTORS, "Which groups and circumstances matter for its answers?"),
    Word("tradeoffs", METRICS, "What was given up for what, and which errors are worse?"),
    Word("limitations", CAVEATS, "Where does it fail, and what follows from that?"),
    Word("ethics", ETHICS, "Whom can it harm, and what was done about it?"),
    Word("training_data", TRAINING, "Which rows was it trained on, of where and when?"),
    Word("consent", TRAINING, "By what right are those data used?"),
    Word("evaluation_data", EVALUATION, "Where do the evaluation rows come from, and why those?"),
    Word("owners", DETAILS, "Who answers for it?"),
    Word("contact", DETAILS, "Where do questions and complaints go?"),
    Word("licence", DETAILS, "Under what licence (SPDX name) may it be used?"),
    Word("citation", DETAILS, "How is it cited?"),
    Word("references", DETAILS, "Where can more be read?"),
)
"""What a card asks of the owner, in the order of a fresh model.toml."""

_KEYS = {word.key: word for word in KNOWN}


def said(value: object) -> str:
    """What the owner has said, as one text; "" for nothing, and for a mere reminder such as TODO.

    value: a text, a number or a list of them.
    """
    if isinstance(value, (list, tuple)):
        parts = [said(part) for part in cast("list[object]", value)]
        return "\n".join(part for part in parts if part)
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, object]", value).items()
        return "\n".join(f"{key}: {text}" for key, part in pairs if (text := said(part)))
    text = "" if value is None else str(value).strip()
    first = text.partition(":")[0].strip().rstrip(".!").lower()
    return "" if first in _REMINDERS or not any(map(str.isalnum, text)) else text


def completeness(words: Mapping[str, Any]) -> dict[str, Any]:
    """How much of what a card asks the owner has said.

    {"score": the share of known keys, from 0 to 1, "stated": [key, ...], "missing": [key, ...]}.
    """
    stated = [word.key for word in KNOWN if said(words.get(word.key))]
    missing = [word.key for word in KNOWN if word.key not in stated]
    return {"score": round(len(stated) / len(KNOWN), 4), "stated": stated, "missing": missing}


def misspelt(words: Mapping[str, Any]) -> dict[str, str]:
    """Free keys that look like a known one: {key as written: the known one that is meant}.

    A known key that is given as well is not suggested again.
    """
    open_keys = [key for key in _KEYS if key not in words]
    found: dict[str, str] = {}
    for key in words:
        if key in _KEYS:
            continue
        plain = key.lower().replace("-", "_").replace(" ", "_")
        plain = _OTHER_SPELLINGS.get(plain, plain)
        near = get_close_matches(plain, open_keys, n=1, cutoff=_LIKE)
        if near:
            found[key] = near[0]
    return found


def slips(words: Mapping[str, Any]) -> list[str]:
    """The same in words for people, one line each."""
    return [
        f"[words] {key} is no key of the card: do you mean {meant}?"
        for key, meant in misspelt(words).items()
    ]
