"""`fairlead.pack`: a fitted object, straight from a notebook or script, becomes a package.

The object is converted where it is: nothing is pickled. A path is taken as `fairlead pack` takes
it, through the airlock.
"""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from fairlead.core.errors import BadUsage, ConversionFailed, MissingExtra
from fairlead.core.package import Package
from fairlead.packing.airlock.process import Airlock
from fairlead.packing.faithful import Convert, Say, Wanted, silent
from fairlead.packing.from_file import pack_file, requirements_text
from fairlead.packing.pack import pack_converted
from fairlead.packing.rows import Table, read, table_of

_TARGET = "target"
_GUARDS = ("false_alarm_rate", "novelty", "error_goal", "assurance", "embedding")
_CONVERTERS = ("xgboost", "lightgbm", "catboost", "torch", "sklearn")


def pack(
    model: Any,
    *,
    name: str,
    repository: str | os.PathLike[str],
    reference: Any = None,
    evaluation: tuple[Any, Any] | None = None,
    version: int | None = None,
    input_names: Sequence[str] = (),
    evidence: bool = True,
    private: bool = False,
    false_alarm_rate: float | None = None,
    novelty: str | None = None,
    error_goal: float | None = None,
    assurance: float | None = None,
    embedding: str | None = None,
    python: str | os.PathLike[str] = "",
    requirements: str | os.PathLike[str] = "",
    allow: Sequence[str] = (),
    allow_code: bool = False,
    say: Say = silent,
) -> Package:
    """Packs a fitted model and returns its package.

    model:      a fitted scikit-learn, XGBoost, LightGBM or CatBoost model, a torch module or
                exported program, a Keras model or tf.Module, a function from a source file, or
                the path of a trained file.
    reference:  rows like the training rows (DataFrame, array, dict of columns, or a file's path);
                a DataFrame's column names and types become the model's.
    evaluation: held-out rows and their labels, (X, y).
    version:    the version to write, the next one when None.
    input_names: names for the model's inputs, in order.
    evidence:   keep the evaluation rows in the package.
    private:    learn the guards from aggregates: the package holds no row, nor a value of one.
    false_alarm_rate, novelty, error_goal, assurance, embedding: what the guards do, as [guards] of
                model.toml has them; None leaves the default.
    python, requirements, allow, allow_code: for files and functions, as `fairlead pack` has them:
                another interpreter, the file of what it must have installed, objects that a
                pickle may hold, and whether TorchScript may run its code.
    say:        is told each step and its result.

    Raises FairleadError: what is wrong and how to fix it.
    """
    chosen = (false_alarm_rate, novelty, error_goal, assurance, embedding)
    wanted = Wanted(
        name=name,
        repository=Path(repository),
        version=version,
        reference=_table(reference) if reference is not None else None,
        evaluation=_labelled(evaluation) if evaluation is not None else None,
        target=_TARGET if evaluation is not None else "",
        input_names=tuple(input_names),
        evidence=evidence,
        private=private,
        python=os.fspath(python),
        requirements=requirements_text(os.fspath(requirements)),
        guards={k: v for k, v in zip(_GUARDS, chosen, strict=True) if v is not None},
    )
    airlock = Airlock(python=wanted.python, allow=tuple(allow))
    return _packed(model, wanted, airlock, say, allow_code=allow_code)


def _packed(model: Any, wanted: Wanted, airlock: Airlock, say: Say, *, allow_code: bool) -> Package:
    """By the way that fits the model: its file, its source, or the object where it is."""
    if _is_path(model):
        return pack_file(str(model), wanted, airlock, say, allow_code=allow_code)
    if inspect.isfunction(model) or (inspect.isclass(model) and hasattr(model, "predict")):
        return pack_file(_source_of(model), wanted, airlock, say)
    if wanted.python:
        raise BadUsage(
            "a fitted object is converted where it is; another interpreter reads files only",
            fix="Leave python out, or save the model and give the file's path",
        )
    trained: dict[str, Any] = {"format": "object", "class": type(model).__qualname__}
    return pack_converted(wanted, _convert(model), trained, say)


def _convert(model: Any) -> Convert:
    """What converts this object where it is."""
    framework = _framework(model)

    def convert(job: dict[str, Any], out: Path) -> dict[str, Any]:
        converter: Any = import_module(f"fairlead.packing.converters.{framework}")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                facts: dict[str, Any] = converter.convert(model, job, out)
        except ImportError as error:
            raise MissingExtra(
                f"packing this model needs a library: {error}",
                fix=f"pip install 'fairlead[{framework}]'",
            ) from error
        except Exception as error:
            own = isinstance(error, ValueError | TypeError)
            text = str(error) if own else f"{type(error).__name__}: {error}"
            raise ConversionFailed(f"the model cannot be packed: {text}") from error
        return facts

    return convert


def _is_path(given: Any) -> bool:
    return isinstance(given, str | os.PathLike)


def _table(rows: Any) -> Table:
    if _is_path(rows):
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
    known = list(table_of(labels).columns.values())
    if len(known) != 1:
        raise BadUsage(f"the labels of evaluation have {len(known)} columns", fix="Give one")
    (truth,) = known
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
    if "keras" in modules or "tensorflow" in modules:
        return "tensorflow"
    raise BadUsage(
        f"an object of {type(model).__module__}.{type(model).__qualname__} cannot be packed",
        fix="Give a fitted model, a function from a source file, or the path of a trained file",
    )


def _source_of(model: Any) -> str:
    """The "source.py:name" of a function or class.

    Raises BadUsage for one of a notebook cell, of the script that runs, or inside another.
    """
    name = model.__name__
    if not name.isidentifier():
        raise BadUsage(
            "a lambda has no name by which it could be found again",
            fix="Write it as a function in a file, model.py: from model import predict",
        )
    module = sys.modules.get(model.__module__)
    source = Path(getattr(module, "__file__", None) or "")
    known = source.suffix == ".py" and source.is_file() and getattr(module, name, None) is model
    if not known or model.__module__ == "__main__":
        raise BadUsage(
            f"{model.__qualname__} lives in a notebook cell, in the script that runs, or inside "
            "another function: its file alone could not be run again",
            fix=f"Move it to a file of its own, model.py, and pack it from there: "
            f"from model import {name}",
        )
    return f"{source}:{name}"
