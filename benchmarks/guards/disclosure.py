"""R16: how well one can tell who was in the training rows, at each level of disclosure.

Three forests that know their training rows by heart. Whoever asks holds a row with its label and
takes the probability given to that label as a sign of membership; at `label` all that is left is
whether the answer is right. Rounding hardly helps, hiding the probabilities does, in part.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score

import fairlead
from benchmarks.guards.novelty import promise
from benchmarks.guards.tables import everything
from benchmarks.report import Part, table

TABLES = ("keel-magic", "keel-phoneme", "keel-satimage")
LEVELS = ("columns", "banded", "label")
_ROWS, _BATCH = 1000, 200


def run(seed: int = 0) -> Part:
    """The area under the curve of that sign, through a served model."""
    shown: list[list[str]] = []
    worst = 0.0
    for one in everything():
        if one.name not in TABLES:
            continue
        random = np.random.default_rng(seed)
        order = random.permutation(one.rows)[: 2 * _ROWS]
        rows, labels = one.matrix()[order], np.asarray(one.target)[order].astype(str)
        found = _areas(rows, labels)
        worst = max(worst, found["label"])
        shown.append([one.name, *(f"{found[level]:.2f}" for level in LEVELS)])
    lines = [
        f"seed {seed}; {_ROWS} training rows, as many others",
        *table(("table", *LEVELS), shown),
    ]
    return Part(
        "Membership in the training rows, by disclosure", lines, {},
        [promise("R16 area under the curve with labels only", 0.62, worst, most=True)],
    )  # fmt: skip


def _areas(rows: Any, labels: Any) -> dict[str, float]:
    model = RandomForestClassifier(100, random_state=0).fit(rows[:_ROWS], labels[:_ROWS])
    member = np.arange(len(rows)) < _ROWS
    found: dict[str, float] = {}
    for level in LEVELS:
        with tempfile.TemporaryDirectory() as folder:
            package = fairlead.pack(model, name="m", repository=Path(folder) / "models")
            words = (package.folder / "model.toml").read_text()
            file = Path(folder) / "model.toml"
            file.write_text(words.replace('# disclosure = "columns"', f'disclosure = "{level}"'))
            _amend(package.folder.parent.parent, file)
            server = fairlead.serve(
                Path(folder) / "models", port=0, workers=1, state=Path(folder) / "state"
            )
            try:
                signs = _signs(server.url, rows, labels)
            finally:
                server.stop()
        found[level] = float(roc_auc_score(member, signs))
    return found


def _amend(repository: Path, words: Path) -> None:
    from fairlead.packing.amend import amend

    amend(repository, "m", words, None)


def _signs(url: str, rows: Any, labels: Any) -> list[float]:
    """The probability that the model gives to each row's own label."""
    found: list[float] = []
    with httpx.Client(base_url=url, timeout=60) as client:
        for start in range(0, len(rows), _BATCH):
            part = slice(start, start + _BATCH)
            answer = client.post("/predict/m", json=rows[part].tolist()).json()
            pairs = zip(answer["predictions"], labels[part], strict=True)
            found += [row["scores"][label] for row, label in pairs]
    return found
