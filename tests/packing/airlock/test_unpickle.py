"""The reader of pickles: what is allowed loads as it was, everything else makes nothing at all."""

from __future__ import annotations

import datetime
import io
import json
import pickle
import subprocess
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import scipy.sparse
from sklearn import compose, datasets, ensemble, impute, linear_model, pipeline, preprocessing
from sklearn.exceptions import NotFittedError
from sklearn.utils import all_estimators
from tests.packing.airlock import hostile
from threadpoolctl import threadpool_limits

from fairlead.packing.airlock import unpickle
from fairlead.packing.airlock.allow_list import AllowList
from fairlead.packing.airlock.refused import Refused
from fairlead.packing.airlock.unpickle import AllowedReader

ROOT = Path(__file__).parents[3]
LIST = AllowList()
X, Y = datasets.load_iris(return_X_y=True)


def read(raw: bytes, *own: str) -> Any:
    return AllowedReader(io.BytesIO(raw), AllowList(own) if own else LIST).load()


def dumped(model: Any, compress: Any = 0) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(model, buffer, compress=compress)
    return buffer.getvalue()


def watched(what: str, given: Path | str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.packing.airlock.watched", what, str(given)],
        cwd=ROOT,
        capture_output=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(done.stdout)


# --- what attacks -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def attacked(tmp_path_factory) -> tuple[dict[str, Any], Path]:
    """Every file of the corpus, read in a process that notes what it is asked to do."""
    base = tmp_path_factory.mktemp("corpus")
    files, canary = base / "files", base / "canary"
    files.mkdir()
    for number, (raw, _) in enumerate(hostile.corpus(str(canary)).values()):
        (files / f"{number:04d}").write_bytes(raw)
    outcomes = list(watched("read", files).values())
    return dict(zip(hostile.corpus(str(canary)), outcomes, strict=True)), canary


CULPRITS = {title: culprit for title, (_, culprit) in hostile.corpus("CANARY").items()}


@pytest.mark.parametrize("title", CULPRITS)
def test_an_attack_is_refused_by_name_and_does_nothing(attacked, title):
    outcomes, canary = attacked
    _, outcome, events = outcomes[title]
    assert not outcome.startswith("made")
    assert events == []
    assert not canary.exists()
    if CULPRITS[title]:
        assert outcome.startswith("Refused")
        assert CULPRITS[title] in outcome.partition("[")[2]


def test_the_corpus_is_live_for_a_reader_without_a_list(tmp_path):
    """The same bytes do harm elsewhere, or they would prove nothing."""
    canary = tmp_path / "canary"
    for title in (
        "os.system by REDUCE",
        "os.system by INST",
        "builtins.eval",
        "pickled by protocol 4",
    ):
        pickle.loads(hostile.corpus(str(canary))[title][0])
        assert canary.exists()
        canary.unlink()


@cache
def benign() -> list[bytes]:
    """Whole files of fitted models, of every protocol."""
    words = np.where(Y == 0, "Rome", "Oslo").astype(object).reshape(-1, 1)
    table = compose.make_column_transformer(
        (preprocessing.OneHotEncoder(), [4]), (impute.SimpleImputer(), [0, 1, 2, 3])
    )
    mixed = pipeline.make_pipeline(table, linear_model.RidgeClassifier())
    models = [
        linear_model.RidgeClassifier().fit(X, Y),
        mixed.fit(np.hstack([X.astype(object), words]), Y),
        ensemble.RandomForestClassifier(2, max_depth=2).fit(X, Y),
        ensemble.HistGradientBoostingClassifier(max_iter=2).fit(X, Y),
    ]
    files = [pickle.dumps(model, protocol) for model in models for protocol in (2, 4, 5)]
    return [*files, *(dumped(model) for model in models)]


def test_near_files_of_good_and_bad_ones_never_do_anything(tmp_path):
    canary = tmp_path / "canary"
    files = tmp_path / "files"
    files.mkdir()
    bad = [raw for raw, _ in hostile.corpus(str(canary)).values()]
    for name, seeds, count in (("bad", bad, 600), ("good", benign(), 300)):
        for number, raw in enumerate(hostile.mutations(seeds, count)):
            (files / f"{name}{number:04d}").write_bytes(raw)
    outcomes = watched("read", files)
    assert len(outcomes) == 900
    assert {name: events for name, (_, _, events) in outcomes.items() if events} == {}
    assert not canary.exists()
    # They are near enough: some still load, many are refused, and many break.
    kinds = [outcome.split()[0] for _, outcome, _ in outcomes.values()]
    assert min(kinds.count("made"), kinds.count("Refused:")) > 10


def harmless(event: str) -> bool:
    """A library that loads a part of itself, or looks at which libraries there are."""
    if event.startswith(
        ("marshal.loads", "os.listdir", "os.scandir", "exec (<code object <module>")
    ):
        return True
    places = (sys.prefix, sys.base_prefix, "/proc/self/maps")
    return event.startswith(tuple(f"open ('{place}" for place in places)) and "'r'" in event


def test_nothing_listed_reaches_a_file_a_program_or_code_whatever_it_is_called_with(tmp_path):
    canary = tmp_path / "canary"
    did = watched("call", canary)
    assert {
        name: [event for event in events if not harmless(event)]
        for name, events in did.items()
        if not all(map(harmless, events))
    } == {}
    assert len(did) > 150
    assert not canary.exists()


def test_each_refusal_of_a_listed_object_names_it():
    """A class that may be made is neither called nor kept, also when the file hides it."""
    booster = hostile.name("lightgbm.basic", "Booster")
    for code in (hostile.calls(booster, "model.txt"), hostile.made(booster, "model.txt")):
        with pytest.raises(Refused) as refused:
            read(hostile.file(code))
        assert refused.value.names == ["lightgbm.basic.Booster"]


# --- what is broken -----------------------------------------------------------------------


@pytest.mark.parametrize("which", range(0, 16, 4))
def test_a_file_cut_short_breaks_without_loading(which):
    raw = benign()[which]
    for size in range(0, len(raw), max(1, len(raw) // 50)):
        with pytest.raises(Exception):  # noqa: B017, PT011 - any error, as pickle gives many
            read(raw[:size])


def test_a_deep_file_is_read_or_refused_and_does_not_end_the_process():
    deep = hostile.file(b"]" * 100_000 + b"a" * 99_999)
    assert isinstance(read(deep), list)
    inner = hostile.array(hostile.element("O8"), (0,), [])
    wrapper = hostile.made(hostile.name("joblib.numpy_pickle", "NumpyArrayWrapper"))
    described = {
        "subclass": hostile.Raw(hostile.NDARRAY),
        "shape": (0,),
        "dtype": hostile.Raw(hostile.element("O8")),
    }
    one = b"\x80\x04" + hostile.built(wrapper, described)
    with pytest.raises(RecursionError):
        read(one * 5000 + hostile.file(inner))


def test_a_file_that_is_a_class_is_no_model(tmp_path):
    for title, code in (
        ("listed", hostile.name("sklearn.linear_model._ridge", "Ridge")),
        ("kept", hostile.name("builtins", "dict")),
    ):
        path = tmp_path / title
        path.write_bytes(hostile.file(code))
        with pytest.raises(Refused, match="a class, not a model"):
            unpickle.load(path, LIST)


# --- what loads ---------------------------------------------------------------------------


def default_estimators() -> Iterator[Any]:
    """scikit-learn's estimators as they come, fitted in the first way that works."""
    x, y = X[::2], Y[::2]
    linear = linear_model.LogisticRegression
    pairs = [("a", linear()), ("b", linear())]
    ways = [(x, y), (np.abs(x) + 1, y), (x, np.column_stack([y == 0, y == 1]) + 0), (x[:, 0], y)]
    for _, kind in all_estimators():
        for given in ((), (linear(),), (pairs,)):
            try:
                made = kind(*given)
            except TypeError:
                continue
            for data, target in ways:
                try:
                    yield made.fit(data, target)
                    break
                except (ValueError, TypeError, LookupError, NotFittedError, AttributeError):
                    continue
            else:
                continue
            break


@pytest.mark.timeout(400)
def test_99_percent_of_the_default_estimators_load_and_answer_as_before():
    refused: list[str] = []
    count = 0
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        for model in default_estimators():
            try:
                files = [pickle.dumps(model), dumped(model)]
            except (pickle.PicklingError, AttributeError, TypeError):
                continue  # it cannot be pickled at all
            for raw in files:
                count += 1
                try:
                    same(model, read(raw))
                except Refused as error:
                    refused.append(f"{type(model).__name__}: {error}")
    assert count > 250
    assert len(refused) <= count / 100, refused


def same(model: Any, loaded: Any) -> None:
    """It is of the class, and answers equally."""
    assert type(loaded) is type(model)
    if not hasattr(model, "predict"):
        return
    rows = np.random.default_rng(0).random((20, getattr(model, "n_features_in_", 4)))
    try:
        expected = model.predict(rows)
    except (ValueError, TypeError, AttributeError, NotFittedError):
        return
    assert np.array_equal(expected, loaded.predict(rows))


@pytest.mark.parametrize(
    "compress", [0, *((kind, 3) for kind in ("zlib", "gzip", "bz2", "lzma", "xz"))]
)
def test_a_joblib_file_loads_whatever_compresses_it(tmp_path, compress):
    model = ensemble.RandomForestClassifier(3).fit(X, Y)
    path = tmp_path / "model.joblib"
    path.write_bytes(dumped(model, compress))
    assert np.array_equal(unpickle.load(path, LIST).predict_proba(X), model.predict_proba(X))


VALUES = [
    np.arange(12.0).reshape(3, 4),
    np.asfortranarray(np.arange(12).reshape(3, 4)),
    np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
    np.arange(6, dtype=">i4"),
    np.zeros((0, 3)),
    np.array(5.0),
    np.array(["a", "bcd"]),
    np.array(["a", None, 1.5], dtype=object),
    np.array([b"ab", b"c"]),
    np.array([True, False]),
    np.array([1 + 2j]),
    np.array(["2026-11-22", "NaT"], dtype="datetime64[D]"),
    np.array([(1, 2.5, "x")], dtype=[("a", "i4"), ("b", "f8"), ("c", "U3")]),
    np.zeros(2, dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    np.ma.masked_array([1.0, 2.0, 3.0], mask=[0, 1, 0]),
    np.float32(1.5),
    np.int64(-3),
    np.str_("text"),
    scipy.sparse.random(5, 4, 0.5, format="csr", random_state=0),
    scipy.sparse.random(5, 4, 0.5, format="csc", random_state=0),
    {1, 2},
    frozenset((1, 2)),
    {"a": (1, 2.5, None, True, b"bytes", bytearray(b"more")), "b": [slice(0, 3), range(4)]},
    1 << 100,
    complex(1, 2),
    datetime.datetime(2026, 11, 22, 12, 30),
    datetime.date(2026, 11, 22),
    datetime.timedelta(days=3),
]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5, "joblib"])
@pytest.mark.parametrize("given", VALUES, ids=lambda v: f"{type(v).__name__}-{v!s:.20}")
def test_plain_values_and_arrays_load_as_they_were(given, protocol):
    raw = dumped(given) if protocol == "joblib" else pickle.dumps(given, protocol)
    found = read(raw)
    assert type(found) is type(given)
    if isinstance(given, np.ndarray | np.generic):
        assert found.dtype.newbyteorder("=") == given.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found, given)
    elif scipy.sparse.issparse(given):
        assert (found != given).nnz == 0
    else:
        assert found == given


@pytest.mark.parametrize("bits", [np.random.MT19937, np.random.PCG64])
def test_random_generators_go_on_where_they_were(bits):
    for given in (np.random.Generator(bits(7)), np.random.RandomState(bits(7))):
        assert read(pickle.dumps(given)).uniform() == given.uniform()


def test_a_dictionary_with_a_default_keeps_it():
    given: Any = defaultdict(list, {"a": [1]})
    found = read(pickle.dumps(given))
    assert found == given
    assert found["new"] == []


# --- what the owner allows ----------------------------------------------------------------


class Own:
    """A class of an owner's, whose state is no dictionary."""

    class Inner:
        """One inside."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __getstate__(self) -> tuple[int]:
        return (self.value,)

    def __setstate__(self, state: tuple[int]) -> None:
        (self.value,) = state


def test_an_object_that_the_owner_allows_loads_and_no_other():
    with pytest.raises(Refused) as refused:
        read(pickle.dumps(Fraction(1, 3)))
    assert refused.value.names == ["fractions.Fraction"]
    assert read(pickle.dumps(Fraction(1, 3)), "fractions.Fraction") == Fraction(1, 3)
    with pytest.raises(Refused):
        read(pickle.dumps(Fraction(1, 3)), "fractions.Decimal", "Fraction", "fractions")


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_the_name_of_a_refusal_is_the_name_to_allow(protocol):
    name = f"{__name__}.Own"
    with pytest.raises(Refused) as refused:
        read(pickle.dumps(Own(3), protocol))
    assert refused.value.names == [name]
    assert read(pickle.dumps(Own(3), protocol), name).value == 3
    if protocol >= 4:
        inner = pickle.dumps(Own.Inner(), protocol)
        with pytest.raises(Refused) as refused:
            read(inner)
        assert isinstance(read(inner, *refused.value.names), Own.Inner)


def test_what_the_owner_allows_opens_no_way_to_its_module():
    for module, attribute in (
        ("fractions", "re"),
        ("fractions", "Fraction.__init__"),
        ("Fraction", "re"),
    ):
        with pytest.raises(Refused):
            read(hostile.file(hostile.stack_name(module, attribute)), "fractions.Fraction")
