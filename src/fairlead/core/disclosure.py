"""How much of an answer a caller is given: words that packages and keys share."""

from __future__ import annotations

DISCLOSURES = {
    "full": "everything, and what training rows held",
    "columns": "everything, and which column is at fault",
    "banded": "probabilities in steps of a tenth, and no prediction sets",
    "label": "the label only",
    "set": "the prediction set only",
}
"""How much of an answer and of its reasons a caller is given, from most to least."""
