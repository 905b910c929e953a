"""Starts a child process of ours under an interpreter in which nothing of ours need be installed.

The child gets a module `fairlead` that is nothing but the folder of this package, so that it can
import the standalone files by their own names; no other search path of ours reaches it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

HOUSE = Path(__file__).parents[2]
"""The folder of the package `fairlead`."""

_BOOT = (
    "import importlib,sys,types;"
    "house=types.ModuleType('fairlead');house.__path__=[sys.argv[1]];"
    "sys.modules['fairlead']=house;"
    "sys.exit(importlib.import_module(sys.argv[2]).main(sys.argv[3:]))"
)


def start(
    module: str,
    arguments: Sequence[str],
    *,
    python: str = "",
    home: Path,
    descriptors: Sequence[int] = (),
    stdin: int = subprocess.DEVNULL,
    output: int | IO[bytes] = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Runs `module.main(arguments)` of ours in a new process with an empty environment.

    python: an interpreter, this one when "". home: its working, home and temporary folder.
    descriptors: what it inherits. output: where its standard output and error go.
    Raises OSError when the interpreter cannot be started.
    """
    return subprocess.Popen(
        [python or sys.executable, "-I", "-B", "-c", _BOOT, str(HOUSE), module, *arguments],
        stdin=stdin,
        stdout=output,
        stderr=output,
        cwd=home,
        env=_environment(home),
        pass_fds=descriptors,
        start_new_session=True,
    )


def _environment(home: Path) -> dict[str, str]:
    """Nothing of ours: a home, a neutral locale, and one thread per library pool."""
    return {
        "HOME": str(home),
        "TMPDIR": str(home),
        "USER": "fairlead",
        "LC_ALL": "C.UTF-8",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
        "ORT_DISABLE_TELEMETRY": "1",
        "JOBLIB_MULTIPROCESSING": "0",
        "TORCHINDUCTOR_CACHE_DIR": str(home),
        "MPLCONFIGDIR": str(home),
        # On many cores glibc's arenas alone would use up an address space that is limited.
        "MALLOC_ARENA_MAX": "2",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
