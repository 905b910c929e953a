"""How good the answers are: each figure with its 95 % interval, its rows and its direction."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairlead.packing.judged import Classified, Judged, Regressed
from fairlead.packing.uncertainty import Span, bootstrapped, drawn_tables, wilson, z_of

Floats = NDArray[np.float64]

_MOST_SHOWN = 20
"""A confusion matrix of more classes is told by its most frequent confusions."""
_MOST_RANKED = 100
"""Classes beyond which areas under curves are not computed."""
_TINY = 1e-15


def headline_of(found: Judged) -> str:
    """The figure by which slices and disturbances are judged: a mean of a value per row."""
    return "accuracy" if isinstance(found, Classified) else "mean_absolute_error"


def metrics_of(found: Judged) -> list[dict[str, Any]]:
    """[{"name", "value", "low", "high", "n", "better", "interval"}], the headline first.

    better: "higher" or "lower". interval: "wilson", "bootstrap" or "delong". A figure that is not
    defined for these rows is left out.
    """
    made = _of_classes(found) if isinstance(found, Classified) else _of_numbers(found)
    return [one for one in made if np.isfinite(one["value"])]


def baseline_of(found: Judged) -> dict[str, Any]:
    """What an answer that is always the same would reach: {"name", "value", "answer"}."""
    if isinstance(found, Classified):
        counts = np.bincount(found.truth)
        most = int(counts.argmax())
        share = float(counts[most]) / len(found.truth)
        return {"name": "accuracy", "value": share, "answer": found.classes[most]}
    middle = float(np.median(found.truth))
    error = float(np.abs(found.truth - middle).mean())
    return {"name": "mean_absolute_error", "value": error, "answer": middle}


def confusion_of(found: Classified) -> dict[str, Any]:
    """{"classes", "table"}: rows are true classes, columns answers; of many classes the most
    frequent confusions: {"classes": count, "most": [{"true", "given", "n"}]}.
    """
    table = _table(found)
    if len(found.classes) <= _MOST_SHOWN:
        return {"classes": list(found.classes), "table": table.astype(int).tolist()}
    wrong = table.copy()
    np.fill_diagonal(wrong, 0.0)
    order = np.argsort(-wrong.reshape(-1), kind="stable")[:_MOST_SHOWN]
    pairs = [divmod(int(place), len(found.classes)) for place in order]
    most = [
        {"true": found.classes[i], "given": found.classes[j], "n": int(wrong[i, j])}
        for i, j in pairs
        if wrong[i, j]
    ]
    return {"classes": len(found.classes), "most": most}


def _entry(
    name: str, value: float, span: Span, count: int, better: str, how: str
) -> dict[str, Any]:
    return {
        "name": name,
        "value": value,
        "low": span[0],
        "high": span[1],
        "n": count,
        "better": better,
        "interval": how,
    }


# --- classifiers --------------------------------------------------------------------------


def _of_classes(found: Classified) -> list[dict[str, Any]]:
    right, count = found.per_row, len(found.truth)
    accuracy = _entry(
        "accuracy", float(right.mean()), wilson(float(right.sum()), count), count, "higher",
        "wilson",
    )  # fmt: skip
    table = _table(found)
    figures = _table_figures(table[None])[0].tolist()
    spans = drawn_tables(table, _table_figures)
    made = [accuracy]
    for name, value, span in zip(("macro_f1", "balanced_accuracy"), figures, spans, strict=True):
        made.append(_entry(name, value, span, count, "higher", "bootstrap"))
    if found.scores is None:
        return made
    if found.scores.shape[1] <= _MOST_RANKED:
        value, span = _area(found.scores, found.truth)
        made.append(_entry("auc", value, span, count, "higher", "delong"))
    losses = _losses(found.scores, found.truth)
    spans = bootstrapped(losses, lambda means: means)
    for place, name in enumerate(("log_loss", "brier_score")):
        value = float(losses[:, place].mean())
        made.append(_entry(name, value, spans[place], count, "lower", "bootstrap"))
    return made


def _table(found: Classified) -> Floats:
    size = len(found.classes)
    flat = np.bincount(found.truth * size + found.given, minlength=size * size)
    return flat.reshape(size, size).astype(np.float64)


def _table_figures(tables: Floats) -> Floats:
    """Macro F1 and balanced accuracy of tables (draws, k, k); classes that never come are left out
    of either."""
    hits = np.diagonal(tables, axis1=1, axis2=2)
    true, given = tables.sum(axis=2), tables.sum(axis=1)
    with np.errstate(all="ignore"):
        f1 = np.where(true + given > 0, 2 * hits / (true + given), np.nan)
        recall = np.where(true > 0, hits / true, np.nan)
        figures = [np.nansum(one, axis=1) / np.sum(~np.isnan(one), axis=1) for one in (f1, recall)]
    return np.stack(figures, axis=1)


def _losses(scores: Floats, truth: Any) -> Floats:
    """Log loss and Brier score of each row; the latter of two classes is that of one of them."""
    rows = np.arange(len(truth))
    own = scores[rows, truth]
    log_loss = -np.log(np.clip(own, _TINY, 1.0))
    squares = (scores**2).sum(axis=1) - own**2 + (1.0 - own) ** 2
    return np.column_stack([log_loss, squares / 2 if scores.shape[1] == 2 else squares])


def _area(scores: Floats, truth: Any) -> tuple[float, Span]:
    """The area under the ROC curve, of several classes the mean of each against the others.

    The interval is by DeLong et al. 1988: what each row adds to the area, and how that spreads.
    """
    classes = [1] if scores.shape[1] == 2 else range(scores.shape[1])
    areas: list[float] = []
    influence = np.zeros(len(truth))
    for place in classes:
        mine = truth == place
        positives, negatives = int(mine.sum()), int((~mine).sum())
        if not positives or not negatives:
            continue
        beaten = np.where(
            mine,
            (_ranks(scores[:, place]) - _ranks_within(scores[:, place], mine)) / negatives,
            1 - (_ranks(scores[:, place]) - _ranks_within(scores[:, place], ~mine)) / positives,
        )
        area = float(beaten[mine].mean())
        areas.append(area)
        share = np.where(mine, positives, negatives) / len(truth)
        influence += (beaten - area) / share
    if not areas:
        return float("nan"), (0.0, 1.0)
    value = float(np.mean(areas))
    error = float(np.sqrt(((influence / len(areas)) ** 2).sum())) / len(truth)
    return value, (max(0.0, value - z_of() * error), min(1.0, value + z_of() * error))


def _ranks(values: Floats) -> Floats:
    """The mean rank of each value, ties sharing theirs."""
    ordered = np.sort(values)
    low = np.searchsorted(ordered, values, side="left")
    high = np.searchsorted(ordered, values, side="right")
    return (low + high + 1) / 2.0


def _ranks_within(values: Floats, chosen: Any) -> Floats:
    """The ranks of the chosen among themselves; 0 of the others."""
    found = np.zeros(len(values))
    found[chosen] = _ranks(values[chosen])
    return found


# --- regressors ---------------------------------------------------------------------------


def _of_numbers(found: Regressed) -> list[dict[str, Any]]:
    error = found.truth - found.given
    # Around the middle of the truth, so that large numbers lose no digits.
    centred = found.truth - found.truth.mean()
    with np.errstate(all="ignore"):
        sums = np.column_stack([np.abs(error), error**2, centred, centred**2])
        figures = _number_figures(sums.mean(axis=0)[None])[0].tolist()
        spans = bootstrapped(sums, _number_figures)
    names = ("mean_absolute_error", "root_mean_squared_error", "r2")
    return [
        _entry(name, value, span, len(error), "higher" if name == "r2" else "lower", "bootstrap")
        for name, value, span in zip(names, figures, spans, strict=True)
    ]


def _number_figures(means: Floats) -> Floats:
    """From means of |e|, e squared, y, y squared: mean absolute error, RMSE, R2."""
    spread = means[:, 3] - means[:, 2] ** 2
    with np.errstate(all="ignore"):
        share = np.where(spread > 0, 1.0 - means[:, 1] / spread, np.nan)
    return np.column_stack([means[:, 0], np.sqrt(means[:, 1]), share])
