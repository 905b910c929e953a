"""What is looked for in repositories: changes are seen, faults change nothing, torn files wait."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from threading import Event

from tests import models
from tests.processes import until

from fairlead.core.errors import FileUnreadable
from fairlead.packages.repository import Found
from fairlead.serving import finding as module
from fairlead.serving.exchange import Within
from fairlead.serving.finding import FOUND, SETTLED_S, Finding, Looking, Sighting


def seen(looking: Looking, moment: float = 0.0) -> list[tuple[str, int]]:
    return [(one.found.name, one.found.version) for one in looking.look(moment)]


def test_committed_versions_are_seen_and_half_written_ones_are_not(tmp_path):
    package = models.total(tmp_path)
    half = tmp_path / "total" / "2"
    shutil.copytree(package.folder, half)
    (half / "manifest.json").unlink()
    looking = Looking([tmp_path])
    assert seen(looking) == [("total", 1)]
    shutil.copy(package.folder / "manifest.json", half)
    assert seen(looking) == [("total", 1), ("total", 2)]


def test_a_version_is_gone_once_two_looks_have_missed_it(tmp_path):
    models.logs(tmp_path)
    package = models.total(tmp_path)
    looking = Looking([tmp_path])
    seen(looking)
    shutil.move(package.folder, tmp_path.parent / "aside")
    assert seen(looking) == [("logs", 1), ("total", 1)]
    shutil.move(tmp_path.parent / "aside", package.folder)
    assert seen(looking) == [("logs", 1), ("total", 1)]
    shutil.rmtree(package.folder)
    assert [seen(looking), seen(looking)] == [[("logs", 1), ("total", 1)], [("logs", 1)]]


def test_a_repository_that_cannot_be_read_changes_nothing_and_is_told_once(tmp_path, monkeypatch):
    models.total(tmp_path)
    told: list[str] = []
    monkeypatch.setattr(module, "log", lambda event, **fields: told.append(event))
    looking = Looking([tmp_path])
    before = seen(looking)

    def away(*_):
        raise FileUnreadable("the disk does not answer")

    monkeypatch.setattr(module, "committed", away)
    for _ in range(3):
        assert seen(looking) == before
    assert told == ["repository_unreadable"]


def test_a_model_that_cannot_be_read_stays_as_it_was_and_the_others_go_on(tmp_path, monkeypatch):
    models.logs(tmp_path)
    models.total(tmp_path)
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(
        module, "log", lambda event, **fields: told.append((event, fields["folder"]))
    )
    looking = Looking([tmp_path])
    assert seen(looking) == [("logs", 1), ("total", 1)]
    scandir = os.scandir

    def denied(path):
        if Path(path).name == "logs":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    shutil.copytree(tmp_path / "total/1", tmp_path / "total/2")
    for _ in range(3):
        assert seen(looking) == [("logs", 1), ("total", 1), ("total", 2)]
    assert told == [("repository_unreadable", str(tmp_path / "logs"))]
    monkeypatch.undo()
    shutil.rmtree(tmp_path / "logs")
    assert [seen(looking), seen(looking)][-1] == [("total", 1), ("total", 2)]


def test_other_bytes_in_a_file_are_another_stamp(tmp_path):
    package = models.total(tmp_path)
    looking = Looking([tmp_path])
    (first,) = looking.look(0.0)
    assert looking.look(1.0) == [first]
    file = package.folder / package.graph
    os.utime(file, ns=(1, 1))
    (second,) = looking.look(2.0)
    assert second.found == first.found
    assert second.stamp != first.stamp


def test_a_plain_folder_is_believed_once_nothing_of_it_has_changed_for_a_while(tmp_path):
    folder = tmp_path / "plain" / "7"
    folder.mkdir(parents=True)
    looking = Looking([tmp_path], lambda root: [Found("plain", 7, folder)])
    assert seen(looking, 0.0) == []
    assert seen(looking, SETTLED_S - 0.1) == []
    (folder / "saved_model.pb").write_bytes(b"half")
    assert seen(looking, SETTLED_S) == []
    assert seen(looking, 2 * SETTLED_S) == [("plain", 7)]
    (folder / "saved_model.pb").write_bytes(b"other bytes")
    assert seen(looking, 2 * SETTLED_S + 1) == []


def test_a_sighting_comes_through_the_line_as_it_was(tmp_path):
    sighting = Sighting(Found("m", 3, Path("/a/m/3")), "stamp", plain=True)
    assert Sighting.from_json(sighting.to_json()) == sighting


def test_workers_are_told_when_they_join_and_when_something_changes(tmp_path):
    models.total(tmp_path)
    finding = Finding(Looking([tmp_path]), lambda act: act(), lambda found: [*found])
    heard: list[dict] = []
    line = Within(heard.append)
    finding.start()
    try:
        until(lambda: finding._found is not None)
        finding.joined(line)
        assert [m["kind"] for m in heard] == [FOUND]
        models.total(tmp_path)
        until(lambda: len(heard[-1]["versions"]) == 2)
        finding.lost(line)
    finally:
        finding.close()


def test_a_disk_that_does_not_answer_holds_up_nobody(tmp_path):
    """F20: the look is on a thread of its own; what was found before stands."""
    asked, answers = Event(), Event()

    class Stuck(Looking):
        def look(self, moment):
            found = super().look(moment)
            if asked.is_set():
                answers.wait(30)
            asked.set()
            return found

    models.total(tmp_path)
    finding = Finding(Stuck([tmp_path]), lambda act: act())
    finding.start()
    try:
        until(lambda: asked.is_set() and finding._found is not None)
        heard: list[dict] = []
        finding.joined(Within(heard.append))
        finding.beat()
        assert [one[:2] for one in heard[0]["versions"]] == [["total", 1]]
    finally:
        answers.set()
        finding.close()
