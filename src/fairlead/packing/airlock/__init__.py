"""Reading trained files that may hold code, in a process that can do no harm.

`process.py` is our side, `child.py` the locked-in process; `results.py` checks what that leaves
behind. `unpickle.py` is the only reader of pickles: `allowed.txt` lists every object that one may
name and what it may do with it (`allow_list.py`), and `makers.py` stands in for constructors that
believe whatever a file says. `inert.py` and `skops_schema.py` look into a file without making any
of its objects.
"""
