"""Every page of the service and of the administration, as people meet it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Page
from tests import models
from tests.browser import shop
from tests.browser.bench import (
    THEMES,
    WIDTHS,
    Bench,
    journey,
    sideways,
    violations,
    weight,
)
from tests.costs.samples import profile
from tests.inputs.prepared_models import colours
from tests.pages.keys import new_key
from tests.processes import Running, server, until

from fairlead.cli.main import main as command

LIGHTEST = 60_000
"""Bytes of a whole page (goal G10 of the house)."""

OPEN = (
    "/",
    "/models/churn",
    "/models/churn/card",
    "/models/churn/playground",
    "/models/colours",
    "/models/colours/playground",
    "/models/fixed",
    "/models/fixed/playground",
    "/portal",
    "/sign-in",
    "/models/nothing",
)
"""Pages of a server that needs no key: of three kinds of models, and of errors."""

ADMIN = (
    "/admin",
    "/admin/models/total",
    "/admin/models/classifier",
    "/admin/models/total/card",
    "/admin/models/total/costs",
    "/admin/models/classifier/costs",
    "/admin/keys",
    "/admin/usage",
    "/admin/audit",
    "/admin/nothing",
)

PRICED = {
    "FAIRLEAD_USAGE__MACHINE": "aws/c7g.large",
    "FAIRLEAD_USAGE__MACHINE_REGION": "us-east-1",
}


@dataclass(frozen=True)
class Front:
    """A server of three kinds of models for which nobody needs a key, and one with keys."""

    opened: Running
    closed: Running
    keys: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.opened.port}"

    @property
    def closed_url(self) -> str:
        return f"http://127.0.0.1:{self.closed.port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.closed.admin_port}"


@pytest.fixture(scope="session")
def front(tmp_path_factory) -> Iterator[Front]:
    place = tmp_path_factory.mktemp("front")
    shop.pack(place / "models")
    colours(place / "models")
    models.fixed(place / "models")
    models.total(place / "few")
    models.classifier(place / "few")
    state = place / "closed"
    checked = ["check", str(place / "few" / "classifier"), "--for", "internet"]
    assert command([*checked, "--state", str(state)]) == 1
    kept = state / "profiles" / "total-1.json"
    kept.parent.mkdir()
    kept.write_text(json.dumps(replace(profile(), graph_sha256="").to_json()))
    scopes = {
        "administrator": ["admin:keys", "admin:audit", "admin:models", "metrics:read"],
        "ann": ["predict:total", "usage:read"],
    }
    keys = {
        name: new_key(state, name, *its, limit="" if name != "ann" else "requests=500/day")["key"]
        for name, its in scopes.items()
    }
    with (
        server(place / "models", state=place / "opened") as opened,
        server(place / "few", state=state, environ=PRICED) as closed,
    ):
        row = {"a": 1, "b": 2, "c": 3}
        until(lambda: closed.asked("/predict/total", keys["ann"], row)[0] == 200)
        for _ in range(30):
            closed.asked("/predict/total", keys["ann"], row)
        yield Front(opened, closed, keys)


def signed_in(bench: Bench, url: str, key: str, **more) -> Page:
    page = bench.look(f"{url}/sign-in", **more)
    page.fill("#key", key)
    page.click("button.primary")
    return page


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("path", OPEN)
def test_a_page_breaks_no_rule_of_accessibility_and_fits(bench, front, path, theme, width, scripts):
    page = bench.look(front.url + path, theme=theme, width=width, scripts=scripts)
    assert violations(page) == []
    assert sideways(page) == 0
    assert weight(page) <= LIGHTEST


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("theme", THEMES)
def test_the_pages_of_administration_too(bench, front, theme, width):
    page = signed_in(bench, front.admin_url, front.keys["administrator"], theme=theme, width=width)
    for path in ADMIN:
        page.goto(front.admin_url + path)
        assert violations(page) == [], path
        assert sideways(page) == 0, path
    page.goto(f"{front.admin_url}/admin/usage")
    page.click("summary")
    assert "aws/c7g.large us-east-1" in page.inner_text("main")
    assert violations(page) == []
    page.goto(f"{front.admin_url}/admin/keys")
    page.click("summary")
    assert violations(page) == []


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_the_sliders_of_what_a_model_costs_need_no_script(bench, front, scripts):
    page = signed_in(bench, front.admin_url, front.keys["administrator"], scripts=scripts)
    page.goto(f"{front.admin_url}/admin/models/total/costs")
    assert page.inner_text("output[for=calls]") == "100,000 a day"
    page.focus("#calls")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    said = "1,000,000 a day" if scripts else "100,000 a day"
    assert page.inner_text("output[for=calls]") == said
    page.click("form.sliders button")
    page.wait_for_load_state()
    assert page.inner_text("output[for=calls]") == "1,000,000 a day"
    assert "reach the goal" in page.inner_text("#cost")


@pytest.mark.parametrize("theme", THEMES)
def test_whoever_has_signed_in_sees_what_was_used(bench, front, theme):
    page = signed_in(bench, front.closed_url, front.keys["ann"], theme=theme)
    page.goto(f"{front.closed_url}/portal")
    assert violations(page) == []
    assert page.inner_text("h1") == "Usage"


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
@pytest.mark.parametrize("theme", THEMES)
def test_a_row_is_asked_and_answered(bench, front, theme, scripts):
    page = bench.look(front.url + "/models/churn/playground", theme=theme, scripts=scripts)
    page.select_option("select", "plus")
    page.click("button.primary")
    page.wait_for_selector("#result .bars")
    answer = page.inner_text("#result .answer")
    assert answer in ("stays", "leaves")
    assert "ms from form to answer" in page.inner_text("#result")
    assert '"plan": "plus"' in page.inner_text(".code details[open] code")
    assert violations(page) == []


def test_a_strange_row_is_refused_in_words(bench, front):
    page = bench.look(front.url + "/models/churn/playground")
    page.fill("input[type=number]", "4000")
    page.click("button.primary")
    page.wait_for_selector("#result .note")
    assert "Refused by the guards" in page.inner_text("#result")
    assert "age" in page.inner_text("#result ul")
    assert violations(page) == []


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_a_file_of_rows_is_asked_and_the_answers_are_kept(bench, front, tmp_path, scripts):
    file = tmp_path / "rows.csv"
    file.write_text("age,plan,months\n40,basic,3\n50,plus,48\n")
    page = bench.look(front.url + "/models/churn/playground", scripts=scripts)
    page.click(".file summary")
    page.set_input_files("#csv", file)
    page.click(".file button")
    page.wait_for_selector("#result table")
    assert page.locator("#result tbody tr").count() == 2
    with page.expect_download() as kept:
        page.click("#result a[download]")
    assert len(kept.value.path().read_bytes()) > 100
    assert violations(page) == []


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_a_picture_is_chosen_seen_and_asked(bench, front, tmp_path, scripts):
    file = tmp_path / "red.png"
    written = BytesIO()
    Image.new("RGB", (40, 30), (250, 40, 20)).save(written, "PNG")
    file.write_bytes(written.getvalue())
    page = bench.look(front.url + "/models/colours/playground", scripts=scripts)
    page.set_input_files("input[type=file]", file)
    if scripts:
        page.wait_for_selector("img.preview")
    page.click("button.primary")
    page.wait_for_selector("#result dd")
    assert "flat" in page.inner_text("#result")
    assert violations(page) == []


def test_the_keyboard_alone_asks_a_model(bench, front):
    page = bench.look(front.url + "/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.goto(front.url + "/models/churn/playground")
    stops = journey(page)
    assert all(stop.ring and stop.seen for stop in stops), [s for s in stops if not s.seen]
    names = [stop.name for stop in stops]
    assert "Ask the model" in names
    page.goto(front.url + "/models/churn/playground")
    for _ in range(names.index("Ask the model") + 1):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#result .bars")


def test_code_is_copied_by_a_button_and_tabs_are_reached_by_the_keyboard(bench, front):
    page = bench.look(
        front.url + "/models/churn", permissions=["clipboard-read", "clipboard-write"]
    )
    page.click("summary:has-text('Python')")
    page.click(".code details[open] .copy")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("import fairlead")
    assert f"{front.url}'" in copied


def test_the_javascript_of_a_page_works_when_it_is_pasted(bench, front):
    page = bench.look(front.url + "/models/churn")
    code = page.locator("[data-tab=JavaScript] code").text_content()
    with page.expect_console_message() as said:
        page.evaluate(f"(async () => {{ {code} }})()")
    assert "predictions" in said.value.text + str(said.value.args[0].json_value())


def test_below_a_path_of_a_proxy_everything_is_found(bench, front, tmp_path):
    """Links are relative, so a page is whole wherever it is put."""
    page = bench.look(front.url + "/models/churn/playground")
    for link in page.eval_on_selector_all(
        "a[href], link[href]", "e => e.map(x => x.getAttribute('href'))"
    ):
        assert not link.startswith(("/", "http")), link


@pytest.mark.parametrize(
    ("step", "taken"), [("ours", True), ("%27;id;%27", False), ("';id;'", False), ("$&", False)]
)
def test_a_link_puts_nothing_into_the_code_of_a_page(browser, tmp_path, step, taken):
    """A proxy may take any first step of an address, and whoever makes a link chooses it."""
    models.total(tmp_path / "models")
    with server(tmp_path / "models", state=tmp_path / "state") as running:
        url = f"http://127.0.0.1:{running.port}"

        def without_step(route):
            rest = urlsplit(route.request.url).path.split("/", 2)[2]
            route.fulfill(response=route.fetch(url=f"{url}/{rest}"))

        page = browser.new_page()
        page.route("**/*", without_step)
        page.goto(f"{url}/{step}/models/total", wait_until="networkidle")
        code = page.text_content("code[data-base]") or ""
        page.close()
    assert (f"{url}/{step}/predict/total" in code) == taken
    assert (f"{url}/predict/total" in code) != taken


def test_what_hostile_words_say_is_read_and_never_run(bench, tmp_path):
    """In names of columns and labels, in the owner's words, and in what is entered."""
    evil = "<img src=x onerror=window.hit=1>"
    words = tmp_path / "model.toml"
    words.write_text(
        f"[words]\npurpose = '{evil}</script><script>window.hit=1</script>'\nowners = '{evil}'\n"
        f"[labels]\nred = '{evil}'\n"
    )
    models.classifier(tmp_path / "models")
    given = ["amend", "classifier", "--model-toml", str(words)]
    assert command([*given, "--repository", str(tmp_path / "models")]) == 0
    with server(tmp_path / "models", state=tmp_path / "state") as running:
        url = f"http://127.0.0.1:{running.port}"
        for path in ("/", "/models/classifier", "/models/classifier/card"):
            page = bench.look(url + path)
            assert page.evaluate("window.hit") is None
        page = bench.look(url + "/models/classifier/playground")
        page.click("button.primary")
        page.wait_for_selector("#result .bars")
        assert page.evaluate("window.hit") is None
