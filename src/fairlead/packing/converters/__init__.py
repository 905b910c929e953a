"""From a trained model to an ONNX graph, or to the native form that a runner serves.

One file converts one framework. Every file here is *standalone*: it runs in the airlock, perhaps
under another interpreter (Python 3.10 or newer) in which nothing of ours is installed, so it
imports the standard library, numpy, its framework (at the last moment) and its siblings here.

A converter has two functions:

    read(path, job) -> model
        Loads a trained file that is no pickle (pickles are the airlock's).
    convert(model, job, out) -> facts
        Writes the graph, or the native model, and the original's own answers into folder `out`.

job, what a converter is told:
    rows         path of an .npz of reference rows, one array per column; absent without rows.
    columns      the names of its columns, in order.
    input_names  the owner's names for the inputs, [] when they gave none.
    path         the trained file, absent for an object of a notebook.
    allow_code   True: the owner trusts code that is in the trained file.
    signature    which signature of a SavedModel is served, "" for its default one.
    double       True: convert with float64 inputs, since the float32 graph was not faithful.
    native       a reason: do not convert, keep the native form.

facts, what comes back:
    runtime      "onnx", or the runtime that loads the native form.
    graph        the file or folder in `out` that the runtime loads.
    signature    {"format": 1, "inputs": [...], "outputs": [...]} as in core/signature.py.
    reason       why it is kept native, "" when it is not.
    sampled      True when no rows were given and they were made up.
    framework, class    of the trained model, for people.
    versions     {library: exact version} of what was used.
    about        what the native runtime must know to call the model, {} if nothing.

Beside the graph, `out` then holds rows.npz (the rows, a column each) and original.npz (the
original's answers to them, by output name); neither holds an object array.
"""
