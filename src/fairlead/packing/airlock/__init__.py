"""Reading trained files that may hold code, in a process that can do no harm.

`process.py` is our side, `child.py` the locked-in process. `unpickle.py` is the only reader of
pickles; `inert.py` looks into one without making any of its objects; `allowed.txt` lists every
object that one may name.
"""
