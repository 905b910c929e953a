"""Writes src/fairlead/packing/airlock/allowed.txt: every object that a trained file may name.

It fits each predictor of the libraries that are installed, in the forms people use, saves it, and
keeps the names that the files hold. A person reads the difference before it is committed: a name
on the list is imported and may be called with anything that a file holds.

Run it where the libraries of the `test` group are installed: python scripts/allowed_names.py
"""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Iterator
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar

import joblib
import numpy as np
import scipy.sparse
from sklearn import compose, datasets, impute, pipeline, preprocessing
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import all_estimators

from fairlead.packing.airlock.allow_list import renamed
from fairlead.packing.airlock.inert import InertReader, Thing

FILE = Path(__file__).parents[1] / "src" / "fairlead" / "packing" / "airlock" / "allowed.txt"
HEAD = """# Every object that a trained file may name, and its uses: see allow_list.py.
# Written by scripts/allowed_names.py; what is added by hand stands in that script.
"""
BY_HAND = """
builtins bytearray called
builtins bytes called
builtins complex called kept
builtins frozenset called
builtins range called
builtins set called
builtins slice called
builtins bool kept
builtins dict kept
builtins float kept
builtins int kept
builtins list kept
builtins object kept
builtins str kept
builtins tuple kept
_codecs encode called
collections OrderedDict called kept
collections defaultdict called
datetime date called kept
datetime datetime called kept
datetime timedelta called kept
numpy bool kept
numpy bool_ kept
numpy dtype called
numpy memmap
numpy._core.memmap memmap
numpy.core.memmap memmap
numpy ndarray
numpy float16 kept
numpy float32 kept
numpy float64 kept
numpy int8 kept
numpy int16 kept
numpy int32 kept
numpy int64 kept
numpy uint8 kept
numpy uint16 kept
numpy uint32 kept
numpy uint64 kept
numpy str_ kept
numpy.core.multiarray _reconstruct called
numpy.core.multiarray scalar called
numpy.core.numeric _frombuffer called
numpy._core.multiarray _reconstruct called
numpy._core.multiarray scalar called
numpy._core.numeric _frombuffer called
numpy.ma.core MaskedArray
numpy.random._pickle __bit_generator_ctor called
numpy.random._pickle __randomstate_ctor called
numpy.random._pickle __generator_ctor called
numpy.random._mt19937 MT19937
numpy.random._pcg64 PCG64
catboost.core CatBoost
catboost.core CatBoostClassifier
catboost.core CatBoostRanker
catboost.core CatBoostRegressor
lightgbm.sklearn LGBMRanker
scipy.sparse._csc csc_array
scipy.sparse._csc csc_matrix
scipy.sparse._csr csr_array
sklearn._loss._loss CyHalfTweedieLoss called
sklearn._loss.loss HalfTweedieLoss
sklearn.ensemble._gb_losses BinomialDeviance
sklearn.ensemble._gb_losses LeastSquaresError
sklearn.ensemble._gb_losses MultinomialDeviance
sklearn.ensemble._stacking StackingRegressor
sklearn.ensemble._voting VotingRegressor
sklearn.feature_selection._mutual_info mutual_info_classif kept
sklearn.feature_selection._mutual_info mutual_info_regression kept
sklearn.feature_selection._univariate_selection chi2 kept
sklearn.feature_selection._univariate_selection f_regression kept
sklearn.gaussian_process.kernels CompoundKernel
sklearn.gaussian_process.kernels DotProduct
sklearn.gaussian_process.kernels ExpSineSquared
sklearn.gaussian_process.kernels Exponentiation
sklearn.gaussian_process.kernels Matern
sklearn.gaussian_process.kernels RationalQuadratic
sklearn.gaussian_process.kernels Sum
sklearn.gaussian_process.kernels WhiteKernel
sklearn.linear_model._glm.glm GammaRegressor
sklearn.neural_network._stochastic_optimizers SGDOptimizer
sklearn.pipeline FeatureUnion
sklearn.utils Bunch
sklearn.utils._bunch Bunch
xgboost.sklearn XGBRanker
xgboost.sklearn XGBRFRegressor
"""
UFUNCS = """
abs absolute add arccos arcsin arctan cbrt ceil cos cosh divide exp exp2 expm1 floor log log10
log1p log2 maximum minimum multiply negative power reciprocal rint sign sin sinh sqrt square
subtract tan tanh trunc
""".split()  # noqa: SIM905
REFUSED = ("os", "posix", "sys", "subprocess", "importlib", "operator", "functools", "shutil")
"""Modules none of whose objects may ever stand on the list."""


def fitted() -> Iterator[Any]:
    """Every estimator that can be fitted on small data, in the forms people save."""
    x, y = datasets.load_iris(return_X_y=True)
    both = np.column_stack([y == 0, y == 1]).astype(int)
    for name, cls in all_estimators():
        try:
            made = cls()
        except TypeError:
            made = wrapped(name, cls)
        if made is None:
            continue
        ways = [
            (x, y),
            (np.abs(x) + 1, y),
            (scipy.sparse.csr_matrix(x), y),
            (x, both),
            (x[:, 0], y),
        ]
        for data, target in ways:
            try:
                yield clone(made).fit(data, target)
                break
            except (ValueError, TypeError, LookupError, NotFittedError, AttributeError):
                continue
    yield from variants(x, y)
    yield from boosters(x, y)


def wrapped(name: str, cls: Any) -> Any:
    """Estimators that need another estimator."""
    linear = import_module("sklearn.linear_model")
    pairs = [("a", linear.LogisticRegression()), ("b", linear.LogisticRegression())]
    if name in ("GridSearchCV", "RandomizedSearchCV"):
        return None  # variants() makes them
    asked = list(signature(cls).parameters)[:1]
    if asked in (["estimators"], ["transformers"], ["steps"], ["transformer_list"]):
        return cls(pairs)
    try:
        return cls(linear.LogisticRegression())
    except TypeError:
        pass
    print("not made:", name)
    return None


def variants(x: Any, y: Any) -> Iterator[Any]:
    """Losses, kernels, solvers and containers that defaults do not reach."""
    ensemble, linear = import_module("sklearn.ensemble"), import_module("sklearn.linear_model")
    binary = y == 0
    number = y.astype(float) + 1
    for loss in ("log_loss", "exponential"):
        yield ensemble.GradientBoostingClassifier(n_estimators=2, loss=loss).fit(x, binary)
    for loss in ("squared_error", "absolute_error", "huber", "quantile"):
        yield ensemble.GradientBoostingRegressor(n_estimators=2, loss=loss).fit(x, number)
    for loss in ("squared_error", "absolute_error", "gamma", "poisson"):
        yield ensemble.HistGradientBoostingRegressor(max_iter=2, loss=loss).fit(x, number)
    yield ensemble.HistGradientBoostingRegressor(max_iter=2, loss="quantile", quantile=0.5).fit(
        x, number
    )
    yield ensemble.HistGradientBoostingClassifier(max_iter=2).fit(x, binary)
    yield ensemble.HistGradientBoostingClassifier(max_iter=2, early_stopping=True).fit(x, y)
    for criterion in ("absolute_error", "poisson"):
        yield ensemble.RandomForestRegressor(2, criterion=criterion).fit(x, number)
    for criterion in ("entropy", "log_loss"):
        yield ensemble.RandomForestClassifier(2, criterion=criterion).fit(x, y)
    for loss in ("log_loss", "modified_huber", "squared_hinge", "perceptron", "squared_error"):
        yield linear.SGDClassifier(loss=loss).fit(x, y)
    for loss in ("huber", "epsilon_insensitive", "squared_epsilon_insensitive"):
        yield linear.SGDRegressor(loss=loss).fit(x, number)
    yield from kernels(x, y)
    yield from tables(x, y)


def kernels(x: Any, y: Any) -> Iterator[Any]:
    """Support vectors, neighbours and texts."""
    linear, svm = import_module("sklearn.linear_model"), import_module("sklearn.svm")
    text = import_module("sklearn.feature_extraction.text")
    for kernel in ("linear", "poly", "sigmoid"):
        yield svm.SVC(kernel=kernel).fit(x, y)
    for algorithm in ("ball_tree", "kd_tree", "brute"):
        neighbours = import_module("sklearn.neighbors")
        yield neighbours.KNeighborsClassifier(algorithm=algorithm).fit(x, y)
    words = ["a good day", "a bad day", "good", "bad"] * 4
    for vectorizer in (text.TfidfVectorizer(), text.CountVectorizer(), text.HashingVectorizer()):
        yield pipeline.make_pipeline(vectorizer, linear.LogisticRegression()).fit(
            words, [1, 0, 1, 0] * 4
        )


def tables(x: Any, y: Any) -> Iterator[Any]:
    """Pipelines over DataFrames with text and missing values."""
    pandas, linear = import_module("pandas"), import_module("sklearn.linear_model")
    frame = pandas.DataFrame(x, columns=list("abcd"))
    frame["city"] = np.where(y == 0, "Rome", "Oslo")
    frame.loc[3, "a"] = np.nan
    for encoder in (
        preprocessing.OneHotEncoder(handle_unknown="ignore"),
        preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    ):
        for numeric in (
            preprocessing.StandardScaler(),
            preprocessing.FunctionTransformer(np.log1p),
            preprocessing.FunctionTransformer(),
        ):
            steps = pipeline.make_pipeline(impute.SimpleImputer(), numeric)
            for remainder in ("drop", "passthrough"):
                table = compose.ColumnTransformer(
                    [("n", steps, list("abc")), ("t", encoder, ["city"])], remainder=remainder
                )
                yield pipeline.make_pipeline(table, linear.LogisticRegression()).fit(frame, y)
    chosen = compose.make_column_transformer(
        (preprocessing.StandardScaler(), compose.make_column_selector(dtype_include="number"))
    )
    yield pipeline.make_pipeline(chosen, impute.SimpleImputer(), linear.RidgeClassifier()).fit(
        frame, y
    )
    regression = compose.TransformedTargetRegressor(
        linear.Ridge(), func=np.log1p, inverse_func=np.expm1
    )
    yield regression.fit(x, y.astype(float) + 1)
    search = import_module("sklearn.model_selection")
    for made in (
        search.GridSearchCV(linear.Ridge(), {"alpha": [1, 2]}, cv=2),
        search.RandomizedSearchCV(linear.LogisticRegression(), {"C": [1, 2]}, n_iter=2, cv=2),
    ):
        yield made.fit(x, y)


def boosters(x: Any, y: Any) -> Iterator[Any]:
    """The scikit-learn estimators of the boosting libraries."""
    xgboost, lightgbm = import_module("xgboost"), import_module("lightgbm")
    for made in (
        xgboost.XGBClassifier(n_estimators=2),
        xgboost.XGBRegressor(n_estimators=2),
        xgboost.XGBRFClassifier(n_estimators=2),
        lightgbm.LGBMClassifier(n_estimators=2, verbose=-1),
        lightgbm.LGBMRegressor(n_estimators=2, verbose=-1),
    ):
        yield made.fit(x, y)
        yield pipeline.make_pipeline(preprocessing.StandardScaler(), clone(made)).fit(x, y)
    yield xgboost.train({}, xgboost.DMatrix(x, y), 2)
    catboost = import_module("catboost")
    for kind in (catboost.CatBoostClassifier, catboost.CatBoostRegressor):
        yield kind(iterations=2, verbose=0, allow_writing_files=False).fit(x, y)


class Uses(InertReader):
    """Notes what a file does with each object that it names.

    made, called: the names that it makes or calls.
    """

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self.made: set[tuple[str, str]] = set()
        self.called: set[tuple[str, str]] = set()

    def load_reduce(self) -> None:
        """REDUCE."""
        self._note(self.called, self.stack[-2])
        super().load_reduce()

    def load_newobj(self) -> None:
        """NEWOBJ."""
        self._note(self.called if self.stack[-1] else self.made, self.stack[-2])
        super().load_newobj()

    def _note(self, found: set[tuple[str, str]], kind: Any) -> None:
        if isinstance(kind, type) and issubclass(kind, Thing):
            found.add(kind.name)

    dispatch: ClassVar[Any] = {
        **InertReader.dispatch,
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_newobj,
    }


def names(model: Any) -> dict[tuple[str, str], set[str]]:
    """Every name in the files that people would save of a model, with its uses."""
    found: dict[tuple[str, str], set[str]] = {}
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    for raw in (buffer.getvalue(), *(pickle.dumps(model, protocol) for protocol in (2, 4, 5))):
        for name, uses in named(raw).items():
            found.setdefault(name, set()).update(uses)
    return found


def named(raw: bytes) -> dict[tuple[str, str], set[str]]:
    """The names in one pickle or joblib file, with their uses."""
    reader = Uses(io.BytesIO(raw))
    top = reader.load()
    found: dict[tuple[str, str], set[str]] = {name: set() for name in reader.names}
    for use, several in (("made", reader.made), ("called", reader.called), ("kept", kept(top))):
        for name in several:
            found[name].add(use)
    return found


def kept(top: Any) -> set[tuple[str, str]]:
    """The names that stand as values in the tree, other than as what is given to a call."""
    found: set[tuple[str, str]] = set()
    waiting, seen = [top], set[int]()
    while waiting:
        item = waiting.pop()
        if isinstance(item, type):
            if issubclass(item, Thing):
                found.add(item.name)
            continue
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, Thing):
            waiting += [item.state, *item.items]
            waiting += [a for a in item.args if not isinstance(a, type)]
        elif isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple | set | frozenset):
            waiting += item
    return found


def main() -> None:
    """Writes the list and says what could not be saved."""
    warnings.simplefilter("ignore")
    found: dict[tuple[str, str], set[str]] = {}
    for line in BY_HAND.split("\n"):
        if line:
            module, name, *uses = line.split()
            found[module, name] = set(uses)
    for module in ("numpy", "numpy._core._multiarray_umath", "numpy.core._multiarray_umath"):
        found |= {(module, name): {"kept"} for name in UFUNCS}
    for model in fitted():
        try:
            own = names(model)
        except Exception as error:
            print("not saved:", type(model).__name__, repr(error)[:100])
            continue
        for name, uses in own.items():
            found.setdefault(renamed(*name), set()).update(uses)
    bad = sorted(name for name in found if name[0].split(".")[0] in REFUSED)
    print("left out:", bad)
    lines = sorted(line_of(name, uses) for name, uses in found.items() if name not in bad)
    FILE.write_text(HEAD + "\n".join(lines) + "\n", encoding="ascii")
    print(len(lines), "names")


def line_of(name: tuple[str, str], uses: set[str]) -> str:
    """A line of the list; being made is the use of a line that names none."""
    told = [] if uses <= {"made"} else sorted(uses)
    return " ".join([*name, *told])


if __name__ == "__main__":
    main()
