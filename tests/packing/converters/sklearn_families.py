"""The families of scikit-learn estimators whose graphs answer as they do."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from tests.packing.converters.subjects import Family, classes, flats, gaps, prices, reviews, values


def _lr() -> Any:
    return LogisticRegression(max_iter=500)


def _scaled(estimator: Any) -> Any:
    return make_pipeline(StandardScaler(), estimator)


def _table(encoder: Any, scaler: Any = None, last: Any = None) -> Any:
    """Numbers scaled, text encoded, the rest passed on."""
    columns = ColumnTransformer(
        [
            ("numbers", scaler or StandardScaler(), ["age", "rooms"]),
            ("yes", "passthrough", ["owner"]),
            ("text", encoder, ["city", "grade"]),
        ]
    )
    return make_pipeline(columns, last or _lr())


def _imputed(strategy: str, **more: Any) -> Any:
    text = make_pipeline(
        SimpleImputer(strategy=strategy, **more), OneHotEncoder(handle_unknown="ignore")
    )
    return _table(text, make_pipeline(SimpleImputer(strategy="median"), StandardScaler()))


def _three(estimator: Any) -> Family:
    return lambda: (estimator, *classes(3))


def _two(estimator: Any) -> Family:
    rows, labels = classes(2, seed=1)
    return lambda: (estimator, rows, np.array(["no", "yes"])[labels])


def _value(estimator: Any) -> Family:
    return lambda: (estimator, *values())


def _flat(estimator: Any, missing: bool = False) -> Family:
    return lambda: (estimator, *flats(missing))


def _text(estimator: Any) -> Family:
    return lambda: (estimator, *reviews())


def _missing(estimator: Any) -> Family:
    rows, labels = classes(3)
    return lambda: (estimator, gaps(rows), labels)


def _positive(estimator: Any) -> Family:
    rows, target = values()
    return lambda: (estimator, rows, np.abs(target) / 100)


def _above(estimator: Any) -> Family:
    rows, labels = classes(3)
    return lambda: (estimator, np.abs(rows), labels)


def _two_targets(estimator: Any) -> Family:
    rows, labels = classes(3)
    return lambda: (estimator, rows, np.column_stack([labels > 1, labels > 0]).astype(int))


def _two_values(estimator: Any) -> Family:
    rows, target = values()
    return lambda: (estimator, rows, np.column_stack([target, -2 * target]))


def _categories(estimator: Any) -> Family:
    rows, labels = classes(3)
    kinds = np.random.default_rng(2).integers(0, 40, len(rows))
    return lambda: (estimator, np.column_stack([rows[:, 0], kinds, rows[:, 1]]), labels)


def _unlabelled(estimator: Any) -> Family:
    return lambda: (estimator, classes(3)[0], None)


_VOTERS = [("a", _lr()), ("b", RandomForestClassifier(8, random_state=0)), ("c", GaussianNB())]
_GUESSERS = [("a", Ridge()), ("b", RandomForestRegressor(8, random_state=0))]

PREPARED: dict[str, Family] = {
    "standard": _three(_scaled(_lr())),
    "minmax": _three(make_pipeline(MinMaxScaler(), _lr())),
    "robust": _three(make_pipeline(RobustScaler(), _lr())),
    "quantile": _three(make_pipeline(QuantileTransformer(n_quantiles=40), _lr())),
    "bins": _three(make_pipeline(KBinsDiscretizer(5, strategy="uniform"), _lr())),
    "polynomial": _three(make_pipeline(PolynomialFeatures(2), StandardScaler(), _lr())),
    "pca": _three(make_pipeline(StandardScaler(), PCA(4), _lr())),
    "select": _three(make_pipeline(SelectKBest(k=4), _lr())),
    "log1p": _above(make_pipeline(FunctionTransformer(np.log1p), _lr())),
    "imputed": _missing(make_pipeline(SimpleImputer(), StandardScaler(), _lr())),
    "imputed-marks": _missing(make_pipeline(SimpleImputer(add_indicator=True), _lr())),
    "onehot": _flat(_table(OneHotEncoder(handle_unknown="ignore"))),
    "onehot-first-dropped": _flat(_table(OneHotEncoder(drop="first"))),
    "onehot-infrequent": _flat(
        _table(OneHotEncoder(min_frequency=170, handle_unknown="infrequent_if_exist"))
    ),
    "ordinal": _flat(_table(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1))),
    "target": _flat(_table(TargetEncoder(random_state=0))),
    "onehot-alone": lambda: (
        make_pipeline(OneHotEncoder(handle_unknown="ignore"), _lr()),
        flats()[0][["city", "rooms"]],
        flats()[1],
    ),
    "selector": _flat(
        make_pipeline(
            ColumnTransformer(
                [
                    ("n", StandardScaler(), make_column_selector(dtype_include=np.number)),
                    ("t", OneHotEncoder(), make_column_selector(pattern="city|grade")),
                ]
            ),
            _lr(),
        )
    ),
    "remainder": _flat(
        make_pipeline(
            ColumnTransformer(
                [("t", OneHotEncoder(), ["city", "grade"])], remainder=StandardScaler()
            ),
            _lr(),
        )
    ),
    "by-position": lambda: (
        make_pipeline(
            ColumnTransformer([("n", StandardScaler(), [0, 1]), ("t", OneHotEncoder(), [3, 4])]),
            _lr(),
        ),
        flats()[0].to_numpy(dtype=object),
        flats()[1],
    ),
    "numbers-by-name": lambda: (
        make_pipeline(ColumnTransformer([("n", StandardScaler(), ["age", "rooms"])]), _lr()),
        flats()[0][["age", "rooms"]],
        flats()[1],
    ),
    "yes-or-no-frame": lambda: (
        _scaled(_lr()),
        flats()[0][["age", "rooms", "owner"]],
        flats()[1],
    ),
    "missing-text-frequent": _flat(_imputed("most_frequent"), missing=True),
    "missing-text-constant": _flat(_imputed("constant", fill_value="none"), missing=True),
    "missing-text-category": _flat(
        _table(OneHotEncoder(handle_unknown="ignore"), SimpleImputer()), missing=True
    ),
    "missing-text-ordinal": _flat(
        _table(
            OrdinalEncoder(encoded_missing_value=-2),
            last=HistGradientBoostingClassifier(max_iter=9),
        ),
        missing=True,
    ),
    "tfidf": _text(make_pipeline(TfidfVectorizer(), _lr())),
    "tfidf-pairs": _text(make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), _lr())),
    "tfidf-sublinear": _text(make_pipeline(TfidfVectorizer(sublinear_tf=True, norm="l1"), _lr())),
    "tfidf-words": _text(
        make_pipeline(TfidfVectorizer(token_pattern=r"\w{3,}", lowercase=False), _lr())
    ),
    "tfidf-svd": _text(make_pipeline(TfidfVectorizer(), TruncatedSVD(5, random_state=0), _lr())),
    "counts": _text(make_pipeline(CountVectorizer(binary=True), MultinomialNB())),
    "counts-weighed": _text(make_pipeline(CountVectorizer(), TfidfTransformer(), LinearSVC())),
    "texts-joined": _text(
        make_pipeline(FeatureUnion([("w", TfidfVectorizer()), ("c", CountVectorizer())]), _lr())
    ),
    "text-in-a-table": lambda: (
        make_pipeline(
            ColumnTransformer(
                [
                    ("w", TfidfVectorizer(), "review"),
                    ("t", OneHotEncoder(), ["city"]),
                    ("n", StandardScaler(), ["age"]),
                ]
            ),
            _lr(),
        ),
        flats()[0].assign(review=reviews()[0]),
        reviews()[1],
    ),
}
"""What may come before the estimator."""

CLASSIFIERS: dict[str, Family] = {
    "logistic": _two(_lr()),
    "one-versus-rest": _three(OneVsRestClassifier(_lr())),
    "one-versus-one": _three(OneVsOneClassifier(LinearSVC())),
    "ridge": _three(RidgeClassifier()),
    "sgd": _three(_scaled(SGDClassifier(random_state=0))),
    "sgd-log": _two(_scaled(SGDClassifier(loss="log_loss", random_state=0))),
    "linear-svm": _three(_scaled(LinearSVC())),
    "linear-svm-two": _two(LinearSVC()),
    "svm": _three(_scaled(SVC())),
    "svm-two": _two(SVC(kernel="poly")),
    "discriminant": _three(LinearDiscriminantAnalysis()),
    "neighbours": _three(_scaled(KNeighborsClassifier())),
    "gaussian-bayes": _three(GaussianNB()),
    "bernoulli-bayes": _three(BernoulliNB()),
    "network": _three(_scaled(MLPClassifier((12,), max_iter=60, random_state=0))),
    "tree": _three(DecisionTreeClassifier(random_state=0)),
    "forest": _three(RandomForestClassifier(20, random_state=0)),
    "forest-two": _two(RandomForestClassifier(20, random_state=0)),
    "forest-missing": _missing(RandomForestClassifier(10, random_state=0)),
    "extra-trees": _three(ExtraTreesClassifier(20, random_state=0)),
    "boosting": _three(GradientBoostingClassifier(n_estimators=15, random_state=0)),
    "boosting-two": _two(GradientBoostingClassifier(n_estimators=15, random_state=0)),
    "boosting-exponential": _two(GradientBoostingClassifier(loss="exponential", n_estimators=15)),
    "histogram": _three(HistGradientBoostingClassifier(max_iter=15)),
    "histogram-two": _two(HistGradientBoostingClassifier(max_iter=15)),
    "histogram-missing": _missing(HistGradientBoostingClassifier(max_iter=15)),
    "histogram-categories": _categories(
        HistGradientBoostingClassifier(max_iter=15, categorical_features=[1])
    ),
    "adaboost": _two(AdaBoostClassifier(n_estimators=8, random_state=0)),
    "bagging": _three(BaggingClassifier(n_estimators=5, random_state=0)),
    "calibrated": _three(CalibratedClassifierCV(LinearSVC(), cv=3)),
    "calibrated-boosting": _two(
        CalibratedClassifierCV(GradientBoostingClassifier(n_estimators=8), cv=3)
    ),
    "voting-soft": _three(VotingClassifier(_VOTERS, voting="soft")),
    "voting-hard": _three(VotingClassifier(_VOTERS, voting="hard")),
    "stacking": _three(StackingClassifier(_VOTERS[:2], cv=3)),
    "search": _three(GridSearchCV(RandomForestClassifier(8), {"max_depth": [3, 5]}, cv=3)),
    "several-labels": _two_targets(MultiOutputClassifier(_lr())),
    "several-labels-forest": _two_targets(RandomForestClassifier(10, random_state=0)),
    "several-labels-neighbours": _two_targets(KNeighborsClassifier()),
    "outliers": _unlabelled(IsolationForest(n_estimators=20, random_state=0)),
    "clusters": _unlabelled(KMeans(4, n_init=1, random_state=0)),
}
"""What gives a label."""

REGRESSORS: dict[str, Family] = {
    "linear": _value(LinearRegression()),
    "poisson": _positive(_scaled(PoissonRegressor())),
    "svm": _value(_scaled(SVR(C=10.0))),
    "neighbours": _value(_scaled(KNeighborsRegressor())),
    "network": _value(_scaled(MLPRegressor(hidden_layer_sizes=(12,), max_iter=60, random_state=0))),
    "tree": _value(DecisionTreeRegressor(random_state=0)),
    "forest": _value(RandomForestRegressor(20, random_state=0)),
    "boosting": _value(GradientBoostingRegressor(n_estimators=15, random_state=0)),
    "histogram": _value(HistGradientBoostingRegressor(max_iter=15)),
    "histogram-poisson": _positive(HistGradientBoostingRegressor(max_iter=15, loss="poisson")),
    "voting": _value(VotingRegressor(_GUESSERS)),
    "stacking": _value(StackingRegressor(_GUESSERS, cv=3)),
    "table": lambda: (_table(OneHotEncoder(), last=Ridge()), *prices()),
    "several": _two_values(MultiOutputRegressor(Ridge())),
    "several-forest": _two_values(RandomForestRegressor(10, random_state=0)),
    "log-target": _positive(
        TransformedTargetRegressor(_scaled(Ridge()), func=np.log1p, inverse_func=np.expm1)
    ),
    "scaled-target": _value(
        TransformedTargetRegressor(RandomForestRegressor(8), transformer=StandardScaler())
    ),
}
"""What gives a number."""
