"""A bench for pages: a real Chromium looks at them, and says what a person would meet.

    def test_it_is_beautiful(look):
        page = look("/", theme="dark", width=PHONE)
        assert violations(page) == []

Chromium is the one of the machine (`chromium` on the PATH); without it the tests fail. Nothing
but loopback and files is reached: everything else goes to a proxy that is not there, and is
counted in `Bench.strays`, which the fixture `look` holds against nothing after each test.
"""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, Response, sync_playwright

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
PHONE, DESKTOP = 390, 1280
THEMES = ("light", "dark")
WIDTHS = (PHONE, DESKTOP)
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
"""What axe looks for: every rule of WCAG 2.2 up to level AA."""

_HERE = ("127.0.0.1", "localhost")
_NOWHERE = "http://127.0.0.1:9"
_MOST_STOPS = 400
_COLOURS = 128
"""Of a picture for the docs: enough for flat pages, and a third of the size."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The machine's own Chromium, without a window, ended afterwards."""
    found = shutil.which("chromium")
    assert found, "Chromium is not installed: apt-get install chromium"
    # Chromium has no sandbox for root.
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found,
            args=[*flags, "--disable-dev-shm-usage", "--hide-scrollbars"],
            proxy={"server": _NOWHERE, "bypass": ",".join(_HERE)},
        )
        yield browser
        browser.close()


@dataclass
class Bench:
    """Opens pages of one site and keeps what they loaded.

    url: where paths that begin with / are; strays: what pages asked for that is elsewhere.
    """

    browser: Browser
    url: Callable[[], str]
    strays: list[str] = field(default_factory=list)
    _contexts: list[BrowserContext] = field(default_factory=list)

    def look(
        self,
        place: str | Path,
        *,
        theme: str = "light",
        width: int = DESKTOP,
        scripts: bool = True,
        **more: Any,
    ) -> Page:
        """A page, loaded: a path of the site, a file or a whole address.

        width: in CSS pixels; scripts: whether the reader's browser runs any; more: what a context
        of Playwright takes besides.
        """
        context = self.browser.new_context(
            color_scheme=theme,  # pyright: ignore[reportArgumentType]
            viewport={"width": width, "height": 844 if width < 600 else 800},
            device_scale_factor=2 if width < 600 else 1,
            reduced_motion="reduce",
            **more,
        )
        self._contexts.append(context)
        page = context.new_page()
        if not scripts:
            _WITHOUT[page] = context.new_cdp_session(page)
            _run_scripts(page, False)
        loaded: list[Response] = []
        page.on("request", lambda request: self._count(request.url))
        page.on("websocket", lambda socket: self._count(socket.url))
        page.on("response", lambda response: loaded.append(response))
        _LOADED[page] = loaded
        page.goto(self._address(place))
        return page

    def _address(self, place: str | Path) -> str:
        if isinstance(place, Path):
            return place.resolve().as_uri()
        return self.url() + place if place.startswith("/") else place

    def _count(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("file", "data", "blob", "about") or parts.hostname in _HERE:
            return
        self.strays.append(url)

    def close(self) -> None:
        """Closes every page that was looked at."""
        for context in self._contexts:
            context.close()
        self._contexts.clear()


_LOADED: WeakKeyDictionary[Page, list[Response]] = WeakKeyDictionary()


_WITHOUT: WeakKeyDictionary[Page, CDPSession] = WeakKeyDictionary()
"""Pages whose own scripts do not run. It is asked of the browser itself, since axe must run."""


def _run_scripts(page: Page, run: bool) -> None:
    if page in _WITHOUT:
        _WITHOUT[page].send("Emulation.setScriptExecutionDisabled", {"value": not run})


# --- what can be asked of a page ----------------------------------------------------------


def violations(page: Page) -> list[str]:
    """What breaks WCAG 2.2 AA, as axe finds it: the rule, where, and what is wrong there."""
    options = {"runOnly": {"type": "tag", "values": LEVELS}}
    _run_scripts(page, True)
    found = Axe().run(page, options=options).response["violations"]
    _run_scripts(page, False)
    return [
        f"{rule['id']} {node['target']}: {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]


def weight(page: Page) -> int:
    """The bytes of everything that the page loaded, as they went over the wire.

    What came from a file is compressed here, as every host of static pages does.
    """
    total = 0
    for response in _LOADED[page]:
        if response.url.startswith("file:"):
            total += len(gzip.compress(response.body()))
        else:
            total += response.request.sizes()["responseBodySize"]
    return total


def loads(page: Page) -> list[str]:
    """The addresses of everything that the page has loaded, itself first."""
    return [response.url for response in _LOADED[page]]


def first_paint_ms(page: Page) -> float:
    """Milliseconds from the beginning of the way here until something stood on the screen.

    It is measured by a script, so the page must be looked at with scripts.
    """
    waits = """() => new Promise(done => {
      const found = () => performance.getEntriesByName('first-contentful-paint')[0];
      const look = () => found() ? done(found().startTime) : requestAnimationFrame(look);
      look();
    })"""
    return page.evaluate(waits)


@dataclass(frozen=True)
class Stop:
    """Where the keyboard has come to.

    ring: whether it can be seen to be here; seen: whether it stands on the screen; link: where it
    leads, if it does.
    """

    tag: str
    name: str
    ring: bool
    seen: bool
    link: str | None


_STOP = """() => {
  const at = document.activeElement;
  if (!at || at === document.body || at === document.documentElement) return null;
  const style = getComputedStyle(at), box = at.getBoundingClientRect();
  return {
    tag: at.tagName.toLowerCase(),
    name: (at.getAttribute('aria-label') || at.innerText || at.title || at.value || '').trim(),
    ring: (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0)
      || style.boxShadow !== 'none',
    seen: box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth
      && box.width > 0 && box.height > 0,
    link: at.getAttribute('href'),
  };
}"""


def journey(page: Page, *, most: int = _MOST_STOPS) -> list[Stop]:
    """Every stop of the Tab key from the top of the page until it leaves it, or `most` of them."""
    stops: list[Stop] = []
    while len(stops) < most:
        page.keyboard.press("Tab")
        found = page.evaluate(_STOP)
        if found is None:
            break
        stops.append(Stop(**found))
    return stops


def sideways(page: Page) -> int:
    """By how many CSS pixels the page is wider than the screen: 0 for one that fits."""
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


def screenshot(page: Page, name: str, *, whole: bool = False) -> None:
    """A picture of the page for the docs: `docs/pictures/NAME-light.png`, or -dark.

    Only with FAIRLEAD_PICTURES=1, so that a run of the tests changes no file. whole: all of the
    page and not only the screen.
    """
    if os.environ.get("FAIRLEAD_PICTURES") != "1":
        return
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    PICTURES.mkdir(exist_ok=True)
    taken = Image.open(BytesIO(page.screenshot(full_page=whole, animations="disabled")))
    few = taken.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    few.save(PICTURES / f"{name}-{'dark' if dark else 'light'}.png", optimize=True)
