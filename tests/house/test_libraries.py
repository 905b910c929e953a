"""Which library may appear where. Anything heavy or dangerous has its places, and no others."""

from __future__ import annotations

import subprocess
import sys
from fnmatch import fnmatch

import pytest
from tests.house.source import HOUSE, files, imports, libraries

PLACES = {
    # what serving is made of
    "google": ["assembly/downloads.py", "protos/pool.py"],
    "httpx": ["client/aio.py", "client/sync.py"],
    "grpc": ["client/grpc_lines.py"],
    "hpack": ["edge/http2_head.py"],
    "httptools": ["edge/http1.py"],
    "wsproto": ["edge/websocket.py"],
    "numpy": [
        "client/answer.py", "core/datatypes.py", "core/tensor.py", "costs/*", "guards/*",
        "inputs/*", "packing/*", "profiling/*", "rollout/*", "runtimes/*", "serving/deciding.py",
        "serving/disclosing.py", "serving/embedding.py", "serving/execute.py",
        "serving/guarding.py", "serving/sampling.py", "serving/sureness.py",
        "serving/standing.py", "serving/trial.py", "serving/warmup.py", "serving/watching.py",
        "usage/tables.py",
    ],
    "onnxruntime": ["packing/lighten.py", "packing/pack_onnx.py", "runtimes/onnx.py"],
    "PIL": ["inputs/pictures.py"],
    "tokenizers": ["inputs/text.py"],
    "jinja2": ["pages/frame.py"],
    "markupsafe": ["pages/frame.py"],
    "orjson": [
        "inputs/*", "serving/any_json.py", "serving/array_json.py", "serving/requests.py",
        "wires/*"],
    "uvloop": ["assembly/worker.py"],
    "opentelemetry": ["assembly/requests.py", "serving/otlp.py"],
    "joserfc": ["access/tokens.py"],
    # what packs and converts, and the runners that know one framework each
    "catboost": ["packing/converters/catboost*.py", "runtimes/catboost.py"],
    "lightgbm": ["packing/converters/lightgbm*.py", "runtimes/lightgbm.py"],
    "onnx": ["packing/converters/*", "packing/pack_onnx.py", "packing/pooling.py"],
    "pandas": ["client/answer.py", "packing/converters/samples.py", "runtimes/sklearn.py"],
    "pyarrow": [
        "client/answer.py", "client/files.py", "inputs/parquet.py", "packing/row_files.py",
        "usage/export.py",
    ],
    "skl2onnx": ["packing/converters/*"],
    "sklearn": ["packing/airlock/*", "packing/converters/*"],
    "skops": ["runtimes/sklearn.py"],
    "tensorflow": ["packing/converters/tensor*.py", "runtimes/tensorflow.py"],
    "tf2onnx": ["packing/converters/tensor*.py"],
    "torch": ["packing/converters/pt2.py", "packing/converters/torch*.py", "runtimes/torch.py"],
    "xgboost": ["packing/converters/xgboost*.py", "runtimes/xgboost.py"],
    "_typeshed": ["cli/main.py"],
    # parts of the standard library that are not for everywhere
    "ctypes": ["assembly/apart.py", "runtimes/runner/*", "serving/memory.py"],
    "pickle": ["packing/airlock/*"],
    "sqlite3": ["usage/stores/sqlite.py"],
    "pg8000": ["usage/stores/postgres.py"],
    "redis": ["usage/stores/meters_redis.py"],
    # a module whose name is made at run time
    "?": [
        "__init__.py", "cli/main.py", "notebook.py", "packing/airlock/*",
        "packing/converters/sklearn*.py", "runtimes/runner/child.py",
    ],
}  # fmt: skip
"""By library, the files that may import it, at their top or later."""

NEVER = {
    "_pickle", "code", "dill", "cloudpickle", "ftplib", "http", "imp", "marshal",
    "multiprocessing", "requests", "shelve", "smtplib", "telnetlib", "urllib3", "xmlrpc",
}  # fmt: skip
"""What reads code from data, or calls out to the network."""

ALWAYS = {"fairlead", "http.HTTPStatus"}

OURS = [file for file in files() if file.is_relative_to(HOUSE)]


def places(library: str) -> list[str]:
    """The files that import a library."""
    return [str(f.relative_to(HOUSE)) for f in OURS if library in libraries(f)]


@pytest.mark.parametrize("library", PLACES)
def test_a_library_appears_only_in_its_places(library):
    strays = [f for f in places(library) if not any(fnmatch(f, p) for p in PLACES[library])]
    assert strays == []


@pytest.mark.parametrize("library", PLACES)
def test_a_place_that_is_given_is_used(library):
    """What nobody needs any more is taken away."""
    idle = [p for p in PLACES[library] if not any(fnmatch(f, p) for f in places(library))]
    assert idle == []


def test_every_library_has_its_places():
    """One that is new here is a decision: add it to the table, or leave it out."""
    known = {*PLACES, *ALWAYS, *sys.stdlib_module_names}
    unknown = {lib: places(lib) for file in OURS for lib in libraries(file) if lib not in known}
    assert unknown == {}


def test_what_reads_code_from_data_or_calls_the_network_appears_nowhere():
    """But for the words of HTTP's statuses, and the places that fetch keys and prices."""
    found = {
        str(file.relative_to(HOUSE)): sorted(names)
        for file in OURS
        if (names := _top({n for n in imports(file) if n != "http.HTTPStatus"}) & NEVER)
    }
    found.pop("edge/service.py", None)  # from http import HTTPStatus
    found.pop("access/issuers.py", None)  # fetches the keys of issuers that the owner names
    found.pop("assembly/price_services.py", None)  # fetches prices where the owner asks for it
    assert found == {}
    assert _top(imports(HOUSE / "edge" / "service.py")) & NEVER == {"http"}
    assert _top(imports(HOUSE / "access" / "issuers.py")) & NEVER == {"http"}
    callers = {str(f.relative_to(HOUSE)) for f in OURS if "urllib.request" in imports(f)}
    assert callers == {"assembly/price_services.py"}


def _top(names: set[str] | frozenset[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("fairlead", {"numpy", "onnxruntime", "asyncio", "argparse"}),
        ("fairlead.serving.supervisor", {"numpy", "onnxruntime", "asyncio", "sqlite3", "orjson"}),
        ("fairlead.assembly.bookkeeper", {"numpy", "onnxruntime", "uvloop"}),
        ("fairlead.assembly.config", {"numpy", "onnxruntime", "asyncio", "sqlite3"}),
        ("fairlead.assembly.handle", {"numpy", "onnxruntime", "sqlite3"}),
        ("fairlead.assembly.server", {"numpy", "onnxruntime", "uvloop", "asyncio"}),
    ],
)
def test_a_process_that_needs_no_model_carries_none_of_what_models_need(module, absent):
    program = f"import sys, {module}; print(*sorted({absent!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == []
