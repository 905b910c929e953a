"""A server does not start on state that others may change, or that is damaged."""

from __future__ import annotations

import pytest
from tests.serving.parts_keys import KEY

from fairlead.assembly.asking import managed
from fairlead.assembly.rooms import check_room
from fairlead.core.errors import FairleadError
from fairlead.serving.postponed import FILE as POSTPONED
from fairlead.serving.postponed import Postponed
from fairlead.usage.stores.keys import FILE


@pytest.fixture
def state(tmp_path):
    managed(tmp_path, "keys.create", KEY)
    Postponed(tmp_path).add({"do": "note"})
    return tmp_path


@pytest.mark.parametrize("file", [FILE, "pepper", POSTPONED])
def test_what_others_may_write_is_refused(state, file):
    check_room(state)
    (state / file).chmod(0o666)
    with pytest.raises(FairleadError, match="others"):
        check_room(state)


@pytest.mark.parametrize("file", [FILE, "pepper"])
def test_what_is_damaged_is_refused(state, file):
    (state / file).write_bytes(b"nonsense" * 1000)
    with pytest.raises(FairleadError) as caught:
        check_room(state)
    assert caught.value.fix


def test_an_empty_folder_and_a_database_elsewhere_are_no_hindrance(tmp_path):
    check_room(tmp_path)
    check_room(tmp_path, "postgresql://nobody:x@127.0.0.1:1/none")
    assert list(tmp_path.iterdir()) == []
