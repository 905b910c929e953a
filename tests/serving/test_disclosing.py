"""How much a caller is given: the owner's level on every wire, less for whom is suspected."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from tests.models import spec
from tests.serving.parts import call, serve
from tests.serving.test_guarding import amended, ask, good, infer, packed  # noqa: F401

from fairlead.core.datatypes import DTYPES
from fairlead.core.decision import ABSTAINED, WARNED, Verdicts
from fairlead.core.package import GuardChoice
from fairlead.core.signature import Signature
from fairlead.serving.deciding import decide
from fairlead.serving.disclosing import disclose, level_of


class Watch:
    """Knows who is suspected, as the real one does."""

    def __init__(self, *suspects: str) -> None:
        self.suspects = {name: {} for name in suspects}


SIGNATURE = Signature(
    (spec("x", "FP32", (-1, 2)),),
    (
        spec("label", "INT64", (-1,), role="label"),
        spec("scores", "FP32", (-1, 3), role="scores", classes=("a", "b", "c")),
        spec("value", "FP64", (-1,), role="value"),
        spec("hidden", "FP32", (-1, 2)),
    ),
)


def one_value(kind: np.dtype) -> Signature:
    name = next(d.name for d in DTYPES.values() if d.numpy == kind)
    return Signature((spec("x", "FP32", (-1, 2)),), (spec("y", name, (-1,), role="value"),))


def served(
    level: str = "columns",
    misuse: str = "log",
    suspects: tuple[str, ...] = (),
    signature: Signature = SIGNATURE,
):
    made = serve(None, signature)
    choice = GuardChoice(disclosure=level, misuse=misuse)
    made.package = replace(made.package, guards=choice)
    made.watch = Watch(*suspects)
    return made


def outputs(rows: int):
    scores = np.tile(np.array([[0.123, 0.456, 0.421]], np.float32), (rows, 1))
    return [
        np.full(rows, 7),
        scores,
        np.full(rows, 1234.567),
        np.full((rows, 2), 0.4567, np.float32),
    ]


def verdicts(rows: int) -> Verdicts:
    return Verdicts(
        np.zeros(rows, np.uint8),
        p_novel=np.full(rows, 0.333),
        confidence=np.full(rows, 0.456),
        likely=lambda row: [f"set {row}"],
    )


def one(level: str):
    made = served(level)
    return disclose([call(made, [0.0, 0.0])], outputs(1), verdicts(1))


@pytest.mark.parametrize("level", ["full", "columns"])
def test_at_these_levels_everything_is_given_as_it_is(level):
    given, same = outputs(1), verdicts(1)
    found, said = disclose([call(served(level), [0.0, 0.0])], given, same)
    assert found is given
    assert said is same


def test_banded_probabilities_come_in_tenths_and_numbers_in_two_digits():
    (label, scores, value, hidden), said = one("banded")
    assert label.tolist() == [7]
    assert scores[0].tolist() == pytest.approx([0.1, 0.5, 0.4])
    assert value.tolist() == [1200.0]
    assert hidden[0].tolist() == pytest.approx([0.46, 0.46])
    assert said.p_novel[0] == pytest.approx(0.3)
    assert said.confidence[0] == pytest.approx(0.5)
    assert said.likely(0) is None


def test_with_the_label_only_scores_say_no_more_than_the_label():
    (label, scores, value, hidden), said = one("label")
    assert label.tolist() == [7]
    assert scores.dtype == np.float32
    assert scores.tolist() == [[0.0, 1.0, 0.0]]
    assert value.tolist() == [1200.0]
    assert not hidden.any()
    assert np.isnan([said.confidence[0], said.p_novel[0]]).all()
    assert said.likely(0) is None


def test_with_the_set_only_every_output_is_kept_back():
    found, said = one("set")
    assert [array.any() for array in found] == [False] * 4
    assert said.hidden.tolist() == [True]
    assert said.likely(0) == ["set 0"]
    assert np.isnan(said.confidence[0])


@pytest.mark.parametrize(
    ("response", "level"),
    [("log", "columns"), ("slow", "columns"), ("coarse", "banded"), ("label", "label")],
)
def test_a_suspect_is_given_less_and_others_are_not(response, level):
    made = served(misuse=response, suspects=("thief",))
    thief, client = call(made, [0.0, 0.0], caller="thief"), call(made, [0.0, 0.0], caller="client")
    assert (level_of(thief), level_of(client)) == (level, "columns")
    whole = outputs(2)
    found, said = disclose([client, thief], outputs(2), verdicts(2))
    assert found[1][0].tolist() == whole[1][0].tolist()
    assert (found[1][1].tolist() != whole[1][1].tolist()) == (level != "columns")
    assert said.likely(0) == ["set 0"]


def test_a_suspect_is_never_given_more_than_the_owners_level():
    made = served("set", misuse="coarse", suspects=("thief",))
    assert level_of(call(made, [0.0, 0.0], caller="thief")) == "set"


@pytest.mark.parametrize(
    ("owner", "key", "level"),
    [("full", "columns", "columns"), ("columns", "label", "label"), ("label", "full", "label")],
)
def test_a_key_is_given_less_than_the_owners_level_and_never_more(owner, key, level):
    made = served(owner)
    strict, client = call(made, [0.0, 0.0]), call(made, [0.0, 0.0])
    strict.caller = replace(strict.caller, disclosure=key)
    assert (level_of(strict), level_of(client)) == (level, owner)
    said = verdicts(2)
    for row in range(2):
        said.set(row, WARNED, ["x = 430 is above the training maximum 90"], ["x is outside"])
    found, told = disclose([client, strict], outputs(2), said)
    assert (found[1][0].tolist() != found[1][1].tolist()) == (owner == "columns")
    if owner == "full":
        assert told.reasons == {
            0: ["x = 430 is above the training maximum 90"],
            1: ["x is outside"],
        }
        assert told.confidence.tolist() == said.confidence.tolist()


def test_what_others_look_at_later_is_not_changed():
    given, judged = outputs(1), verdicts(1)
    disclose([call(served("label"), [0.0, 0.0])], given, judged)
    assert judged.p_novel.tolist() == [0.333]
    assert given[1].tolist() == outputs(1)[1].tolist()


@pytest.mark.parametrize("level", ["banded", "label", "set"])
def test_both_wires_keep_their_shape_at_every_level(packed, tmp_path, serving, good, level):  # noqa: F811
    version = amended(packed, tmp_path, "tumour", f'disclosure = "{level}"')
    client = serving(version.folder)
    (row,) = ask(client, [good])
    assert row["decision"] == "serve"
    names = {o["name"]: o for o in json.loads(client.get("/v2/models/tumour").text)["outputs"]}
    asked = [{"name": name} for name in names]
    answer = client.post("/v2/models/tumour/infer", json=infer([good], outputs=asked)).json()
    tensors = {tensor["name"]: tensor["data"] for tensor in answer["outputs"]}
    assert set(tensors) == set(names)
    if level == "banded":
        assert row["confidence"] in [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
        assert row["set"] is None
        assert all(round(share, 1) == pytest.approx(share) for share in row["scores"].values())
    elif level == "label":
        assert row["label"] is not None
        assert (row["confidence"], row["set"], row["p_novel"]) == (None, None, None)
        assert sorted(row["scores"].values()) == [0.0, 1.0]
        assert tensors["confidence"] == tensors["p_novel"] == [0.0]
    else:
        assert row["label"] is row["scores"] is None
        assert isinstance(row["set"], list)


@pytest.mark.parametrize("level", ["banded", "label", "set"])
def test_the_reason_for_an_unsure_answer_does_not_say_how_sure_it_is(
    packed,  # noqa: F811
    tmp_path,
    serving,
    good,  # noqa: F811
    level,
):
    words = f'disclosure = "{level}"\nerror_goal = 0.02\nnovelty = "off"'
    client = serving(amended(packed, tmp_path, "tumour", words).folder)
    middle = {name: value * 1.1 for name, value in good.items()}
    rows = [{n: good[n] + (middle[n] - good[n]) * step for n in good} for step in range(-12, 6)]
    unsure = [row for row in zip(rows, ask(client, rows), strict=True) if row[1]["reasons"]]
    assert unsure
    row, answer = unsure[0]
    assert answer["decision"] == "abstain"
    assert answer["reasons"] == ["the answer is not sure enough to be given"]
    refused = client.post("/v2/models/tumour/infer", json=infer([row]))
    assert refused.status_code == 422
    assert "not sure enough" in refused.json()["error"]
    assert not re.search(r"0\.\d", refused.json()["error"])


def test_a_suspect_is_told_less_of_the_reasons_and_others_are_not():
    made = served("full", misuse="label", suspects=("thief",))
    thief, client = call(made, [0.0, 0.0], caller="thief"), call(made, [0.0, 0.0], caller="client")
    said = Verdicts(np.zeros(2, np.uint8))
    for row in range(2):
        said.set(row, ABSTAINED, ["x = 430 is above the training maximum 90"], ["x is outside"])
    decide([client, thief], outputs(2), said, spoken=False)
    assert "430" in client.error.what
    assert thief.error.what == "x is outside"
    _, told = disclose([client, thief], outputs(2), said)
    assert told.reasons == {0: ["x = 430 is above the training maximum 90"], 1: ["x is outside"]}
    assert said.reasons[1] == said.reasons[0], "what others look at later is not changed"


@pytest.mark.parametrize("level", ["banded", "label", "set"])
def test_of_a_model_without_rows_every_value_is_kept_back_not_the_first_alone(level):
    whole = Signature((spec("x", "FP32", (2,)),), (spec("y", "FP64", (5,)), spec("z", "FP64", ())))
    made = served(level, signature=whole)
    given = [np.linspace(0.1234, 0.9876, 5), np.array(0.1234)]
    (y, z), _ = disclose([call(made, 0.0, 0.0)], given, None)
    shown = [np.linspace(0.1234, 0.9876, 5), 0.12] if level == "banded" else [np.zeros(5), 0.0]
    assert y.tolist() == pytest.approx(shown[0].tolist(), abs=0.005)
    assert not set(y.tolist()) & set(given[0].tolist())
    assert z.item() == pytest.approx(shown[1])


@pytest.mark.parametrize("size", [5e-324, 1e-320, 1.79e308, -1.79e308, 0.0, 1234.0, -0.00123456])
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16])
def test_every_number_of_its_type_has_two_digits_that_count(size, kind):
    with np.errstate(over="ignore"):
        value = np.clip(np.array([size]), np.finfo(kind).min, np.finfo(kind).max).astype(kind)
    made = served("banded", signature=one_value(value.dtype))
    (found,), _ = disclose([call(made, [0.0, 0.0])], [value], None)
    assert found.dtype == kind
    assert np.isfinite(found).all()
    assert found.astype(float) == pytest.approx(value.astype(float), rel=0.1, abs=1e-300)


def test_whole_numbers_that_a_regression_answers_have_two_digits_too():
    made = served("banded", signature=one_value(np.dtype(np.int64)))
    largest = np.iinfo(np.int64).max
    calls = [call(made, [0.0, 0.0], [0.0, 0.0])]
    (found,), _ = disclose(calls, [np.array([123456, largest])], None)
    assert found.tolist() == [120000, pytest.approx(9.2e18, rel=0.01)]


def test_a_label_that_is_a_large_number_stays_itself():
    labels = Signature((spec("x", "FP32", (-1, 2)),), (spec("y", "FP32", (-1,), role="label"),))
    (found,), _ = disclose(
        [call(served("label", signature=labels), [0.0, 0.0])],
        [np.array([1234.0], np.float32)],
        None,
    )
    assert found.tolist() == [1234.0]


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_a_single_score_is_no_more_than_its_label_and_no_row_speaks_for_another(shape):
    single = Signature((spec("x", "FP32", (-1, 2)),), (spec("s", "FP32", shape, role="scores"),))
    scores = np.array([0.2, 0.9, 0.6], np.float32).reshape(shape)
    made = served("label", signature=single)
    (found,), _ = disclose([call(made, *[[0.0, 0.0]] * 3)], [scores], None)
    assert found.reshape(-1).tolist() == [0.0, 1.0, 1.0]
