"""Categories, missing values, images and texts: what the published evidence leaves out."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import sklearn
from sklearn.datasets import load_digits

from benchmarks.guards import garbage
from benchmarks.guards.novelty import RATE, beta_binomial, holm, promise, split
from benchmarks.guards.tables import FOLDER, Columns, Table, everything, generated
from benchmarks.report import Part, Promise, table
from fairlead.guards import learn_novelty
from fairlead.guards.images import image_columns

_KINDS = {"unit x1000": garbage.unit, "sentinel -999": garbage.sentinel,
          "swapped": garbage.swapped, "swapped alike": garbage.swapped_alike}  # fmt: skip
_PROMISED = ("unit x1000", "sentinel -999", "swapped")


def run(seed: int = 0) -> Part:
    """Mixed tables, a fifth of all values taken out where there are fewer gaps."""
    rows: list[list[str]] = []
    seen: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    false: list[float] = []
    chances: list[float] = []
    for one in _tables():
        columns = _with_gaps(one.columns, np.random.default_rng(seed))
        train, test, random = split(columns, seed)
        guard = learn_novelty(train, false_alarm_rate=RATE, seed=seed)
        alarms = guard.decide(test)
        false.append(float(alarms.mean()))
        chances.append(beta_binomial(int(alarms.sum()), len(alarms), guard.calibrated, RATE))
        line = [one.name, str(len(columns)), f"{100 * alarms.mean():.1f} %"]
        for kind, make in _KINDS.items():
            bad, _ = make(test, train, random)
            if not len(next(iter(bad.values()))):
                line.append("-")
                continue
            seen[kind].append(float(guard.decide(bad).mean()))
            line.append(f"{100 * seen[kind][-1]:.0f}")
        rows.append(line)
    means = {kind: float(np.mean(found)) for kind, found in seen.items()}
    error = float(np.std(false, ddof=1) / np.sqrt(len(false)))
    rows.append(["mean", "", f"{100 * np.mean(false):.1f} %",
                 *(f"{100 * means[kind]:.1f}" for kind in _KINDS)])  # fmt: skip
    limit = str(holm(chances))
    promises = [
        *(promise(f"mixed tables: {kind} caught", 0.95, means[kind]) for kind in _PROMISED),
        promise("mixed tables: false alarms", RATE + 2 * error, float(np.mean(false)), most=True),
        Promise("mixed tables above the beta-binomial limit", 0, holm(chances), limit, True),
    ]
    lines = [f"seed {seed}", *table(("table", "columns", "false alarms", *_KINDS), rows)]
    return Part("Categories and missing values", lines, means, promises)


def _tables() -> list[Table]:
    found = [one for one in everything() if one.rows >= 1000 and _is_mixed(one.columns)]
    return [*found, *(one for one in generated(6000, seed=1) if one.name == "made-heavy")]


def _is_mixed(columns: Columns) -> bool:
    """Some numbers, and categories or gaps beside them."""
    numbers = garbage.numbers(columns)
    gaps = any(not np.isfinite(columns[name]).all() for name in numbers)
    return len(numbers) >= 3 and (gaps or len(numbers) < len(columns))


def _with_gaps(columns: Columns, random: Any) -> Columns:
    found: Columns = {}
    for name, values in columns.items():
        values = values.copy()
        number = values.dtype.kind == "f"
        missing = ~np.isfinite(values) if number else values == ""
        share = max(0.0, 0.2 - float(missing.mean()))
        values[random.random(len(values)) < share] = np.nan if number else ""
        found[name] = values
    return found


# --- images -----------------------------------------------------------------------------


def images(seed: int = 0) -> Part:
    """Small images of digits: turned inside out, black, or from somewhere else."""
    sources: dict[str, Any] = {"digits 8x8": load_digits().images / 16.0}
    path = FOLDER / "mnist.npz"
    if path.exists():
        with np.load(path) as arrays:
            sources["mnist 28x28"] = arrays["pixels"].reshape(-1, 28, 28) / 255.0
    rows: list[list[str]] = []
    promises: list[Promise] = []
    for name, pictures in sources.items():
        random = np.random.default_rng(seed)
        pictures = pictures[random.permutation(len(pictures))]
        cut = len(pictures) * 6 // 10
        test = pictures[cut:]
        guard = learn_novelty(image_columns(pictures[:cut]), seed=seed)
        bad = {
            "inverted": 1.0 - test,
            "black": np.zeros_like(test[:20]),
            "white": np.ones_like(test[:20]),
            "noise": random.random(test.shape),
            "other source": foreign(test.shape, random),
            "mirrored top to bottom": test[:, ::-1],
        }
        false = float(guard.decide(image_columns(test)).mean())
        caught = {kind: float(guard.decide(image_columns(p)).mean()) for kind, p in bad.items()}
        rows.append([name, f"{100 * false:.1f} %", *(f"{100 * v:.0f}" for v in caught.values())])
        chance = beta_binomial(round(false * len(test)), len(test), guard.calibrated, RATE)
        promises += [
            *(promise(f"{name}: {kind} caught", 0.95, caught[kind])
              for kind in ("inverted", "black", "other source")),
            Promise(f"{name}: chance of its false alarms", 0.01, chance, f"p = {chance:.2f}"),
        ]  # fmt: skip
    lines = [
        f"seed {seed}; statistics of the image, no network",
        *table(("images", "false alarms", *caught), rows),
    ]
    return Part("Images", lines, {}, promises)


def foreign(shape: tuple[int, ...], random: Any) -> Any:
    """Smooth textures: what a camera sees, not a scanner."""
    count, high, wide = shape
    y, x = np.mgrid[0:high, 0:wide]
    waves = random.uniform(0.2, 1.2, size=(count, 3, 2)) * 8 / high
    phase, size = random.uniform(0, 6.3, (count, 3)), random.uniform(0.05, 0.2, (count, 3))
    made = np.full(shape, 0.5)
    for k in range(3):
        along = waves[:, k, 0, None, None] * x + waves[:, k, 1, None, None] * y
        made = made + size[:, k, None, None] * np.sin(along + phase[:, k, None, None])
    return np.clip(made, 0, 1)


# --- texts ------------------------------------------------------------------------------

SCRIPTS = {
    "cyrillic": "абвгдежзиклмнопрстуфхцчшыэюя", "greek": "αβγδεζηθικλμνξοπρστυφχψω",
    "arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي", "han": "的一是不了人我在有他这中大来上国",
    "kana": "あいうえおかきくけこさしすせそ", "hangul": "가나다라마바사아자차카타파하",
    "hebrew": "אבגדהוזחטיכלמנסעפצקרשת", "devanagari": "अआइईउऊएकखगघचछजझटठडढणतथद",
}  # fmt: skip


def real_texts() -> list[str]:
    """English sentences that people wrote: first lines of the docstrings of two libraries."""
    import numpy
    import scipy.signal
    import scipy.special
    import scipy.stats
    import sklearn.utils

    found: set[str] = set()
    seen: set[int] = set()

    def walk(thing: Any, depth: int) -> None:
        if id(thing) in seen or depth > 3:
            return
        seen.add(id(thing))
        for name, member in inspect.getmembers(thing):
            text = inspect.getdoc(member) if callable(member) or inspect.isclass(member) else None
            if text:
                line = " ".join(text.split("\n\n")[0].split())
                if 20 <= len(line) <= 160:
                    found.add(line)
            if isinstance(member, ModuleType) and member.__name__.startswith(
                ("numpy", "scipy", "sklearn")
            ):
                walk(member, depth + 1)
            elif inspect.isclass(member) and not name.startswith("_"):
                walk(member, depth + 2)

    for module in (numpy, scipy.stats, scipy.special, scipy.signal, sklearn.utils):
        walk(module, 0)
    return sorted(found)


def made_texts(random: Any, letters: str, count: int) -> list[str]:
    """Words of one script, five to twenty of them."""
    alphabet = list(letters)
    return [
        " ".join(
            "".join(random.choice(alphabet, random.integers(2, 9)))
            for _ in range(random.integers(5, 20))
        )
        for _ in range(count)
    ]


def texts(seed: int = 0) -> Part:
    """Texts of another script or ten times the length."""
    random = np.random.default_rng(seed)
    russian = made_texts(random, SCRIPTS["cyrillic"], 3000)
    sources: dict[str, list[str]] = {"docstrings": real_texts(), "cyrillic words": russian}
    rows: list[list[str]] = []
    promises: list[Promise] = []
    for name, lines in sources.items():
        order = random.permutation(len(lines))
        given = [lines[i] for i in order]
        cut = len(given) * 7 // 10
        train, test = given[:cut], given[cut:]
        guard = learn_novelty({"text": train}, seed=seed)
        decide: Callable[[list[str]], Any] = lambda t, g=guard: g.decide({"text": t})  # noqa: E731
        false = float(decide(test).mean())
        others = {s: made_texts(random, letters, 200) for s, letters in SCRIPTS.items()}
        if name.startswith("cyrillic"):
            del others["cyrillic"]
            others["latin"] = real_texts()[:200]
        script = float(np.mean([decide(t).mean() for t in others.values()]))
        long = float(decide([" ".join([t] * 10) for t in test]).mean())
        empty = float(decide([""] * 5).mean())
        shown = [name, str(len(train)), *(f"{100 * v:.1f} %" for v in (false, script, long, empty))]
        rows.append(shown)
        chance = beta_binomial(round(false * len(test)), len(test), guard.calibrated, RATE)
        promises += [
            promise(f"{name}: another script caught", 0.95, script),
            promise(f"{name}: ten times the length caught", 0.95, long),
            Promise(
                f"{name}: chance of so many false alarms", 0.01, chance, f"{100 * false:.1f} %"
            ),
        ]
    header = ("texts", "rows", "false alarms", "other script", "10 x length", "empty")
    about = f"seed {seed}; docstrings of numpy, scipy and scikit-learn {sklearn.__version__}"
    return Part("Texts", [about, *table(header, rows)], {}, promises)
