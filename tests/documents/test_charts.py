"""Charts: whole drawings of plain parts, in which no text can do anything."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.documents.parts import HOSTILE

from fairlead.documents.charts import MANY, WIDTH, columns, escaped, histogram, mix, strip


def bar(label="x", learnt=0.5, now=0.2, *, beside=False):
    return {"label": label, "learnt": learnt, "now": now, "beside": beside}


def past(distance=0.1, surprise=1.0):
    return {"when": "noon", "rows": 256, "distance": distance, "surprise": surprise}


@given(st.text())
def test_an_escaped_text_is_inert_and_short_wherever_it_stands(text):
    found = escaped(text + HOSTILE)
    assert not set(found) & set("<>\"'\x1b\u202e\n")
    root = ElementTree.fromstring(f'<a b="{found}">{found}</a>')
    assert root.text == root.attrib["b"]
    assert len(root.text or "") <= 200
    assert list(root) == []


@pytest.mark.parametrize("count", [1, 2, MANY - 1, MANY, 26])
@pytest.mark.parametrize("seen", [True, False])
def test_a_histogram_draws_every_bar_and_says_what_it_is(count, seen):
    drawing = histogram([bar(HOSTILE)] * count, seen=seen, learnt_from="training rows")
    root = ElementTree.fromstring(drawing)
    kinds = [part.attrib.get("class") for part in root]
    assert kinds.count("learnt") == kinds.count("over") == count
    assert ("now" in kinds or "now-line" in kinds) == seen
    told = [title.text or "" for title in root.iter("title")]
    assert all("50.0% of training rows" in each for each in told)
    assert all(("20.0% of the window" in each) == seen for each in told)


def test_nothing_is_drawn_outside():
    bars = [bar(learnt=1.0), bar(learnt=0.0, now=1.0)] * 10
    for part in ElementTree.fromstring(histogram(bars, seen=True, learnt_from="rows")).iter("rect"):
        left, width = float(part.attrib["x"]), float(part.attrib["width"])
        assert 0 <= left <= left + width <= WIDTH + 0.1
        assert 0 <= float(part.attrib["y"]) <= 97


def test_a_scale_of_many_bars_leaves_out_what_lies_beside_it():
    few = [bar(), bar(beside=True)]
    many = [*[bar()] * 20, bar(beside=True)]
    assert histogram(few, seen=True, learnt_from="rows").count("<title>") == 2
    assert histogram(many, seen=True, learnt_from="rows").count("<title>") == 20
    assert histogram([bar(beside=True)] * MANY, seen=True, learnt_from="rows") == ""


def test_windows_beyond_the_line_stand_out():
    drawing = strip([past(), past(surprise=9.0), past(0.0, 0.0)], line=4.0)
    kinds = [part.attrib["class"] for part in ElementTree.fromstring(drawing).iter("rect")]
    assert kinds == ["past", "past beyond", "past"]
    assert strip([], line=4.0) == ""
    assert len(list(ElementTree.fromstring(strip([past()] * 200, 4.0)).iter("rect"))) == 200


def rects(drawing, kind):
    tags = ElementTree.fromstring(drawing).iter("rect")
    return [tag for tag in tags if tag.get("class") == kind]


@given(
    st.lists(st.tuples(st.text(max_size=5), st.floats(0, 1e12), st.text(max_size=20)), max_size=70)
)
def test_a_column_is_as_high_as_its_value_and_no_text_does_anything(values):
    drawing = columns(values, HOSTILE)
    if not any(value for _, value, _ in values):
        assert drawing == ""
        return
    heights = [float(tag.get("height")) for tag in rects(drawing, "now")]
    assert len(heights) == len(values)
    top = max(value for _, value, _ in values)
    for height, (_, value, _) in zip(heights, values, strict=True):
        assert (height > 0) == (value > 0)
        assert height <= 93
        if value == top:
            assert height == pytest.approx(92, abs=0.1)


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=6))
def test_the_parts_of_a_mix_fill_it_by_their_shares(values):
    drawing = mix([("now", HOSTILE, value) for value in values], HOSTILE)
    if not sum(values):
        assert drawing == ""
        return
    widths = [float(tag.get("width")) for tag in rects(drawing, "now")]
    assert sum(widths) == pytest.approx(WIDTH, abs=0.1)
    for width, value in zip(widths, values, strict=True):
        assert width == pytest.approx(value / sum(values) * WIDTH, abs=0.02)
