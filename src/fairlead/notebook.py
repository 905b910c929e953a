"""`fairlead.pack`: a fitted object, straight from a notebook or script, becomes a package.

The object is converted where it is: nothing is pickled. A path is taken as `fairlead pack` takes
it, through the airlock.
"""

from __future__ import annotations

import inspect
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from fairlead.core.errors import BadUsage, ConversionFailed, MissingExtra
from fairlead.core.package import Package
from fairlead.packing.airlock.process import Airlock
from fairlead.packing.from_file import pack_file
from fairlead.packing.pack import Say, Wanted, pack_converted, silent
from fairlead.packing.rows import Table, read, table_of

_TARGET = "target"
_CONVERTERS = ("xgboost", "lightgbm", "catboost", "torch", "sklearn")


def pack(
    model: Any,
    *,
    name: str,
    repository: str | os.PathLike[str],
    reference: Any = None,
    evaluation: tuple[Any, Any] | None = None,
    version: int | None = None,
    input_names: tuple[str, ...] = (),
    evidence: bool = True,
    requirements: str = "",
    say: Say = silent,
) -> Package:
    """Packs a fitted model and returns its package.

    model:      a fitted scikit-learn, XGBoost, LightGBM or CatBoost model, a torch module or
                exported program, a function from a source file, or the path of a trained file.
    reference:  rows like the training rows (DataFrame, array, dict of columns, or a file's path);
                a DataFrame's column names and types become the model's.
    evaluation: held-out rows and their labels, (X, y).
    say:        is told each step and its result.

    Raises FairleadError: what is wrong and how to fix it.
    """
    rows = _table(reference) if reference is not None else None
    wanted = Wanted(
        name=name,
        repository=Path(repository),
        version=version,
        reference=rows,
        evaluation=_labelled(evaluation) if evaluation is not None else None,
        target=_TARGET if evaluation is not None else "",
        input_names=tuple(input_names),
        evidence=evidence,
        requirements=requirements,
    )
    if isinstance(model, str | os.PathLike):
        return pack_file(os.fspath(model), wanted, Airlock(), say)
    if inspect.isfunction(model) or (inspect.isclass(model) and hasattr(model, "predict")):
        return pack_file(_source_of(model), wanted, Airlock(), say)
    framework = _framework(model)

    def convert(job: dict[str, Any], out: Path) -> dict[str, Any]:
        converter: Any = import_module(f"fairlead.packing.converters.{framework}")
        try:
            facts: dict[str, Any] = converter.convert(model, job, out)
        except ImportError as error:
            raise MissingExtra(str(error), fix=f"pip install 'fairlead[{framework}]'") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise ConversionFailed(f"the model cannot be packed: {error}") from error
        return facts

    trained: dict[str, Any] = {"format": "object", "class": type(model).__qualname__}
    return pack_converted(wanted, convert, trained, say)


def _table(rows: Any) -> Table:
    if isinstance(rows, str | os.PathLike):
        return read(Path(rows))
    return table_of(rows)


def _labelled(evaluation: tuple[Any, Any]) -> Table:
    """Rows with their labels as the column `target`."""
    try:
        rows, labels = evaluation
    except (TypeError, ValueError):
        raise BadUsage(
            "evaluation must be a pair", fix="Give evaluation=(X_test, y_test)"
        ) from None
    table = _table(rows)
    (truth,) = table_of(labels).columns.values()
    if len(truth) != table.count:
        raise BadUsage(f"evaluation has {table.count} rows and {len(truth)} labels")
    if _TARGET in table.columns:
        raise BadUsage("a column of the evaluation rows is called 'target'", fix="Rename it")
    return Table({**table.columns, _TARGET: truth})


def _framework(model: Any) -> str:
    """Which converter knows the model, by the classes it is made of."""
    modules = [cls.__module__.partition(".")[0] for cls in type(model).__mro__]
    for framework in _CONVERTERS:
        if framework in modules:
            return framework
    if hasattr(model, "get_params") and hasattr(model, "predict"):
        return "sklearn"
    if any(name in modules for name in ("keras", "tensorflow")):
        raise BadUsage(
            "a Keras model is packed as a SavedModel",
            fix="model.export('folder'), then fairlead.pack('folder', ...)",
        )
    raise BadUsage(
        f"an object of {type(model).__module__}.{type(model).__qualname__} cannot be packed",
        fix="Give a fitted model, a function from a source file, or the path of a trained file",
    )


def _source_of(model: Any) -> str:
    """The "source.py:name" of a function or class. Raises BadUsage for one of a notebook cell."""
    source = inspect.getsourcefile(model) if model.__module__ != "__main__" else None
    if source is None:
        main = getattr(sys.modules.get("__main__"), "__file__", None)
        source = main if model.__module__ == "__main__" else None
    if source is None or not Path(source).is_file() or "." in model.__qualname__:
        raise BadUsage(
            f"{model.__qualname__} lives in a notebook cell or inside another function",
            fix=f"Move it to a file, model.py, import it, and pack it from there: "
            f"from model import {model.__name__}",
        )
    return f"{source}:{model.__name__}"
