"""How a card writes figures: the same words in every form of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Facts = Mapping[str, Any]

NAMES = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "balanced_accuracy": "Balanced accuracy",
    "auc": "Area under the ROC curve",
    "log_loss": "Log loss",
    "brier_score": "Brier score",
    "mean_absolute_error": "Mean absolute error",
    "root_mean_squared_error": "Root mean squared error",
    "r2": "R²",
    "selection_rate": "Selection rate",
    "true_positive_rate": "True positive rate",
    "false_positive_rate": "False positive rate",
}
_SHARES = (
    "accuracy", "balanced_accuracy", "selection_rate", "true_positive_rate",
    "false_positive_rate",
)  # fmt: skip


def name_of(metric: str) -> str:
    """A figure's name for people."""
    return NAMES.get(metric, metric.replace("_", " "))


def number(value: Any) -> str:
    """A number with few digits; a dash for one that is not known."""
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.3g}"


def share(value: Any) -> str:
    """A share as per cent."""
    return "-" if value is None else f"{value:.1%}".replace("%", " %")


def figure(metric: str, value: Any) -> str:
    """The value of a figure, as per cent where it is a share."""
    return share(value) if metric in _SHARES else number(value)


def span(metric: str, one: Facts) -> str:
    """The interval of a figure."""
    return f"{figure(metric, one['low'])} to {figure(metric, one['high'])}"


def where(of: Sequence[Sequence[str]]) -> str:
    """A slice in words: "region = west and age = up to 30"."""
    return " and ".join(f"{column} = {value}" for column, value in of)


def milliseconds(value: Any) -> str:
    """A time in milliseconds, in the unit in which it is easily read."""
    if value is None:
        return "-"
    return f"{value * 1000:.3g} µs" if value < 1 else f"{value:.3g} ms"


def size(count: Any) -> str:
    """Bytes for people."""
    if not count:
        return "-"
    units = ("bytes", "KiB", "MiB", "GiB", "TiB")
    place = min(len(units) - 1, (int(count).bit_length() - 1) // 10)
    return f"{count / 1024**place:.3g} {units[place]}"


def day(moment: object) -> str:
    """An ISO time as people write it."""
    return str(moment).replace("T", " ").replace("+00:00", " UTC")
