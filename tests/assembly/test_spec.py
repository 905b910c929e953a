"""What a worker is told is what was decided, whatever it is."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace

from hypothesis import given
from hypothesis import strategies as st

from fairlead.assembly import config
from fairlead.assembly.settings import SECTIONS
from fairlead.assembly.spec import ServerSpec

_VERSIONS = st.lists(st.tuples(st.text(), st.integers(0, 10**18), st.text()))


@given(versions=_VERSIONS, state=st.text(), handle=st.integers(0, 10**6))
def test_a_spec_travels_as_json_unchanged(versions, state, handle):
    flags = {"models.isolate": "a,b", "limits.queue_wait_s": "0.25", "server.workers": "3"}
    spec = ServerSpec(config.load(flags, {}, None), versions, state, handle, handle + 1, 1.5)
    spec = replace(spec, bases=(state, "/models"))
    back = ServerSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert back.versions == versions
    assert back.bases == (state, "/models")
    assert (back.state, back.listener, back.status, back.grace_s) == (
        state, handle, handle + 1, 1.5,
    )  # fmt: skip
    for section in SECTIONS:
        told = getattr(back.settings, section)
        assert told == getattr(spec.settings, section)
        assert asdict(told) == asdict(getattr(spec.settings, section))


def test_the_bookkeeper_is_started_without_what_only_models_and_pages_need():
    """It has a megabyte or two to spare for them once somebody looks."""
    code = (
        "import sys, fairlead.assembly.bookkeeper as b; "
        "print([n for n in ('numpy', 'onnxruntime', 'jinja2') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
