"""The pictures of the documentation: what they show is there, and they can be taken again.

FAIRLEAD_PICTURES=1 make test-pages
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page
from tests.browser import shop
from tests.browser.bench import PICTURES, ROOT, THEMES, screenshot
from tests.pages.keys import new_key
from tests.processes import Running, server, until

ELSEWHERE = {"drift-report"}
"""Pictures that another test takes."""


@dataclass(frozen=True)
class Kept:
    """A server with keys, and the secrets of two: who asks, and who runs it."""

    running: Running
    ann: str
    boss: str


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Iterator[Kept]:
    """It has answered a few hundred rows, some of them unlike the training rows."""
    place = tmp_path_factory.mktemp("kept")
    models, state = place / "models", place / "state"
    shop.pack(models)
    may = ["metrics:read", "admin:keys", "admin:audit", "admin:models"]
    boss = new_key(state, "boss", *may, more=["--kind", "admin"])["key"]
    asks = ["predict:churn", "usage:read"]
    ann = new_key(state, "ann", *asks, limit="requests=1000/day")["key"]
    with server(models, state=state) as running:
        for older in range(30):
            rows = shop.customers(20, older).to_dict("records")
            until(
                lambda rows=rows: running.asked("/predict/churn", ann, rows)[0] == 200,
                says="the key was never taken",
            )
        yield Kept(running, ann, boss)


def signed_in(look: Callable[..., Page], port: int, key: str, theme: str) -> Page:
    page = look(f"http://127.0.0.1:{port}/sign-in", theme=theme)
    page.fill("#key", key)
    page.click("button:has-text('Sign in')")
    page.wait_for_url(re.compile(r"^(?!.*/sign-in)"))
    return page


def model(page: Page, at: str) -> str:
    page.goto(f"{at}/models/churn")
    return "What goes in"


def card(page: Page, at: str) -> str:
    page.goto(f"{at}/models/churn/card")
    return "Quantitative analyses"


def playground(page: Page, at: str) -> str:
    page.goto(f"{at}/models/churn/playground")
    page.fill("[name='row.age']", "41")
    page.locator("main form button.primary").first.click()
    page.locator("text=ms from form to answer").wait_for()
    return "ms from form to answer"


def portal(page: Page, at: str) -> str:
    page.goto(f"{at}/portal")
    return "1,000"


def admin(page: Page, at: str) -> str:
    counted = re.compile(r"\b6\d\d rows")
    until(lambda: page.goto(f"{at}/admin") and counted.search(page.inner_text("main")))
    return "churn"


FOR_PEOPLE = {"model": model, "card": card, "playground": playground, "portal": portal}
FOR_WHOEVER_RUNS_IT = {"admin": admin}


@pytest.mark.parametrize("theme", THEMES)
def test_pages_for_people_show_what_their_pictures_are_for(look, kept, theme):
    port = kept.running.port
    page = signed_in(look, port, kept.ann, theme)
    for name, go in FOR_PEOPLE.items():
        shows = go(page, f"http://127.0.0.1:{port}")
        assert shows in page.inner_text("main"), name
        screenshot(page, name)


@pytest.mark.parametrize("theme", THEMES)
def test_pages_of_administration_show_what_their_pictures_are_for(look, kept, theme):
    port = kept.running.admin_port
    page = signed_in(look, port, kept.boss, theme)
    for name, go in FOR_WHOEVER_RUNS_IT.items():
        shows = go(page, f"http://127.0.0.1:{port}")
        assert shows in page.inner_text("main"), name
        screenshot(page, name)


def test_every_picture_is_one_that_is_taken_is_shown_and_has_its_twin():
    taken = ELSEWHERE | {*FOR_PEOPLE} | {*FOR_WHOEVER_RUNS_IT}
    there = {file.name for file in PICTURES.iterdir()}
    assert there == {f"{name}-{theme}.png" for name in taken for theme in THEMES}
    pages = "".join(file.read_text() for file in Path(ROOT / "docs").rglob("*.md"))
    assert {*re.findall(r"pictures/([\w-]+)-light\.png\)", pages)} >= taken


def test_a_picture_is_light_enough_for_a_page():
    assert max(file.stat().st_size for file in PICTURES.iterdir()) < 60_000
