"""The categories that a model knows become its contract; what it does not refuse is left free."""

import numpy as np
import pandas
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder

import fairlead
from fairlead.core.datatypes import DTYPES
from fairlead.core.errors import AirlockFailed
from fairlead.core.signature import Signature, TensorSpec
from fairlead.guards import Contract
from fairlead.packing.choices import MOST, Choices, choices_of, contract_of
from fairlead.packing.converters.columns import choices

TABLE = pandas.DataFrame(
    {"colour": ["red", "green", "blue", "?"] * 10, "size": [1, 2, 5, 9] * 10, "weight": range(40)}
)
NAMES = list(TABLE.columns)


def lower(table):
    return table.apply(lambda column: column.str.lower())


def fitted(step, names=("colour",), table=TABLE):
    transformer = make_column_transformer((step, list(names)), remainder="drop")
    return make_pipeline(transformer, LogisticRegression()).fit(table, table["weight"] > 20)


@pytest.mark.parametrize("step", [OneHotEncoder(), OrdinalEncoder(), OneHotEncoder(drop="first")])
def test_an_encoder_that_refuses_what_it_never_saw_says_what_there_is(step):
    found = choices(fitted(step, ["colour", "size"]), NAMES)
    assert found == {
        "colour": {"values": ["?", "blue", "green", "red"], "missing": False},
        "size": {"values": ["1", "2", "5", "9"], "missing": False},
    }


@pytest.mark.parametrize(
    "step",
    [
        OneHotEncoder(handle_unknown="ignore"),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2),
        make_pipeline(FunctionTransformer(lower), OneHotEncoder()),
    ],
)
def test_what_the_model_itself_takes_is_left_free(step):
    assert choices(fitted(step), NAMES) == {}


def test_what_an_imputer_takes_for_missing_is_a_value_too():
    imputer = SimpleImputer(missing_values="?", strategy="most_frequent")
    found = choices(fitted(make_pipeline(imputer, OneHotEncoder())), NAMES)
    assert sorted(found["colour"]["values"]) == ["?", "blue", "green", "red"]


def test_a_missing_value_is_free_where_the_model_knows_it():
    gaps = TABLE.assign(colour=TABLE["colour"].replace("?", np.nan))
    found = choices(fitted(OneHotEncoder(), table=gaps), NAMES)
    assert found == {"colour": {"values": ["blue", "green", "red"], "missing": True}}


def test_reference_rows_and_the_model_agree_on_the_categories(tmp_path):
    some = TABLE[TABLE["colour"] != "red"]
    model = fitted(OneHotEncoder(), ["colour"])
    package = fairlead.pack(model, name="m", repository=tmp_path, reference=some)
    contract = Contract.from_toml((package.folder / "contract.toml").read_text())
    rule = next(rule for rule in contract.rules if rule.name == "colour")
    assert rule.choices == ("?", "blue", "green", "red")


def test_a_model_without_categories_has_no_contract_of_its_own():
    table = Signature((TensorSpec("x", DTYPES["FP32"], (-1, 2), ("a", "b")),), ())
    assert contract_of(table, {}) is None
    assert contract_of(table, {"c": Choices(("1",), False)}) is None
    contract = contract_of(table, {"b": Choices(("2", "1"), True)})
    assert contract is not None
    assert [(r.name, r.choices, r.required) for r in contract.rules] == [
        ("a", (), False),
        ("b", ("1", "2"), False),
    ]


def test_too_many_categories_are_not_written_down():
    many = {"values": [str(i) for i in range(MOST + 1)], "missing": False}
    assert choices_of({"choices": {"a": many}}) == {}


@pytest.mark.parametrize(
    "told",
    [
        [1],
        {"a": 3},
        {"a": {"values": [1], "missing": False}},
        {"a": {"values": ["x"]}},
        {3: {"values": ["x"], "missing": False}},
        {"a": {"values": None, "missing": False}},
    ],
)
def test_facts_that_a_damaged_airlock_left_behind_are_refused(told):
    with pytest.raises(AirlockFailed):
        choices_of({"choices": told})
