"""What two sets of scopes allow both is exactly what each of them allows."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fairlead.access.book import allows, describes
from fairlead.access.scopes import Allowed, both, selectors
from fairlead.core.access import NOBODY, OF_A_MODEL, OPERATIONS, Caller, Scope, parse_scopes

MODELS = ["iris", "wine"]
LABELS = ["stable", "canary", "candidate", "shadow"]

of_models = st.builds(
    Scope,
    st.sampled_from(["predict", "explain"]),
    st.sampled_from([*MODELS, "*"]),
    st.sampled_from(["", "1", "2", *LABELS]),
)
others = st.sampled_from([op for op in OPERATIONS if op not in OF_A_MODEL]).map(Scope)
scopes = st.lists(of_models | others, max_size=6).map(tuple)
asked = st.tuples(
    st.sampled_from(["predict", "explain", "feedback", "usage:read", "admin:keys"]),
    st.sampled_from(["", *MODELS, "other"]),
    st.sampled_from([0, 1, 2, 3]),
    st.sampled_from(["", *LABELS]),
)


def of(*texts: str) -> tuple[Scope, ...]:
    return parse_scopes(texts)


def holder(allowed: Allowed) -> Caller:
    return replace(NOBODY, open=allowed.open, named=allowed.named)


@given(scopes, scopes, asked)
@example(of("predict:iris@1"), of("predict:*"), ("predict", "iris", 1, "candidate"))
@example(of("predict:iris@1"), of("predict:iris@stable"), ("predict", "iris", 1, ""))
@example(of("predict:*@1"), of("predict:iris@shadow"), ("predict", "iris", 1, "shadow"))
def test_both_allow_what_each_of_them_allows(one, other, ask):
    a, b = Allowed.of(one), Allowed.of(other)
    each = allows(holder(a), *ask) and allows(holder(b), *ask)
    assert allows(holder(both(a, b)), *ask) is each
    assert allows(holder(both(b, a)), *ask) is each


@given(scopes, scopes, scopes, asked)
def test_a_third_set_narrows_what_two_allow(one, other, third, ask):
    a, b, c = map(Allowed.of, (one, other, third))
    each = all(allows(holder(every), *ask) for every in (a, b, c))
    assert allows(holder(both(both(a, b), c)), *ask) is each
    assert allows(holder(both(a, both(b, c))), *ask) is each


def singles(*operations: str, models: list[str]) -> list[Allowed]:
    """Every single scope of these."""
    chosen = product(operations, models, ["", "1", "2", *LABELS])
    return [Allowed.of([Scope(*each)]) for each in chosen]


def asks(*models: str) -> list[tuple]:
    return [*product(["predict", "explain"], models, [0, 1, 2], ["", *LABELS])]


def answers(allowed: Allowed, asked: list[tuple]) -> list[bool]:
    holding = holder(allowed)
    return [allows(holding, *ask) for ask in asked]


def test_any_two_scopes_allow_both_what_each_allows():
    asked = asks("iris", "wine", "other")
    every = singles("predict", "explain", models=["iris", "wine", "*"])
    said = [answers(one, asked) for one in every]
    for (one, a), (other, b) in product(zip(every, said, strict=True), repeat=2):
        each = [x and y for x, y in zip(a, b, strict=True)]
        assert answers(both(one, other), asked) == each, (one, other)


def test_any_three_scopes_allow_what_each_allows():
    asked = asks("iris", "wine")
    every = singles("predict", models=["iris", "*"])
    said = [answers(one, asked) for one in every]
    for three in product(zip(every, said, strict=True), repeat=3):
        (one, a), (other, b), (third, c) = three
        each = [x and y and z for x, y, z in zip(a, b, c, strict=True)]
        assert answers(both(both(one, other), third), asked) == each, three


@given(scopes)
def test_a_set_with_itself_allows_the_same(one):
    a = Allowed.of(one)
    for operation in ("predict", "explain"):
        for model in MODELS:
            for version in (0, 1, 2, 3):
                for label in ("", *LABELS):
                    ask = operation, model, version, label
                    assert allows(holder(both(a, a)), *ask) is allows(holder(a), *ask)


@given(scopes, scopes)
def test_a_model_is_known_to_both_if_some_version_of_it_may_be_asked(one, other):
    met = holder(both(Allowed.of(one), Allowed.of(other)))
    for model in MODELS:
        some = any(
            allows(met, "predict", model, version, label)
            for version in (1, 2, 3)
            for label in ("", *LABELS)
        )
        assert describes(met, model) is some


@pytest.mark.parametrize(
    ("one", "other", "open_", "named"),
    [
        ("predict:*", "predict:iris", {("predict", "iris")}, set()),
        ("predict:*", "predict:iris@3", set(), {("predict", "iris", "3&")}),
        ("predict:*@stable", "predict:iris@3", set(), {("predict", "iris", "3&stable")}),
        ("predict:iris", "predict:iris@stable", set(), {("predict", "iris", "stable")}),
        ("predict:iris", "predict:iris@candidate", set(), set()),
        ("predict:iris@3", "predict:iris@4", set(), set()),
        ("predict:iris", "explain:iris", set(), set()),
        ("usage:read", "usage:read", {("usage:read", "")}, set()),
    ],
)
def test_what_no_scope_can_say_is_a_selector_of_its_own(one, other, open_, named):
    met = both(Allowed.of(parse_scopes([one])), Allowed.of(parse_scopes([other])))
    assert met == (open_, named)


def test_a_version_is_meant_by_its_number_its_label_and_both():
    assert selectors(0, "") == []
    assert selectors(3, "") == ["3", "3&"]
    assert selectors(3, "stable") == ["3", "stable", "3&stable", "3&"]
    assert selectors(3, "shadow") == ["3", "shadow", "3&shadow"]
    assert selectors(0, "stable") == ["stable"]
