"""Models in runners, closed at the end of the test."""

import pytest
from tests.runtimes.runner import parts


@pytest.fixture
def loading():
    """Loads models that are closed at the end of the test."""
    loaded = []

    def load(*given, **more):
        loaded.append(parts.load(*given, **more))
        return loaded[-1]

    yield load
    for model in loaded:
        model.close()
