"""How heavy pages are and how soon they are seen: `python -m benchmarks.pages`.

It needs what `make test-pages` needs, in that environment: `.venvs/pages/bin/python -m
benchmarks.pages`. A page is looked at with scripts, in an empty browser, over loopback; told is the
median of several looks, and the slowest.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from tests.browser import shop
from tests.browser.bench import Bench, chromium, first_paint_ms, weight
from tests.processes import Running, server

PATHS = (
    "/",
    "/models/churn",
    "/models/churn/card",
    "/models/churn/playground",
    "/portal",
    "/sign-in",
)
LOOKS = 7


def made_in_ms(running: Running, path: str) -> float:
    """Milliseconds until the server has given the page, over a connection that stands."""
    times: list[float] = []
    connection = running.connect()
    for _ in range(4 * LOOKS):
        began = perf_counter()
        connection.request("GET", path, headers={"accept": "text/html"})
        connection.getresponse().read()
        times.append(1e3 * (perf_counter() - began))
    connection.close()
    return median(times)


def main() -> None:
    """Prints a line a page."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        models = Path(folder, "models")
        shop.pack(models)
        with server(models, state=Path(folder, "state")) as running:
            url = f"http://127.0.0.1:{running.port}"
            print("page                        KB   first paint ms   given in ms")
            for path in PATHS:
                bench = Bench(browser, lambda: url)
                looks = [bench.look(path) for _ in range(LOOKS)]
                paints = sorted(map(first_paint_ms, looks))
                size = weight(looks[0]) / 1000
                assert bench.strays == []
                bench.close()
                given = made_in_ms(running, path)
                seen = f"{median(paints):7.0f} ({paints[-1]:.0f})"
                print(f"{path:24} {size:5.1f}   {seen}    {given:7.2f}")


if __name__ == "__main__":
    main()
