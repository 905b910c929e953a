"""The limits that hold without settings are the defaults of the settings."""

from fairlead.assembly.settings import Limits
from fairlead.core.limits import STANDARD


def test_the_standard_limits_are_the_default_settings():
    default = Limits()
    assert STANDARD.depth == default.json_depth
    assert STANDARD.parsed == default.body_mib << 20
    assert STANDARD.answer == default.response_mib << 20
