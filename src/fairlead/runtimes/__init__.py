"""What can run a packed model: one file is one runtime.

`onnx.py` runs in the worker. Every other file is the side of a runner process (runner/) that
knows one framework. Those are *standalone*: the runner may be another interpreter (Python 3.10 or
newer) in which nothing of ours is installed, so they import the standard library, numpy and their
framework (at the last moment). Each has one function:

    load(folder, graph, about) -> predict
        folder: the package's files; graph: the file or folder below it; about: what its
        converter wrote for it, with "signature" added.
    predict(inputs, outputs) -> arrays
        inputs: arrays in signature order, of the signature's datatypes (text as objects of str);
        outputs: positions in the signature; the arrays in that order, one entry per row.
"""
