"""Servers to attack: with the usual limits, with tight ones, and one of short answers."""

from __future__ import annotations

import pytest
from tests.hostile.parts import Target, target


@pytest.fixture(scope="package")
def usual(small_models, tmp_path_factory) -> Target:
    with target(small_models, tmp_path_factory.mktemp("usual")) as found:
        yield found
        found.log_is_clean()


@pytest.fixture(scope="package")
def tight(small_models, tmp_path_factory) -> Target:
    limits = {"body_mib": 1, "response_mib": 1, "json_depth": 10, "head_kib": 4, "url_kib": 1}
    with target(small_models, tmp_path_factory.mktemp("tight"), **limits) as found:
        yield found
        found.log_is_clean()


@pytest.fixture(scope="package")
def terse(small_models, tmp_path_factory) -> Target:
    with target(small_models, tmp_path_factory.mktemp("terse"), response_mib=1) as found:
        yield found
        found.log_is_clean()
