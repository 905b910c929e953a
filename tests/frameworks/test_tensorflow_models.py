"""SavedModels: converted, compared with TensorFlow, kept native where they must."""

from __future__ import annotations

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from tests.frameworks import tensorflow_models as models  # noqa: E402
from tests.frameworks.parts import close, convert, rows_file  # noqa: E402

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def test_tensorflow_a_dense_network_becomes_a_batched_graph_under_its_own_names(tmp_path):
    model = models.dense(tmp_path / "saved")
    found = convert("tensorflow", tmp_path / "saved", tmp_path)
    assert found.shapes == {"features": [-1, 8], "output_0": [-1, 3]}
    assert found.facts["sampled"]
    assert found.comparison().faithful
    for count in (1, 2, 33):
        held_out = models.rows(count, 8, seed=count)
        assert close(found.predict(held_out), [model(held_out).numpy()])


def test_tensorflow_the_same_model_makes_the_same_bytes_that_tell_nothing_of_the_machine(tmp_path):
    models.looked_up(tmp_path / "saved")
    first, second = (convert("tensorflow", tmp_path / "saved", tmp_path) for _ in range(2))
    assert first.graph == second.graph
    for told in (b"site-packages", b"Partitioned", str(tmp_path).encode()):
        assert told not in first.graph


def test_tensorflow_a_picture_network_is_converted(tmp_path):
    model = models.picture(tmp_path / "saved")
    found = convert("tensorflow", tmp_path / "saved", tmp_path)
    assert found.shapes == {"image": [-1, 8, 8, 3], "output_0": [-1, 2]}
    held_out = models.rows(7, 8, 8, 3, seed=5)
    assert close(found.predict(held_out), [model(held_out).numpy()])


def test_tensorflow_several_inputs_and_outputs_stand_in_the_order_of_their_names(tmp_path):
    model = models.several(tmp_path / "saved")
    found = convert("tensorflow", tmp_path / "saved", tmp_path)
    assert list(found.shapes) == ["extra", "ids", "output_0", "output_1"]
    assert found.facts["signature"]["inputs"][1]["datatype"] == "INT32"
    assert found.rows.columns["ids[0]"].max() < models.WORDS
    assert found.comparison().faithful
    numbers, ids = models.rows(6, 4), np.arange(30, dtype=np.int32).reshape(6, 5)
    assert close(found.predict(numbers, ids), [a.numpy() for a in model([ids, numbers])])


def test_tensorflow_a_text_column_that_is_looked_up_is_converted(tmp_path):
    model = models.looked_up(tmp_path / "saved")
    found = convert("tensorflow", tmp_path / "saved", tmp_path)
    assert found.facts["runtime"] == "onnx"
    assert [s["datatype"] for s in found.facts["signature"]["inputs"]] == ["BYTES", "FP32"]
    colours = models.texts("red", "green", "blue", "").reshape(-1, 1)
    sizes = models.rows(4, 1)
    theirs = model([tf.constant(colours.tolist()), tf.constant(sizes)]).numpy()
    assert close(found.predict(colours, sizes), [theirs])


def test_tensorflow_the_owners_input_names_win(tmp_path):
    model = models.several(tmp_path / "saved")
    numbers, ids = models.rows(6, 4), np.arange(30, dtype=np.int32).reshape(6, 5)
    theirs = [a.numpy() for a in model([ids, numbers])]
    for native in ("", "to see"):
        job = {"input_names": ["numbers", "words"], "native": native}
        found = convert("tensorflow", tmp_path / "saved", tmp_path, **job)
        assert list(found.shapes)[:2] == ["numbers", "words"]
        assert close(found.predict(numbers, ids), theirs)


def test_tensorflow_text_that_onnx_treats_otherwise_is_kept_native_and_text_goes_and_comes(
    tmp_path,
):
    module = models.Text()
    for function, reason in ((module.hush, "StringNormalizer"), (module.shout, "StringLength")):
        folder = models.saved(module, tmp_path / function.__name__, serving_default=function)
        found = convert("tensorflow", folder, tmp_path)
        assert found.facts["runtime"] == "tensorflow"
        assert reason in found.facts["reason"]
        given = ["Straße", "naïve", "", "a b"]
        answered = dict(
            zip(list(found.shapes)[1:], found.predict(models.texts(*given)), strict=True)
        )
        for name, theirs in function(tf.constant(given)).items():
            mine = [v.encode() if isinstance(v, str) else v for v in answered[name].tolist()]
            assert mine == theirs.numpy().tolist()


def test_tensorflow_the_signature_that_is_asked_for_is_served_else_the_default_or_only_one(
    tmp_path,
):
    module = models.Text()
    only = models.saved(module, tmp_path / "only", hush=module.hush)
    assert list(convert("tensorflow", only, tmp_path).shapes) == ["text", "quiet"]
    both = {"serving_default": module.shout, "hush": module.hush}
    folder = models.saved(module, tmp_path / "both", **both)
    assert list(convert("tensorflow", folder, tmp_path).shapes) == ["text", "length", "loud"]
    found = convert("tensorflow", folder, tmp_path, signature="hush")
    assert list(found.shapes) == ["text", "quiet"]
    with pytest.raises(ValueError, match=r"no signature 'x', it has hush, serving_default.*--sign"):
        convert("tensorflow", folder, tmp_path, signature="x")
    neither = models.saved(module, tmp_path / "neither", a=module.shout, b=module.hush)
    with pytest.raises(ValueError, match=r"no signature 'serving_default', it has a, b"):
        convert("tensorflow", neither, tmp_path)


def test_tensorflow_a_saved_model_without_a_signature_is_refused_with_how_to_write_one(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "saved"))
    with pytest.raises(ValueError, match=r"no signature: write it by model\.export"):
        convert("tensorflow", tmp_path / "saved", tmp_path)


def test_tensorflow_a_fixed_number_of_rows_stays_fixed_and_is_compared_call_by_call(tmp_path):
    module = models.Matrix()
    folder = models.saved(module, tmp_path / "saved", serving_default=module.times)
    given = rows_file(tmp_path / "rows.npz", {"values": models.rows(11, 3)})
    for job, calls in (({}, 64), (given, 5)):
        found = convert("tensorflow", folder, tmp_path, **job)
        assert found.shapes == {"values": [2, 3], "product": [2, 2]}
        assert found.comparison().rows == calls
        assert found.comparison().faithful
        held_out = models.rows(2, 3, seed=3)
        assert close(found.predict(held_out), [module.times(held_out)["product"].numpy()])


def test_tensorflow_rows_that_need_each_other_are_no_batch(tmp_path):
    module = models.Rows()
    folder = models.saved(module, tmp_path / "saved", serving_default=module.centred)
    with pytest.raises(ValueError, match="a row's answer depends on the rows beside it"):
        convert("tensorflow", folder, tmp_path)


def test_tensorflow_a_graph_that_reaches_for_files_is_served_only_where_the_owner_allows_it(
    tmp_path,
):
    module = models.Files()
    folder = models.saved(module, tmp_path / "saved", serving_default=module.contents)
    with pytest.raises(ValueError, match=r"outside itself by ReadFile.*--allow-code"):
        convert("tensorflow", folder, tmp_path)
    note = tmp_path / "note.txt"
    note.write_text("hello")
    job = rows_file(tmp_path / "rows.npz", {"name": np.array([str(note)])})
    found = convert("tensorflow", folder, tmp_path, allow_code=True, **job)
    assert found.facts["runtime"] == "tensorflow"
    assert found.predict(np.array(str(note), dtype=object))[0] == "hello"


def test_tensorflow_a_keras_model_of_a_notebook_is_saved_and_converted(tmp_path):
    model = models.dense(tmp_path / "unused")
    found = convert("tensorflow", model, tmp_path)
    assert found.facts["runtime"] == "onnx"
    held_out = models.rows(5, 8)
    assert close(found.predict(held_out), [model(held_out).numpy()])
    kept = convert("tensorflow", model, tmp_path, native="to see")
    assert close(kept.predict(held_out), [model(held_out).numpy()])


def test_tensorflow_a_file_is_refused_with_how_to_write_a_saved_model(tmp_path):
    path = tmp_path / "model.keras"
    models.dense(tmp_path / "unused").save(path)
    with pytest.raises(ValueError, match=r"no SavedModel folder.*model\.export\('folder'\)"):
        convert("tensorflow", path, tmp_path)


def test_tensorflow_a_damaged_saved_model_is_refused(tmp_path):
    models.dense(tmp_path / "saved")
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"\xff" * 100)
    with pytest.raises(ValueError, match=r"saved_model\.pb is damaged"):
        convert("tensorflow", tmp_path / "saved", tmp_path)
