"""What `inspect` says of a trained file is right, readable, and makes nothing of what is inside."""

from __future__ import annotations

import json
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas
import pytest
from sklearn import compose, linear_model, pipeline, preprocessing
from tests.packing import graphs, trained
from tests.packing.airlock import hostile

from fairlead.core.errors import AirlockFailed, FairleadError, UnsafeFile
from fairlead.packing import inspection
from fairlead.packing.airlock.process import Airlock
from fairlead.packing.inspection import inspect, summary

COLUMNS = ["sepal length", "sepal width", "petal length", "petal width"]
FRAME = pandas.DataFrame(trained.X, columns=COLUMNS)


def looked(path: Path | str) -> dict[str, Any]:
    facts = inspect(str(path), Airlock())
    assert json.loads(json.dumps(facts)) == facts
    for line in summary(facts):
        assert line.isprintable()
    return facts


def given(folder: Path, raw: bytes, name: str = "model") -> Path:
    path = folder / name
    path.write_bytes(raw)
    return path


def text(facts: dict[str, Any]) -> str:
    return "\n".join(summary(facts))


@pytest.fixture(scope="module")
def table() -> Any:
    frame = FRAME.assign(city=np.where(trained.Y == 0, "Rome", "Oslo"))
    steps = compose.make_column_transformer(
        (preprocessing.StandardScaler(), COLUMNS), (preprocessing.OneHotEncoder(), ["city"])
    )
    return pipeline.make_pipeline(steps, linear_model.RidgeClassifier()).fit(frame, trained.Y)


PICKLES = [t for t in trained.contents() if t.startswith("pickle")]


@pytest.mark.parametrize("title", [*PICKLES, "skops"])
def test_an_estimator_is_told_however_it_was_saved(tmp_path, title):
    import sklearn

    facts = looked(given(tmp_path, trained.contents()[title]))
    assert facts["format"] == title.split()[0]
    assert facts["framework"] == "scikit-learn"
    assert facts["model"] == "sklearn.linear_model._ridge.RidgeClassifier"
    assert facts["trained_with"] == facts["here"] == {"scikit-learn": sklearn.__version__}
    assert facts["verdict"] == "match"
    assert facts["inputs"] == [{"columns": 4}]
    assert facts["code"]["refused"] == []
    assert "sklearn.linear_model._ridge.RidgeClassifier" in facts["code"]["touches"]
    assert facts["parameters"] >= 3 * 4 + 3
    if title != "skops":  # which keeps no classes of this one
        assert facts["outputs"] == [{"classes": [0, 1, 2]}]


@pytest.mark.parametrize("save", ["joblib", "skops"])
def test_a_pipeline_is_told_with_its_steps_and_columns(tmp_path, table, save):
    import skops.io

    path = tmp_path / "model"
    (joblib.dump if save == "joblib" else skops.io.dump)(table, path)
    facts = looked(path)
    assert facts["model"] == "sklearn.pipeline.Pipeline (ColumnTransformer -> RidgeClassifier)"
    assert facts["inputs"] == [{"columns": [*COLUMNS, "city"]}]
    shown = text(facts)
    assert "5 columns: sepal length, sepal width, petal length, petal width, city" in shown
    assert "it names 6 objects beyond plain values" in shown


@pytest.mark.parametrize(
    ("here", "verdict"),
    [("same", "match"), ("later", "drift"), ("earlier", "refuse"), ("absent", "refuse")],
)
def test_the_library_here_is_compared_with_the_one_it_was_trained_with(
    tmp_path, monkeypatch, here, verdict
):
    import sklearn

    major, minor, *_ = sklearn.__version__.split(".")
    versions = {
        "same": sklearn.__version__,
        "later": f"{major}.{int(minor) + 1}.0",
        "earlier": f"{major}.{int(minor) - 1}.0",
    }

    def version(name: str) -> str:
        if here == "absent":
            raise inspection.PackageNotFoundError(name)
        return versions[here]

    path = given(tmp_path, trained.contents()["pickle"])
    monkeypatch.setattr(inspection, "version", version)
    facts = looked(path)
    assert facts["verdict"] == verdict
    expected = versions.get(here, "absent")
    assert f"scikit-learn {sklearn.__version__}, here {expected}: {verdict}" in text(facts)


def test_a_booster_of_an_older_library_drifts_and_is_never_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(inspection, "version", lambda name: "9.0.0")
    assert looked(given(tmp_path, trained.contents()["xgboost as JSON"]))["verdict"] == "drift"


@pytest.mark.parametrize("form", ["json", "ubj"])
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("classes", [2, 3])
def test_an_xgboost_booster_is_told(tmp_path, form, named, classes):
    import xgboost

    rows = FRAME if named else trained.X
    model = xgboost.XGBClassifier(n_estimators=3).fit(rows, trained.Y % classes)
    path = tmp_path / f"model.{form}"
    model.save_model(path)
    facts = looked(path)
    objective = "binary:logistic" if classes == 2 else "multi:softprob"
    assert facts["model"] == f"XGBoost booster ({objective})"
    assert facts["framework"] == "XGBoost"
    assert facts["trained_with"] == facts["here"] == {"xgboost": xgboost.__version__}
    assert facts["inputs"] == [{"columns": COLUMNS if named else 4}]
    assert facts["outputs"] == ([] if classes == 2 else [{"classes": [0, 1, 2]}])
    assert facts["parameters"] == len(model.get_booster().trees_to_dataframe())
    assert facts["code"] == {"holds": False, "touches": [], "refused": []}


def test_names_of_xgboosts_columns_of_any_letters_are_told(tmp_path):
    import xgboost

    names = ['a "quoted"', "b\\c", "größe", "d,e"]
    booster = xgboost.train({}, xgboost.DMatrix(trained.X, trained.Y, feature_names=names), 2)
    for form in ("json", "ubj"):
        booster.save_model(tmp_path / f"m.{form}")
        assert looked(tmp_path / f"m.{form}")["inputs"] == [{"columns": names}]


def test_a_lightgbm_booster_is_told(tmp_path):
    import lightgbm

    names = [name.replace(" ", "_") for name in COLUMNS]
    model = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1)
    model.fit(FRAME.set_axis(names, axis=1), trained.Y)
    model.booster_.save_model(tmp_path / "model.txt")
    facts = looked(tmp_path / "model.txt")
    assert facts["model"] == "LightGBM booster (multiclass num_class:3)"
    assert facts["inputs"] == [{"columns": names}]
    assert facts["outputs"] == [{"classes": [0, 1, 2]}]
    nodes = model.booster_.trees_to_dataframe()
    assert facts["parameters"] == int(nodes["left_child"].isna().sum())
    assert facts["verdict"] == "unknown"


def test_a_catboost_model_is_told(tmp_path):
    import catboost

    facts = looked(given(tmp_path, trained.contents()["catboost"]))
    assert facts["model"] == "CatBoost model (MultiClass)"
    assert facts["trained_with"] == {"catboost": catboost.__version__}
    assert facts["outputs"] == [{"classes": ["0", "1", "2"]}]


@pytest.mark.parametrize("kind", ["xgboost", "lightgbm", "catboost"])
def test_a_pickled_booster_is_told_by_its_library(tmp_path, kind):
    import catboost
    import lightgbm
    import xgboost

    made: dict[str, Any] = {
        "xgboost": xgboost.XGBClassifier(n_estimators=2),
        "lightgbm": lightgbm.LGBMClassifier(n_estimators=2, verbose=-1),
        "catboost": catboost.CatBoostClassifier(iterations=2, verbose=0, allow_writing_files=False),
    }
    facts = looked(given(tmp_path, pickle.dumps(made[kind].fit(trained.X, trained.Y))))
    assert facts["framework"].lower() == kind
    assert facts["code"]["refused"] == []


@pytest.mark.parametrize(
    "title", ["xgboost as JSON", "xgboost as UBJSON", "lightgbm", "catboost", "onnx"]
)
def test_a_file_cut_short_is_refused(tmp_path, title):
    raw = trained.contents()[title]
    for size in (len(raw) // 4, len(raw) // 3):
        with pytest.raises(UnsafeFile, match=r"damaged|claims more"):
            inspect(str(given(tmp_path, raw[:size])), Airlock())


@pytest.mark.parametrize(
    "title", ["xgboost as JSON", "xgboost as UBJSON", "lightgbm", "catboost", "skops"]
)
def test_a_damaged_file_is_told_or_refused_and_nothing_else(tmp_path, title):
    raw = trained.contents()[title]
    step = max(1, len(raw) // (12 if title == "skops" else 60))
    for at in range(0, len(raw), step):
        for piece in (b"\xff\xff\xff\xff", b"", b'"]}[{'):
            path = given(tmp_path, raw[:at] + piece + raw[at + 4 :])
            try:
                looked(path)
            except FairleadError:
                continue


def test_an_onnx_graph_is_told(tmp_path):
    facts = looked(given(tmp_path, graphs.table().SerializeToString()))
    assert facts["model"].startswith("graph of 8 nodes, 7 kinds, written by skl2onnx ")
    assert [i["name"] for i in facts["inputs"]] == ["c0", "c1", "c2", "c3", "town"]
    assert facts["opset"] == {"": 13, "ai.onnx.ml": 1} or facts["opset"][""] >= 13
    assert facts["classes"] == ["0", "1", "2"]
    shown = text(facts)
    assert "town: BYTES [-1, 1]" in shown
    assert "classes     0, 1, 2" in shown
    assert "none: it is data" in shown


def test_a_real_graph_of_somebody_else_is_told():
    facts = looked(graphs.magika())
    assert facts["parameters"] > 100_000
    assert facts["memory_bytes"] > 2 * facts["bytes"]
    assert facts["inputs"][0]["datatype"] == "INT32"


def test_a_graph_of_maps_says_what_becomes_of_them(tmp_path):
    shown = text(looked(given(tmp_path, graphs.with_maps().SerializeToString())))
    assert "a map for each row becomes one when it is packed" in shown


def test_a_graph_of_foreign_operators_says_which(tmp_path):
    inside = graphs.of_functions()
    inside.functions[0].node[0].domain = "other\x1b[2J"
    facts = looked(given(tmp_path, inside.SerializeToString()))
    assert facts["code"]["refused"] == ["other\x1b[2J:Add"]
    assert "other\\x1b[2J:Add" in text(facts)


def test_external_data_is_checked_and_not_read(tmp_path):
    path = given(tmp_path, graphs.outside(location="weights").SerializeToString())
    with pytest.raises(UnsafeFile, match="not beside it"):
        inspect(str(path), Airlock())
    (tmp_path / "weights").write_bytes(bytes(8))
    assert looked(path)["parameters"] == 2


def test_a_python_function_is_told_and_not_run(tmp_path):
    canary = tmp_path / "canary"
    source = f"import numpy, os.path\nopen({str(canary)!r}, 'w')\ndef predict(a, b): return a\n"
    path = given(tmp_path, source.encode(), "model.py")
    facts = looked(f"{path}:predict")
    assert facts["model"] == "Python function predict"
    assert facts["inputs"] == [{"columns": ["a", "b"]}]
    assert facts["code"] == {"holds": True, "touches": ["numpy", "os.path"], "refused": []}
    assert "it is code; it imports numpy, os.path" in text(facts)
    assert not canary.exists()


def test_torchscript_says_that_it_must_be_allowed(tmp_path):
    facts = looked(given(tmp_path, trained.contents()["torchscript"]))
    assert facts["code"]["holds"]
    assert "--allow-code" in text(facts)
    program = looked(given(tmp_path, trained.contents()["torch-export"]))
    assert not program["code"]["holds"]


ATTACKS = ["os.system by REDUCE", "builtins.eval", "compressed by gzip", "joblib with objects"]


@pytest.mark.parametrize("title", ATTACKS)
def test_an_attack_is_told_by_name_and_does_nothing(tmp_path, title):
    canary = tmp_path / "canary"
    raw, culprit = hostile.corpus(str(canary))[title]
    facts = looked(given(tmp_path, raw))
    assert facts["code"]["refused"] == [culprit]
    assert facts["framework"] == "unknown"
    assert f"refused     {culprit}: to be allowed by fairlead pack --allow" in text(facts)
    assert not canary.exists()
    assert "antigravity" not in sys.modules


def test_a_skops_file_that_names_what_is_not_trusted_says_so(tmp_path):
    schema = {
        "__class__": "system\x1b[2J", "__module__": "os", "__loader__": "ObjectNode",
        "content": {"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode",
                    "content": {"n_features_in_": {"content": "9" * 6000}, "steps": [[], 5, None]}},
    }  # fmt: skip
    path = tmp_path / "model.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    facts = looked(path)
    assert facts["code"]["refused"] == ["os.system\\x1b[2J"]
    assert facts["inputs"] == []


@pytest.mark.parametrize(
    "schema", ['{"__loader__"', '["__loader__"]', '{"__loader__": ' + "[" * 100_000]
)
def test_a_broken_schema_is_an_error(tmp_path, schema):
    path = tmp_path / "model.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", schema)
    with pytest.raises(FairleadError) as error:
        inspect(str(path), Airlock())
    assert error.value.line().isprintable()


def test_a_file_that_is_no_pickle_after_all_is_an_error(tmp_path):
    with pytest.raises(AirlockFailed, match="cannot be read"):
        inspect(str(given(tmp_path, b"\x80\x04garbage")), Airlock())


def test_long_lists_are_cut_for_people_and_whole_for_machines(tmp_path):
    wide = linear_model.Ridge().fit(np.ones((3, 500)), [1, 2, 3])
    wide.feature_names_in_ = np.array([f"column{n}" for n in range(500)], dtype=object)
    facts = looked(given(tmp_path, pickle.dumps(wide)))
    assert len(facts["inputs"][0]["columns"]) == 500
    assert "column19 and 480 more" in text(facts)


def test_sizes_are_told_in_the_largest_whole_unit():
    amounts = [inspection._amount(n) for n in (5, 5000, 5 << 20, 5 << 30, 5 << 40)]
    assert amounts == ["5 bytes", "4 KiB", "5 MiB", "5 GiB", "5120 GiB"]
