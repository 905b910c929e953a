"""What rows with labels teach: how good the model is, how sure, and what its answers are like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fairlead.core.signature import Signature
from fairlead.guards.drift import Watched
from fairlead.guards.files import MISUSE
from fairlead.packing.evaluate import Answers, evaluate
from fairlead.packing.learn import learn_answers
from fairlead.packing.learn_drift import watched_answers
from fairlead.packing.learn_misuse import with_margins


def _unscored(signature: Signature) -> str:
    """Why rows with labels judge nothing, and what helps."""
    name = signature.outputs[0].name
    return (
        "nothing to score: no output is known as one label or one value per row; say what they "
        f"are: role under [outputs.{name}] of the --model-toml"
    )


def learn_labelled(
    signature: Signature,
    answers: Answers,
    files: dict[str, bytes | Path],
    say: Callable[[str, str], None],
) -> tuple[dict[str, float], list[Watched]]:
    """The model's scores, and its answers in bins for drift.

    files: of the package; what is learnt is added to them.
    """
    found = evaluate(signature, answers)
    files |= learn_answers(signature, answers, say)
    raw = files.get(MISUSE)
    if isinstance(raw, bytes):
        files[MISUSE] = with_margins(raw, signature, answers)
    scores = [f"{k.replace('_', ' ')} {v:.4g}" for k, v in found.items() if k != "rows"]
    say("evaluate", f"{found['rows']} rows: {', '.join(scores) or _unscored(signature)}")
    return found, watched_answers(signature, answers)
