"""A model that is code, in a process of its own.

`parent.py` is the worker's side, `process.py` one process of it, `child.py` the runner's side;
they speak `frame.py`. `launch.py` starts a child of ours under any interpreter; `sandbox.py` locks
it in, by `landlock.py` and `seccomp.py`.
"""
