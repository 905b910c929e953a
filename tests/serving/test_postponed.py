"""What was acknowledged while the database was away is there until the database has it."""

from __future__ import annotations

import resource
import signal
import stat

import pytest

from fairlead.core.errors import StateInvalid, StateUnavailable
from fairlead.serving import postponed
from fairlead.serving.postponed import FILE, Postponed


def act(number: int) -> dict:
    return {"do": "revoke", "ids": [f"key_{number}"], "ns": number, "name": "é\x00\n\ud800"}


def test_what_was_added_is_there_after_a_restart(tmp_path):
    kept = Postponed(tmp_path)
    for number in range(3):
        kept.add(act(number))
    assert Postponed(tmp_path).waiting() == [act(0), act(1), act(2)]
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_what_is_done_is_forgotten_and_the_rest_stays(tmp_path):
    kept = Postponed(tmp_path)
    for number in range(3):
        kept.add(act(number))
    kept.done(2)
    assert kept.waiting() == Postponed(tmp_path).waiting() == [act(2)]
    kept.add(act(3))
    assert Postponed(tmp_path).waiting() == [act(2), act(3)]
    kept.done(2)
    assert list(tmp_path.iterdir()) == []
    assert len(kept) == 0


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_line_that_was_cut_off_was_never_acknowledged(tmp_path, cut):
    kept = Postponed(tmp_path)
    kept.add(act(0))
    kept.add(act(1))
    raw = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(raw[:-cut])
    assert Postponed(tmp_path).waiting() == [act(0)]
    assert not (tmp_path / f"{FILE}.damaged").exists()


def test_what_comes_after_a_cut_off_line_can_be_read(tmp_path):
    kept = Postponed(tmp_path)
    kept.add(act(0))
    with (tmp_path / FILE).open("ab") as opened:
        opened.write(b'{"do": "rev')
    again = Postponed(tmp_path)
    again.add(act(1))
    assert Postponed(tmp_path).waiting() == [act(0), act(1)]


def test_a_damaged_line_costs_no_other_and_is_kept_aside(tmp_path, capsys):
    kept = Postponed(tmp_path)
    kept.add(act(0))
    (tmp_path / FILE).write_bytes(b"\xff{\n" + (tmp_path / FILE).read_bytes())
    assert Postponed(tmp_path).waiting() == [act(0)]
    assert (tmp_path / f"{FILE}.damaged").exists()
    assert "bookkeeping_failed" in capsys.readouterr().err


def test_a_file_that_others_may_write_is_refused(tmp_path):
    Postponed(tmp_path).add(act(0))
    (tmp_path / FILE).chmod(0o602)
    with pytest.raises(StateInvalid, match="others may write"):
        Postponed(tmp_path)


def test_what_the_disk_does_not_take_is_not_acknowledged_and_spoils_nothing(tmp_path):
    kept = Postponed(tmp_path)
    kept.add(act(0))
    size = (tmp_path / FILE).stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, before[1]))
    try:
        with pytest.raises(StateUnavailable):
            kept.add(act(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert len(kept) == 1
    kept.add(act(2))
    assert Postponed(tmp_path).waiting() == [act(0), act(2)]


def test_it_does_not_grow_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(postponed, "MOST_BYTES", 100)
    kept = Postponed(tmp_path)
    kept.add(act(0))
    with pytest.raises(StateUnavailable, match="too much waits"):
        kept.add(act(1))
    assert Postponed(tmp_path).waiting() == [act(0)]


def test_notes_leave_room_for_revocations(tmp_path, monkeypatch):
    """Whoever knocks at the administration's door makes notes; that hinders no revocation."""
    monkeypatch.setattr(postponed, "MOST_BYTES", 1000)
    kept = Postponed(tmp_path)
    note = {"do": "note", "ns": 0, "about": "x" * 300}
    kept.add(note)
    with pytest.raises(StateUnavailable, match="too much waits"):
        kept.add(note)
    kept.add(act(1))
    assert kept.waiting() == [note, act(1)]
