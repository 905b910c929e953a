"""`python -m benchmarks.card`: what a model card costs, and whether it is made again as it was.

A classifier of 12 columns with 10,000 evaluation rows is packed with and without them; the
difference is what the card costs. Every form of it is made, and every figure measured again.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

import fairlead
from benchmarks.machine import describe
from fairlead.documents.card_cyclonedx import cyclonedx
from fairlead.documents.card_facts import card_of
from fairlead.documents.card_html import html_page
from fairlead.documents.card_markdown import markdown
from fairlead.documents.card_toolkit import toolkit
from fairlead.packages.read import read_verified
from fairlead.packing.card import known_card, loaded_package, recomputed
from fairlead.packing.evidence import evidence_of
from fairlead.packing.verify_card import differences

ROWS, COLUMNS = 10_000, 12
MOST_S = 10.0
"""The promise: a card of so many rows is made in this time."""


def main() -> int:
    """0 when the card is made in time and every figure is made again."""
    random = np.random.default_rng(0)
    x = random.normal(size=(2 * ROWS, COLUMNS))
    y = np.where(x[:, 0] + x[:, 1] * x[:, 2] + random.normal(size=2 * ROWS) > 0, "yes", "no")
    model = HistGradientBoostingClassifier(max_iter=50).fit(x[:ROWS], y[:ROWS])
    names = [f"c{place}" for place in range(COLUMNS)]
    train, test = (dict(zip(names, part.T, strict=True)) for part in (x[:ROWS], x[ROWS:]))
    print("\n".join(f"{name}: {value}" for name, value in describe().items()))
    with tempfile.TemporaryDirectory() as folder:

        def pack(**more: Any) -> Any:
            return fairlead.pack(model, name="m", repository=Path(folder), reference=train, **more)

        pack()  # what is imported once is not counted
        without, _ = _timed(pack)
        whole, package = _timed(lambda: pack(evaluation=(test, y[ROWS:])))
        found = evidence_of(package)
        assert found is not None
        files = {name: read_verified(package, name) for name in package.files}
        loaded = loaded_package(package)
        facts, _ = _timed(lambda: recomputed(package, loaded, files, *found))
        loaded.close()
        card = card_of(known_card(package))
        forms = {
            "HTML": lambda: html_page(card),
            "Markdown": lambda: markdown(card),
            "CycloneDX": lambda: json.dumps(cyclonedx(card)),
            "toolkit": lambda: json.dumps(toolkit(card)),
        }
        lines = [
            ("packed without evaluation rows", without),
            (f"packed with {ROWS:,} of them", whole),
            ("their figures alone, confidence learnt anew", facts),
            *((f"as {name}", _timed(make)[0]) for name, make in forms.items()),
        ]
        verified, apart = _timed(lambda: differences(package))
    for words, seconds in [*lines, ("verified", verified)]:
        print(f"{words:<48} {seconds:7.3f} s")
    kept = whole < MOST_S and not apart
    print(
        f"figures that differ: {len(apart)}; promise of {MOST_S:g} s {'kept' if kept else 'BROKEN'}"
    )
    return 0 if kept else 1


def _timed(make: Callable[[], Any]) -> tuple[float, Any]:
    started = perf_counter()
    made = make()
    return perf_counter() - started, made


if __name__ == "__main__":
    sys.exit(main())
