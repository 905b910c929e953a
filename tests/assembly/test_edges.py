"""What the settings mean to admission."""

import pytest

from fairlead.assembly.config import load
from fairlead.assembly.edges import policy
from fairlead.core.errors import BadSetting


def test_keys_in_memory_are_believed_for_an_hour_unless_the_owner_says_otherwise():
    assert policy(load({}, {}, None), False).stale_max_s == 3600
    assert policy(load({"state.stale_max_s": 5}, {}, None), False).stale_max_s == 5


@pytest.mark.parametrize("seconds", [0, -1, "soon", 10**9])
def test_they_are_never_believed_for_ever(seconds):
    with pytest.raises(BadSetting):
        load({"state.stale_max_s": seconds}, {}, None)


def test_callers_without_a_key_are_taken_on_this_machine_alone():
    assert policy(load({"server.host": "127.0.0.1"}, {}, None), False).open
    assert not policy(load({"server.host": "0.0.0.0"}, {}, None), False).open
