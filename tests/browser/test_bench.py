"""The bench itself: it finds what it is there to find."""

from __future__ import annotations

import json

import pytest
from tests.browser.bench import (
    PHONE,
    Bench,
    first_paint_ms,
    journey,
    loads,
    screenshot,
    sideways,
    violations,
    weight,
)

PAGE = '<!DOCTYPE html><html lang="en"><head><title>t</title></head><body><main>{}</main></body>'


@pytest.fixture
def file(tmp_path):
    def write(body: str):
        made = tmp_path / "page.html"
        made.write_text(PAGE.format(body))
        return made

    return write


@pytest.mark.parametrize("scripts", [True, False])
def test_a_fault_that_axe_knows_is_found_with_and_without_scripts(look, file, scripts):
    pale = file('<h1>h</h1><p style="color:#aaa;background:#fff">pale</p><img src="data:,">')
    found = violations(look(pale, scripts=scripts))
    assert {line.split()[0] for line in found} == {"color-contrast", "image-alt"}
    assert violations(look(file("<h1>h</h1><p>plain</p>"), scripts=scripts)) == []


def test_what_is_not_local_is_neither_reached_nor_overlooked(browser, file):
    bench = Bench(browser, str)
    away = ["http://192.0.2.1/a.png", "https://fonts.example/b.css"]
    page = bench.look(file(f'<img src="{away[0]}" alt=""><link rel="stylesheet" href="{away[1]}">'))
    assert sorted(bench.strays) == away
    assert [url for url in loads(page) if url in away] == []
    bench.close()


def test_the_weight_of_files_is_that_of_their_compressed_bytes(look, file, tmp_path):
    (tmp_path / "style.css").write_text("p { color: #000 }\n" * 10_000)
    page = look(file('<link rel="stylesheet" href="style.css"><p>long</p>'))
    assert len(loads(page)) == 2
    assert 400 < weight(page) < 2000


def test_the_weight_from_a_server_is_what_it_sent(look, site):
    page = look("/v2/models/churn")
    assert weight(page) == len(site.running.get("/v2/models/churn")[1])
    assert json.loads(page.inner_text("body"))["name"] == "churn"


def test_the_first_paint_is_measured(look, file):
    assert 0 < first_paint_ms(look(file("<p>here</p>"))) < 60_000


def test_a_journey_goes_from_stop_to_stop_and_sees_a_missing_ring(look, file):
    page = look(
        file('<a href="#a">one</a> <button style="outline:none">two</button> <p tabindex=-1>no</p>')
    )
    stops = journey(page)
    assert [(s.tag, s.name, s.ring, s.seen) for s in stops] == [
        ("a", "one", True, True), ("button", "two", False, True),
    ]  # fmt: skip
    assert stops[0].link == "#a"


def test_a_page_wider_than_the_screen_is_noticed(look, file):
    assert sideways(look(file("<p>short</p>"), width=PHONE)) == 0
    assert sideways(look(file('<div style="width:500px">w</div>'), width=PHONE)) > 100


def test_the_reader_has_the_theme_that_was_asked_for(look, file):
    dark = "matchMedia('(prefers-color-scheme: dark)').matches"
    assert look(file("<p>p</p>"), theme="dark").evaluate(dark) is True
    assert look(file("<p>p</p>"), theme="light").evaluate(dark) is False


def test_a_picture_is_taken_only_when_pictures_are_asked_for(look, file, tmp_path, monkeypatch):
    monkeypatch.setattr("tests.browser.bench.PICTURES", tmp_path / "pictures")
    monkeypatch.delenv("FAIRLEAD_PICTURES", raising=False)
    page = look(file("<p>p</p>"), theme="dark")
    screenshot(page, "one")
    assert not (tmp_path / "pictures").exists()
    monkeypatch.setenv("FAIRLEAD_PICTURES", "1")
    screenshot(page, "one")
    assert [f.name for f in (tmp_path / "pictures").iterdir()] == ["one-dark.png"]


def test_without_scripts_the_page_runs_none_of_its_own_and_shows_what_stands_in(look, file):
    body = "<noscript><p>plain</p></noscript><p id=a>a</p><script>a.textContent = 'b'</script>"
    assert look(file(body)).inner_text("main") == "b"
    plain = look(file(body), scripts=False)
    assert plain.inner_text("main").split() == ["plain", "a"]
