"""The pages of a real server, read as by a browser without scripts."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from html import unescape

import pytest
from tests import models
from tests.pages.browsing import Reader, Seen
from tests.processes import Running, server

HTML = "text/html"
ROWS = ("total", "gaps", "shout", "mixed", "classifier", "grid", "identity_fp32", "logs")
"""Models that are asked row by row."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> Iterator[Running]:
    """A server of every small model, for which nobody needs a key."""
    place = tmp_path_factory.mktemp("opened")
    models.all_of_them(place / "models")
    with server(place / "models", state=place / "state") as running:
        yield running


@pytest.fixture
def reader(opened: Running) -> Reader:
    return Reader(opened.port)


def test_the_first_page_is_for_who_reads_html_and_probes_get_what_they_expect(opened, reader):
    assert opened.get("/") == (200, b'{"status": "alive"}')
    page = reader.look("/")
    assert page.status == 200
    assert page.headers["content-type"].startswith(HTML)
    assert "mixed" in Seen(page).text


def test_every_model_of_the_first_page_has_a_page_of_its_own(reader):
    links = [about.get("href") or "" for about in Seen(reader.look("/")).all("a")]
    own = [link for link in links if link.startswith("models/") and link.count("/") == 1]
    assert len(own) > 10
    for link in own:
        assert reader.look(f"/{link}").status == 200, link


def test_a_model_is_json_for_programs_and_a_page_for_people(opened, reader):
    status, raw = opened.get("/models/mixed")
    assert (status, json.loads(raw)["name"]) == (200, "mixed")
    assert "What goes in" in Seen(reader.look("/models/mixed")).text


@pytest.mark.parametrize("model", ROWS)
def test_the_example_in_the_form_is_answered_as_it_stands(reader, model):
    path = f"/models/{model}/playground"
    page = reader.send(path, _as_it_stands(reader, path))
    assert page.status == 200, page.text
    assert "ms from form to answer" in Seen(page).text


def _as_it_stands(reader: Reader, path: str) -> dict[str, str]:
    """The values of a form with its texts and choices, as a browser would send them."""
    page = reader.look(path)
    fields = {k: v for k, v in Seen(page).fields.items() if k.startswith("row.") or k == "seal"}
    for name, text in re.findall(
        r'<textarea[^>]* name="([^"]+)"[^>]*>(.*?)</textarea>', page.text, re.S
    ):
        fields[unescape(name)] = unescape(text)
    for name, inside in re.findall(
        r'<select[^>]* name="([^"]+)"[^>]*>(.*?)</select>', page.text, re.S
    ):
        chosen = re.findall(r"<option[^>]* selected>(.*?)</option>", inside)
        first = re.findall(r"<option[^>]*>(.*?)</option>", inside)
        fields[unescape(name)] = unescape((chosen or first)[0])
    return fields


def test_the_answer_is_that_of_the_api(opened, reader):
    fields = {"row.a": "1.5", "row.b": "2", "row.c": "-0.25"}
    page = Seen(reader.send("/models/total/playground", fields))
    assert "3.25" in page.text


def test_a_value_that_is_wrong_is_named_and_what_was_entered_stays(reader):
    fields = {"row.a": "1.5", "row.b": "", "row.c": "7.125"}
    page = reader.send("/models/total/playground", fields)
    seen = Seen(page)
    assert page.status == 400
    assert "'b' is empty" in seen.text
    assert seen.fields["row.c"] == "7.125"


def test_a_file_of_rows_is_answered_by_a_table(reader):
    page = reader.upload("/models/total/playground", {}, "csv", b"a,b,c\n1,2,3\n4,5,6\n")
    seen = Seen(page)
    assert page.status == 200
    assert "2 rows answered" in seen.text
    assert "15" in seen.text
    kept = [about["href"] for about in seen.all("a") if "download" in about]
    assert kept[0] is not None
    assert kept[0].startswith("data:application/json;base64,")


def test_a_file_of_another_table_says_what_is_wrong(reader):
    page = reader.upload("/models/total/playground", {}, "csv", b"a,b\n1,2\n")
    assert page.status == 400
    assert "c" in Seen(page).text


def test_a_model_that_takes_no_rows_says_how_it_is_asked(reader):
    page = reader.look("/models/fixed/playground")
    assert page.status == 200
    assert "/v2/models/fixed/infer" in Seen(page).text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/models/nothing", 404),
        ("/models/nothing/playground", 404),
        ("/models/%3Cscript%3E", 404),
        ("/nowhere", 404),
        ("/assets/secret", 404),
        ("/portal/rotate", 405),
    ],
)
def test_every_error_has_a_page(reader, path, status):
    page = reader.look(path)
    assert page.status == status
    assert page.headers["content-type"].startswith(HTML)
    assert "<script>" not in page.text.replace("<script src", "")


def test_addresses_of_programs_keep_their_errors_also_for_browsers(opened, reader):
    page = reader.look("/v2/models/nothing")
    assert page.status == 404
    assert page.headers["content-type"] == "application/json"


def test_a_page_asks_no_other_host_and_brings_no_script_of_its_own(reader):
    for path in ("/", "/models/mixed", "/models/mixed/playground", "/portal", "/sign-in", "/no"):
        page = reader.look(path)
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["cache-control"] == "no-store"
        assert " style=" not in page.text
        assert " onclick" not in page.text
        for tag, about in Seen(page).tags:
            for name in ("href", "src", "action"):
                value = about.get(name) or ""
                assert "//" not in value, (path, tag, value)
                assert not value.startswith("/"), (path, tag, value)


def test_pages_work_below_any_address(reader):
    """Every link is relative: from each page, the first one is where the style comes from."""
    for path in ("/", "/models/mixed", "/models/mixed/playground", "/portal"):
        page = Seen(reader.look(path))
        style = next(a["href"] for a in page.all("link") if a["rel"] == "stylesheet")
        up = "../" * (path.count("/") - 1) or "./"
        assert style is not None
        assert style.startswith(f"{up}assets/fairlead.css?")


def test_the_style_and_the_script_may_be_kept_and_pages_may_not(reader):
    page = reader.look("/assets/fairlead.css")
    assert page.headers["content-type"].startswith("text/css")
    assert "max-age" in page.headers["cache-control"]


def test_a_form_of_another_site_is_refused(reader):
    page = reader.send("/models/total/playground", {}, **{"sec-fetch-site": "cross-site"})
    assert page.status == 403
    assert "another site" in Seen(page).text


def test_the_code_of_a_page_works_when_it_is_pasted(opened, reader, tmp_path):
    """Its JavaScript too, where there is a browser: tests/browser/test_pages.py."""
    page = reader.look("/models/mixed")
    code = dict(_code(page.text))
    shown = subprocess.run(["bash", "-c", code["curl"]], capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout)["predictions"]
    for language in ("Python", "gRPC"):
        done = subprocess.run(
            [sys.executable, "-c", code[language]], capture_output=True, text=True, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert "paint" in done.stdout or "value" in done.stdout


def _code(text: str) -> Iterator[tuple[str, str]]:
    for name, code in re.findall(
        r'data-tab="([^"]+)">.*?<code data-base="[^"]*">(.*?)</code>', text, re.S
    ):
        yield name, unescape(code)


# --- many models ----------------------------------------------------------------------------


def test_many_models_are_found_by_a_word_and_come_in_pages(opened, reader):
    everything = Seen(reader.look("/"))
    assert [about["name"] for about in everything.all("input") if about.get("type") == "search"]
    found = Seen(reader.look("/?find=IDENTITY"))
    links = {about.get("href") or "" for about in found.all("a")}
    names = {link.removeprefix("models/") for link in links if link.startswith("models/identity")}
    assert "mixed" not in found.text
    assert len(names) >= 10
    after = Seen(reader.look("/?after=mixed"))
    assert "models/mixed" not in {about.get("href") for about in after.all("a")}
    assert "models/picky" in {about.get("href") for about in after.all("a")}
    assert "with “<script>”" in Seen(reader.look("/?find=%3Cscript%3E")).text


def test_how_programs_ask_a_model_stands_on_its_page(reader):
    page = Seen(reader.look("/models/mixed"))
    assert "POST /predict/mixed" in page.text
    assert "POST /v2/models/mixed/infer" in page.text
    assert "/repository/" not in page.text


def test_pages_are_compressed_for_browsers_that_ask_for_it_and_for_programs_nothing_is(opened):
    for path, accept, coding in (
        ("/models/mixed", "text/html", "gzip"),
        ("/assets/fairlead.css", "text/css", "gzip"),
        ("/models/mixed", "application/json", None),
    ):
        headers = {"accept": accept, "accept-encoding": "gzip"}
        with closing(opened.connect()) as line:
            line.request("GET", path, headers=headers)
            answer = line.getresponse()
            raw = answer.read()
        assert answer.headers.get("content-encoding") == coding
        with closing(opened.connect()) as line:
            line.request("GET", path, headers={"accept": accept})
            plain = line.getresponse().read()
        assert (gzip.decompress(raw) if coding else raw) == plain
