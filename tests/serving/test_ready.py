"""Readiness: computed from what the workers say, of the server and of each model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.serving.ready import of_model, why_not
from fairlead.serving.registry import has_every_model

STATES = ("waiting", "loading", "warming", "ready", "draining", "unloaded", "failed")


def page(**states: str) -> dict:
    """A worker's page; the version stands behind an underscore."""
    keys = {key.replace("_", "/"): state for key, state in states.items()}
    return {"models": {key: {"state": state, "reason": ""} for key, state in keys.items()}}


def test_a_model_is_ready_once_every_worker_that_takes_calls_has_a_ready_version():
    both = [page(m_1="ready", m_2="loading"), page(m_1="ready", m_2="ready")]
    found = of_model(both, "m")
    assert found == {
        "model": "m", "ready": True, "workers": 2,
        "versions": [
            {"version": 2, "ready_workers": 1, "state": "loading"},
            {"version": 1, "ready_workers": 2, "state": "ready"},
        ],
    }  # fmt: skip
    one = of_model([page(m_1="ready"), page(m_1="loading")], "m")
    assert not one["ready"]
    assert one["why"] == "version 1 is loading in 1 of 2 workers"


def test_why_a_model_is_not_ready_is_said_with_the_reason_of_its_newest_version():
    failed = {
        "models": {
            "m/3": {"state": "failed", "reason": "no such file"},
            **page(m_2="unloaded")["models"],
        }
    }
    found = of_model([failed], "m")
    assert found["why"] == "version 3 is failed: no such file"
    assert found["versions"][0]["reason"] == "no such file"
    assert of_model([], "m")["why"] == "no worker takes calls"
    assert of_model([page(other_1="ready")], "m")["why"] == "no worker knows it"


def test_another_model_of_a_longer_name_is_another_model():
    assert not of_model([page(mm_1="ready")], "m")["ready"]


@pytest.mark.parametrize(
    ("pages", "why"),
    [
        ([], "no worker takes calls"),
        ([page()], "no model is known"),
        ([page(secret_1="failed", m_1="ready")], "1 of 2 models has no version that is ready"),
        ([page(a_1="failed", b_1="loading")], "2 of 2 models have no version that is ready"),
    ],
)
def test_why_the_server_is_not_ready_names_no_model(pages, why):
    assert why_not(pages) == why


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["a/1", "a/2", "b/1"]), st.sampled_from(STATES), min_size=1
        ),
        min_size=1,
        max_size=3,
    )
)
def test_a_server_is_ready_only_where_each_model_that_is_wanted_is(given_states):
    pages = [
        {"models": {k: {"state": s, "reason": ""} for k, s in one.items()}} for one in given_states
    ]
    everywhere = all(has_every_model(one["models"]) for one in pages)
    for name in ("a", "b"):
        wanted = [
            any(k[0] == name and s not in ("unloaded", "draining") for k, s in one.items())
            for one in given_states
        ]
        if everywhere and all(wanted):
            assert of_model(pages, name)["ready"]
