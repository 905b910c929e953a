"""The log: a line is a line whatever callers send, and every event has its level."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fairlead
from fairlead.serving import log as logging
from fairlead.serving.log import EVENTS, configure, log

SOURCE = Path(fairlead.__file__).parent


@pytest.fixture(autouse=True)
def _as_it_was():
    yield
    configure("info", "json")


def written(capsys) -> str:
    return capsys.readouterr().err


def test_an_event_is_one_json_object_with_its_fields(capsys):
    log("process_died", process="worker 0", status=-9, again_in_s=0.1)
    line = json.loads(written(capsys))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "warning", "event": "process_died", "process": "worker 0", "status": -9,
        "again_in_s": 0.1,
    }  # fmt: skip


_HOSTILE = ["\r\nX: y", "\x1b[31m", "\u2028", "\0", "a" * 5000, '" level="error', "é", "\ud800"]


@pytest.mark.parametrize("style", ["json", "text"])
@pytest.mark.parametrize("text", _HOSTILE)
def test_what_a_caller_sends_cannot_break_or_forge_a_line(capsys, style, text):
    configure("info", style)
    log("route_failed", address=text, error=1)
    said = written(capsys)
    assert len(said.splitlines()) == 1
    assert said.endswith("\n")
    assert said.isascii()
    assert said[:-1].isprintable()
    assert len(said) < 7000
    assert said.count("level") == (style == "json") + ("level" in text)


@given(st.text(max_size=50))
def test_any_text_stays_in_its_quotes(text):
    word = logging._word(text)
    assert word == text or json.loads(word) == text
    assert word
    assert " " not in word or word.startswith('"')


@pytest.mark.parametrize(
    ("level", "events"),
    [
        ("debug", ["ready", "process_died", "load_failed"]),
        ("info", ["ready", "process_died", "load_failed"]),
        ("warning", ["process_died", "load_failed"]),
        ("error", ["load_failed"]),
    ],
)
def test_less_severe_events_are_left_out(capsys, level, events):
    configure(level, "json")
    for event in ("ready", "process_died", "load_failed"):
        log(event)
    assert [json.loads(line)["event"] for line in written(capsys).splitlines()] == events


def test_every_event_of_the_source_has_a_level_and_every_level_an_event():
    """Calls of `log` and `_log` whose first argument is a string."""
    found: set[str] = set()
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            first = getattr(node.args[0], "value", None)
            if name in ("log", "_log") and isinstance(first, str):
                found.add(first)
    assert found == set(EVENTS)
