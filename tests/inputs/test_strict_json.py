"""JSON: what the standard allows and nothing that would change or hide a value."""

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fairlead.core.errors import (
    BodyTooLarge,
    DuplicateName,
    FairleadError,
    JsonTooDeep,
    MalformedBody,
    TextInvalid,
)
from fairlead.core.limits import STANDARD, BodyLimits
from fairlead.inputs.strict_json import check_unique, loads, parse

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
NASTY = st.sampled_from(['"', "\\", '\\"', "[", "]", "{", "}", ":", ",", "12:30", "\\u0000", "é"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | NASTY,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT | NASTY, inner, max_size=4),
    max_leaves=12,
)
LAYOUTS = st.fixed_dictionaries(
    {
        "ensure_ascii": st.booleans(),
        "indent": st.sampled_from([None, 0, 1]),
        "separators": st.sampled_from([(",", ":"), (" , ", " : ")]),
    }
)
PIECES = st.sampled_from(
    ["[", "]", "{", "}", ",", ":", '"', "\\", '"a"', '"b"', '"\\u0061"', '"\\ud800"', '"\\u0000"',
     '"\\\\u0000"', "1", "-", "0", ".", "e", "1e400", "-0", "1" * 19, "1" * 20, "9" * 400, "null",
     "true", "fals", "NaN", "-Infinity", " ", "\n", "\x0b", "\ufeff", "\x00", "\x1f", "'", "/"]
)  # fmt: skip


class Refused(Exception):
    """The oracle does not accept the text."""


def oracle(text: str, depth: int):
    """The standard library's reading of `text`, with our refusals on top."""

    def unique(pairs):
        if len(dict(pairs)) != len(pairs):
            raise Refused
        return dict(pairs)

    def whole(digits):
        number = int(digits)
        return number if -(2**63) <= number < 2**64 else finite(digits)

    def finite(digits):
        if math.isinf(float(digits)):
            raise Refused
        return float(digits)

    try:
        value = json.loads(
            text,
            object_pairs_hook=unique,
            parse_int=whole,
            parse_float=finite,
            parse_constant=lambda word: finite("inf"),
        )
    except (ValueError, RecursionError):
        raise Refused from None
    if levels(value) > depth or any("\0" in t or surrogate(t) for t in texts(value)):
        raise Refused
    return value


def levels(value):
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(levels, value), default=0) if isinstance(value, list) else 0


def texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts(inner)


def surrogate(text):
    return any("\ud800" <= character <= "\udfff" for character in text)


def same(left, right):
    """Equal in value and in type, so that 1 is not 1.0 and not True."""
    if isinstance(left, dict):
        return isinstance(right, dict) and same(list(left.items()), list(right.items()))
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


@given(VALUES, LAYOUTS)
def test_a_value_is_read_as_it_was_written(value, layout):
    assert same(loads(json.dumps(value, **layout).encode()), value)


@given(st.lists(PIECES, max_size=9).map("".join), st.integers(1, 3))
@example("[1e400]", 3)
@example('{"a":1,"\\u0061":2}', 3)
@example('["\\\\u0000"]', 3)
@example('["\\\\\\u0000"]', 3)
@example("[[[[]]]]", 3)
@example('{"a":{"b":1},"c":{"b":1,"b":2}}', 3)
def test_exactly_the_texts_of_the_standard_are_read_but_for_the_refusals(text, depth):
    limits = BodyLimits(depth=depth)
    try:
        expected = oracle(text, depth)
    except Refused:
        with pytest.raises(FairleadError):
            loads(text.encode(), limits)
    else:
        assert same(loads(text.encode(), limits), expected)


@pytest.mark.parametrize("depth", [4, 64, 100, 500])
@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"k":', "}"), ('[{"k":', "}]")])
def test_nesting_ends_where_the_limit_says(depth, left, right):
    times = depth // 2 if len(left) > 5 else depth
    limits = BodyLimits(depth=depth)
    loads(f"{left * times}1{right * times}".encode(), limits)
    with pytest.raises(JsonTooDeep, match=str(depth)):
        loads(f"[{left * times}1{right * times}]".encode(), limits)


@pytest.mark.parametrize("depth", [101, 10_000, 1_000_000])
@pytest.mark.parametrize("rest", [b"", b"]", b'"', b"}"])
def test_a_tower_is_refused_before_it_is_parsed(depth, rest):
    with pytest.raises(JsonTooDeep):
        loads(b"[" * depth + rest)


@given(VALUES)
def test_the_depth_is_counted_outside_of_text_only(value):
    wide = [[]] * 200
    loads(json.dumps([wide, [value]]).encode(), BodyLimits(depth=levels(value) + 3))
    if levels(value) > 0:
        with pytest.raises(JsonTooDeep):
            loads(json.dumps([wide, [value]]).encode(), BodyLimits(depth=levels(value) + 1))


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":2}',
        b'[1,{"a":{"b":1,"b":2}}]',
        b'[[[{"b":1,"b":2}]]]',
        b'[{"a":1},{"a":1,"b":2,"a":3}]',
        b'{"x":["a:b"],"y":1,"y":2}',
        b'{"":1,"":2}',
        b'{"n":' + b"1" * 300 + b',"n":2}',
    ],
)
def test_a_key_given_twice_is_refused_wherever_it_is(body):
    with pytest.raises(DuplicateName):
        loads(body)


@pytest.mark.parametrize("shift", range(6))
def test_an_escape_across_the_pieces_of_a_long_body_is_one_escape(shift):
    """Bodies are scanned in pieces; a quote after a backslash ends no text."""
    text = "[" * 150 + "x" * shift + '\\"' * (1 << 17)
    body = json.dumps([[]] * 60 + [text]).encode()
    assert loads(body, BodyLimits(depth=4))[-1] == text
    with pytest.raises(JsonTooDeep):
        loads(body[:-1] + b",[[[[]]]]]", BodyLimits(depth=4))


@given(VALUES, st.integers(0, 3))
def test_a_count_of_keys_that_is_too_low_refuses_nothing(value, fewer):
    body = json.dumps(value).encode()
    parse(body)
    check_unique(body, max(0, body.count(b":") - fewer))


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"\n\t", b"nul", b"[1,]", b"{,}", b"01", b"1.", b".5", b"+1", b"0x1", b"'a'",
     b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"9" * 5000, b"[1] 2", b'{"a"}',
     b"\xef\xbb\xbf{}", b'"\xc0\xaf"', b'"\xff"', b'"\xed\xa0\x80"', b'"\\ud800"', b'"\t"',
     b'"a\x00"', b"\x00", b"//", b"[1 2]", b'{"a":1 "b":2}'],
)  # fmt: skip
def test_what_is_no_json_is_malformed(body):
    with pytest.raises(MalformedBody):
        loads(body)


def test_an_error_says_where_reading_stopped():
    with pytest.raises(MalformedBody) as caught:
        loads(b'{"a": 1,\n "b": }')
    assert caught.value.where is not None
    assert caught.value.where.startswith("line 2, column")


@pytest.mark.parametrize("body", [rb'"\u0000"', rb'"a\\\u0000"', rb'{"\u0000":1}'])
def test_an_escaped_nul_is_refused(body):
    with pytest.raises(TextInvalid):
        loads(body)


@pytest.mark.parametrize("body", [rb'"\\u0000"', rb'"\\\\u0000"', b'["\\\\u0000"]'])
def test_text_that_only_looks_like_a_nul_is_read(body):
    assert loads(body) == json.loads(body)


@pytest.mark.parametrize(
    ("digits", "value"),
    [
        ("18446744073709551615", 2**64 - 1),
        ("-9223372036854775808", -(2**63)),
        ("18446744073709551616", 2.0**64),
        ("5e-324", 5e-324),
    ],
)
def test_an_integer_of_64_bits_is_exact_and_a_larger_one_is_no_integer(digits, value):
    assert same(loads(digits.encode()), value)


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"1," * (2 << 20) + b"1]",
        b"[" + b"{}," * (300 << 10) + b"1]",
        b"[" + b"[]," * (600 << 10) + b"1]",
        b"{" + b",".join(b'"%d":1' % i for i in range(1 << 20)) + b"}",
    ],
    ids=["numbers", "objects", "lists", "keys"],
)
def test_json_that_would_take_too_much_memory_is_not_parsed(body):
    with pytest.raises(BodyTooLarge, match="64 MiB"):
        loads(body)
    loads(body, BodyLimits(parsed=STANDARD.parsed * 16))


def test_commas_and_brackets_in_text_take_no_memory():
    text = ",[{:" * (1 << 18)
    small = BodyLimits(parsed=1 << 20)
    assert loads(json.dumps([text]).encode(), small) == [text]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 101 + b'"' + b'\\"' * (1 << 20),
        b"[" * 101 + b'""' * (1 << 20),
        b"[" + b"[]," * (1 << 20),
        b'["' + b"\\\\" * (1 << 20) + b'u0000\\u0000"]',
        b'{"a":"' + b":" * (1 << 20) + b'"',
        b"[" * 101 + b'"' + b"\\" * (20 << 20),
    ],
    ids=["quotes", "texts", "lists", "escapes", "colons", "backslashes"],
)
def test_no_body_makes_reading_slow(body):
    """Each of these once took, or would take, time that grows with the square of its length."""
    with pytest.raises(FairleadError):
        loads(body)
