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
from typing import Any

import joblib
import numpy as np
import scipy.sparse
from sklearn import compose, datasets, impute, pipeline, preprocessing
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import all_estimators

from fairlead.packing.airlock.inert import InertReader

FILE = Path(__file__).parents[1] / "src" / "fairlead" / "packing" / "airlock" / "allowed.txt"
HEAD = """# Every object that a trained file may name: module and name, exactly. Written by
# scripts/allowed_names.py; what is added by hand stands in that script.
"""
BY_HAND = """
builtins bytearray
builtins bytes
builtins complex
builtins dict
builtins float
builtins frozenset
builtins int
builtins list
builtins object
builtins range
builtins set
builtins slice
builtins str
builtins tuple
builtins bool
_codecs encode
collections OrderedDict
collections defaultdict
copyreg _reconstructor
datetime date
datetime datetime
datetime timedelta
numpy bool_
numpy dtype
numpy ndarray
numpy float16
numpy float32
numpy float64
numpy int8
numpy int16
numpy int32
numpy int64
numpy uint8
numpy uint16
numpy uint32
numpy uint64
numpy str_
numpy.core.multiarray _reconstruct
numpy.core.multiarray scalar
numpy.core.numeric _frombuffer
numpy._core.multiarray _reconstruct
numpy._core.multiarray scalar
numpy._core.numeric _frombuffer
numpy.random._pickle __bit_generator_ctor
numpy.random._pickle __randomstate_ctor
numpy.random._pickle __generator_ctor
numpy.random._mt19937 MT19937
numpy.random._pcg64 PCG64
scipy.sparse._csc csc_matrix
scipy.sparse._csr csr_array
sklearn.ensemble._gb_losses BinomialDeviance
sklearn.ensemble._gb_losses LeastSquaresError
sklearn.ensemble._gb_losses MultinomialDeviance
sklearn.feature_selection._mutual_info mutual_info_classif
sklearn.feature_selection._mutual_info mutual_info_regression
sklearn.feature_selection._univariate_selection chi2
sklearn.feature_selection._univariate_selection f_regression
sklearn.gaussian_process.kernels DotProduct
sklearn.gaussian_process.kernels ExpSineSquared
sklearn.gaussian_process.kernels Exponentiation
sklearn.gaussian_process.kernels Matern
sklearn.gaussian_process.kernels RationalQuadratic
sklearn.gaussian_process.kernels Sum
sklearn.gaussian_process.kernels WhiteKernel
sklearn.neural_network._stochastic_optimizers SGDOptimizer
sklearn.ensemble._stacking StackingRegressor
sklearn.ensemble._voting VotingRegressor
sklearn.linear_model._glm.glm GammaRegressor
sklearn.pipeline FeatureUnion
sklearn.utils Bunch
sklearn.utils._bunch Bunch
lightgbm.sklearn LGBMRanker
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


def names(model: Any) -> set[str]:
    """Every name in the files that people would save of a model."""
    found: set[str] = set()
    for protocol in (2, 4, 5):
        found |= named(pickle.dumps(model, protocol))
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    return found | named(buffer.getvalue())


def named(raw: bytes) -> set[str]:
    """The names in one pickle or joblib file."""
    reader = InertReader(io.BytesIO(raw))
    reader.load()
    return {f"{module} {name}" for module, name in reader.names}


def main() -> None:
    """Writes the list and says what could not be saved."""
    warnings.simplefilter("ignore")
    found = {line for line in BY_HAND.splitlines() if line}
    found |= {f"numpy {name}" for name in UFUNCS}
    found |= {f"numpy._core._multiarray_umath {name}" for name in UFUNCS}
    found |= {f"numpy.core._multiarray_umath {name}" for name in UFUNCS}
    for model in fitted():
        try:
            found |= names(model)
        except Exception as error:
            print("not saved:", type(model).__name__, repr(error)[:100])
    # Older libraries know some of these under older module names.
    found |= {n.replace("numpy._core", "numpy.core") for n in found if n.startswith("numpy._core")}
    bad = sorted(n for n in found if n.split()[0].split(".")[0] in REFUSED)
    print("left out:", bad)
    kept = sorted(found - set(bad))
    FILE.write_text(HEAD + "\n".join(kept) + "\n", encoding="ascii")
    print(len(kept), "names")


if __name__ == "__main__":
    main()
