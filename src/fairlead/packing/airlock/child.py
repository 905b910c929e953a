"""The locked-in process: reads one trained file, converts it, writes what came of it.

Standalone: the standard library, numpy and the libraries of the trained file. The job comes as a
file of JSON; the result is `facts.json` in the job's folder: the facts, or {"error": kind,
"what": text, ...}.
"""

from __future__ import annotations

import json
import re
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fairlead.packing.airlock.allow_list import AllowList
from fairlead.packing.airlock.refused import Refused, printable
from fairlead.runtimes.runner import sandbox

_CONVERTERS = {
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "catboost": "catboost",
    "torch-export": "torch",
    "torchscript": "torch",
    "savedmodel": "tensorflow",
    "python": "python",
    "skops": "sklearn",
}
"""Formats that are no pickles, and the converter that reads them."""

_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?\s*(?:==\s*([^\s;,]+))?")
_DISTRIBUTIONS = {"sklearn": "scikit-learn"}


class Stop(Exception):
    """The job ends here: the error as it is told to our side."""

    def __init__(self, kind: str, what: str, **more: Any) -> None:
        super().__init__(what)
        self.told = {"error": kind, "what": what, **more}


def main(arguments: list[str]) -> int:
    """Does the job in the file that is the only argument."""
    job: dict[str, Any] = json.loads(Path(arguments[0]).read_bytes())
    out = Path(job["out"])
    locks = sandbox.seal(
        job["read"],
        [str(out), job["scratch"]],
        memory=job["memory"],
        cpu_s=job["cpu_s"],
        file_bytes=job["file_bytes"],
    )
    facts: dict[str, Any]
    try:
        if not locks["network"] and not job["weak"]:
            raise Stop("weak", "this machine cannot cut the airlock's network")
        facts = _work(job, out)
    except Stop as stop:
        facts = stop.told
    except MemoryError:
        what = "the trained file needs more memory than the airlock has"
        facts = {"error": "read", "what": what}
    # Written by another name first: half a result is none.
    part = out / "facts.part"
    part.write_text(json.dumps(facts | {"locks": locks}))
    part.rename(out / "facts.json")
    sys.stdout.flush()
    return 0


def _work(job: dict[str, Any], out: Path) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    path = Path(job["path"])
    if job["action"] == "look":
        facts = _guarded(lambda: _looked(path, job["format"]), "look")
        return {**facts, "refused": _refused(job, facts)}
    required = _required(str(job.get("requirements") or ""))
    model = _pickled(job, path) if job["format"] == "pickle" else _other(job, path)
    name = _converter(job, model)
    converter: Any = import_module(f"fairlead.packing.converters.{name}")
    facts = _guarded(lambda: converter.convert(model, job, out), "convert")
    versions = {**required, **facts["versions"]}
    return {**facts, "versions": versions, "trained_with": job.get("trained_with", {})}


def _required(text: str) -> dict[str, str]:
    """The installed version of everything the requirements name, each as they pin it."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        named = _REQUIREMENT.match(line.partition("#")[0].strip())
        if named is None:
            continue
        name, pinned = named[1], named[2]
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            what = f"{name} is required and not installed"
            raise Stop("extra", what, library=f"{name}=={pinned}" if pinned else name) from None
        if pinned and pinned != found[name]:
            what = f"{name} {pinned} is required; {found[name]} is here"
            raise Stop("drift", what, library=name)
    return found


def _pickled(job: dict[str, Any], path: Path) -> Any:
    """The object in a pickle; first every name is checked, so that all refusals come at once."""
    from fairlead.packing.airlock import unpickle

    facts = _guarded(lambda: _looked(path, "pickle"), "look")
    refused = _refused(job, facts)
    if refused:
        raise Stop("unsafe", f"the file names {refused[0]}, which is not allowed", names=refused)
    _check_versions(facts["versions"])
    job["trained_with"] = facts["versions"]
    return _guarded(lambda: unpickle.load(path, AllowList(job["allow"])), "read")


def _refused(job: dict[str, Any], facts: dict[str, Any]) -> list[str]:
    """The dotted names of a file that neither we nor the owner allow."""
    allowed, trusted = AllowList(job["allow"]), facts.get("trusted", ())
    return [
        printable(f"{module}.{name}")
        for module, name in facts["names"]
        if not allowed.uses(module, name) and module.partition(".")[0] not in trusted
    ]


def _looked(path: Path, kind: str) -> dict[str, Any]:
    from fairlead.packing.airlock import inert, skops_schema

    return (skops_schema if kind == "skops" else inert).look(path)


def _other(job: dict[str, Any], path: Path) -> Any:
    converter: Any = import_module(f"fairlead.packing.converters.{_CONVERTERS[job['format']]}")
    return _guarded(lambda: converter.read(path, job), "read")


def _converter(job: dict[str, Any], model: Any) -> str:
    if job["format"] in _CONVERTERS:
        return _CONVERTERS[job["format"]]
    top = type(model).__module__.partition(".")[0]
    known = {"xgboost", "lightgbm", "catboost"}
    return top if top in known else "sklearn"


def _check_versions(trained: dict[str, str]) -> None:
    """Refuses what was trained with a newer library, or one of another major version."""
    for name, wanted in trained.items():
        try:
            here = version(name)
        except PackageNotFoundError:
            raise Stop("extra", f"{name} is not installed", library=name) from None
        if verdict(wanted, here) == "refuse":
            what = f"it was trained with {name} {wanted}; {here} is here"
            raise Stop("drift", what, library=name)


def verdict(trained: str, here: str) -> str:
    """match: the same minor version. drift: an older one of the same major. refuse: the rest."""
    ours, theirs = _numbers(here), _numbers(trained)
    if ours == theirs:
        return "match"
    return "drift" if ours[0] == theirs[0] and theirs < ours else "refuse"


def _numbers(text: str) -> tuple[int, ...]:
    parts = [*text.split("+")[0].split("."), "0", "0"][:2]
    return tuple(int("".join(c for c in part if c in "0123456789")[:9] or 0) for part in parts)


def _guarded(do: Callable[[], Any], step: str) -> Any:
    """What `do` gives; whatever it raises becomes the job's error."""
    try:
        return do()
    except Stop:
        raise
    except MemoryError:
        raise
    except ImportError as error:
        # A converter says in its own words what it needs; the import that failed names it.
        missing = error.__cause__ if error.name is None else error
        if not isinstance(missing, ModuleNotFoundError):
            raise Stop("extra", _line(error), library="") from None
        raise _missing(str(missing.name or missing)) from None
    except Refused as error:
        names = [printable(name) for name in error.names]
        raise Stop("unsafe", printable(str(error)), names=names) from None
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        what = {
            "look": "the file cannot be read",
            "read": "the trained file cannot be loaded",
            "convert": "the trained model cannot be packed",
        }[step]
        kind = "convert" if step == "convert" else "read"
        raise Stop(kind, f"{what}: {_line(error)}") from None


def _missing(module: str) -> Stop:
    """A library that is not here, or a part that the one here does not have (any more)."""
    top = module.partition(".")[0]
    library = _DISTRIBUTIONS.get(top, top)
    try:
        here = version(library)
    except (PackageNotFoundError, ValueError):
        return Stop("extra", f"{printable(library)} is not installed", library=printable(library))
    return Stop("drift", f"{printable(module)} is no part of {library} {here}", library=library)


def _line(error: BaseException) -> str:
    text = printable(" ".join(str(error).split()), 400)
    own = isinstance(error, ValueError | ImportError)
    return text if own and text else f"{type(error).__name__}: {text}".removesuffix(": ")
