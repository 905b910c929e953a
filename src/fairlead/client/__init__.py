"""The Python client: `fairlead.Client` and `fairlead.AsyncClient`.

It imports nothing of the server but its words: errors are the server's own, raised here again.
"""
