"""The documentation site: made from docs/, whole, small, and read by everybody in every way."""

from __future__ import annotations

import gzip
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from html import unescape
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

import pytest
from scripts.site.__main__ import main as command
from scripts.site.book import ROOT, SiteError
from scripts.site.build import build
from tests.browser.bench import (
    PHONE,
    THEMES,
    WIDTHS,
    journey,
    sideways,
    violations,
    weight,
)
from tests.house.test_docs_run import anchors

ONE_OF_EACH = [
    "index.html",
    "how-to/index.html",
    "tutorials/first-service.html",
    "how-to/watch-for-drift.html",
    "reference/settings.html",
    "explanation/performance.html",
    "adr/0001-own-edge.html",
    "trials/index.html",
    "source/src/fairlead/edge/http1.py.html",
    "headings.html",
    "changelog.html",
]
MOST = 60_000
"""Bytes of a page with all that it loads, compressed."""


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    build(folder)
    return folder


class Read(HTMLParser):
    """Where a page leads, what it loads and what can be led to, and whether its tags close."""

    VOID = frozenset({"meta", "link", "img", "br", "hr", "input", "circle", "path"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.leads: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.ids += [told["id"]] if told.get("id") else []
        (self.leads if tag == "a" else self.loads).extend(
            told[name] for name in ("href", "src") if name in told
        )
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self._open.pop() == tag


@pytest.fixture(scope="module")
def read(built) -> dict[str, Read]:
    files = built.rglob("*.html")
    return {str(f.relative_to(built)): Read(f.read_text(encoding="utf-8")) for f in files}


# --- whole --------------------------------------------------------------------------------


def test_every_link_of_the_site_leads_to_a_page_and_an_anchor_of_it(built, read):
    broken: list[str] = []
    for place, page in read.items():
        for link in (*page.leads, *page.loads):
            path, _, anchor = unquote(link).partition("#")
            if path.startswith("https://"):
                continue
            here = path.lstrip("/") if place == "404.html" else f"{Path(place).parent}/{path}"
            target = place if not path else os.path.normpath(here)
            there = (built / target).is_file()
            if not there or (anchor and anchor not in read[target].ids):
                broken.append(f"{place}: {link}")
    assert broken == []


def test_a_page_loads_nothing_from_elsewhere_and_is_found_from_any_folder(read):
    for place, page in read.items():
        assert not [link for link in page.loads if ":" in link]
        if place != "404.html":
            assert not [link for link in (*page.loads, *page.leads) if link.startswith("/")]


def test_anchors_are_once_each_and_those_that_github_makes(read):
    for place, page in read.items():
        assert len(page.ids) == len(set(page.ids)), place
    for source in (ROOT / "docs").rglob("*.md"):
        place = str(source.relative_to(ROOT / "docs").with_suffix(".html"))
        place = place.replace("README", "index")
        if place != "index.html":
            assert anchors(source) <= set(read[place].ids), place


def test_every_block_of_code_stands_in_the_site_as_it_does_in_the_docs(built):
    fence = re.compile(r"^( *)```[^\n]*\n(.*?)^\1```$", re.M | re.S)
    figure = re.compile(r"<figure class=.*?<code>(.*?)</code>", re.S)
    for source in (ROOT / "docs").rglob("*.md"):
        place = str(source.relative_to(ROOT / "docs").with_suffix(".html"))
        if place == "README.html":
            continue
        page = (built / place.replace("README", "index")).read_text(encoding="utf-8")
        found = [unescape(re.sub(r"<[^>]+>", "", code)) for code in figure.findall(page)]
        blocks = fence.findall(source.read_text(encoding="utf-8"))
        assert [code.strip() for code in found] == [
            "".join(line.removeprefix(indent) for line in text.splitlines(True)).strip()
            for indent, text in blocks
        ], place


def test_a_table_of_names_has_no_empty_row_above_it(built):
    text = "".join(f.read_text(encoding="utf-8") for f in built.rglob("*.html"))
    assert not re.search(r"<tr>(\s*<th[^>]*></th>)+\s*</tr>", text)
    assert text.count("<thead>") < text.count("<table>")


def test_every_page_is_small(built):
    both = [(built / name).read_bytes() for name in ("style.css", "site.js", "icon.svg")]
    shared = sum(len(gzip.compress(text)) for text in both)
    heavy = {
        str(file): size
        for file in built.rglob("*.html")
        if (size := shared + len(gzip.compress(file.read_bytes()))) > MOST
    }
    assert heavy == {}
    assert len(gzip.compress((built / "index.js").read_bytes())) <= MOST


# --- what fails the build -----------------------------------------------------------------


@pytest.fixture
def copy(tmp_path) -> Path:
    """A copy of all that the site is made from."""
    for name in ("README.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("docs", "src"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    "link",
    ["gone.md", "../how-to/watch-for-drift.md#gone", "#gone", "../../../etc/passwd", "a.png"],
)
def test_a_link_that_leads_nowhere_fails_the_build_and_is_named(copy, tmp_path, link):
    page = copy / "docs" / "tutorials" / "first-service.md"
    page.write_text(page.read_text() + f"\n[a dead one]({link})\n")
    with pytest.raises(SiteError, match=re.escape(f"docs/tutorials/first-service.md: {link}")):
        build(tmp_path / "site", root=copy)


def test_a_page_that_no_index_names_fails_the_build(copy, tmp_path):
    (copy / "docs" / "how-to" / "lost.md").write_text("# Lost\n")
    with pytest.raises(SiteError, match=r"no index names docs/how-to/lost\.md"):
        build(tmp_path / "site", root=copy)


def test_the_command_says_where_the_site_is_and_takes_the_place_of_an_older_one(tmp_path, capsys):
    (tmp_path / "old.html").write_text("old")
    assert command_of(tmp_path) == 0
    assert str(tmp_path / "index.html") in capsys.readouterr().out
    assert not (tmp_path / "old.html").exists()


def command_of(folder: Path) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["site", str(folder)])
        return command()


# --- looked at ----------------------------------------------------------------------------


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("place", ONE_OF_EACH)
def test_a_page_of_each_kind_breaks_no_rule_fits_the_screen_and_is_light(look, built, place, theme):
    for width in WIDTHS:
        page = look(built / place, theme=theme, width=width)
        assert violations(page) == []
        assert sideways(page) == 0
        assert weight(page) <= MOST


@pytest.mark.parametrize("place", ONE_OF_EACH[:4])
def test_without_scripts_all_is_there_and_nothing_offers_what_does_not_work(look, built, place):
    page = look(built / place, scripts=False)
    assert violations(page) == []
    assert page.locator("button").count() == 0
    assert page.locator(".find").inner_text() == "All headings"


def test_the_menu_of_a_phone_opens_and_closes_without_scripts(look, built):
    page = look(built / "how-to" / "watch-for-drift.html", width=PHONE, scripts=False)
    assert not page.locator("#menu").is_visible()
    page.click("text=Menu")
    assert page.locator("#menu").is_visible()
    assert violations(page) == []
    page.click("text=Close")
    assert not page.locator("#menu").is_visible()


@pytest.mark.parametrize("theme", THEMES)
def test_what_is_on_a_page_is_beside_it_or_folded_above_it(look, built, theme):
    wide = look(built / "reference" / "settings.html", theme=theme)
    assert (wide.locator(".toc").is_visible(), wide.locator(".short").is_visible()) == (True, False)
    slim = look(built / "reference" / "settings.html", theme=theme, width=PHONE, scripts=False)
    assert (slim.locator(".toc").is_visible(), slim.locator(".short").is_visible()) == (False, True)
    slim.click("summary")
    assert violations(slim) == []
    slim.click(".short >> text=[limits]")
    assert slim.url.endswith("#limits")
    assert slim.locator("#limits").bounding_box()["y"] < 200


def test_the_keyboard_sees_where_it_is_and_may_skip_to_the_text(look, built):
    page = look(built / "tutorials" / "first-service.html")
    stops = journey(page)
    assert stops[0].name == "Skip to the text"
    assert [stop for stop in stops if not (stop.ring and stop.seen)] == []
    assert "A guarded classification" in [stop.name for stop in stops]
    page.reload()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


@pytest.mark.parametrize("theme", THEMES)
def test_a_picture_has_the_theme_of_its_reader_and_its_place_from_the_start(look, built, theme):
    page = look(built / "how-to" / "watch-for-drift.html", theme=theme)
    shown = page.locator("main img:visible")
    assert shown.count() == 1
    assert str(shown.get_attribute("src")).endswith(f"drift-report-{theme}.png")
    height = "i => i.getBoundingClientRect().height"
    before = shown.evaluate(height)
    shown.scroll_into_view_if_needed()
    page.wait_for_function("[...document.images].some(i => i.complete && i.naturalWidth > 0)")
    assert before > 100
    assert shown.evaluate(height) == pytest.approx(before, abs=1)


@pytest.mark.parametrize("theme", THEMES)
def test_the_search_finds_an_error_by_its_id_with_the_keyboard_alone(look, built, theme):
    page = look(built / "how-to" / "read-the-errors.html", theme=theme)
    page.keyboard.press("/")
    page.wait_for_selector("dialog[open]")
    page.keyboard.type("FRL-1003")
    page.locator("[aria-selected=true]", has_text="FRL-1003 DUPLICATE_NAME").wait_for()
    assert violations(page) == []
    page.keyboard.press("Enter")
    page.wait_for_url("**/reference/errors.html#frl-1003-duplicate_name")


def test_a_search_for_nothing_says_so_and_escape_leaves_it(look, built):
    page = look(built / "index.html")
    page.click("text=Search")
    page.keyboard.type("<b>zzz")
    page.locator("dialog [role=status]", has_text="Nothing is named so.").wait_for()
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0


def test_a_block_of_code_is_copied_as_it_stands_in_the_page(look, built):
    allowed = ["clipboard-read", "clipboard-write"]
    page = look(built / "tutorials" / "first-service.html", permissions=allowed)
    block = page.locator("figure.code", has_text="train_test_split").first
    block.locator("button").click()
    block.locator("text=Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    source = (ROOT / "docs" / "tutorials" / "first-service.md").read_text()
    assert copied.startswith("import joblib\n")
    assert copied in source


def test_a_chosen_theme_is_kept_from_page_to_page(look, built):
    page = look(built / "index.html", theme="light")
    page.click("[aria-label='Dark theme']")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.click("text=Build a first service")
    page.wait_for_url("**/first-service.html")  # loaded: before it has a body nothing has a colour
    assert page.evaluate(paper) == dark
    page.click("[aria-label='Light theme']")
    assert page.evaluate(paper) != dark


def test_paper_has_the_text_and_none_of_the_ways(look, built):
    page = look(built / "how-to" / "watch-for-drift.html", theme="dark")
    page.emulate_media(media="print")
    shown = {name: page.locator(name).first.is_visible() for name in (".bar", "#menu", "h1", "pre")}
    assert shown == {".bar": False, "#menu": False, "h1": True, "pre": True}
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 31, 36)"


class _Host(SimpleHTTPRequestHandler):
    """A host of static pages: an address that is not there gets 404.html."""

    def send_error(self, code, message=None, explain=None):
        text = next(Path(self.directory).rglob("404.html")).read_bytes()
        self.send_response(code)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format, *args):
        pass


@contextmanager
def hosted(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Host, directory=str(folder))) as host:
        thread = Thread(target=host.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{host.server_port}"
        host.shutdown()
        thread.join()


def test_an_address_that_is_not_there_gets_a_page_that_leads_on_from_any_depth(look, tmp_path):
    build(tmp_path / "all" / "docs", base="/docs/")
    with hosted(tmp_path / "all") as url:
        for theme in THEMES:
            page = look(f"{url}/docs/how-to/gone/deep.html", theme=theme)
            assert violations(page) == []
            page.click("main >> text=front page")
            assert page.url == f"{url}/docs/index.html"
            assert page.inner_text("h1") == "Fairlead"
